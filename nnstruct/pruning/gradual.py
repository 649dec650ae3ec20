"""Gradual pruning while a network is trained.

References
----------
M. Zhu, S. Gupta, To prune, or not to prune: exploring the efficacy of pruning for model compression (2017),
arXiv:1710.01878.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from nnstruct.pruning.base import Pruner, Workpiece
from nnstruct.pruning.hooks import Hook, Progress, Row
from nnstruct.pruning.movement import cubic

_MOST_PRUNINGS = 50


class Gradual(Hook):
    """Prunes a workpiece by and by: the density falls cubically, fast first and slowly in the end.

    Parameters
    ----------
    work : Workpiece
    pruner : Pruner
        One that does not train.
    density : float
        Reached at ``until``.
    until : float
        Share of the training.
    scores : callable
        Evaluates the network; called once, when the density is reached.
    """

    def __init__(
        self, work: Workpiece, pruner: Pruner, density: float, until: float, scores: Callable[[], Row]
    ) -> None:
        self.work, self.pruner, self.density, self.until, self.scores = work, pruner, density, until, scores
        self.start = sum(int(alive.sum()) for alive in work.alive) / sum(work.totals)
        self.before_rest: Row = {}

    def after(self, progress: Progress, optimizer: torch.optim.Optimizer) -> None:
        if self.before_rest:
            return
        steps = max(1, round(self.until * progress.steps))
        done = progress.step + 1
        if done >= steps:
            self.finish()
        elif done % max(1, steps // _MOST_PRUNINGS) == 0:
            self.pruner.apply(self.work, cubic(done / steps, self.start, self.density))

    def finish(self) -> None:
        """Prune to the density asked for, if that has not been done."""
        if not self.before_rest:
            self.pruner.apply(self.work, self.density)
            self.before_rest = self.scores()
