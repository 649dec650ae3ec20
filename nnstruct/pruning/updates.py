"""Training of a module itself, one update after the other."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from nnstruct.population.augmentation import augmented
from nnstruct.population.batches import epoch_batches
from nnstruct.population.optimisers import make_optimizer, rate_at
from nnstruct.pruning.compiled import AdamOf, compiled_module
from nnstruct.pruning.compiled_epochs import CompiledEpochs
from nnstruct.pruning.evaluation import evaluate
from nnstruct.pruning.gradients import Batch, backward, device_of
from nnstruct.pruning.hooks import Hook, Progress
from nnstruct.random import generator
from nnstruct.record import TrainConfig
from nnstruct.tasks import Task

MakeOptimizer = Callable[[Iterable[Any]], torch.optim.Optimizer]


class OptimizerMemory:
    """A :class:`nnstruct.pruning.hooks.Memory`: the state of an optimiser of PyTorch."""

    def __init__(self, optimizer: torch.optim.Optimizer) -> None:
        self.optimizer = optimizer

    def forget(self, parameter: nn.Parameter, kept: Tensor) -> None:
        """Clear what is remembered of all weights of a parameter but some."""
        for value in self.optimizer.state.get(parameter, {}).values():
            if isinstance(value, Tensor) and value.shape == kept.shape:
                value.mul_(kept)


class Updates:
    """Trains a module, with hooks that may take part in any update.

    Parameters
    ----------
    module : torch.nn.Module
    task : Task
    config : TrainConfig
    seed : int
        Decides the order of the batches.
    optimizer : callable, optional
        Makes the optimiser from parameters.
    hooks : sequence of Hook
    """

    def __init__(
        self,
        module: nn.Module,
        task: Task,
        config: TrainConfig,
        seed: int,
        optimizer: MakeOptimizer | None,
        hooks: Sequence[Hook],
    ) -> None:
        self.module, self.task, self.config, self.seed, self.hooks = module, task, config, seed, hooks
        self.data = Batch.of(task.train, device_of(module))
        self.trained = [parameter for parameter in module.parameters() if parameter.requires_grad]
        self.is_own = optimizer is not None
        self.optimizer = optimizer(self.trained) if optimizer else make_optimizer(module, config, fused=True)
        for hook in hooks:
            for group in hook.parameter_groups():
                self.optimizer.add_param_group(group)
        self.first_rates = [group["lr"] for group in self.optimizer.param_groups]

    def epoch(self, number: int) -> float:
        """Train for an epoch; the sum of the examples' losses, not finite once training diverges."""
        rng = generator(self.seed, "augmentation", number)
        batches = epoch_batches(self.task.train, self.config, self.seed, number)
        total = 0.0
        for place, chosen in enumerate(batches):
            progress = Progress.at(number, place, len(batches), self.config.epochs)
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
        if self.is_own or any(hook.needs_pytorch and not hook.is_over for hook in self.hooks):
            return None
        compiled = compiled_module(self.module, self.task, self.config)
        if compiled is None:
            return None
        memory = compiled.memory_from(AdamOf(self.optimizer))
        return CompiledEpochs(
            self.module, self.task, self.config, self.seed, compiled.anew(memory), self.hooks
        )

    def evaluate(self, split: str) -> dict[str, float]:
        """Mean loss and accuracy on a split."""
        return evaluate(self.module, self.task, split=split, config=self.config)

    def _update(self, batch: Batch, progress: Progress) -> float:
        hooks = [hook for hook in self.hooks if hook.takes_part(progress)]
        for hook in hooks:
            hook.before(progress)
        self.optimizer.zero_grad()
        loss = backward(self.module, batch, self.config, hooks, progress)
        nn.utils.clip_grad_norm_(self.trained, self.config.clip_norm)
        self.optimizer.step()
        for hook in hooks:
            hook.after(progress, OptimizerMemory(self.optimizer))
        return loss
