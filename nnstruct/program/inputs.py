"""Which elements of the network's inputs are one unit.

The step that reads an input decides: a linear layer or a recurrent one takes each place along the
last axis as a unit, a convolution each channel (unrolled: each position), an embedding the whole
input as one symbol. Where a loop over time reads another part of an input in every turn, what takes the same
place in the turns is one unit.
"""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from nnstruct.program.movement import NO_UNIT, compressed, moved
from nnstruct.program.steps import MOVEMENTS, Program, Step
from nnstruct.program.wiring import Wiring, numbered

_PASSING = frozenset({"activation", "affine", "join", "norm"})


def number_inputs(wiring: Wiring) -> None:
    """Make the units of all inputs.

    Parameters
    ----------
    wiring : Wiring
        A new one; its groups, ``ids`` and ``symbols`` grow.
    """
    program = wiring.program
    for value, shape, discrete in zip(program.inputs, program.input_shapes, program.discrete, strict=True):
        labels, symbols = _labels(wiring, value, shape, discrete)
        if labels is None:
            wiring.ids[value] = np.full((1,) * len(shape), NO_UNIT)
            continue
        first, number = numbered(labels)
        by_symbol = wiring.resolution == "weight" and symbols
        start = wiring.new_units(-1, symbols if by_symbol else len(first), "input")
        if by_symbol:
            wiring.symbols[start] = symbols
        wiring.ids[value] = compressed(number + start)


def _labels(
    wiring: Wiring, value: int, shape: tuple[int, ...], discrete: bool
) -> tuple[np.ndarray | None, int]:
    """Equal numbers for the elements of a unit (None where the input has no units), and symbols."""
    atoms = np.arange(int(np.prod(shape)), dtype=np.int64).reshape(shape)
    reading = list(_readers(wiring.program, value, atoms))
    if not wiring.uses[value] or (reading and all(_reads_state(step, place) for step, place, _ in reading)):
        # A state that the caller hands on is the recurrent units' own state.
        return None, 0
    if discrete:
        tables = [
            wiring.program.constants[step.tensors["weight"]].shape[0]
            for step, _, _ in reading
            if step.kind == "embedding"
        ]
        if tables:
            return np.zeros((1,) * len(shape), dtype=np.int64), max(tables)
    for step, place, seen in reading:
        if not _reads_state(step, place):
            marks = _marks(step, seen, wiring.resolution)
            if marks is not None:
                labels = np.full(atoms.size, NO_UNIT)
                known = seen != NO_UNIT  # the others are constants beside the input's elements
                labels[seen[known]] = np.broadcast_to(marks, seen.shape)[known]
                if (labels != NO_UNIT).all():
                    return _by_turns(wiring, value, atoms, labels.reshape(shape)), 0
    return _by_turns(wiring, value, atoms, None), 0


def _by_turns(wiring: Wiring, value: int, atoms: np.ndarray, known_labels: np.ndarray | None) -> np.ndarray:
    """The labels of an input's elements where some are known and each turn of a loop reads the same units.

    Where it does not, or no labels are known, one turn says which elements of its part are a unit.
    """
    labels = _axis_marks(atoms.shape, default_axis(atoms.shape)) if known_labels is None else known_labels
    if not any(step.repeat for step in wiring.program.steps):
        return labels
    first: dict[tuple[int, ...], tuple[tuple[int, ...], np.ndarray]] = {}
    held = np.broadcast_to(labels, atoms.shape).ravel()
    pairs: list[tuple[np.ndarray, np.ndarray]] = []
    differ = known_labels is None
    for step, place, seen in _readers(wiring.program, value, atoms, passed=True):
        if not step.repeat:
            continue
        turns, before = first.setdefault((*step.repeat[:2], place), (step.repeat[2:], seen))
        if before.shape != seen.shape:
            continue
        known = (before != NO_UNIT) & (seen != NO_UNIT)
        pairs.append((before[known], seen[known]))
        differ |= turns != step.repeat[2:] and bool((held[before[known]] != held[seen[known]]).any())
        marks = _marks(step, seen, wiring.resolution)
        marks = _axis_marks(seen.shape, default_axis(seen.shape)) if marks is None else marks
        alike = np.broadcast_to(marks, seen.shape)[seen != NO_UNIT]
        own = seen[seen != NO_UNIT]
        _, at, which = np.unique(alike, return_index=True, return_inverse=True)
        pairs.append((own[at][which.ravel()], own))
    if not (differ and pairs):
        return labels
    rows, columns = (np.concatenate(side) for side in zip(*pairs, strict=True))
    joined = coo_array((np.ones(len(rows)), (rows, columns)), shape=(atoms.size, atoms.size))
    return connected_components(joined, directed=False)[1].astype(np.int64).reshape(atoms.shape)


def _readers(
    program: Program, value: int, atoms: np.ndarray, *, passed: bool = False
) -> list[tuple[Step, int, np.ndarray]]:
    """Steps that the input's elements reach unchanged: step, which of its inputs, elements there.

    With ``passed``, steps that act on each element alone are among them.
    """
    tracked = {value: atoms}
    found = []
    for step in program.steps:
        places = [place for place, read in enumerate(step.inputs) if read in tracked]
        if not places:
            continue
        shapes = program.shapes() if step.kind == "concat" else {}
        if step.kind in MOVEMENTS:
            ids = [tracked.get(read) for read in step.inputs]
            sizes = [
                shapes[read] if array is None else array.shape
                for read, array in zip(step.inputs, ids, strict=True)
            ]
            known = [
                np.full((1,) * len(size), NO_UNIT) if array is None else array
                for array, size in zip(ids, sizes, strict=True)
            ]
            out = np.broadcast_to(moved(step, known, sizes), step.shape)
            if (out != NO_UNIT).any():
                tracked[step.outputs[0]] = out
        elif step.kind in _PASSING:
            seen = tracked[step.inputs[places[0]]]
            if passed:
                found += [(step, place, tracked[step.inputs[place]]) for place in places]
            if seen.shape == step.shape:
                tracked[step.outputs[0]] = seen
        else:
            found += [(step, place, tracked[step.inputs[place]]) for place in places]
    return found


def _reads_state(step: Step, place: int) -> bool:
    return step.kind in ("rnn", "rnn_cell") and place > 0


def _marks(step: Step, seen: np.ndarray, resolution: str) -> np.ndarray | None:
    shape = seen.shape
    if step.kind in ("linear", "rnn", "rnn_cell", "bilinear", "matmul", "attention"):
        return _axis_marks(shape, len(shape) - 1)
    if step.kind in ("conv", "pool", "merge"):
        positions = step.options["nd"]
        channel = len(shape) - positions - 1
        if resolution == "weight":
            inner = shape[channel:]
            return np.arange(int(np.prod(inner))).reshape((1,) * channel + inner)
        return _axis_marks(shape, channel)
    return None


def _axis_marks(shape: tuple[int, ...], axis: int) -> np.ndarray:
    if not shape:
        return np.zeros((), dtype=np.int64)
    sizes = [1] * len(shape)
    sizes[axis] = shape[axis]
    return np.arange(shape[axis]).reshape(sizes)


def default_axis(shape: tuple[int, ...]) -> int:
    """Along which axis a value has its units where no step says it: the channels.

    Parameters
    ----------
    shape : tuple of int

    Returns
    -------
    int
    """
    return 1 if len(shape) == 2 or len(shape) > 3 else len(shape) - 1
