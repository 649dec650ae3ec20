"""A smaller network with the same outputs: units that do not matter are left out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from nnstruct.errors import InvalidInputError
from nnstruct.network.assembly import unit_attributes
from nnstruct.network.constants import Folding, axes_gone, folded, is_plain_sum
from nnstruct.network.module_network import EdgeBlock, ModuleNetwork
from nnstruct.network.rewriting import Rewriter, gone_from_sum, gone_of
from nnstruct.program.movement import NO_UNIT
from nnstruct.program.numbering import wired
from nnstruct.program.steps import MOVEMENTS, Program, Step
from nnstruct.program.wiring import Wiring
from nnstruct.structure.families import FAMILIES
from nnstruct.structure.topology import Reachability

# Steps whose inputs and outputs may lose units one by one.
_FREE = (
    frozenset({"linear", "conv", "rnn", "activation", "affine", "norm", "pool", "reduce", "join"}) | MOVEMENTS
)
_RIGID_MOVEMENTS = frozenset({"roll", "flip", "tile"})


def compact(network: ModuleNetwork) -> ModuleNetwork:
    """The network without its dead units, with the same outputs.

    A unit without a path to an output is left out. A unit without a path from an input has one value for
    ever; that value goes into the biases of the units that read it, and the unit is left out. Inputs and
    outputs keep their shapes.

    Units stay where leaving them out would change others: in a layer normalisation or a softmax over units,
    in attention, in a group of a convolution that does not go as a whole, before a pixel shuffle, and in
    layers that share their weights. So do constants other than 0 whose contribution to a convolution differs
    at the border, by its padding.
    Where one side of a sum goes and the other stays, the sum reads zeros in its place.

    Parameters
    ----------
    network : ModuleNetwork
        At unit resolution.

    Returns
    -------
    ModuleNetwork
        The network itself, where nothing can be left out.

    Raises
    ------
    InvalidInputError
        If the network is at another resolution.

    Examples
    --------
    >>> import torch
    >>> from nnstruct.extract import extract
    >>> mlp = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2))
    >>> with torch.no_grad():
    ...     mlp[2].weight[:, 1] = 0  # nothing reads the second hidden unit
    >>> network = extract(mlp, torch.zeros(1, 3))
    >>> network.structure.num_units, compact(network).structure.num_units
    (9, 8)
    """
    if network.resolution != "unit":
        raise InvalidInputError("resolution", "be 'unit' to leave out units", network.resolution)
    found = folded(network, wired(network.program, "unit"))
    bias, needed = found.bias.astype(np.float32), found.needed
    structure = network.structure
    outside = Reachability.of(structure.edge_index[:, needed], structure.inputs, structure.outputs)
    removed = ~outside.to_output & ~structure.inputs & ~structure.outputs
    program = _with_biases(network, bias)
    wiring = wired(program, "unit")
    _keep_consistent(wiring, removed, network, found)
    if not removed.any() and needed.all():
        return network
    return _restricted(network, Rewriter(wiring, removed, network.tensors, found), bias, needed, removed)


def _with_biases(network: ModuleNetwork, bias: np.ndarray) -> Program:
    """The program, with a bias for each step whose units got one by folding."""
    program, constants = network.program, dict(network.program.constants)
    steps = list(program.steps)
    for group in network.groups:
        units = slice(group.start, group.start + group.count)
        if group.step < 0 or np.array_equal(bias[units], network.bias[units]):
            continue
        step = steps[group.step]
        if "bias" in step.tensors:
            continue
        name = (
            f"{step.tensors.get('weight', step.tensors.get('weight_ih', 'folded'))}.folded_bias.{group.step}"
        )
        plain = step.kind in ("linear", "conv")
        shape = (group.count,) if plain else (FAMILIES[step.options["cell"]].biases, group.count)
        constants[name] = np.broadcast_to(np.float32(0), shape)
        steps[group.step] = replace(step, tensors={**step.tensors, "bias": name})
    return replace(program, steps=tuple(steps), constants=constants)


def _keep_consistent(wiring: Wiring, removed: np.ndarray, network: ModuleNetwork, found: Folding) -> None:
    """Take units back until every value is still a full array without the removed ones."""
    for group in network.groups:
        if group.mixing:
            removed[group.start : group.start + group.count] = False
    tied = {place for places in network.tied.values() for place in places}
    for group in network.groups:
        if group.step in tied:
            removed[group.start : group.start + group.count] = False
    for value in wiring.program.outputs:
        _take_back(removed, wiring.ids[value])
    while True:
        before = removed.copy()
        for place, step in enumerate(wiring.program.steps):
            _check_step(wiring, step, removed, place in tied)
            if step.kind != "join":
                continue
            if is_plain_sum(wiring, step):
                _tell_apart(wiring, step, place, removed, found)
            else:
                _match(
                    removed, [_as_shape(wiring, value, step.shape) for value in (*step.inputs, *step.outputs)]
                )
        if np.array_equal(before, removed):
            return


def _take_back(removed: np.ndarray, ids: np.ndarray) -> None:
    removed[ids[ids != NO_UNIT]] = False


def _check_step(wiring: Wiring, step: Step, removed: np.ndarray, tied: bool) -> None:
    values = [*step.inputs, *step.outputs]
    grouped = step.kind == "conv" and step.options["groups"] > 1
    along = step.kind == "resample" and wiring.ids[step.inputs[0]].shape[step.options["axis"]] == 1
    free = along or (step.kind in _FREE and step.kind not in _RIGID_MOVEMENTS)
    rigid = not free or "weight_hr" in step.tensors or tied
    if step.kind == "slice" and step.options["step"] != 1:
        rigid = True
    if step.kind == "rnn" and len(step.inputs) > 1:
        rigid = True
    if rigid:
        for value in values:
            _take_back(removed, wiring.ids[value])
        return
    for value in values:
        gone = gone_of(removed, wiring.ids[value])
        if gone.size and gone.all():
            # An array needs at least one unit.
            removed[wiring.ids[value].ravel()[0]] = False
        elif axes_gone(gone) is None:
            _take_back(removed, wiring.ids[value])
    if grouped:
        _match_channels(wiring, step, removed)


def _tell_apart(wiring: Wiring, step: Step, place: int, removed: np.ndarray, found: Folding) -> None:
    """Each unit of a sum that stays keeps at least one of its sides, which tells it from the others."""
    first, second = (gone_from_sum(wiring, step, place, side, removed, found) for side in (0, 1))
    lost = first & second & ~removed[wiring.ids[step.outputs[0]]]
    for side in (0, 1):
        dropped = found.dropped.get((place, side), np.zeros_like(lost))
        _take_back(removed, wiring.ids[step.inputs[side]][lost & ~dropped])


def _as_shape(wiring: Wiring, value: int, shape: tuple[int, ...]) -> np.ndarray:
    ids = wiring.ids[value]
    ids = ids.reshape((1,) * (len(shape) - ids.ndim) + ids.shape)
    return np.broadcast_to(ids, shape)


def _match(removed: np.ndarray, sides: list[np.ndarray]) -> None:
    """Elements that meet go together or stay together."""
    together = np.logical_and.reduce([gone_of(removed, ids) for ids in sides])
    for ids in sides:
        _take_back(removed, ids[~together])


def _match_channels(wiring: Wiring, step: Step, removed: np.ndarray) -> None:
    """Of a grouped convolution a group goes as a whole, or stays as a whole."""
    groups, nd = step.options["groups"], step.options["nd"]
    source, made = (wiring.ids[value] for value in (step.inputs[0], step.outputs[0]))
    if any(ids.size != ids.shape[-nd - 1] or ids.size % groups for ids in (source, made)):
        _take_back(removed, source)
        _take_back(removed, made)
        return
    sides = [ids.reshape(groups, -1) for ids in (source, made)]
    together = np.logical_and.reduce([gone_of(removed, ids).all(axis=1) for ids in sides])
    for ids in sides:
        _take_back(removed, ids[~together])


def _restricted(
    network: ModuleNetwork, rewriter: Rewriter, bias: np.ndarray, needed: np.ndarray, removed: np.ndarray
) -> ModuleNetwork:
    program, old = rewriter.program(), network.structure
    stays = ~removed
    kept = needed & stays[old.edge_index[0]] & stays[old.edge_index[1]]
    column = np.cumsum(kept) - 1
    wiring = wired(program, "unit")
    if wiring.num_units != int(stays.sum()):
        raise InvalidInputError(
            "program", f"keep {int(stays.sum())} units when it is compacted", wiring.num_units
        )
    blocks = []
    for block in network.blocks:
        columns = np.arange(old.num_edges)[block.edges]
        alive = kept[columns]
        step = rewriter.place[block.step]
        parameter = program.steps[step].tensors.get(block.role, "")
        blocks.append(
            EdgeBlock(
                step,
                block.role,
                parameter,
                block.recurrent,
                column[columns[alive]],
                block.values[alive],
            )
        )
    origin = {**old.origin, "program": program.to_json(), "compacted_from": old.num_units}
    structure = old.with_edges(kept).with_units(stays, origin=origin)
    structure = replace(structure, attributes=unit_attributes(wiring, program))
    names = {name for step in program.steps for name in step.tensors.values()}
    tensors = {
        name: np.array(program.constants[name])
        for name in names
        if name in network.tensors
        or name.rpartition(".compact.")[0] in network.tensors
        or name in rewriter.shifts
    }
    return ModuleNetwork(structure, blocks, bias[stays], tensors, program, wiring.groups, "unit")
