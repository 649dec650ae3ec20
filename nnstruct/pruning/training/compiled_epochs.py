"""Training in a compiled loop that methods interrupt where they take part in an update."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from nnstruct.population.batches import epoch_batches
from nnstruct.pruning.training.compiled import CompiledModule
from nnstruct.pruning.training.epochs import Epochs
from nnstruct.pruning.training.gradients import backward
from nnstruct.pruning.training.hooks import Hook, TrainingPlace


@dataclass(eq=False)
class CompiledEpochs(Epochs):
    """Trains a module whose weights a compiled loop has taken over.

    Its hooks take part in some updates; they may mask weights of the module, and unmask others.

    Parameters
    ----------
    module, task, config, seed, hooks
        As for :class:`nnstruct.pruning.training.epochs.Epochs`.
    compiled : CompiledModule
        Of the module.
    """

    compiled: CompiledModule

    def epoch(self, number: int) -> float:
        """Leaves the loop only for updates in which a hook takes part."""
        batches = epoch_batches(self.task.train, self.config, self.seed, number)
        total, first = 0.0, 0
        for place in range(len(batches)):
            progress = TrainingPlace.at(number, place, len(batches), self.config.epochs)
            hooks = [hook for hook in self.hooks if hook.takes_part(progress)]
            if not hooks:
                continue
            total += self.compiled.train(batches[first:place])
            if math.isfinite(total):
                total += self._update(batches[place], hooks, progress)
            if not math.isfinite(total):
                break
            first = place + 1
        else:
            total += self.compiled.train(batches[first:])
        self.compiled.give_back()
        return total

    def _update(self, chosen: np.ndarray, hooks: list[Hook], progress: TrainingPlace) -> float:
        self.compiled.give_back()
        for hook in hooks:
            hook.before(progress)
        if any(hook.sees_gradients for hook in hooks):
            # The loop knows no gradients of what is pruned.
            backward(self.module, self.data.part(chosen), self.config, hooks, progress)
            self.module.zero_grad()
        loss = self.compiled.train([chosen])
        if math.isfinite(loss):
            self.compiled.give_back()
            memory = self.compiled.memory()
            for hook in hooks:
                hook.after(progress, memory)
            self.compiled = self.compiled.anew(memory)
        return loss

    def evaluate(self, split: str) -> dict[str, float]:
        """In the compiled loop."""
        return self.compiled.evaluate(split)
