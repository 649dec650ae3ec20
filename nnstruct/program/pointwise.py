"""Activations, scales, normalisations and pools: part of the units before them where they can be.

Where a value is read once, the step joins the units that made it. Where it is read elsewhere too,
or is an input of the network, the step gets units of its own.
"""

from __future__ import annotations

import numpy as np

from nnstruct.program.blocks import identity_edges
from nnstruct.program.movement import NO_UNIT, compressed
from nnstruct.program.scales import follow_scale, summed_pairs
from nnstruct.program.sizes import with_window
from nnstruct.program.steps import Step, UnsupportedOperationError
from nnstruct.program.unrolled import Template, adaptive_pairs, convolution_pairs, pool_edges
from nnstruct.program.wiring import Group, Wiring, numbered, rule

_MIXING_NORMS = ("layer_norm", "group_norm", "rms_norm")


def label(step: Step) -> str:
    """What a step is called in the ``activation`` of the units that it joins.

    Parameters
    ----------
    step : Step

    Returns
    -------
    str
    """
    if _is_global(step):
        return f"global_{step.options['function'].replace('mean', 'avg')}_pool"
    for name in ("operator", "norm", "function"):
        if name in step.options:
            return str(step.options[name])
    return step.kind


def _is_global(step: Step) -> bool:
    """Whether a pool or a reduction takes a channel's whole map."""
    if step.kind == "pool":
        return all(size == 1 for size in step.options.get("size", (0,)))
    if step.kind != "reduce" or step.options["function"] not in ("mean", "max"):
        return False
    axes, keepdim = list(step.options["axes"]), step.options["keepdim"]
    ndim = len(step.shape) + (0 if keepdim else len(axes))
    return ndim > 2 and axes == list(range(2, ndim))


def join_or_own(wiring: Wiring, index: int, step: Step, ids: np.ndarray | None = None) -> None:
    """Let a step join the units that made its value, or give it a unit for each of them.

    Parameters
    ----------
    wiring : Wiring
    index : int
        Place of the step in the program.
    step : Step
        Of one input that matters.
    ids : int64 array, optional
        The units of the input, in the shape that the output's have; the input's own shape otherwise.
    """
    value = step.inputs[0]
    group = wiring.open_group(value)
    if group is None:
        wiring.own_units(index, step, value, label(step))
        group = wiring.groups[-1]
        made = wiring.ids[step.outputs[0]]
    else:
        group.labels.append(with_window(label(step), step))
        made = wiring.ids[value]
        wiring.open[step.outputs[0]] = wiring.open[value]
    wiring.ids[step.outputs[0]] = made if ids is None else made.reshape(ids.shape)
    group.chain.append(index)


@rule("activation")
def _activation(wiring: Wiring, index: int, step: Step) -> None:
    join_or_own(wiring, index, step)
    axis = step.options.get("axis")
    over_all = step.options.get("function") == "dynamic_quantize"  # the range of all of them
    if over_all or (axis is not None and wiring.ids[step.outputs[0]].shape[axis] > 1):
        wiring.groups[wiring.open[step.outputs[0]]].mixing = True
    follow_scale(wiring, step)


@rule("affine")
def _affine(wiring: Wiring, index: int, step: Step) -> None:
    join_or_own(wiring, index, step)
    follow_scale(wiring, step)
    out = step.outputs[0]
    group = wiring.groups[wiring.open[out]]
    scale = wiring.constant(step, "scale")
    if scale is None:
        scale = np.asarray(step.options.get("scale", 1.0))
    silent = np.abs(scale) <= wiring.threshold
    if silent.any() and not group.mixing:
        _silence(wiring, group, wiring.ids[out], silent, step.shape)


def _silence(
    wiring: Wiring, group: Group, ids: np.ndarray, silent: np.ndarray, shape: tuple[int, ...]
) -> None:
    """Units that are multiplied by zero everywhere lose their incoming edges."""
    sizes = np.broadcast_shapes(ids.shape, silent.shape)
    full, off = np.broadcast_to(ids, sizes), np.broadcast_to(silent, sizes)
    alive = np.zeros(group.count, dtype=bool)
    heard = full[~off & (full != NO_UNIT)] - group.start
    alive[heard[(heard >= 0) & (heard < group.count)]] = True
    wiring.silenced.append(group.start + np.flatnonzero(~alive))


@rule("norm")
def _norm(wiring: Wiring, index: int, step: Step) -> None:
    join_or_own(wiring, index, step)
    if step.options["norm"] in _MIXING_NORMS:
        wiring.groups[wiring.open[step.outputs[0]]].mixing = True


@rule("pool")
def _pool(wiring: Wiring, index: int, step: Step) -> None:
    value, nd = step.inputs[0], step.options["nd"]
    ids = wiring.ids[value]
    if all(size == 1 for size in ids.shape[ids.ndim - nd :]):
        join_or_own(wiring, index, step)
        return
    channel_axis = ids.ndim - nd - 1
    if any(size > 1 for size in ids.shape[:channel_axis]):
        raise UnsupportedOperationError(label(step), step.name, "read one batch axis")
    channels = wiring.shape[value][channel_axis]
    inputs, outputs = wiring.shape[value][channel_axis + 1 :], step.shape[channel_axis + 1 :]
    source = np.broadcast_to(ids, (*ids.shape[:channel_axis], channels, *inputs)).reshape(channels, -1)
    template = _window(step, inputs, outputs)
    start = wiring.new_units(index, channels * template.outputs, label(step))
    sources, targets = pool_edges(source, start, template)
    wiring.blocks.append(identity_edges(index, sources, targets))
    made = start + np.arange(channels * template.outputs)
    wiring.give(step.outputs[0], made.reshape((1,) * channel_axis + (channels, *outputs)))


def _window(step: Step, inputs: tuple[int, ...], outputs: tuple[int, ...]) -> Template:
    options = step.options
    if options.get("adaptive"):
        axes = [adaptive_pairs(*sizes) for sizes in zip(inputs, outputs, strict=True)]
        return Template.of(axes, inputs, outputs, inputs)
    axes = [
        convolution_pairs(*sizes)
        for sizes in zip(
            inputs, outputs, options["kernel"], options["stride"], options["padding"], options["dilation"],
            strict=True,
        )
    ]  # fmt: skip
    return Template.of(axes, inputs, outputs, options["kernel"])


@rule("reduce")
def _reduce(wiring: Wiring, index: int, step: Step) -> None:
    value = step.inputs[0]
    ids, axes = wiring.ids[value], tuple(step.options["axes"])
    kept = [axis for axis in range(ids.ndim) if axis not in axes]
    if all(ids.shape[axis] == 1 for axis in axes):
        out = ids if step.options["keepdim"] else ids.squeeze(axes)
        join_or_own(wiring, index, step, out)
        return
    if summed_pairs(wiring, index, step, label(step)):
        return
    rows = np.broadcast_to(
        ids, [wiring.shape[value][axis] if axis in axes else size for axis, size in enumerate(ids.shape)]
    )
    rows = rows.transpose(*kept, *axes).reshape([ids.shape[axis] for axis in kept] + [-1])
    made, sources, targets = set_units(wiring, index, label(step), rows)
    wiring.blocks.append(identity_edges(index, sources, targets))
    if step.options["keepdim"]:
        made = np.expand_dims(made, axes)
    wiring.give(step.outputs[0], compressed(made))


def set_units(
    wiring: Wiring, index: int, operator: str, rows: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A new unit for each distinct set of units along the last axis, and the pairs that make its edges.

    Parameters
    ----------
    wiring : Wiring
        Given the new units.
    index : int
        Place of the step in the program.
    operator : str
        The name that the units carry.
    rows : int64 [..., K]
        Units that are read together; -1 for constants.

    Returns
    -------
    int64 [...], int64 [e], int64 [e]
        The new unit of each set, and the ends of the edges.
    """
    first, number = numbered(set_codes(rows))
    start = wiring.new_units(index, len(first), operator)
    sets = rows.reshape(-1, rows.shape[-1])[first]  # [U, K]
    targets = np.broadcast_to(start + np.arange(len(first))[:, None], sets.shape)
    known = sets != NO_UNIT
    return number + start, sets[known], targets[known]


def set_codes(rows: np.ndarray) -> np.ndarray:
    """A number for each row along the last axis, equal for equal rows whatever their order.

    Parameters
    ----------
    rows : int64 [..., K]

    Returns
    -------
    int64 [...]

    Examples
    --------
    >>> set_codes(np.array([[1, 2], [3, 4], [2, 1]])).tolist()
    [0, 1, 0]
    """
    ordered = np.sort(rows, axis=-1)
    _, code = np.unique(ordered.reshape(-1, rows.shape[-1]), axis=0, return_inverse=True)
    return code.reshape(rows.shape[:-1])
