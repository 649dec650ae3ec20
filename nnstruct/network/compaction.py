"""A smaller network with the same outputs: units that do not matter are left out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from nnstruct.errors import InvalidInputError
from nnstruct.network.constants import folded
from nnstruct.network.module_network import EdgeBlock, ModuleNetwork
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
    in attention, in a grouped convolution that is not depthwise, in a sum whose other side is needed, and in
    layers that share their weights. So do constants that the padding of a convolution meets.

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
    bias, needed = folded(network)
    structure = network.structure
    outside = Reachability.of(structure.edge_index[:, needed], structure.inputs, structure.outputs)
    removed = ~outside.to_output & ~structure.inputs & ~structure.outputs
    program = _with_biases(network, bias)
    wiring = wired(program, "unit")
    _keep_consistent(wiring, removed, network)
    if not removed.any() and needed.all():
        return network
    smaller = _Rewriter(wiring, removed, network.tensors).program()
    return _restricted(network, smaller, bias, needed, removed)


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


def _keep_consistent(wiring: Wiring, removed: np.ndarray, network: ModuleNetwork) -> None:
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
        if np.array_equal(before, removed):
            return


def _take_back(removed: np.ndarray, ids: np.ndarray) -> None:
    removed[ids[ids != NO_UNIT]] = False


def _gone(removed: np.ndarray, ids: np.ndarray) -> np.ndarray:
    return np.where(ids == NO_UNIT, False, removed[ids])


def _check_step(wiring: Wiring, step: Step, removed: np.ndarray, tied: bool) -> None:
    values = [*step.inputs, *step.outputs]
    grouped = step.kind == "conv" and step.options["groups"] > 1
    rigid = step.kind not in _FREE or step.kind in _RIGID_MOVEMENTS or "weight_hr" in step.tensors or tied
    if step.kind == "slice" and step.options["step"] != 1:
        rigid = True
    if step.kind == "rnn" and len(step.inputs) > 1:
        rigid = True
    if rigid:
        for value in values:
            _take_back(removed, wiring.ids[value])
        return
    for value in values:
        gone = _gone(removed, wiring.ids[value])
        if gone.size and gone.all():
            # An array needs at least one unit.
            removed[wiring.ids[value].ravel()[0]] = False
        elif _axes_gone(gone) is None:
            _take_back(removed, wiring.ids[value])
    if step.kind == "join":
        _match(removed, [_as_shape(wiring, value, step.shape) for value in values])
    if grouped:
        _match_channels(wiring, step, removed)


def _as_shape(wiring: Wiring, value: int, shape: tuple[int, ...]) -> np.ndarray:
    ids = wiring.ids[value]
    ids = ids.reshape((1,) * (len(shape) - ids.ndim) + ids.shape)
    return np.broadcast_to(ids, shape)


def _match(removed: np.ndarray, sides: list[np.ndarray]) -> None:
    """Elements that meet go together or stay together."""
    together = np.logical_and.reduce([_gone(removed, ids) for ids in sides])
    for ids in sides:
        _take_back(removed, ids[~together])


def _match_channels(wiring: Wiring, step: Step, removed: np.ndarray) -> None:
    source, made = wiring.ids[step.inputs[0]].ravel(), wiring.ids[step.outputs[0]].ravel()
    if len(source) == step.options["groups"] == len(made):
        _match(removed, [source, made])
    else:
        _take_back(removed, source)
        _take_back(removed, made)


def _axes_gone(gone: np.ndarray) -> list[np.ndarray] | None:
    """For each axis which places go; none where what goes is no full cross-section of the array."""
    if not gone.any():
        return [np.zeros(size, dtype=bool) for size in gone.shape]
    axes = []
    for axis in range(gone.ndim):
        others = tuple(a for a in range(gone.ndim) if a != axis)
        axes.append(np.asarray(gone.all(axis=others)))
    union = np.zeros(gone.shape, dtype=bool)
    for axis, places in enumerate(axes):
        union |= places.reshape([-1 if a == axis else 1 for a in range(gone.ndim)])
    return axes if np.array_equal(union, gone) and not gone.all() else None


class _Rewriter:
    """Writes the program for the smaller arrays."""

    def __init__(self, wiring: Wiring, removed: np.ndarray, tensors: Mapping[str, np.ndarray]) -> None:
        self.wiring, self.old, self.tensors = wiring, wiring.program, tensors
        self.kept: dict[int, list[np.ndarray]] = {}  # value -> for each axis, which places stay
        for value, ids in wiring.ids.items():
            gone = _axes_gone(_gone(removed, ids)) or [np.zeros(size, dtype=bool) for size in ids.shape]
            shape = wiring.shape[value]
            self.kept[value] = [
                np.broadcast_to(~places, (length,)) for places, length in zip(gone, shape, strict=True)
            ]
        self.constants = dict(self.old.constants)

    def shape(self, value: int) -> tuple[int, ...]:
        return tuple(int(places.sum()) for places in self.kept[value])

    def program(self) -> Program:
        steps = tuple(self._step(step, place) for place, step in enumerate(self.old.steps))
        used = {name for step in steps for name in step.tensors.values()}
        constants = {name: value for name, value in self.constants.items() if name in used}
        return replace(self.old, steps=steps, constants=constants)

    def _step(self, step: Step, place: int) -> Step:
        options: dict[str, Any] = dict(step.options)
        source = self.kept[step.inputs[0]] if step.inputs else []
        if step.kind == "slice":
            places = source[options["axis"]]
            options["start"], options["stop"] = (
                int(places[: options[end]].sum()) for end in ("start", "stop")
            )
        elif step.kind == "select":
            options["index"] = int(source[options["axis"]][: options["index"]].sum())
        elif step.kind == "take":
            places = source[options["axis"]]
            rank = np.cumsum(places) - 1
            options["indices"] = [int(rank[i]) for i in options["indices"] if places[i]]
        elif step.kind == "conv" and options["groups"] > 1:
            options["groups"] = int(self._channels(step.inputs[0], options["nd"]).sum() * options["groups"]
                                    // len(self._channels(step.inputs[0], options["nd"])))  # fmt: skip
        tensors = {role: self._tensor(step, role, name, place) for role, name in step.tensors.items()}
        shapes = tuple(self.shape(value) for value in step.outputs)
        return replace(step, shapes=shapes, options=options, tensors=tensors)

    def _channels(self, value: int, nd: int) -> np.ndarray:
        return self.kept[value][-nd - 1]

    def _tensor(self, step: Step, role: str, name: str, place: int) -> str:
        value = self.constants[name]
        chosen = self._places(step, role, value)
        if chosen is None or all(places.all() for places in chosen):
            return name
        held = self.tensors.get(name)
        smaller = (
            np.broadcast_to(np.float32(0), [int(places.sum()) for places in chosen])
            if held is None
            else held[np.ix_(*chosen)]
        )
        new = f"{name}.compact.{place}"
        self.constants[new] = smaller
        return new

    def _places(self, step: Step, role: str, value: np.ndarray) -> list[np.ndarray] | None:
        """Which places along each axis of a tensor stay."""
        if not step.inputs:
            return None
        source, made = self.kept[step.inputs[0]], self.kept[step.outputs[0]]
        if step.kind == "linear":
            return [made[-1], source[-1]][: value.ndim]
        if step.kind == "conv":
            nd = step.options["nd"]
            inside, outside = source[-nd - 1], made[-nd - 1]
            if role == "bias":
                return [outside]
            taps = [np.ones(size, dtype=bool) for size in value.shape[2:]]
            if step.options["groups"] > 1:
                first = inside if step.options["transposed"] else outside
                return [first, np.ones(value.shape[1], dtype=bool), *taps]
            return [inside, outside, *taps] if step.options["transposed"] else [outside, inside, *taps]
        if step.kind == "rnn":
            hidden = made[-1]
            if role == "bias":
                return [np.ones(value.shape[0], dtype=bool), hidden]
            gates = np.tile(hidden, value.shape[0] // len(hidden))
            return [gates, source[-1] if role == "weight_ih" else hidden]
        if step.kind == "norm":
            by_channel = step.options["norm"] in ("instance_norm", "batch_statistics")
            return [source[1]] if value.ndim == 1 and by_channel else None
        if step.kind in ("affine", "activation"):
            axes = source[len(source) - value.ndim :]
            return [
                places if size == len(places) else np.ones(size, dtype=bool)
                for places, size in zip(axes, value.shape, strict=True)
            ]
        return None


def _restricted(
    network: ModuleNetwork, program: Program, bias: np.ndarray, needed: np.ndarray, removed: np.ndarray
) -> ModuleNetwork:
    old = network.structure
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
        parameter = program.steps[block.step].tensors.get(block.role, "")
        blocks.append(
            EdgeBlock(
                block.step,
                block.role,
                parameter,
                block.recurrent,
                column[columns[alive]],
                block.values[alive],
            )
        )
    origin = {**old.origin, "program": program.to_json(), "compacted_from": old.num_units}
    structure = old.with_edges(kept).with_units(stays, origin=origin)
    names = {name for step in program.steps for name in step.tensors.values()}
    tensors = {
        name: np.array(program.constants[name])
        for name in names
        if name in network.tensors or name.rpartition(".compact.")[0] in network.tensors
    }
    return ModuleNetwork(structure, blocks, bias[stays], tensors, program, wiring.groups, "unit")
