"""Units where values meet: sums, products, choices, attention."""

from __future__ import annotations

import numpy as np

from nnstruct.program.blocks import ListBlock, identity_edges
from nnstruct.program.movement import NO_UNIT, compressed
from nnstruct.program.pointwise import set_codes
from nnstruct.program.steps import Step
from nnstruct.program.wiring import Wiring, numbered, rule


@rule("join")
def _join(wiring: Wiring, index: int, step: Step) -> None:
    sides = [_with_axes(wiring.ids[value], len(step.shape)) for value in step.inputs]
    sizes = np.broadcast_shapes(*(side.shape for side in sides))
    sides = [np.broadcast_to(side, sizes) for side in sides]
    first, number = numbered((sides[0] + 1) * (wiring.num_units + 1) + sides[1] + 1)
    for side in sides[2:]:
        first, number = numbered(number * (wiring.num_units + 1) + side + 1)
    start = wiring.new_units(index, len(first), step.options["function"])
    target = start + np.arange(len(first))
    ends = [side.ravel()[first] for side in sides]
    if len(ends) == 2:
        sign = {"sub": -1.0}.get(step.options["function"], 1.0) * step.options.get("alpha", 1.0)
        wiring.blocks.append(_two_sides(index, ends[0], ends[1], target, sign))
    else:
        read = np.stack(ends)
        known = read != NO_UNIT
        wiring.blocks.append(identity_edges(index, read[known], np.broadcast_to(target, read.shape)[known]))
    wiring.give(step.outputs[0], compressed(number + start))


def _two_sides(index: int, a: np.ndarray, b: np.ndarray, target: np.ndarray, sign: float) -> ListBlock:
    same = a == b
    source = np.concatenate([a, b[~same]])
    ends = np.concatenate([target, target[~same]])
    values = np.ones((len(source), 1), dtype=np.float32)
    values[len(a) :] = sign
    values[: len(a)][same] = 1.0 + sign
    return ListBlock(index, "identity", False, source, ends, values)


def _with_axes(ids: np.ndarray, ndim: int) -> np.ndarray:
    return ids.reshape((1,) * (ndim - ids.ndim) + ids.shape)


def product_units(
    wiring: Wiring, index: int, operator: str, left: np.ndarray, right: np.ndarray
) -> np.ndarray:
    """Units of a matrix product of two values.

    An element of the product reads a row of the left value and a column of the right one; elements
    that read the same units are one unit.

    Parameters
    ----------
    left : int64 [..., M, K]
        Units of the left value; axes have length 1 where the unit does not depend on them.
    right : int64 [..., K, N]

    Returns
    -------
    int64 [..., M, N]
    """
    ndim = max(left.ndim, right.ndim)
    left, right = _with_axes(left, ndim), _with_axes(right, ndim)
    columns = np.swapaxes(right, -1, -2)
    row_code, column_code = set_codes(left), set_codes(columns)  # [..., M], [..., N]
    _, row_first = np.unique(row_code, return_index=True)
    _, column_first = np.unique(column_code, return_index=True)
    rows = left.reshape(-1, left.shape[-1])[row_first]
    cols = columns.reshape(-1, columns.shape[-1])[column_first]
    codes = row_code[..., :, None] * len(cols) + column_code[..., None, :]
    first, number = numbered(codes)
    start = wiring.new_units(index, len(first), operator)
    chosen = codes.ravel()[first]
    sources, targets = [], []
    for sets, which in ((rows, chosen // len(cols)), (cols, chosen % len(cols))):
        source = sets[which]
        target = np.broadcast_to(start + np.arange(len(first))[:, None], source.shape)
        sources.append(source[source != NO_UNIT])
        targets.append(target[source != NO_UNIT])
    wiring.blocks.append(identity_edges(index, np.concatenate(sources), np.concatenate(targets)))
    return number + start


@rule("matmul")
def _matmul(wiring: Wiring, index: int, step: Step) -> None:
    left, right = (wiring.ids[value] for value in step.inputs)
    wiring.give(step.outputs[0], compressed(product_units(wiring, index, "matmul", left, right)))


@rule("attention")
def _attention(wiring: Wiring, index: int, step: Step) -> None:
    query, key, value = (wiring.ids[place] for place in step.inputs[:3])
    scores = product_units(wiring, index, "attention_score", query, np.swapaxes(key, -1, -2))
    wiring.groups[-1].labels.append("softmax")
    made = product_units(wiring, index, "attention", compressed(scores), value)
    wiring.give(step.outputs[0], compressed(made))


@rule("constant")
def _constant(wiring: Wiring, index: int, step: Step) -> None:
    wiring.ids[step.outputs[0]] = np.full((1,) * len(step.shape), NO_UNIT)
