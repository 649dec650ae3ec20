"""Movements of values, on arrays that name for each element the unit that it belongs to.

Such an array has the value's number of axes, but length 1 along an axis on which the unit does not
depend. Elements that are constants belong to no unit and hold -1.
"""

from __future__ import annotations

import numpy as np

from nnstruct.program.steps import Step

NO_UNIT = -1


def compressed(ids: np.ndarray) -> np.ndarray:
    """The same array with length 1 along each axis on which it is constant.

    Parameters
    ----------
    ids : int64 array

    Returns
    -------
    int64 array
        A view, with as many axes.
    """
    for axis, length in enumerate(ids.shape):
        if length > 1:
            first = ids[(slice(None),) * axis + (slice(0, 1),)]
            if ids.strides[axis] == 0 or (ids == first).all():
                ids = first
    return ids


def moved(step: Step, ids: list[np.ndarray], shapes: list[tuple[int, ...]]) -> np.ndarray:
    """What a movement step makes of its inputs' units.

    Parameters
    ----------
    step : Step
        Of a kind in :data:`nnstruct.program.steps.MOVEMENTS`.
    ids : list of int64 arrays
        Of the inputs.
    shapes : list of tuple of int
        Of the inputs.

    Returns
    -------
    int64 array
        The unit of each element of the step's output, -1 for constants; of length 1 along axes on which
        the unit does not depend.
    """
    options = step.options
    if step.kind == "concat":
        return _concat(ids, shapes, options["axis"])
    (array,), (shape,) = ids, shapes
    if step.kind == "permute":
        return array.transpose(options["dims"])
    if step.kind in ("select", "slice", "flip", "roll", "take", "pad"):
        return _along_axes(step, array, shape)
    full = np.broadcast_to(array, shape)
    if step.kind == "reshape":
        return compressed(full.reshape(step.shape))
    if step.kind == "expand":
        return compressed(np.broadcast_to(full, step.shape))
    return compressed(np.tile(full, options["repeats"]))


def _along_axes(step: Step, array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    options = step.options
    if step.kind == "select":
        axis = options["axis"]
        return array.take(0 if array.shape[axis] == 1 else options["index"], axis)
    if step.kind == "slice":
        axis = options["axis"]
        if array.shape[axis] == 1:
            return array
        chosen = slice(options["start"], options["stop"], options["step"])
        return compressed(array[(slice(None),) * axis + (chosen,)])
    if step.kind == "take":
        axis = options["axis"]
        return array if array.shape[axis] == 1 else compressed(array.take(options["indices"], axis))
    if step.kind == "flip":
        return np.flip(array, options["axes"])
    if step.kind == "roll":
        return np.roll(array, options["shifts"], options["axes"])
    # What is padded along an axis without units belongs to the unit beside it.
    widths = [
        (0, 0) if size == 1 and length > 1 else tuple(width)
        for size, length, width in zip(array.shape, shape, options["widths"], strict=True)
    ]
    return np.pad(array, widths, constant_values=NO_UNIT)


def _concat(ids: list[np.ndarray], shapes: list[tuple[int, ...]], axis: int) -> np.ndarray:
    moving = [index for index, array in enumerate(ids) if (array != NO_UNIT).any()]
    first = ids[moving[0]] if moving else ids[0]
    # Constants joined along an axis of positions (a class token) belong to the units beside them.
    positions = len(moving) == len(ids) or any(shapes[index][axis] > 1 for index in moving)
    if positions and first.shape[axis] == 1 and all(np.array_equal(ids[i], first) for i in moving):
        return first
    full = [np.broadcast_to(array, shape) for array, shape in zip(ids, shapes, strict=True)]
    return compressed(np.concatenate(full, axis))
