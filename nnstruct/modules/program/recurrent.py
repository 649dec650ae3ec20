"""Recurrent layers and cells: by PyTorch's own where it has them, else one time step after the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor

from nnstruct.modules.program.functions import UNARY
from nnstruct.program import Step

Tensors = Mapping[str, Tensor]
_OWN = ("lengths", "reset_first", "clip", "functions", "coupled")


def _biases(cell: str, bias: Tensor | None) -> list[Tensor]:
    """The two biases of PyTorch's recurrent layers from one for each gate."""
    if bias is None:
        return []
    if cell == "gru":
        zero = torch.zeros_like(bias[0])
        return [bias[:3].reshape(-1), torch.cat([zero, zero, bias[3]])]
    return [bias.reshape(-1), torch.zeros_like(bias).reshape(-1)]


def run_rnn(step: Step, values: list[Tensor], tensors: Tensors) -> tuple[Tensor, ...]:
    """What a recurrent layer makes: its outputs over time and its last states.

    Parameters
    ----------
    step : Step
    values : list of Tensor
        The input, [T, B, F] or [B, T, F], and initial states [B, H], if they are given.
    tensors : mapping of str to Tensor
        Weights, bias and, for an LSTM with peepholes, ``peephole`` [3, H]: input, output, forget.

    Returns
    -------
    tuple of Tensor
    """
    options = step.options
    cell, batch_first = options["cell"], options["batch_first"]
    value = values[0]
    time = 1 if batch_first else 0
    batch, width = value.shape[1 - time], tensors["weight_hh"].shape[1]
    sizes = [width, tensors["weight_ih"].shape[0] // 4][: 2 if cell == "lstm" else 1]
    states = values[1:] or [value.new_zeros(batch, size) for size in sizes]
    if "peephole" in tensors or any(name in options for name in _OWN):
        out, *last = _stepped(step, value.transpose(0, 1) if batch_first else value, states, tensors)
        return (out.transpose(0, 1) if batch_first else out, *last)
    if options["reverse"]:
        value = value.flip(time)
    biases = _biases(cell, tensors.get("bias"))
    params = [tensors["weight_ih"], tensors["weight_hh"], *biases]
    if "weight_hr" in tensors:
        params.append(tensors["weight_hr"])
    states = [state[None].contiguous() for state in states]
    state: Any = states if cell == "lstm" else states[0]
    out, *last = getattr(torch, cell)(value, state, params, bool(biases), 1, 0.0, False, False, batch_first)
    if options["reverse"]:
        out = out.flip(time)
    return (out, *(final[0] for final in last))


def run_cell(step: Step, values: list[Tensor], tensors: Tensors) -> Any:
    """What one time step of a recurrent cell makes: its new states.

    Parameters
    ----------
    step : Step
    values : list of Tensor
        The input [B, F] and states [B, H], if they are given.
    tensors : mapping of str to Tensor

    Returns
    -------
    Tensor, or tuple of Tensor for an LSTM
    """
    cell, value = step.options["cell"], values[0]
    hidden = tensors["weight_hh"].shape[1]
    count = 2 if cell == "lstm" else 1
    states = values[1:] or [value.new_zeros(*value.shape[:-1], hidden)] * count
    biases = _biases(cell, tensors.get("bias"))
    state: Any = states if cell == "lstm" else states[0]
    made = getattr(torch, f"{cell}_cell")(value, state, tensors["weight_ih"], tensors["weight_hh"], *biases)
    return tuple(made) if cell == "lstm" else made


def _stepped(step: Step, value: Tensor, states: list[Tensor], tensors: Tensors) -> tuple[Tensor, ...]:
    """A layer that reads [T, B, F] step by step; sequences may end early."""
    options = step.options
    lengths = torch.tensor(options.get("lengths", [len(value)] * value.shape[1]), device=value.device)
    out: list[Tensor] = [value.new_zeros(())] * len(value)
    steps = range(len(value))
    for time in reversed(steps) if options["reverse"] else steps:
        alive = (time < lengths)[:, None]
        made = _cell(step, value[time], states, tensors)
        states = [torch.where(alive, new, old) for new, old in zip(made, states, strict=True)]
        out[time] = torch.where(alive, made[0], torch.zeros_like(made[0]))
    return (torch.stack(out), *states)


def _functions(step: Step, cell: str) -> list[Callable[[Tensor], Tensor]]:
    usual = {"lstm": ["sigmoid", "tanh", "tanh"], "gru": ["sigmoid", "tanh"], "rnn_relu": ["relu"]}
    default = [[name, {}] for name in usual.get(cell, ["tanh"])]
    return [partial(UNARY[name], **numbers) for name, numbers in step.options.get("functions", default)]


def _cell(step: Step, value: Tensor, states: list[Tensor], tensors: Tensors) -> list[Tensor]:
    cell, clip = step.options["cell"], step.options.get("clip")
    hidden, weight_hh = states[0], tensors["weight_hh"]
    functions = _functions(step, cell)

    def clipped(sum_: Tensor) -> Tensor:
        return sum_ if clip is None else sum_.clamp(-clip, clip)

    gates = {"lstm": 4, "gru": 3}.get(cell, 1)
    bias = tensors.get("bias")
    inner = (value @ tensors["weight_ih"].T).chunk(gates, 1)
    outer = (hidden @ weight_hh.T).chunk(gates, 1)
    rows = [value.new_zeros(())] * 4 if bias is None else list(bias)
    if cell == "gru":
        reset, update = (functions[0](clipped(inner[g] + outer[g] + rows[g])) for g in (0, 1))
        if step.options.get("reset_first"):
            last = (reset * hidden) @ weight_hh.chunk(gates, 0)[2].T + rows[3]
        else:
            last = reset * (outer[2] + rows[3])
        candidate = functions[1](clipped(inner[2] + rows[2] + last))
        return [(1 - update) * candidate + update * hidden]
    if cell == "lstm":
        memory = states[1]
        sums = [inner[g] + outer[g] + rows[g] for g in range(gates)]
        peephole = tensors.get("peephole")
        if peephole is not None:
            sums[0] = sums[0] + peephole[0] * memory
            sums[1] = sums[1] + peephole[2] * memory
        given = functions[0](clipped(sums[0]))
        kept = 1 - given if step.options.get("coupled") else functions[0](clipped(sums[1]))
        memory = kept * memory + given * functions[1](clipped(sums[2]))
        shown = sums[3] if peephole is None else sums[3] + peephole[1] * memory
        made = functions[0](clipped(shown)) * functions[2](memory)
        return [made @ tensors["weight_hr"].T if "weight_hr" in tensors else made, memory]
    return [functions[0](clipped(inner[0] + outer[0] + rows[0]))]
