"""Units of linear layers, convolutions, embeddings and bilinear layers."""

from __future__ import annotations

import math

import numpy as np

from nnstruct.program.blocks import DenseBlock, ListBlock, columns, gathered, identity_edges
from nnstruct.program.movement import NO_UNIT, compressed
from nnstruct.program.steps import Step, UnsupportedOperationError
from nnstruct.program.unrolled import ConvolutionBlock, Template, convolution_pairs
from nnstruct.program.wiring import Wiring, rule


def add_dense(
    wiring: Wiring, index: int, role: str, rows: np.ndarray, target: np.ndarray, matrix: np.ndarray,
    *, recurrent: bool = False,
) -> None:  # fmt: skip
    """Add the edges of a matrix from the units that a value has to new units.

    Parameters
    ----------
    wiring : Wiring
        Its ``blocks`` grow.
    index : int
        Place of the step in the program.
    role : str
        The tensor of the step that the matrix comes from.
    rows : int64 [P, F]
        Units that are read, a row for each place; -1 for constants. A unit may stand in a row more than
        once: its edge then has a value for each time. It may stand in several rows.
    target : int64 [P, O]
        Units that read them.
    matrix : float32 [O, F, k]
    recurrent : bool
        Whether the edges are delayed by one time step.
    """
    plain = len(rows) > 1 and (rows >= 0).all() and (np.diff(np.sort(rows, axis=1), axis=1) > 0).all()
    if plain:
        values = matrix.transpose(1, 0, 2)[None]  # [1, F, O, k]
        wiring.blocks.append(DenseBlock(index, role, recurrent, rows, target, values))
        return
    for row, ends in zip(rows, target, strict=True):
        unit, place = columns(row)
        values = gathered(matrix, place)[None]  # [1, U, O, T * k]
        wiring.blocks.append(DenseBlock(index, role, recurrent, unit[None], ends[None], values))


@rule("linear")
def _linear(wiring: Wiring, index: int, step: Step) -> None:
    weight = wiring.weight(step, "weight")  # [O, F]
    rows, carried = wiring.rows(step.inputs[0])
    rows, which = _distinct(rows)
    outputs, places = weight.shape[0], len(rows)
    start = wiring.new_units(index, places * outputs, step.operator)
    target = start + np.arange(places * outputs).reshape(places, outputs)
    add_dense(wiring, index, "weight", rows, target, weight[:, :, None])
    bias = wiring.constant(step, "bias")
    if bias is not None:
        wiring.biases.append((start, np.tile(bias, places)[:, None]))
    wiring.give(step.outputs[0], compressed(target[which].reshape(*carried, outputs)))


def _distinct(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows of units, each once in the order of first appearance, and which of them each row is."""
    if len(rows) < 2:
        return rows, np.zeros(len(rows), dtype=np.int64)
    _, first, inverse = np.unique(rows, axis=0, return_index=True, return_inverse=True)
    order = np.argsort(first, kind="stable")
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return rows[first[order]], rank[inverse.ravel()]


@rule("conv")
def _conv(wiring: Wiring, index: int, step: Step) -> None:
    nd = step.options["nd"]
    value = step.inputs[0]
    ids: np.ndarray = wiring.ids[value]
    first_axis: int = ids.ndim - nd - 1
    if max(ids.shape[:first_axis], default=1) > 1:
        raise UnsupportedOperationError(step.operator, step.name, "read one batch axis")
    ids = ids.reshape(ids.shape[first_axis:])
    channels = wiring.shape[value][first_axis]
    unrolled = wiring.resolution == "weight" or max(ids.shape[1:], default=1) > 1
    kernel = _grouped(wiring, step)  # [groups, in / groups, out / groups, taps]
    groups, _, per_group, _ = kernel.shape
    count = groups * per_group
    bias = wiring.constant(step, "bias")
    lead = (1,) * first_axis
    if unrolled:
        inputs, outputs = wiring.shape[value][first_axis + 1 :], step.shape[first_axis + 1 :]
        source = np.broadcast_to(ids, (channels, *inputs)).reshape(channels, -1)
        positions = math.prod(outputs)
        start = wiring.new_units(index, count * positions, step.operator)
        template = _template(step, inputs, outputs)
        wiring.blocks.append(ConvolutionBlock(index, "weight", False, source, start, kernel, template))
        out = (start + np.arange(count * positions)).reshape(*lead, count, *outputs)
        bias = None if bias is None else np.repeat(bias, positions)
    else:
        start = wiring.new_units(index, count, step.operator)
        target = (start + np.arange(count)).reshape(groups, per_group)
        source = np.broadcast_to(ids.reshape(-1), (channels,)).reshape(groups, -1)
        _add_channels(wiring, index, source, target, kernel)
        out = target.reshape(*lead, count, *(1,) * nd)
    if bias is not None:
        wiring.biases.append((start, bias[:, None]))
    wiring.give(step.outputs[0], out)


def _grouped(wiring: Wiring, step: Step) -> np.ndarray:
    weight = wiring.weight(step, "weight")
    groups = step.options["groups"]
    if step.options["transposed"]:  # [in, out / groups, *kernel]
        inputs, per_group = weight.shape[:2]
        return weight.reshape(groups, inputs // groups, per_group, -1)
    outputs, inner = weight.shape[:2]  # [out, in / groups, *kernel]
    return weight.reshape(groups, outputs // groups, inner, -1).transpose(0, 2, 1, 3)


def _add_channels(
    wiring: Wiring, index: int, source: np.ndarray, target: np.ndarray, kernel: np.ndarray
) -> None:
    flat = source.ravel()
    if (flat >= 0).all() and len(np.unique(flat)) == flat.size:
        if source.shape[0] == 1 and (np.diff(flat) < 0).any():
            order = np.argsort(flat)
            source, kernel = source[:, order], kernel[:, order]
        wiring.blocks.append(DenseBlock(index, "weight", False, source, target, kernel))
        return
    for row, ends, part in zip(source, target, kernel, strict=True):
        unit, place = columns(row)
        values = gathered(part.transpose(1, 0, 2), place)[None]
        wiring.blocks.append(DenseBlock(index, "weight", False, unit[None], ends[None], values))


def _template(step: Step, inputs: tuple[int, ...], outputs: tuple[int, ...]) -> Template:
    options = step.options
    kernel = options["kernel"]
    axes = [
        convolution_pairs(n, o, k, s, p, d, options["transposed"])
        for n, o, k, s, p, d in zip(
            inputs, outputs, kernel, options["stride"], options["padding"], options["dilation"], strict=True
        )
    ]
    return Template.of(axes, inputs, outputs, kernel)


@rule("embedding")
def _embedding(wiring: Wiring, index: int, step: Step) -> None:
    weight = wiring.weight(step, "weight")  # [V, D]
    symbol = np.unique(wiring.ids[step.inputs[0]])
    if len(symbol) != 1 or symbol[0] == NO_UNIT:
        raise UnsupportedOperationError("embedding", step.name, "read an input of the network")
    symbols, width = weight.shape
    start = wiring.new_units(index, width, "embedding")
    target = start + np.arange(width)
    if int(symbol[0]) in wiring.symbols:
        source, values = symbol[0] + np.arange(symbols), weight[None, :, :, None]
    else:
        source, values = symbol, weight.T[None, None]
    wiring.blocks.append(DenseBlock(index, "weight", False, source[None], target[None], values))
    lead = (1,) * (len(step.shape) - 1)
    wiring.give(step.outputs[0], target.reshape(*lead, width))


@rule("bilinear")
def _bilinear(wiring: Wiring, index: int, step: Step) -> None:
    weight = wiring.weight(step, "weight")  # [O, A, B]
    (left, carried), (right, other) = wiring.rows(step.inputs[0]), wiring.rows(step.inputs[1])
    if len(left) > 1 or len(right) > 1:
        raise UnsupportedOperationError("bilinear", step.name, "read the same units at every position")
    a, b = left[0], right[0]
    if (a < 0).any() or (b < 0).any() or len(np.unique(a)) < len(a) or len(np.unique(b)) < len(b):
        raise UnsupportedOperationError("bilinear", step.name, "read each unit once on either side")
    outputs = weight.shape[0]
    if wiring.resolution == "weight":
        # A product of two units is a unit, so that each weight has an edge of its own.
        first = wiring.new_units(index, len(a) * len(b), "mul")
        product = first + np.arange(len(a) * len(b)).reshape(len(a), len(b))
        ends = [np.broadcast_to(side, product.shape) for side in (a[:, None], b[None, :])]
        wiring.blocks.append(identity_edges(index, np.stack(ends), np.stack([product, product])))
        start = wiring.new_units(index, outputs, "bilinear")
        target = start + np.arange(outputs)
        values = weight.reshape(outputs, -1).T[None, :, :, None]
        wiring.blocks.append(DenseBlock(index, "weight", False, product.reshape(1, -1), target[None], values))
    else:
        start = wiring.new_units(index, outputs, "bilinear")
        target = start + np.arange(outputs)
        unit, place = columns(a)
        values = gathered(weight, place)[None]
        wiring.blocks.append(DenseBlock(index, "weight", False, unit[None], target[None], values))
        output, factor = np.nonzero((np.abs(weight) > wiring.threshold).any(axis=1))
        source = b[factor]
        other_only = ~np.isin(source, a)
        ones = np.ones((int(other_only.sum()), 1), dtype=np.float32)
        wiring.blocks.append(
            ListBlock(index, "identity", False, source[other_only], target[output[other_only]], ones)
        )
    bias = wiring.constant(step, "bias")
    if bias is not None:
        wiring.biases.append((start, bias[:, None]))
    lead = np.broadcast_shapes(carried, other)
    wiring.give(step.outputs[0], target.reshape(*(1,) * len(lead), outputs))
