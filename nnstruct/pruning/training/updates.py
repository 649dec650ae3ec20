"""Training of a module itself, one update after the other."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from nnstruct.population.augmentation import augmented
from nnstruct.population.batches import epoch_batches
from nnstruct.population.optimisers import make_optimizer, rate_at
from nnstruct.pruning.training.choice import compiled_module
from nnstruct.pruning.training.compiled_epochs import CompiledEpochs
from nnstruct.pruning.training.epochs import Epochs
from nnstruct.pruning.training.evaluation import evaluate
from nnstruct.pruning.training.gradients import TaskBatch, backward
from nnstruct.pruning.training.hooks import TrainingPlace
from nnstruct.pruning.training.memory import OptimizerMemory
from nnstruct.random import generator

MakeOptimizer = Callable[[Iterable[Any]], torch.optim.Optimizer]


@dataclass(eq=False)
class PlainEpochs(Epochs):
    """Trains a module itself, until a compiled loop can go on.

    Parameters
    ----------
    module, task, config, seed, hooks
        As for :class:`nnstruct.pruning.training.epochs.Epochs`.
    make_own : callable, optional
        Makes an optimiser from parameters, which no compiled loop can replace.
    """

    make_own: MakeOptimizer | None = None

    def __post_init__(self) -> None:
        self.trained = [parameter for parameter in self.module.parameters() if parameter.requires_grad]
        if self.make_own is not None:
            self.optimizer = self.make_own(self.trained)
        else:
            self.optimizer = make_optimizer(self.module, self.config, fused=True)
        for hook in self.hooks:
            for group in hook.parameter_groups():
                self.optimizer.add_param_group(group)
        self.first_rates = [group["lr"] for group in self.optimizer.param_groups]
        self.memory = OptimizerMemory(self.optimizer)

    def epoch(self, number: int) -> float:
        """Every update in PyTorch, with augmented inputs where the configuration says so."""
        rng = generator(self.seed, "augmentation", number)
        batches = epoch_batches(self.task.train, self.config, self.seed, number)
        total = 0.0
        for place, chosen in enumerate(batches):
            progress = TrainingPlace.at(number, place, len(batches), self.config.epochs)
            batch = self.data.part(chosen)
            if self.config.augmentation != "none":
                batch = batch._replace(inputs=augmented(batch.inputs, self.config.augmentation, rng))
            share = rate_at(self.config, progress.step, progress.steps) / self.config.learning_rate
            for group, rate in zip(self.optimizer.param_groups, self.first_rates, strict=True):
                group["lr"] = rate * share
            total += len(chosen) * self._update(batch, progress)
            if not math.isfinite(total):
                break
        return total

    def handed_over(self) -> CompiledEpochs | None:
        """What goes on with the training in a compiled loop; None while that cannot be."""
        if self.make_own or any(hook.needs_pytorch and not hook.is_over for hook in self.hooks):
            return None
        learned = self.memory if self.optimizer.state else None
        compiled = compiled_module(self.module, self.task, self.config, learned)
        if compiled is None:
            return None
        return CompiledEpochs(self.module, self.task, self.config, self.seed, self.hooks, compiled)

    def evaluate(self, split: str) -> dict[str, float]:
        """By :func:`nnstruct.pruning.evaluate`."""
        return evaluate(self.module, self.task, split=split, config=self.config)

    def _update(self, batch: TaskBatch, progress: TrainingPlace) -> float:
        hooks = [hook for hook in self.hooks if hook.takes_part(progress)]
        for hook in hooks:
            hook.before(progress)
        self.optimizer.zero_grad()
        loss = backward(self.module, batch, self.config, hooks, progress)
        nn.utils.clip_grad_norm_(self.trained, self.config.clip_norm)
        self.optimizer.step()
        for hook in hooks:
            hook.after(progress, self.memory)
        return loss
