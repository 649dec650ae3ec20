"""Linear layers in a row, most of whose weights are pruned, in a loop over the weights that are left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeGuard

import numpy as np
import torch
from torch import Tensor, nn

from nnstruct.population import native
from nnstruct.population.native.perceptron import LayerMoment, NativePerceptron, PerceptronState, SparseLayer
from nnstruct.population.optimisers import AdamState
from nnstruct.pruning.masks import beneath, identity
from nnstruct.pruning.training.compiled import CompiledModule, plain_masks
from nnstruct.pruning.training.hooks import Memory
from nnstruct.pruning.training.memory import OptimizerMemory
from nnstruct.record import TrainConfig
from nnstruct.tasks import Task

# A loop over single weights takes as long as PyTorch's dense products where about so many are left.
MOST_DENSITY = 0.5
_ACTIVATIONS = {nn.ReLU: "relu", nn.Tanh: "tanh", nn.Identity: "identity"}
_OPTIONS = {"schedule"}


@dataclass(frozen=True)
class PerceptronMemory(Memory):
    """What Adam remembers of a perceptron.

    Attributes
    ----------
    layers : dict of int to int
        The number of each layer by the identity of its weight.
    state : PerceptronState
    """

    layers: dict[int, int]
    state: PerceptronState

    def forget(self, parameter: nn.Parameter, kept: Tensor) -> None:
        """Clear the moments of all weights of a layer but some; its biases keep theirs."""
        for moments in self.state.moments:
            moments[self.layers[id(parameter)]].weight[~kept.numpy()] = 0.0


class CompiledPerceptron(CompiledModule):
    """A :class:`torch.nn.Sequential` of linear layers and activations in a compiled loop."""

    def __init__(
        self,
        module: nn.Module,
        linear: Sequence[nn.Linear],
        network: NativePerceptron,
        task: Task,
        config: TrainConfig,
    ) -> None:
        super().__init__(network, task, config)
        self._module, self._linear, self._network = module, linear, network

    @classmethod
    def of(
        cls, module: nn.Module, task: Task, config: TrainConfig, learned: OptimizerMemory | None
    ) -> CompiledPerceptron | None:
        """The module in a compiled loop; None where only PyTorch can train it, or is quicker.

        Parameters
        ----------
        module : torch.nn.Module
            Served where it is a :class:`torch.nn.Sequential` of linear layers with biases, each with ReLU,
            tanh or the identity behind it, and at least half of its weights are masked.
        task : Task
        config : TrainConfig
            Served with no other options than a schedule.
        learned : OptimizerMemory or None
            What Adam remembers; None where nothing is learned yet.

        Returns
        -------
        CompiledPerceptron or None
        """
        found = _layers_of(module)
        if found is None or set(config.options) - _OPTIONS or not native.available():
            return None
        linear, layers = zip(*found, strict=True)
        kept, total = (
            sum(sizes) for sizes in zip(*((x.mask.sum(), x.mask.size) for x in layers), strict=True)
        )
        if kept > MOST_DENSITY * total:
            return None
        state = None if learned is None else _state_of(linear, learned)
        return cls(module, linear, NativePerceptron(layers, task, config, state), task, config)

    def memory(self) -> PerceptronMemory:
        """What Adam remembers now, of each weight that the module has."""
        layers = {identity(part, "weight"): number for number, part in enumerate(self._linear)}
        return PerceptronMemory(layers, self._network.state())

    def anew(self, memory: PerceptronMemory) -> CompiledPerceptron:
        """With the same layers, read again with their present masks."""
        layers = [layer for _, layer in _layers_of(self._module) or []]
        network = NativePerceptron(layers, self.task, self.config, memory.state)
        return CompiledPerceptron(self._module, self._linear, network, self.task, self.config)

    @torch.no_grad()
    def give_back(self) -> None:
        """Put the weights, as they are now, into the module."""
        for part, layer in zip(self._linear, self._network.layers(), strict=True):
            weight = torch.from_numpy(layer.weight)
            if isinstance(part._parameters.get("weight"), nn.Parameter):
                part.weight.copy_(weight)
            else:
                part.weight = weight  # what lies beneath the mask
            part.bias.copy_(torch.from_numpy(layer.bias))


def _state_of(linear: Sequence[nn.Linear], learned: OptimizerMemory) -> PerceptronState:
    """What PyTorch's Adam remembers of the layers."""
    first, second = (
        [LayerMoment(of(beneath(part, "weight")).numpy(), of(part.bias).numpy()) for part in linear]
        for of in (learned.first, learned.second)
    )
    return AdamState(learned.steps_taken, first, second)


def _layers_of(module: nn.Module) -> list[tuple[nn.Linear, SparseLayer]] | None:
    """The linear layers and what the loop needs of each; None where the module is anything else."""
    if type(module) is not nn.Sequential:
        return None
    masks = plain_masks(module)
    parts = list(module)
    if parts and isinstance(parts[0], nn.Flatten) and (parts[0].start_dim, parts[0].end_dim) == (1, -1):
        del parts[0]
    if masks is None or not parts or not _is_linear(parts[-1]) or len(set(parts)) < len(parts):
        return None
    found: list[tuple[nn.Linear, SparseLayer]] = []
    for place, part in enumerate(parts):
        if not _is_linear(part):
            # An activation stands behind a linear layer.
            if type(part) not in _ACTIVATIONS or not place or not _is_linear(parts[place - 1]):
                return None
            linear, layer = found[-1]
            found[-1] = linear, layer._replace(activation=_ACTIVATIONS[type(part)])
            continue
        weight = part.weight.detach().numpy()
        mask = masks.pop((part, "weight"), None)
        kept = np.ones(weight.shape, dtype=bool) if mask is None else mask
        found.append((part, SparseLayer(weight, kept, part.bias.detach().numpy(), "identity")))
    tied = len({id(p) for p in module.parameters()}) < 2 * len(found)
    return None if masks or tied else found


def _is_linear(part: nn.Module) -> TypeGuard[nn.Linear]:
    return isinstance(part, nn.Linear) and type(part).forward is nn.Linear.forward and part.bias is not None
