"""Units and edge blocks put together into a Network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from nnstruct.errors import InvalidInputError
from nnstruct.network.module_network import EdgeBlock, ModuleNetwork
from nnstruct.program.blocks import Block, DenseBlock
from nnstruct.program.movement import NO_UNIT
from nnstruct.program.numbering import wired
from nnstruct.program.sizes import step_sizes
from nnstruct.program.steps import Program
from nnstruct.program.wiring import Wiring
from nnstruct.structure import Structure
from nnstruct.structure.fields import SIZES

MAX_EDGES = 50_000_000
# Edge ends, the recurrent flag, a place in the edges and what the last block needs while they are put
# together, measured; the edge's values come on top, 4 bytes each.
BYTES_PER_EDGE = 32
# Where edges are made in the order that they have in the end, as those of a chain of layers.
BYTES_IN_ORDER = 24
# Integers up to this many go into the structure's origin as part of the program.
_MAX_INTEGERS = 100_000
EDGE_ROLES = frozenset({"weight", "weight_ih", "weight_hh", "weight_hr"})
_WITH_EDGES = frozenset({"linear", "conv", "embedding", "bilinear", "rnn", "rnn_cell"})


def wire(
    program: Program,
    resolution: str = "unit",
    *,
    threshold: float = 0.0,
    max_edges: int = MAX_EDGES,
    origin: dict[str, Any] | None = None,
) -> ModuleNetwork:
    """The units and edges of a program.

    Parameters
    ----------
    program : Program
    resolution : str
        ``unit`` or ``weight``.
    threshold : float
        Weights up to this magnitude count as zero.
    max_edges : int
        Refuse to make more edges than this.
    origin : dict, optional
        What else the structure's origin shall say.

    Returns
    -------
    ModuleNetwork
        Of the family ``module``. Steps that no output needs are left out of its program.

    Raises
    ------
    InvalidInputError
        If there would be too many edges; the message says how many and how much memory they take.
    UnsupportedOperationError
        If a step cannot become units and edges at this resolution.
    """
    program = program.pruned()
    wiring = wired(program, resolution, threshold, merges=True)
    program = wiring.program
    estimate = sum(block.upper_bound for block in wiring.blocks)
    if estimate > max_edges:
        raise InvalidInputError(
            "resolution",
            f"give at most max_edges={max_edges:,} edges",
            f"{resolution!r} with up to {estimate:,} edges ({peak_bytes(wiring.blocks) / 2**30:.2f} GiB)",
            f'Take resolution="{"layer" if resolution == "unit" else "unit"}", or raise max_edges.',
        )
    blocks, edges, delayed = _filled(wiring)
    outputs = np.zeros(wiring.num_units, dtype=bool)
    for value in program.outputs:
        ids = wiring.ids[value]
        outputs[ids[ids != NO_UNIT]] = True
    inputs = np.zeros(wiring.num_units, dtype=bool)
    for group in wiring.groups:
        if group.step < 0:
            inputs[group.start : group.start + group.count] = True
    structure = Structure(
        edges,
        wiring.num_units,
        recurrent=delayed,
        family="module",
        inputs=inputs,
        outputs=outputs,
        attributes=unit_attributes(wiring, program),
        origin={"kind": "extract", "resolution": resolution, **(origin or {}), "program": _stored(program)},
    )
    tensors, light = _without_weights(program, _on_constants(wiring))
    return ModuleNetwork(structure, blocks, _biases(wiring), tensors, light, wiring.groups, resolution)


def peak_bytes(blocks: Sequence[Block]) -> int:
    """What :func:`wire` takes while it puts blocks of edges together, in bytes.

    Parameters
    ----------
    blocks : sequence of Block

    Returns
    -------
    int
        Within 30% of what is measured, where nearly all edges are there.
    """
    total, each = 0, BYTES_IN_ORDER if _made_in_order(blocks) else BYTES_PER_EDGE
    for block in blocks:
        width = block.values.shape[-1] if isinstance(block, DenseBlock) else 1
        total += block.upper_bound * (each + 4 * width)
    return total


def _made_in_order(blocks: Sequence[Block]) -> bool:
    """Whether the sources of all blocks, one after the other, rise."""
    last = -1
    for block in blocks:
        if not isinstance(block, DenseBlock) or block.recurrent:
            return False
        source = block.source.ravel()
        if not len(source):
            continue
        if source[0] <= last or (np.diff(source) <= 0).any():
            return False
        last = int(source[-1])
    return True


def _stored(program: Program) -> dict[str, Any] | None:
    integers = sum(value.size for value in program.constants.values() if value.dtype.kind != "f")
    return None if integers > _MAX_INTEGERS else program.to_json()


def _filled(wiring: Wiring) -> tuple[list[EdgeBlock], np.ndarray, np.ndarray]:
    silenced = None
    if any(len(units) for units in wiring.silenced):
        silenced = np.zeros(wiring.num_units, dtype=bool)
        silenced[np.concatenate(wiring.silenced)] = True
    waiting: list[Block] = sorted(wiring.blocks, key=lambda block: block.recurrent)
    counts = [block.prepare(wiring.threshold, silenced) for block in waiting]
    edges = np.empty((2, sum(counts)), dtype=np.int64)
    delayed = np.zeros(edges.shape[1], dtype=bool)
    blocks, at = [], 0
    for block, count in zip(waiting, counts, strict=True):
        here = slice(at, at + count)
        values = block.fill(edges[0, here], edges[1, here])
        delayed[here] = block.recurrent
        parameter = wiring.program.steps[block.step].tensors.get(block.role, "")
        blocks.append(EdgeBlock(block.step, block.role, parameter, block.recurrent, here, values))
        at += count
    first = int(len(delayed) - np.count_nonzero(delayed))
    if all(_rising(part) for part in (edges[:, :first], edges[:, first:])):
        edges.setflags(write=False)
        return blocks, edges, delayed
    pairs: list[np.ndarray] = []
    if wiring.num_units < 2**31:
        # Half as large as they are in the end, so that they can stand beside them.
        pairs += [edges[:, block.edges].astype(np.int32) for block in blocks]
        del edges
        merged = _merged(pairs, blocks, wiring.num_units)
        if merged is not None:
            return merged[1], merged[0], delayed
        edges = np.concatenate(pairs, axis=1).astype(np.int64)
    pairs.clear()
    edges, delayed, blocks = _in_order(edges, delayed, blocks, wiring.num_units)
    return blocks, edges, delayed


def _merged(
    pairs: list[np.ndarray], blocks: list[EdgeBlock], num_units: int
) -> tuple[np.ndarray, list[EdgeBlock]] | None:
    """Edges in the canonical order of Structure, without sorting them.

    None where a block is not in that order itself, or two of them have targets between each other's.
    """
    runs = []
    for recurrent in (False, True):
        run = [n for n, block in enumerate(blocks) if block.recurrent == recurrent and pairs[n].shape[1]]
        run.sort(key=lambda n: int(pairs[n][1].min()))
        lowest, highest = ([int(end(pairs[n][1])) for n in run] for end in (np.min, np.max))
        if any(low <= high for low, high in zip(lowest[1:], highest, strict=False)):
            return None
        if not all(_rising(pairs[n]) for n in run):
            return None
        runs.append(run)
    edges = np.empty((2, sum(pair.shape[1] for pair in pairs)), dtype=np.int64)
    placed, base = list(blocks), 0
    for run in runs:
        degree = np.zeros(num_units, dtype=np.int64)
        for n in run:
            degree += np.bincount(pairs[n][0], minlength=num_units)
        following = base + np.cumsum(degree) - degree  # of each unit the place of its next edge
        base += int(degree.sum())
        for n in run:
            count = np.bincount(pairs[n][0], minlength=num_units)
            place = (following - np.cumsum(count) + count)[pairs[n][0]]
            place += np.arange(len(place))
            following += count
            first, last = int(place[0]), int(place[-1])
            here: np.ndarray | slice = slice(first, last + 1)
            if last - first + 1 > len(place):
                here = place.astype(pairs[n].dtype) if edges.shape[1] < 2**31 else place
            edges[:, here] = pairs[n]
            placed[n] = replace(placed[n], edges=here)
            pairs[n] = pairs[n][:, :0]
    edges.setflags(write=False)
    return edges, placed


def _in_order(
    edges: np.ndarray, delayed: np.ndarray, blocks: list[EdgeBlock], num_units: int
) -> tuple[np.ndarray, np.ndarray, list[EdgeBlock]]:
    """Edges in the canonical order of Structure, each pair once."""
    key = (delayed * num_units + edges[0]) * num_units + edges[1]
    order = np.argsort(key, kind="stable")
    key = key[order]
    repeated = np.zeros(len(key), dtype=bool)
    repeated[1:] = key[1:] == key[:-1]
    # A pair of units that one block joins with weights and another without: the weights stay.
    column = np.cumsum(~repeated) - 1
    place = np.empty(len(order), dtype=np.int64)
    place[order] = column
    kept = np.ones(len(order), dtype=bool)
    kept[order[repeated]] = False
    ordered = []
    for block in blocks:
        alive = kept[block.edges]
        ordered.append(replace(block, edges=place[block.edges][alive], values=block.values[alive]))
    chosen = order[~repeated]
    edges = np.take(edges, chosen, axis=1)
    edges.setflags(write=False)
    return edges, delayed[chosen], ordered


def _rising(edges: np.ndarray) -> bool:
    source, target = edges
    step = source[1:] > source[:-1]
    return bool((step | ((source[1:] == source[:-1]) & (target[1:] > target[:-1]))).all())


def unit_attributes(wiring: Wiring, program: Program) -> dict[str, tuple[Any, ...]]:
    """What the units of a program say of themselves, by the name of the attribute.

    Parameters
    ----------
    wiring : Wiring
        Of the program.
    program : Program

    Returns
    -------
    dict of str to tuple
        A value for each unit; sizes that all units have as 1 are left out.
    """
    values: dict[str, list[Any]] = {name: [] for name in ("operator", "activation", "stage", *SIZES)}
    places: dict[int, int] = {}  # of a linear step, how many places of a unit it reads
    for block in wiring.blocks:
        if isinstance(block, DenseBlock) and program.steps[block.step].kind == "linear":
            places[block.step] = max(places.get(block.step, 1), block.values.shape[-1])
    for number, group in enumerate(wiring.groups):
        given = {
            "operator": group.operator,
            "activation": "+".join(group.labels) or "identity",
            "stage": number,
            "kernel": places.get(group.step, 1),
            **(step_sizes(program.steps[group.step]) if group.step >= 0 else {}),
        }
        for name, held in values.items():
            held += [given.get(name, 1)] * group.count
    return {name: tuple(held) for name, held in values.items() if name not in SIZES or set(held) != {1}}


def _biases(wiring: Wiring) -> np.ndarray:
    width = max((values.shape[1] for _, values in wiring.biases), default=1)
    bias = np.zeros((wiring.num_units, width), dtype=np.float32)
    for start, values in wiring.biases:
        bias[start : start + len(values), : values.shape[1]] = values
    return bias


def _on_constants(wiring: Wiring) -> set[str]:
    """Weights of which some multiply constants: those have no edge."""
    return {
        name
        for step in wiring.program.steps
        if step.kind in _WITH_EDGES and (wiring.ids[step.inputs[0]] == NO_UNIT).any()
        for role, name in step.tensors.items()
        if role in EDGE_ROLES
    }


def _without_weights(program: Program, kept: set[str]) -> tuple[dict[str, np.ndarray], Program]:
    """Constants that no edge or unit holds, and the program with the shapes alone of the others."""
    held = {
        name
        for step in program.steps
        if step.kind in _WITH_EDGES
        for role, name in step.tensors.items()
        if role in EDGE_ROLES or role == "bias"
    }
    elsewhere = {
        name
        for step in program.steps
        for role, name in step.tensors.items()
        if not (step.kind in _WITH_EDGES and (role in EDGE_ROLES or role == "bias")) or name in kept
    }
    constants = {
        name: np.broadcast_to(np.float32(0), value.shape) if name in held - elsewhere else value
        for name, value in program.constants.items()
    }
    tensors = {name: np.array(constants[name]) for name in constants if name in elsewhere}
    return tensors, replace(program, constants={**constants, **tensors})
