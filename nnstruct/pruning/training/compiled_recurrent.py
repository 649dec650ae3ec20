"""nnstruct's recurrent modules in the loop that trains populations, pruned edges left out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from nnstruct.modules.residual import plain_neurons
from nnstruct.modules.rnn.clean import CleanRNN
from nnstruct.population.compiled import compiled_network
from nnstruct.population.loop.network import CompiledNetwork, NamedState
from nnstruct.population.optimisers import AdamState
from nnstruct.pruning.masks import beneath, copy_module
from nnstruct.pruning.nnstruct_modules import with_edges
from nnstruct.pruning.training.compiled import CompiledModule, plain_masks
from nnstruct.pruning.training.hooks import Memory
from nnstruct.pruning.training.memory import OptimizerMemory
from nnstruct.record import TrainConfig
from nnstruct.tasks import Task

_EDGE_WEIGHTS = ("forward_weight", "recurrent_weight")


@dataclass(frozen=True)
class RecurrentMemory(Memory):
    """What Adam remembers of a recurrent network.

    Attributes
    ----------
    module : CleanRNN
    state : AdamState
        With the moments of all edges, zero where one is pruned.
    """

    module: CleanRNN
    state: NamedState

    @classmethod
    def of(cls, module: CleanRNN, learned: OptimizerMemory) -> RecurrentMemory:
        """What PyTorch's Adam remembers of a network.

        Parameters
        ----------
        module : CleanRNN
        learned : OptimizerMemory
            Of an optimiser of the module's parameters.

        Returns
        -------
        RecurrentMemory
        """
        first, second = (_by_name(module, of) for of in (learned.first, learned.second))
        return cls(module, AdamState(learned.steps_taken, first, second))

    def forget(self, parameter: nn.Parameter, kept: Tensor) -> None:
        """Clear the moments of all edges in one of the two edge weights but some."""
        (name,) = (name for name in _EDGE_WEIGHTS if beneath(self.module, name) is parameter)
        own, places = _edges_in(self.module, name)
        for moment in self.state.moments:
            moment["weight"][own] *= kept.numpy()[:, *places].T

    def of_edges(self, keep: np.ndarray) -> NamedState:
        """The state of a network that has some of the edges only.

        Parameters
        ----------
        keep : bool [E]
            Which edges of the module's Structure it has.

        Returns
        -------
        AdamState
            Moments by name; those of ``weight`` are float32 [kept edges, gates].
        """
        first, second = (moment | {"weight": moment["weight"][keep]} for moment in self.state.moments)
        return AdamState(self.state.steps_taken, first, second)


class CompiledRecurrent(CompiledModule):
    """A :class:`nnstruct.modules.CleanRNN` in a compiled loop."""

    def __init__(
        self, module: CleanRNN, keep: np.ndarray, network: CompiledNetwork, task: Task, config: TrainConfig
    ) -> None:
        super().__init__(network, task, config)
        self._module, self._keep, self._network = module, keep, network

    @classmethod
    def of(
        cls, module: nn.Module, task: Task, config: TrainConfig, learned: OptimizerMemory | None
    ) -> CompiledRecurrent | None:
        """The module in a compiled loop; None where only PyTorch can train it.

        Parameters
        ----------
        module : torch.nn.Module
            Served where it is a :class:`nnstruct.modules.CleanRNN` whose masks are on whole edges.
        task : Task
            Of sequences.
        config : TrainConfig
            Served with the protocol ``clean`` and no further options.
        learned : OptimizerMemory or None
            What Adam remembers; None where nothing is learned yet.

        Returns
        -------
        CompiledRecurrent or None
        """
        if not isinstance(module, CleanRNN) or type(module).forward is not CleanRNN.forward:
            return None
        if config.protocol != "clean" or config.options or not plain_neurons(module.structure):
            return None
        keep = _kept_edges(module)
        if keep is None:
            return None
        memory = None if learned is None else RecurrentMemory.of(module, learned)
        return cls._over(module, keep, task, config, memory)

    @classmethod
    def _over(
        cls,
        module: CleanRNN,
        keep: np.ndarray,
        task: Task,
        config: TrainConfig,
        memory: RecurrentMemory | None,
    ) -> CompiledRecurrent:
        parameters = module.parameters_by_name()
        parameters["weight"] = parameters["weight"][keep]
        state = None if memory is None else memory.of_edges(keep)
        network = compiled_network(with_edges(module.structure, keep), parameters, task, config, state)
        return cls(module, keep, network, task, config)

    def memory(self) -> RecurrentMemory:
        """What Adam remembers now, of each weight that the module has."""
        state = self._network.state()
        first, second = (self._with_all_edges(moment) for moment in state.moments)
        return RecurrentMemory(self._module, AdamState(state.steps_taken, first, second))

    def anew(self, memory: RecurrentMemory) -> CompiledRecurrent:
        """With the edges that no mask prunes now."""
        keep = _kept_edges(self._module)
        assert keep is not None, "a hook that splits edges needs PyTorch"
        return self._over(self._module, keep, self.task, self.config, memory)

    def give_back(self) -> None:
        """Put the weights, as they are now, into the module."""
        self._module.assign(self._with_all_edges(self._network.parameters()))

    def _with_all_edges(self, named: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        weight = np.zeros((len(self._keep), named["weight"].shape[1]), dtype=np.float32)
        weight[self._keep] = named["weight"]
        return named | {"weight": weight}


@torch.no_grad()
def _by_name(module: CleanRNN, of: Callable[[nn.Parameter], Tensor]) -> dict[str, np.ndarray]:
    """A value for each parameter, of its shape, as the module names its parameters for the loops."""
    twin = copy_module(module)
    assert isinstance(twin, CleanRNN)
    for held, parameter in zip(twin.parameters(), module.parameters(), strict=True):
        held.copy_(of(parameter))
    return twin.parameters_by_name()


def _edges_in(module: CleanRNN, name: str) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
    """Which edges stand in one of the two dense weights, bool [E], and their targets and sources there."""
    own = module.structure.recurrent == (name == "recurrent_weight")
    source, target = module.edge_places[:, own]
    return own, (target, source)


def _kept_edges(module: CleanRNN) -> np.ndarray | None:
    """The edges that no mask prunes, bool [E]; None where a mask is on anything but whole edges."""
    masks = plain_masks(module)
    if masks is None or not all(place[0] is module and place[1] in _EDGE_WEIGHTS for place in masks):
        return None
    keep = np.ones(module.structure.num_edges, dtype=bool)
    for (_, name), mask in masks.items():
        own, places = _edges_in(module, name)
        by_gate = mask[:, *places]  # [g, edges]
        if (by_gate != by_gate[:1]).any():
            return None
        keep[own] = by_gate[0]
    return keep
