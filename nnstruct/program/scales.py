"""Constants that scale each pair of a unit and a place on another axis: they say which pairs are connected.

A value [.., J, I] whose units stand along J may be multiplied by a matrix [J, I], as the synapses of a
neural circuit are by the mask of their wiring. Summed over J, each place I is a unit of its own, which hears
the units whose factor is not zero.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nnstruct.program.blocks import ListBlock
from nnstruct.program.movement import NO_UNIT, compressed
from nnstruct.program.steps import Step
from nnstruct.program.wiring import Wiring


@dataclass(frozen=True)
class Scales:
    """What the elements of a value have been multiplied by.

    Attributes
    ----------
    heard : bool array
        Where an element depends on its unit: no factor so far was zero.
    factor : float32 array
        Product of the factors since the last step that is not linear.
    """

    heard: np.ndarray
    factor: np.ndarray


def follow_scale(wiring: Wiring, step: Step) -> None:
    """Keep what an elementwise step does to the factors of its value.

    Parameters
    ----------
    wiring : Wiring
        Its ``scales`` are added to.
    step : Step
        Of the kind ``affine`` or ``activation``, with its units.
    """
    before = wiring.scales.get(step.inputs[0])
    if step.kind == "activation":
        if before is not None and "axis" not in step.options:
            wiring.scales[step.outputs[0]] = Scales(before.heard, np.ones((), np.float32))
        return
    scale = wiring.constant(step, "scale")
    if scale is None:
        scale = np.asarray(step.options.get("scale", 1.0), dtype=np.float32)
    scale = scale.reshape((1,) * (len(step.shape) - scale.ndim) + scale.shape)
    heard = np.abs(scale) > wiring.threshold
    if before is not None:
        both = Scales(before.heard & heard, before.factor * scale)
        wiring.scales[step.outputs[0]] = both
    elif _in_pairs(wiring.ids[step.outputs[0]], scale):
        wiring.scales[step.outputs[0]] = Scales(heard, scale)


def _in_pairs(ids: np.ndarray, scale: np.ndarray) -> bool:
    """Whether factors differ along an axis of units and along one without."""
    wide = [size > 1 for size in scale.shape]
    units = [size > 1 for size in ids.shape]
    along = any(one and other for one, other in zip(wide, units, strict=True))
    return along and any(one and not other for one, other in zip(wide, units, strict=True))


def summed_pairs(wiring: Wiring, index: int, step: Step, operator: str) -> bool:
    """Give a sum over scaled pairs a unit for each place, with an edge for each pair that is connected.

    Parameters
    ----------
    wiring : Wiring
    index : int
        Place of the step in the program.
    step : Step
        A sum or mean.
    operator : str
        The name that the units carry.

    Returns
    -------
    bool
        Whether the step is such a sum; nothing is done where it is none.
    """
    value = step.inputs[0]
    scales = wiring.scales.get(value)
    if scales is None or step.options["function"] not in ("sum", "mean"):
        return False
    ids, shape, axes = wiring.ids[value], wiring.shape[value], tuple(step.options["axes"])
    sizes = np.broadcast_shapes(ids.shape, scales.heard.shape)
    fresh = [a for a in range(ids.ndim) if a not in axes and sizes[a] > 1 and ids.shape[a] == 1]
    if not fresh or all(ids.shape[axis] == 1 for axis in axes):
        return False
    kept = [axis for axis in range(ids.ndim) if axis not in axes]
    full = [shape[axis] if axis in axes else size for axis, size in enumerate(sizes)]

    def rows(array: np.ndarray) -> np.ndarray:
        wide = np.broadcast_to(array, full).transpose(*kept, *axes)
        return wide.reshape(int(np.prod([full[axis] for axis in kept])), -1)

    source, heard = rows(ids), rows(scales.heard)
    factor = rows(scales.factor.reshape((1,) * (ids.ndim - scales.factor.ndim) + scales.factor.shape))
    start = wiring.new_units(index, len(source), operator)
    target = np.broadcast_to(start + np.arange(len(source))[:, None], source.shape)
    known = heard & (source != NO_UNIT)
    pairs, place = np.unique(np.stack([source[known], target[known]]), axis=1, return_inverse=True)
    values = np.zeros((pairs.shape[1], 1), dtype=np.float32)
    np.add.at(values[:, 0], place.ravel(), factor[known])
    wiring.blocks.append(ListBlock(index, "identity", False, pairs[0], pairs[1], values))
    made = (start + np.arange(len(source))).reshape([full[axis] for axis in kept])
    if step.options["keepdim"]:
        made = np.expand_dims(made, axes)
    wiring.give(step.outputs[0], compressed(made))
    return True
