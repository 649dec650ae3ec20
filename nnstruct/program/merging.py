"""Channels whose positions hold several units in turn: a unit of their own before a convolution reads them.

After a pixel shuffle, or a view of channels as positions, a channel's map is put together from the maps of
several units. A convolution of it has one kernel for the channel, wherever it lies on the map.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from nnstruct.program.blocks import identity_edges
from nnstruct.program.movement import NO_UNIT
from nnstruct.program.steps import Step
from nnstruct.program.wiring import Wiring, rule


def is_mixed(wiring: Wiring, step: Step) -> bool:
    """Whether a convolution or pool reads channels that are put together from several units' maps.

    Features on one axis, each at a place of its own, are no map, and stay the units that they are.

    Parameters
    ----------
    wiring : Wiring
    step : Step
        Its input's units are known.

    Returns
    -------
    bool
    """
    if wiring.resolution != "unit" or step.kind not in ("conv", "pool") or step.repeat:
        return False
    value, nd = step.inputs[0], step.options["nd"]
    ids = wiring.ids[value]
    first = ids.ndim - nd - 1
    if first < 0 or max(ids.shape[:first], default=1) > 1 or max(ids.shape[first + 1 :]) == 1:
        return False
    channel = ids.reshape(ids.shape[first], -1)[0]
    known = channel[channel != NO_UNIT]
    places = math.prod(wiring.shape[value][first + 1 :]) * len(known) // max(len(channel), 1)
    return len(np.unique(known)) < places or (step.kind == "conv" and nd > 1)


def merge_before(wiring: Wiring, index: int) -> None:
    """Put a step before a convolution or pool that gives each channel of its input a unit.

    Parameters
    ----------
    wiring : Wiring
        Numbered up to that step; its program is changed.
    index : int
        Place of the step in the program; the new one takes it.
    """
    program = wiring.program
    step = program.steps[index]
    value, nd = step.inputs[0], step.options["nd"]
    made = max(wiring.shape) + 1
    shape = wiring.shape[value]
    merge = Step("merge", (value,), (made,), (shape,), {"nd": nd}, {}, step.name)
    later = list(program.steps[index:])
    moved = 0
    for place, reader in enumerate(later):
        if reader.kind == step.kind and reader.inputs[0] == value and not reader.repeat:
            later[place] = replace(reader, inputs=(made, *reader.inputs[1:]))
            moved += 1
    wiring.program = replace(program, steps=(*program.steps[:index], merge, *later))
    wiring.shape[made] = shape
    wiring.uses[value] += 1 - moved
    wiring.uses[made] = moved


@rule("merge")
def _merge(wiring: Wiring, index: int, step: Step) -> None:
    value, nd = step.inputs[0], step.options["nd"]
    ids = wiring.ids[value]
    first = ids.ndim - nd - 1
    if wiring.resolution != "unit" or max(ids.shape[first + 1 :]) == 1:
        wiring.ids[step.outputs[0]] = ids
        if wiring.uses[value] == 1 and value in wiring.open:
            wiring.open[step.outputs[0]] = wiring.open[value]
        return
    channels = step.shape[first]
    rows = np.broadcast_to(ids.reshape(ids.shape[first], -1), (channels, math.prod(ids.shape[first + 1 :])))
    start = wiring.new_units(index, channels, "merge")
    target = np.broadcast_to(start + np.arange(channels)[:, None], rows.shape)
    known = rows != NO_UNIT
    wiring.blocks.append(identity_edges(index, rows[known], target[known]))
    made = (start + np.arange(channels)).reshape((1,) * first + (channels,) + (1,) * nd)
    wiring.give(step.outputs[0], made)
