"""Evaluates the graph of an extracted Network unit by unit, from its edges and biases.

It uses what a step of the program says about positions (strides, windows, functions), but no weight
tensor: all numbers come from the edges.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from nnstruct.modules.program.steps import run
from nnstruct.network.module_network import ModuleNetwork
from nnstruct.program import Step
from nnstruct.program.wiring import Group


class Interpreter:
    """Values of all units for some inputs: each is [B, *positions]."""

    def __init__(self, network: ModuleNetwork, *inputs: Tensor) -> None:
        self.network, self.structure = network, network.structure
        self.value: dict[int, Tensor] = {}
        self.weight = torch.tensor(network.weight)
        self.width = network.edge_width
        self.bias = torch.tensor(network.bias)
        self.batch = len(inputs[0])
        waiting = list(inputs)
        for group in network.groups:
            if group.step < 0:
                self._set_input(group, waiting.pop(0))
            else:
                self._run(group, network.program.steps[group.step])

    def outputs(self) -> Tensor:
        """The values of the output units side by side, [B, units, ...]."""
        return torch.stack([self.value[int(u)] for u in np.flatnonzero(self.structure.outputs)], dim=1)

    def _set_input(self, group: Group, given: Tensor) -> None:
        if group.count == 1 and not given.is_floating_point():
            self.value[group.start] = given
            return
        axis = 1 if given.dim() in (2, 4) else given.dim() - 1
        for place in range(group.count):
            self.value[group.start + place] = given.select(axis, place)

    def _into(self, unit: int, *, recurrent: bool = False) -> list[tuple[int, Tensor]]:
        chosen = np.flatnonzero(
            (self.structure.edge_index[1] == unit) & (self.structure.recurrent == recurrent)
        )
        return [(int(self.structure.edge_index[0, e]), self.weight[e, : self.width[e]]) for e in chosen]

    def _run(self, group: Group, step: Step) -> None:
        units = range(group.start, group.start + group.count)
        if step.kind == "rnn":
            self._recurrent(units, step)
        for unit in units:
            if step.kind != "rnn":
                self.value[unit] = self._plain(unit, step)
            for place in group.chain:
                self.value[unit] = self._chained(
                    self.network.program.steps[place], unit - group.start, self.value[unit]
                )

    def _plain(self, unit: int, step: Step) -> Tensor:
        edges = self._into(unit)
        if step.kind == "linear":
            total = torch.zeros(self.batch) if len(step.shape) == 2 else torch.zeros(())
            for source, weight in edges:
                value = self.value[source]
                total = total + (
                    value.flatten(1) @ weight if len(step.shape) == 2 and value.dim() > 1 else weight * value
                )
            return total + self.bias[unit, 0]
        if step.kind == "conv":
            maps = [self._convolved(step, self.value[source], weight) for source, weight in edges]
            return sum(maps, torch.zeros(self.batch, *step.shape[2:])) + self.bias[unit, 0]
        if step.kind == "embedding":
            ((source, weight),) = edges
            return weight[self.value[source]]
        if step.kind == "join":
            values = [(self.value[source], float(weight[0])) for source, weight in edges]
            if step.options["function"] == "mul":
                return values[0][0] * values[1][0]
            return sum(weight * value for value, weight in values)
        ((source, _),) = edges  # an operator with units of its own
        return self.value[source]

    def _convolved(self, step: Step, value: Tensor, weight: Tensor) -> Tensor:
        kernel = weight.reshape(1, 1, *step.options["kernel"])
        single = Step("conv", (0,), (1,), step.shapes, {**step.options, "groups": 1})
        return run(single, [value[:, None]], {"weight": kernel})[0][:, 0]

    def _chained(self, step: Step, place: int, value: Tensor) -> Tensor:
        tensors = {
            role: torch.tensor(self.network.tensors[name]).reshape(-1)[[place]]
            for role, name in step.tensors.items()
        }
        if step.kind == "reduce":
            return value.mean(dim=tuple(range(1, value.dim())), keepdim=step.options["keepdim"])
        return run(step, [value[:, None]], tensors)[0][:, 0]

    def _recurrent(self, units: range, step: Step) -> None:
        cell, time_axis = step.options["cell"], 1 if step.options["batch_first"] else 0
        into = {unit: (self._into(unit), self._into(unit, recurrent=True)) for unit in units}
        example = next(self.value[source] for forward, _ in into.values() for source, _ in forward)
        steps = range(example.shape[time_axis])
        blank = torch.zeros_like(example.select(time_axis, 0))
        hidden, memory = dict.fromkeys(units, blank), dict.fromkeys(units, blank)
        history: dict[int, list[Tensor]] = {unit: [] for unit in units}
        for time in reversed(steps) if step.options["reverse"] else steps:
            new = {}
            for unit, (forward, delayed) in into.items():
                zero = torch.zeros({"lstm": 4, "gru": 3}.get(cell, 1), *blank.shape)
                x = sum((w[:, None] * self.value[s].select(time_axis, time) for s, w in forward), zero)
                h = sum((w[:, None] * hidden[s] for s, w in delayed), torch.zeros_like(x))
                new[unit], memory[unit] = self._cell(cell, x, h, self.bias[unit], hidden[unit], memory[unit])
            hidden = new
            for unit in units:
                history[unit].append(hidden[unit])
        for unit in units:
            ordered = history[unit][::-1] if step.options["reverse"] else history[unit]
            self.value[unit] = torch.stack(ordered, time_axis)

    @staticmethod
    def _cell(
        cell: str, x: Tensor, h: Tensor, bias: Tensor, hidden: Tensor, memory: Tensor
    ) -> tuple[Tensor, Tensor]:
        if cell == "gru":
            reset, update = torch.sigmoid(x[0] + h[0] + bias[0]), torch.sigmoid(x[1] + h[1] + bias[1])
            candidate = torch.tanh(x[2] + bias[2] + reset * (h[2] + bias[3]))
            return (1 - update) * candidate + update * hidden, memory
        if cell == "lstm":
            gates = x + h + bias[:4, None]
            memory = torch.sigmoid(gates[1]) * memory + torch.sigmoid(gates[0]) * torch.tanh(gates[2])
            return torch.sigmoid(gates[3]) * torch.tanh(memory), memory
        total = x[0] + h[0] + bias[0]
        return (torch.tanh(total) if cell == "rnn_tanh" else torch.relu(total)), memory
