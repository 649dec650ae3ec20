"""Training of a module itself, one update after the other."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch

from nnstruct.errors import InvalidInputError
from nnstruct.modules.build import learning_rates
from nnstruct.population.augmentation import training_view
from nnstruct.population.batches import epoch_batches
from nnstruct.population.module_training import num_updates
from nnstruct.population.optimisers import Updates, make_optimizer
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
        rates = learning_rates(self.module, self.task, self.config)
        if self.make_own is not None:
            if rates is not None:
                rule = f"be left out, as the rates of {self.config.parametrization!r} go with the optimiser"
                raise InvalidInputError("optimizer", rule, self.make_own)
            optimizer = self.make_own(p for p in self.module.parameters() if p.requires_grad)
        else:
            optimizer = make_optimizer(self.module, self.config, fused=True)
        for hook in self.hooks:
            for group in hook.parameter_groups():
                optimizer.add_param_group({"weight_decay": 0.0} | group)
        steps = num_updates(self.task, self.config)
        self.updates = Updates(self.module, self.config, steps, rates, optimizer)
        self.memory = OptimizerMemory(optimizer)

    def epoch(self, number: int) -> float:
        """Every update in PyTorch, with the inputs augmented and resized as the configuration says."""
        rng = generator(self.seed, "augmentation", number)
        batches = epoch_batches(self.task.train, self.config, self.seed, number)
        total = 0.0
        for place, chosen in enumerate(batches):
            progress = TrainingPlace.at(number, place, len(batches), self.config.epochs)
            batch = self.data.part(chosen)
            batch = batch._replace(inputs=training_view(batch.inputs, self.config, number, rng))
            total += self.task.goal.weight(batch.targets) * self._update(batch, progress)
            if not math.isfinite(total):
                break
        return total

    def handed_over(self) -> CompiledEpochs | None:
        """What goes on with the training in a compiled loop; None while that cannot be."""
        if self.make_own or any(hook.needs_pytorch and not hook.is_over for hook in self.hooks):
            return None
        learned = self.memory if self.updates.optimizer.state else None
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
        loss = backward(self.module, batch, self.config, hooks, progress)
        self.updates.step()
        for hook in hooks:
            hook.after(progress, self.memory)
        return loss
