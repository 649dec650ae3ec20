"""Units that no input reaches have one value for ever: it goes into the biases of those that read them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from nnstruct.network.module_network import EdgeBlock, ModuleNetwork
from nnstruct.program.movement import NO_UNIT
from nnstruct.program.steps import MOVEMENTS, POINTWISE, Step
from nnstruct.program.unrolled import convolution_pairs
from nnstruct.program.wiring import Group, Wiring
from nnstruct.structure.families import FAMILIES

_erf = np.vectorize(math.erf, otypes=[float])
_GELU = math.sqrt(2 / math.pi)
_SELU = 1.0507009873554805, 1.6732632423543772  # scale and alpha


def _gelu(x: np.ndarray, approximate: str = "none") -> np.ndarray:
    normal = _erf(x / math.sqrt(2)) if approximate == "none" else np.tanh(_GELU * (x + 0.044715 * x**3))
    return np.asarray(x * (1 + normal) / 2)


_FUNCTIONS: dict[str, Callable[..., np.ndarray]] = {
    "relu": lambda x: np.maximum(x, 0),
    "tanh": np.tanh,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "silu": lambda x: x / (1 + np.exp(-x)),
    "relu6": lambda x: np.clip(x, 0, 6),
    "leaky_relu": lambda x, negative_slope: np.where(x >= 0, x, negative_slope * x),
    "elu": lambda x, alpha, scale, input_scale: scale * np.where(x > 0, x, alpha * np.expm1(x * input_scale)),
    "hardtanh": lambda x, min_val, max_val: np.clip(x, min_val, max_val),
    "softplus": lambda x, beta, threshold: np.logaddexp(0, beta * x) / beta,
    "gelu": _gelu,
    "abs": np.abs,
    "neg": np.negative,
    "exp": np.exp,
    "hardswish": lambda x: x * np.clip(x + 3, 0, 6) / 6,
    "hardsigmoid": lambda x: np.clip(x + 3, 0, 6) / 6,
    "hard_sigmoid": lambda x, alpha, beta: np.clip(alpha * x + beta, 0, 1),
    "mish": lambda x: x * np.tanh(np.logaddexp(0, x)),
    "selu": lambda x: _SELU[0] * np.where(x > 0, x, _SELU[1] * np.expm1(np.minimum(x, 0))),
    "celu": lambda x, alpha: np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0) / alpha)),
    "log_sigmoid": lambda x: -np.logaddexp(0, -x),
    "softsign": lambda x: x / (1 + np.abs(x)),
    "square": np.square,
    "sign": np.sign,
    "softshrink": lambda x, lambd: np.sign(x) * np.maximum(np.abs(x) - lambd, 0),
    "hardshrink": lambda x, lambd: np.where(np.abs(x) > lambd, x, 0.0),
    "threshold": lambda x, threshold, value: np.asarray(np.where(x > threshold, x, float(value))),
    "clamp": lambda x, min=None, max=None: np.clip(x, min, max),
}

_SUMS = frozenset({"add", "sub"})
_JOINED: dict[str, Callable[..., np.ndarray]] = {
    "mul": np.multiply,
    "div": np.divide,
    "maximum": np.maximum,
    "minimum": np.minimum,
}
_SAME = 1e-6  # largest difference between two places, as a share of the sum of magnitudes


@dataclass
class Folding:
    """What constant units give, and where it went.

    Attributes
    ----------
    bias : float64 [N, b]
        With what constant units give to linear layers, convolutions and recurrent layers.
    shift : float64 [N]
        What they give to units that are sums.
    needed : bool [E]
        False for edges whose contribution is in ``bias`` or ``shift``.
    value : float64 [N]
        Of constant units; NaN of all others.
    dropped : dict of (int, int) to bool array
        For a step that is a sum and the place of one of its inputs: the elements that are in ``shift``, of
        the shape of the input's units.
    """

    bias: np.ndarray
    shift: np.ndarray
    needed: np.ndarray
    value: np.ndarray
    dropped: dict[tuple[int, int], np.ndarray]


def folded(network: ModuleNetwork, wiring: Wiring) -> Folding:
    """Biases that hold what constant units give, and the edges that are still needed.

    A unit that no input reaches is constant. Linear layers, convolutions and recurrent layers take its value
    into their biases, and sums into a shift; an edge from it to any other step stays. The padding of a
    convolution is no hindrance where the unit's value is 0, or where the convolution gives the same at the
    border as inside.

    Parameters
    ----------
    network : ModuleNetwork
        At unit resolution.
    wiring : Wiring
        Of its program.

    Returns
    -------
    Folding
    """
    return _Folder(network, wiring).run()


class _Folder:
    """Goes through the groups of units in the order in which they are computed."""

    def __init__(self, network: ModuleNetwork, wiring: Wiring) -> None:
        structure = network.structure
        self.network, self.wiring = network, wiring
        self.source, self.target = structure.edge_index
        self.constant = ~structure.reachability.from_input
        self.fed = np.bincount(self.target, minlength=structure.num_units)  # edges that are still needed
        self.found = Folding(
            network.bias.astype(np.float64),
            np.zeros(structure.num_units),
            np.ones(structure.num_edges, dtype=bool),
            np.full(structure.num_units + 1, np.nan),  # the last one stands for elements without a unit
            {},
        )
        self.tied = {place for places in network.tied.values() for place in places}
        self.by_step: dict[int, list[EdgeBlock]] = {}
        for block in network.blocks:
            self.by_step.setdefault(block.step, []).append(block)
        self.beside = _beside(wiring)

    def run(self) -> Folding:
        found = self.found
        if self.constant.any():
            for group in self.network.groups:
                if group.step >= 0:
                    self._group(group)
        found.value = found.value[:-1]
        return found

    def _group(self, group: Group) -> None:
        step = self.network.program.steps[group.step]
        if step.kind in ("linear", "conv", "rnn", "rnn_cell"):
            for block in self.by_step.get(group.step, []):
                self._fold(group, step, block)
        if not group.mixing:
            self._evaluate(group, step)
        if is_plain_sum(self.wiring, step):
            for side in range(len(step.inputs)):
                self._drop(group, step, side)

    def _known(self, value: int, source: np.ndarray) -> np.ndarray:
        """For each unit its constant, NaN where it has none or other numbers stand beside it in a value."""
        held: np.ndarray = self.found.value[source]
        for number in self.beside.get(value, ()):
            held = np.where(held == number, held, np.nan)
        return held

    def _fold(self, group: Group, step: Step, block: EdgeBlock) -> None:
        if not _takes_constants(step, block.role) or block.recurrent:
            return
        source, target = self.source[block.edges], self.target[block.edges]
        held = self._known(step.inputs[0], source)
        chosen = np.flatnonzero(
            ~np.isnan(held) & (target >= group.start) & (target < group.start + group.count)
        )
        if not len(chosen):
            return
        gates = _gates(step)
        values = block.values[chosen].astype(np.float64)
        sums = values.reshape(len(chosen), -1, gates).sum(axis=1)  # [e, gates]
        exact = held[chosen] == 0
        if not exact.all() and self._alone(group, step):
            exact |= self._same_everywhere(step, values)
        chosen, sums = chosen[exact], sums[exact]
        given = held[chosen][:, None] * sums  # [e, gates]
        np.add.at(self.found.bias, (target[chosen][:, None], np.arange(gates)), given)
        self._done(_columns(block)[chosen])

    def _same_everywhere(self, step: Step, values: np.ndarray) -> np.ndarray:
        """Which kernels give the same at every position for a constant map, bool [e]."""
        if step.kind != "conv" or not any(step.options["padding"]):
            return np.ones(len(values), dtype=bool)
        nd = step.options["nd"]
        sizes = self.wiring.shape[step.inputs[0]][-nd:], step.shape[-nd:]
        names = ("kernel", "stride", "padding", "dilation")
        inside = np.ones((1, 1), dtype=bool)  # [kinds of place, taps]
        for axis, (size, made) in enumerate(zip(*sizes, strict=True)):
            _, place, tap = convolution_pairs(size, made, *(step.options[name][axis] for name in names))
            used = np.zeros((made, step.options["kernel"][axis]), dtype=bool)
            used[place, tap] = True
            used = np.unique(used, axis=0)
            inside = (inside[:, None, :, None] & used[None, :, None, :]).reshape(len(inside) * len(used), -1)
        kernels = values.reshape(len(values), -1, inside.shape[1]).sum(axis=1)  # [e, taps]
        given = kernels @ inside.T.astype(np.float64)  # [e, kinds of place]
        return np.asarray(np.ptp(given, axis=1) <= _SAME * np.abs(values).sum(axis=1))

    def _alone(self, group: Group, step: Step) -> bool:
        """Whether each unit of the group has a bias of its own, which no other step shares."""
        if group.step in self.tied or step.options.get("transposed"):
            return False
        if step.kind == "linear":
            return group.count == self.network.program.constants[step.tensors["weight"]].shape[0]
        return step.kind != "conv" or group.count == step.shape[-step.options["nd"] - 1]

    def _done(self, columns: np.ndarray) -> None:
        self.found.needed[columns] = False
        self.fed -= np.bincount(self.target[columns], minlength=len(self.fed))

    def _evaluate(self, group: Group, step: Step) -> None:
        """Values of the group's units that have one value for ever; what is 0 times anything is one, too."""
        units = slice(group.start, group.start + group.count)
        if step.kind in ("linear", "conv"):
            alone = (self.fed[units] == 0) & (self.wiring.ids[step.inputs[0]] != NO_UNIT).all()
            x = np.where(alone, self.found.bias[units, 0], np.nan)
        elif step.kind == "join" and step.options["function"] in _SUMS:
            x = self._summed(group, step)
        elif step.kind == "join" and step.options["function"] in _JOINED:
            x = self._joined(group, step)
        elif step.kind in POINTWISE and group.chain[:1] == [group.step]:
            x = self._passed_on(group, step)
        else:
            return
        known = np.flatnonzero(~np.isnan(x))
        x = x[known]
        for place in group.chain if len(known) else ():
            x = _applied(self.network, self.network.program.steps[place], x, known, group.count)
        self.found.value[group.start + known] = x

    def _summed(self, group: Group, step: Step) -> np.ndarray:
        total = np.zeros(group.count)
        for value in step.inputs:
            if (self.wiring.ids[value] == NO_UNIT).any():
                return total * np.nan
        for block in self.by_step.get(group.step, []):
            source, target = self.source[block.edges], self.target[block.edges]
            held = self.found.value[source]
            for value in step.inputs:
                here = np.isin(source, self.wiring.ids[value])
                held = np.where(here, self._known(value, source), held)
            np.add.at(total, target - group.start, held * block.values[:, 0])
        return total

    def _joined(self, group: Group, step: Step) -> np.ndarray:
        made = np.full(group.count, np.nan)
        held = [self._known(value, self.wiring.ids[value]) for value in step.inputs]
        if len(held) != 2 or not any(np.isfinite(side).any() for side in held):
            return made
        held = [side.reshape((1,) * (len(step.shape) - side.ndim) + side.shape) for side in held]
        left, right = np.broadcast_arrays(*held)
        with np.errstate(all="ignore"):
            x = _JOINED[step.options["function"]](left, right)
        if step.options["function"] == "mul":
            x = np.where((left == 0) | (right == 0), 0.0, x)
        ids = np.broadcast_to(self.wiring.ids[step.outputs[0]], x.shape)
        made[ids.ravel() - group.start] = np.where(np.isfinite(x), x, np.nan).ravel()
        return made

    def _passed_on(self, group: Group, step: Step) -> np.ndarray:
        made = np.full(group.count, np.nan)
        for block in self.by_step.get(group.step, []):
            source, target = self.source[block.edges], self.target[block.edges]
            made[target - group.start] = self._known(step.inputs[0], source)
        made[self.fed[group.start : group.start + group.count] != 1] = np.nan
        return made

    def _drop(self, group: Group, step: Step, side: int) -> None:
        """Put one side's constants into the shift of a sum, where whole cross-sections are constant."""
        ids = self.wiring.ids[step.inputs[side]]
        known = ~np.isnan(self._known(step.inputs[side], ids))
        if side == 1 and (group.step, 0) in self.found.dropped:
            known &= ~self.found.dropped[group.step, 0]  # one side must tell the units apart
        if not known.any() or axes_gone(known) is None:
            return
        for block in self.by_step.get(group.step, []):
            source, target = self.source[block.edges], self.target[block.edges]
            here = np.isin(source, ids[known])
            given = self.found.value[source[here]] * block.values[here, 0]
            np.add.at(self.found.shift, target[here], given)
            self._done(_columns(block)[here])
        self.found.dropped[group.step, side] = known


def is_plain_sum(wiring: Wiring, step: Step) -> bool:
    """Whether a step adds two values of the same units' shape, each of whose elements is a unit of its own.

    Parameters
    ----------
    wiring : Wiring
    step : Step

    Returns
    -------
    bool
    """
    if step.kind != "join" or step.options["function"] not in _SUMS or len(step.inputs) != 2:
        return False
    arrays = [wiring.ids[value] for value in (*step.inputs, *step.outputs)]
    shape = arrays[2].shape
    if any(ids.shape != shape or (ids == NO_UNIT).any() or len(np.unique(ids)) < ids.size for ids in arrays):
        return False
    return not np.intersect1d(arrays[0], arrays[1]).size


def axes_gone(gone: np.ndarray) -> list[np.ndarray] | None:
    """For each axis which places go; none where what goes is no full cross-section of the array.

    Parameters
    ----------
    gone : bool array

    Returns
    -------
    list of bool arrays, or None
    """
    axes = []
    for axis in range(gone.ndim):
        others = tuple(a for a in range(gone.ndim) if a != axis)
        axes.append(np.asarray(gone.all(axis=others)))
    union = np.zeros(gone.shape, dtype=bool)
    for axis, places in enumerate(axes):
        union |= places.reshape([-1 if a == axis else 1 for a in range(gone.ndim)])
    return axes if np.array_equal(union, gone) else None


def _columns(block: EdgeBlock) -> np.ndarray:
    if isinstance(block.edges, slice):
        return np.arange(block.edges.start, block.edges.stop)
    return block.edges


def _beside(wiring: Wiring) -> dict[int, frozenset[float]]:
    """Numbers that a value holds beside what its units give it: of pads, or NaN for others."""
    beside: dict[int, frozenset[float]] = {}
    for step in wiring.program.steps:
        if step.kind not in MOVEMENTS:
            continue
        found = frozenset().union(*(beside.get(value, frozenset()) for value in step.inputs))
        ids, shape = wiring.ids[step.inputs[0]], wiring.shape[step.inputs[0]]
        if step.kind == "pad":
            widths = zip(ids.shape, shape, step.options["widths"], strict=True)
            if any(size == 1 and length > 1 and any(width) for size, length, width in widths):
                found |= {float(step.options["value"])}
        if step.kind == "concat" and any((wiring.ids[value] == NO_UNIT).any() for value in step.inputs):
            found |= {math.nan}
        beside[step.outputs[0]] = found
    return beside


def _gates(step: Step) -> int:
    return FAMILIES[step.options["cell"]].gates if step.kind in ("rnn", "rnn_cell") else 1


def _takes_constants(step: Step, role: str) -> bool:
    return (step.kind in ("linear", "conv") and role == "weight") or (
        step.kind in ("rnn", "rnn_cell") and role == "weight_ih"
    )


def _applied(network: ModuleNetwork, step: Step, x: np.ndarray, places: np.ndarray, count: int) -> np.ndarray:
    """A step on constants, one for each unit; NaN where it cannot be told."""
    options = step.options
    unknown = np.full(len(x), np.nan)
    if step.kind == "activation" and options["function"] == "prelu":
        slope = network.tensors[step.tensors["slope"]]
        if slope.size not in (1, count):
            return unknown
        return np.where(x >= 0, x, x * slope.ravel()[places if slope.size == count else places * 0])
    if step.kind == "activation" and options["function"] in _FUNCTIONS:
        with np.errstate(over="ignore"):
            return _FUNCTIONS[options["function"]](
                x, **{k: v for k, v in options.items() if k not in ("function", "operator")}
            )
    if step.kind == "pool" and options["function"] in ("max", "avg"):
        plain = options["function"] == "max" or not (any(options.get("padding", ())) or "divisor" in options)
        return x if plain else np.where(x == 0, x, np.nan)
    if step.kind == "resample" and step.tensors["matrix"] in network.tensors:
        total = network.tensors[step.tensors["matrix"]].sum(axis=1, dtype=np.float64)
        return x * total[0] if np.ptp(total) <= _SAME else np.where(x == 0, x, np.nan)
    if step.kind == "reduce":
        return x if options["function"] in ("mean", "max", "min", "amax", "amin") else unknown
    if step.kind == "affine":
        for role, function in (("scale", np.multiply), ("shift", np.add)):
            held = options.get(role)
            if role in step.tensors:
                tensor = network.tensors[step.tensors[role]]
                if tensor.size not in (1, count):
                    return unknown
                held = tensor.ravel()[places if tensor.size == count else np.zeros_like(places)]
            if held is not None:
                x = function(x, held)
        return x
    return unknown
