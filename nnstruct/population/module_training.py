"""Training of any module on a task: the core of the plain engine, of pruning and of the probes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import TYPE_CHECKING

from nnstruct.population.augmentation import check_augmentation, training_view, with_mirror_image
from nnstruct.population.batches import epoch_batches, evaluation_batches
from nnstruct.population.optimisers import Updates
from nnstruct.random import generator
from nnstruct.record import TrainConfig
from nnstruct.tasks import Goal, Split, Task

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn


def num_updates(task: Task, config: TrainConfig) -> int:
    """Updates in a whole training."""
    return config.epochs * math.ceil(len(task.train) / config.batch_size)


def scores_and_loss(
    module: nn.Module, inputs: tuple[Tensor, ...], targets: Tensor, config: TrainConfig, goal: Goal
) -> tuple[Tensor, Tensor]:
    """A network's scores, and the loss that a training makes small.

    Parameters
    ----------
    module : torch.nn.Module
    inputs : tuple of Tensor
        What the module takes.
    targets : Tensor [B, ...]
        As the goal takes them.
    config : TrainConfig
        Says the precision and the label smoothing.
    goal : Goal
        Of the task.

    Returns
    -------
    scores : float32 Tensor [B, C], or [B, T, C] where every step is asked
    loss : Tensor []
        The goal's, label smoothing included.
    """
    scores = _scores(module, inputs, config)
    return scores, goal.loss(scores, targets, config.label_smoothing)


def _scores(module: nn.Module, inputs: tuple[Tensor, ...], config: TrainConfig) -> Tensor:
    import torch

    half = config.precision == "bfloat16"
    with torch.autocast(inputs[0].device.type, torch.bfloat16, enabled=half):
        scores = module(*inputs)
    return scores.float() if half else scores


class ModuleTraining:
    """A module with its data and its optimiser, one batch at a time; the module itself is trained.

    Parameters
    ----------
    module : torch.nn.Module
        Takes inputs [B, ...], or symbols [B, T] or series [B, T, D] and lengths [B], and gives scores [B, C],
        or [B, T, C] where every step is asked. Trained where its parameters are.
    task : Task
    config : TrainConfig
        Kept in all that concerns training: optimiser, decay, schedule, clipping, smoothing, augmentation,
        precision and the learning rates of the parametrization.
    seed : int
        Decides batches and augmentation.

    Raises
    ------
    InvalidInputError
        If the augmentation does not fit the task, or the parametrization the module.

    Examples
    --------
    >>> from nnstruct import Structure, TrainConfig, load_task
    >>> from nnstruct.modules import build_module
    >>> task, config = load_task("digits"), TrainConfig(epochs=1)
    >>> training = ModuleTraining(build_module(Structure.from_layers([8]), task), task, config, seed=0)
    >>> losses = [loss for size, loss in training.epoch(0)]
    >>> losses[-1] < losses[0]
    True
    """

    def __init__(self, module: nn.Module, task: Task, config: TrainConfig, seed: int) -> None:
        import torch

        from nnstruct.modules.build import learning_rates

        check_augmentation(task, config)
        self.module, self.task, self.config, self.seed = module, task, config, seed
        self.device = next((p.device for p in module.parameters()), torch.device("cpu"))
        steps = num_updates(task, config)
        self.updates = Updates(module, config, steps, rates=learning_rates(module, task, config))

    @cached_property
    def data(self) -> dict[str, tuple[tuple[Tensor, ...], Tensor]]:
        """What the module takes, and the targets, for each split."""
        return {name: _tensors(getattr(self.task, name), self.device) for name in ("train", "val", "test")}

    def epoch(self, number: int) -> Iterator[tuple[float, float]]:
        """Train on every batch of an epoch, one batch each time the iterator is advanced.

        Parameters
        ----------
        number : int
            Of the epoch, from 0 on. With the seed it decides batches and augmentation.

        Yields
        ------
        weight : float
            Examples in the batch, or the steps that are asked; with weights of classes the sum of these.
        loss : float
            The mean loss of these before the update, label smoothing included. Where it is not finite,
            nothing was updated.
        """
        (inputs, targets), config = self.data["train"], self.config
        rng = generator(self.seed, "augmentation", number)
        self.module.train()
        for batch in epoch_batches(self.task.train, config, self.seed, number):
            chosen = [array[batch] for array in inputs]
            chosen[0] = training_view(chosen[0], config, number, rng)
            _, loss = scores_and_loss(self.module, tuple(chosen), targets[batch], config, self.task.goal)
            value = float(loss.detach())
            if math.isfinite(value):
                loss.backward()
                self.updates.step()
            yield self.task.goal.weight(targets[batch]), value

    def evaluate(self, name: str) -> tuple[float, float]:
        """Mean loss, without label smoothing, and score on a split.

        Parameters
        ----------
        name : {"train", "val", "test"}

        Returns
        -------
        loss : float
            The mean over the split, as the goal counts it.
        score : float
            The task's metric, such as the accuracy.
        """
        import torch

        inputs, targets = self.data[name]
        tally = self.task.goal.tally()
        self.module.eval()
        with torch.no_grad():
            for batch in evaluation_batches(getattr(self.task, name), self.config):
                first, *others = (array[batch] for array in inputs)
                tally.add(with_mirror_image(self._scorer(*others), first, self.config), targets[batch])
        return tally.loss, tally.score

    def _scorer(self, *others: Tensor) -> Callable[[Tensor], Tensor]:
        return lambda first: _scores(self.module, (first, *others), self.config)


def _tensors(split: Split, device: torch.device) -> tuple[tuple[Tensor, ...], Tensor]:
    import torch

    arrays = (split.inputs,) if split.lengths is None else (split.inputs, split.lengths)
    # Workers share their arrays read-only, which torch does not know; it gets a copy of its own.
    inputs = tuple(torch.tensor(array, device=device) for array in arrays)
    return inputs, torch.tensor(split.targets, device=device)
