"""Units that no input reaches have one value for ever: it goes into the biases of those that read them."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from nnstruct.network.module_network import ModuleNetwork
from nnstruct.program.steps import Step
from nnstruct.program.wiring import Group
from nnstruct.structure.families import FAMILIES

_erf = np.vectorize(math.erf, otypes=[float])

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
    "gelu": lambda x: x * (1 + _erf(x / math.sqrt(2))) / 2,
    "abs": np.abs,
    "neg": np.negative,
    "exp": np.exp,
}


def folded(network: ModuleNetwork) -> tuple[np.ndarray, np.ndarray]:
    """Biases that hold what constant units give, and the edges that are still needed.

    A unit that no input reaches is constant. Linear layers, convolutions without padding and recurrent
    layers can take its value into their biases; an edge from it to any other step stays.

    Parameters
    ----------
    network : ModuleNetwork
        At unit resolution.

    Returns
    -------
    bias : float32 [N, b]
    needed : bool [E]
        False for edges whose contribution is in the biases now.
    """
    structure = network.structure
    constant = ~structure.reachability.from_input
    bias = network.bias.astype(np.float64)
    needed = np.ones(structure.num_edges, dtype=bool)
    value = np.full(structure.num_units, np.nan)
    by_step: dict[int, list[int]] = {}
    for number, block in enumerate(network.blocks):
        by_step.setdefault(block.step, []).append(number)
    for group in network.groups:
        here = slice(group.start, group.start + group.count)
        if group.step < 0 or not constant.any():
            continue
        step = network.program.steps[group.step]
        for number in by_step.get(group.step, []):
            block = network.blocks[number]
            if not _takes_constants(step, block.role):
                continue
            source, target = structure.edge_index[:, block.edges]
            inside = (target >= group.start) & (target < group.start + group.count)
            known = inside & ~np.isnan(value[source])
            if not known.any():
                continue
            columns = np.arange(structure.num_edges)[block.edges][known]
            needed[columns] = False
            gates = _gates(step)
            sums = block.values[known].reshape(int(known.sum()), -1, gates).sum(axis=1)  # [e, gates]
            np.add.at(bias, (target[known][:, None], np.arange(gates)), sums * value[source[known]][:, None])
        if step.kind in ("linear", "conv") and constant[here].any():
            _evaluate(network, group, constant, needed, bias, value)
    return bias.astype(np.float32), needed


def _gates(step: Step) -> int:
    return FAMILIES[step.options["cell"]].gates if step.kind in ("rnn", "rnn_cell") else 1


def _takes_constants(step: Step, role: str) -> bool:
    if step.kind == "conv":
        return not any(step.options["padding"]) and not step.options["transposed"]
    return (step.kind == "linear" and role == "weight") or (
        step.kind in ("rnn", "rnn_cell") and role == "weight_ih"
    )


def _evaluate(
    network: ModuleNetwork, group: Group, constant: np.ndarray, needed: np.ndarray, bias: np.ndarray,
    value: np.ndarray,
) -> None:  # fmt: skip
    units = group.start + np.flatnonzero(constant[group.start : group.start + group.count])
    fed = np.bincount(network.structure.edge_index[1, needed], minlength=network.structure.num_units)
    units = units[fed[units] == 0]
    if not len(units) or group.mixing:
        return
    x = bias[units, 0]
    for place in group.chain:
        made = _applied(network, network.program.steps[place], x, units - group.start, group.count)
        if made is None:
            return
        x = made
    value[units] = x


def _applied(
    network: ModuleNetwork, step: Step, x: np.ndarray, places: np.ndarray, count: int
) -> np.ndarray | None:
    """A step on constants, one for each unit; none where it cannot be told."""
    options = step.options
    if step.kind == "activation" and options["function"] in _FUNCTIONS and not options.get("approximate"):
        return _FUNCTIONS[options["function"]](x, **{k: v for k, v in options.items() if k != "function"})
    if step.kind == "pool":
        padded = any(options.get("padding", ()))
        return x if options["function"] == "max" or not padded else None
    if step.kind == "reduce":
        return x if options["function"] in ("mean", "max", "min", "amax", "amin") else None
    if step.kind == "affine":
        for role, function in (("scale", np.multiply), ("shift", np.add)):
            held = options.get(role)
            if role in step.tensors:
                tensor = network.tensors[step.tensors[role]]
                if tensor.size not in (1, count):
                    return None
                held = tensor.ravel()[places if tensor.size == count else np.zeros_like(places)]
            if held is not None:
                x = function(x, held)
        return x
    return None
