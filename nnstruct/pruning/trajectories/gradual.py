"""Gradual pruning while a network is trained.

References
----------
M. Zhu, S. Gupta, To prune, or not to prune: exploring the efficacy of pruning for model compression (2017),
arXiv:1710.01878.
"""

from __future__ import annotations

from collections.abc import Callable

from nnstruct.pruning.base import Pruner
from nnstruct.pruning.methods.movement import cubic
from nnstruct.pruning.training.hooks import Hook, Memory, Row, TrainingPlace
from nnstruct.pruning.workpiece import Workpiece

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

    sees_gradients = False

    def __init__(
        self, work: Workpiece, pruner: Pruner, density: float, until: float, scores: Callable[[], Row]
    ) -> None:
        self.work, self.pruner, self.density, self.until, self.scores = work, pruner, density, until, scores
        self.start = sum(int(alive.sum()) for alive in work.alive) / sum(work.totals)
        self.before_rest: Row = {}
        self.needs_pytorch = any(slot.splits_edges for slot in work.slots)

    def takes_part(self, progress: TrainingPlace) -> bool:
        """In at most about 50 updates, the last of them at ``until``."""
        done, steps = progress.step + 1, self._steps(progress)
        return not self.before_rest and (done >= steps or done % max(1, steps // _MOST_PRUNINGS) == 0)

    def after(self, progress: TrainingPlace, memory: Memory) -> None:
        """Prune to the density of this update; at ``until`` to the one asked for."""
        done, steps = progress.step + 1, self._steps(progress)
        if done >= steps:
            self.finish()
        else:
            self.pruner.apply(self.work, cubic(done / steps, self.start, self.density))

    def _steps(self, progress: TrainingPlace) -> int:
        return max(1, round(self.until * progress.steps))

    def finish(self) -> None:
        """Prune to the density asked for, if that has not been done."""
        if not self.before_rest:
            self.pruner.apply(self.work, self.density)
            self.before_rest = self.scores()
