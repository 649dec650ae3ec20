"""Units of operations whose result at one place depends on many places of what they read.

A fixed linear map along an axis (a resize, a running sum) has an edge for each coefficient. Of another
operation it is known at most which axes of its result belong to which axes of what it reads; of an
opaque step not even that: each of its channels reads everything.
"""

from __future__ import annotations

import math

import numpy as np

from nnstruct.program.blocks import ListBlock, identity_edges
from nnstruct.program.inputs import default_axis
from nnstruct.program.movement import NO_UNIT, compressed
from nnstruct.program.pointwise import join_or_own, set_codes
from nnstruct.program.steps import Step
from nnstruct.program.wiring import Wiring, in_order, numbered, rule


@rule("opaque")
def _opaque(wiring: Wiring, index: int, step: Step) -> None:
    read = [in_order(wiring.ids[value]) for value in step.inputs]
    sources = in_order(np.concatenate([*read, np.zeros(0, np.int64)]))
    for value, shape in zip(step.outputs, step.shapes, strict=True):
        sizes = [1] * len(shape)
        if shape:
            sizes[default_axis(shape)] = shape[default_axis(shape)]
        count = math.prod(sizes)
        start = wiring.new_units(index, count, step.operator)
        made = start + np.arange(count)
        wiring.blocks.append(identity_edges(index, np.repeat(sources, count), np.tile(made, len(sources))))
        wiring.give(value, made.reshape(sizes))


@rule("operation")
def _operation(wiring: Wiring, index: int, step: Step) -> None:
    ids = wiring.ids[step.inputs[0]]
    pairs = {int(made): int(read) for made, read in step.options["kept"]}
    mixed = [axis for axis in range(ids.ndim) if axis not in pairs.values()]
    others = [in_order(wiring.ids[value]) for value in step.inputs[1:]]
    beside = in_order(np.concatenate([*others, np.zeros(0, np.int64)]))
    varied = any(ids.shape[axis] > 1 for axis in mixed)
    order = [*pairs.values(), *mixed]
    lead = tuple(ids.shape[axis] for axis in pairs.values())
    if not varied and not len(beside):
        kept = ids.transpose(order).reshape(lead)
        join_or_own(wiring, index, step, _placed(kept, step.shape, list(pairs), []))
        for value, shape in zip(step.outputs[1:], step.shapes[1:], strict=True):
            made = wiring.ids[step.outputs[0]].ravel().reshape(lead)
            wiring.ids[value] = _placed(made, shape, list(pairs), [])
        return
    rows = ids.transpose(order).reshape((*lead, -1))
    first, number = numbered(set_codes(rows))
    sets = rows.reshape(-1, rows.shape[-1])[first]  # [U, K]
    sets = np.concatenate([sets, np.broadcast_to(beside, (len(sets), len(beside)))], axis=1)
    for value, shape in zip(step.outputs, step.shapes, strict=True):
        fresh = [axis for axis in step.options.get("fresh", ()) if varied]
        count = math.prod(shape[axis] for axis in fresh)
        start = wiring.new_units(index, len(sets) * count, step.operator)
        target = start + np.arange(len(sets) * count).reshape(len(sets), 1, count)
        ends = np.broadcast_arrays(sets[:, :, None], target)
        known = ends[0] != NO_UNIT
        wiring.blocks.append(identity_edges(index, ends[0][known], ends[1][known]))
        units = start + number[..., None] * count + np.arange(count)  # [*kept, count]
        units = units.reshape((*lead, *(shape[axis] for axis in fresh)))
        wiring.give(value, compressed(_placed(units, shape, list(pairs), fresh)))


def _placed(ids: np.ndarray, shape: tuple[int, ...], kept: list[int], fresh: list[int]) -> np.ndarray:
    """An array whose axes are some of the result's, as one of the result's number of axes."""
    axes = [*kept, *fresh]
    ids = ids.transpose(np.argsort(axes)) if axes else ids
    sizes = [1] * len(shape)
    for place, axis in enumerate(sorted(axes)):
        sizes[axis] = ids.shape[place]
    return ids.reshape(sizes)


@rule("resample")
def _resample(wiring: Wiring, index: int, step: Step) -> None:
    value, axis = step.inputs[0], step.options["axis"]
    ids = wiring.ids[value]
    if ids.shape[axis] == 1:
        join_or_own(wiring, index, step)
        return
    matrix = wiring.weight(step, "matrix")  # [O, I]
    rows = np.moveaxis(ids, axis, -1)
    lead = rows.shape[:-1]
    flat = rows.reshape(-1, rows.shape[-1])
    sets, which = np.unique(flat, axis=0, return_inverse=True)
    first, number = numbered(which)
    sets = sets[which.ravel()[first]]  # [U, I]
    outputs = len(matrix)
    start = wiring.new_units(index, len(sets) * outputs, step.operator)
    target = start + np.arange(len(sets) * outputs).reshape(len(sets), outputs)
    source = np.broadcast_to(sets[:, None, :], (len(sets), *matrix.shape))
    used = (source != NO_UNIT) & (matrix != 0)
    ends = np.stack([source[used], np.broadcast_to(target[:, :, None], source.shape)[used]])
    pairs, place = np.unique(ends, axis=1, return_inverse=True)
    values = np.zeros((pairs.shape[1], 1), dtype=np.float32)
    np.add.at(values[:, 0], place.ravel(), np.broadcast_to(matrix, source.shape)[used])
    wiring.blocks.append(ListBlock(index, "identity", False, pairs[0], pairs[1], values))
    units = start + number.reshape(*lead, 1) * outputs + np.arange(outputs)
    wiring.give(step.outputs[0], compressed(np.moveaxis(units, -1, axis)))
