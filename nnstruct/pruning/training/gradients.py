"""Gradients by the weights that a module computes with, on a part of a task's training split."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.utils.parametrize as parametrize
from torch import Tensor, nn

from nnstruct.population.module_training import scores_and_loss
from nnstruct.pruning.slots import Slot
from nnstruct.pruning.training.hooks import Hook, TrainingPlace
from nnstruct.random import derive_seed, generator
from nnstruct.record import TrainConfig
from nnstruct.tasks import Goal, Split, Task


class TaskBatch(NamedTuple):
    """Examples as a module takes them.

    Attributes
    ----------
    inputs : Tensor [B, ...]
    lengths : int64 Tensor [B] or None
    targets : Tensor [B, ...]
    goal : Goal
        Of the task.
    """

    inputs: Tensor
    lengths: Tensor | None
    targets: Tensor
    goal: Goal

    @classmethod
    def of(cls, task: Task, split: str, device: torch.device) -> TaskBatch:
        """All examples of a split.

        Parameters
        ----------
        task : Task
        split : {"train", "val", "test"}
        device : torch.device
            Where they shall be.

        Returns
        -------
        TaskBatch
        """
        held: Split = getattr(task, split)
        lengths = None if held.lengths is None else torch.from_numpy(held.lengths).to(device)
        inputs, targets = (torch.from_numpy(array).to(device) for array in (held.inputs, held.targets))
        return cls(inputs, lengths, targets, task.goal)

    def part(self, chosen: np.ndarray | Tensor) -> TaskBatch:
        """Some of the examples, sequences cut to the longest among them.

        Parameters
        ----------
        chosen : int64 array or Tensor [b]
            Their places in this batch.

        Returns
        -------
        TaskBatch
            Of b examples, in that order.
        """
        places = torch.as_tensor(chosen, device=self.inputs.device)
        if self.lengths is None:
            return TaskBatch(self.inputs[places], None, self.targets[places], self.goal)
        lengths = self.lengths[places]
        inputs = self.inputs[places, : int(lengths.max())]
        return TaskBatch(inputs, lengths, self.targets[places], self.goal)

    def scores(self, module: nn.Module) -> Tensor:
        """A network's scores; sequences and series go in as ``module(inputs, lengths)``.

        Parameters
        ----------
        module : torch.nn.Module

        Returns
        -------
        Tensor [B, C], or [B, T, C] where every step is asked
        """
        return module(self.inputs) if self.lengths is None else module(self.inputs, self.lengths)

    def loss(self, module: nn.Module) -> Tensor:
        """The mean loss of the task.

        Parameters
        ----------
        module : torch.nn.Module

        Returns
        -------
        Tensor []
            With its gradient's history.
        """
        return self.goal.loss(self.scores(module), self.targets)


def device_of(module: nn.Module) -> torch.device:
    """Where a module's first parameter is."""
    return next((p.device for p in module.parameters()), torch.device("cpu"))


def sample(task: Task, samples: int, seed: int, device: torch.device) -> TaskBatch:
    """Training examples drawn without replacement, all if there are no more than asked for.

    Parameters
    ----------
    task : Task
    samples : int
    seed : int
        Decides which examples.
    device : torch.device

    Returns
    -------
    TaskBatch
        In the order of the split.
    """
    order = generator(seed, "prune", "samples").permutation(len(task.train))[:samples]
    return TaskBatch.of(task, "train", device).part(np.sort(order))


@contextmanager
def still(module: nn.Module, seed: int = 0, *, unfused: bool = False) -> Iterator[None]:
    """A module in evaluation mode, with kernels that have a derivative there; then as it was.

    Parameters
    ----------
    module : nn.Module
    seed : int
        Of what the module draws at random all the same.
    unfused : bool
        Take no fused kernels for recurrent layers: they have no second derivative and hide products.
    """
    before = [(part, part.training) for part in module.modules()]
    devices = sorted({p.device.index for p in module.parameters() if p.device.type == "cuda"})
    recurrent = any(isinstance(part, nn.RNNBase) for part in module.modules())
    fused = torch.backends.mkldnn.set_flags(_enabled=False) if recurrent and unfused else None
    try:
        module.eval()
        with torch.random.fork_rng(devices), torch.backends.cudnn.flags(enabled=not recurrent):
            torch.manual_seed(derive_seed(seed, "prune", "still"))
            yield
    finally:
        if fused is not None:
            torch.backends.mkldnn.set_flags(_enabled=fused[0])
        for part, training in before:
            part.training = training


def effective_gradients(
    slots: Sequence[Slot], loss: Callable[[], Tensor], *, create_graph: bool = False
) -> tuple[list[Tensor], list[list[Tensor]]]:
    """Gradients of a loss by each slot's weight as the module uses it, masked entries included.

    Parameters
    ----------
    slots : sequence of Slot
    loss : callable
        Runs the module.
    create_graph : bool

    Returns
    -------
    (list of Tensor, list of list of Tensor)
        The gradient of each slot, summed over its places, and the weights at its places.
    """
    with torch.enable_grad(), parametrize.cached():
        weights = [slot.effective() for slot in slots]
        flat = [weight for places in weights for weight in places]
        found = torch.autograd.grad(loss(), flat, create_graph=create_graph, allow_unused=True)
    gradients, rest = [], iter(found)
    for places in weights:
        own = [next(rest) for _ in places]
        given = [gradient for gradient in own if gradient is not None]
        gradients.append(torch.stack(given).sum(0) if given else torch.zeros_like(places[0]))
    return gradients, weights


def backward(
    module: nn.Module, batch: TaskBatch, config: TrainConfig, hooks: Sequence[Hook], progress: TrainingPlace
) -> float:
    """Add the gradient of a batch's loss to those of the parameters; hooks see what they watch.

    Parameters
    ----------
    module : torch.nn.Module
    batch : TaskBatch
    config : TrainConfig
        Says the precision and the label smoothing.
    hooks : sequence of Hook
        Those that take part in this update; their penalties are added to the loss.
    progress : TrainingPlace

    Returns
    -------
    float
        The mean loss of the batch, without penalties.
    """
    with parametrize.cached():
        for tensor in [tensor for hook in hooks for tensor in hook.watched()]:
            tensor.retain_grad()
        inputs = (batch.inputs,) if batch.lengths is None else (batch.inputs, batch.lengths)
        _, loss = scores_and_loss(module, inputs, batch.targets, config, batch.goal)
        total = loss
        for hook in hooks:
            term = hook.penalty()
            total = total if term is None else total + term
        total.backward()
        for hook in hooks:
            hook.gradients(progress)
    return float(loss.detach())
