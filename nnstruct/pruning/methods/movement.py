"""Movement pruning: keep the weights that training moves away from zero.

References
----------
V. Sanh, T. Wolf, A. M. Rush, Movement pruning: adaptive sparsity by fine-tuning (2020), arXiv:2005.07683.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from nnstruct.checks import check_share
from nnstruct.pruning.base import PRUNERS, Pruner, Row
from nnstruct.pruning.selection import largest
from nnstruct.pruning.training.hooks import Hook, Memory, TrainingPlace
from nnstruct.pruning.training.training import train_in_place
from nnstruct.pruning.workpiece import Workpiece, count_of


def cubic(share_done: float, start: float, end: float) -> float:
    """A density that falls fast first and slowly in the end (Zhu and Gupta, 2017).

    Parameters
    ----------
    share_done : float
        Share of the way; below 0 counts as 0 and above 1 as 1.
    start, end : float
        Densities at both ends of the way.

    Returns
    -------
    float

    Examples
    --------
    >>> from nnstruct.pruning.methods.movement import cubic
    >>> [round(cubic(t, 1.0, 0.2), 3) for t in (0.0, 0.5, 1.0)]
    [1.0, 0.3, 0.2]
    """
    share_done = min(max(share_done, 0.0), 1.0)
    return end + (start - end) * (1.0 - share_done) ** 3


@PRUNERS.register("movement")
@dataclass(frozen=True, kw_only=True)
class Movement(Pruner):
    """Trains the network and keeps the weights with the largest movement ``-sum(g * w)`` (Sanh et al., 2020).

    g is the gradient by the masked weight, also where it is masked, so that a weight can come back.
    After a warm-up the density falls cubically to the one asked for; then training goes on with the mask
    as it is. Meant for a trained network.

    Parameters
    ----------
    warm_up : float
        Share of the training before the first weight is pruned.
    settled : float
        Share of the training at which the mask is final.

    Examples
    --------
    >>> from torch import nn
    >>> from nnstruct import TrainConfig, load_task
    >>> from nnstruct.pruning import prune
    >>> task, config = load_task("digits"), TrainConfig(epochs=2)
    >>> sparse = prune(nn.Linear(64, 10), 0.1, method="movement", task=task, config=config)
    >>> int((sparse.weight != 0).sum())
    64
    """

    name = "movement"
    source = "Sanh, Wolf and Rush, 2020"
    needs_task = True
    trains = True

    warm_up: float = 0.1
    settled: float = 0.7

    def check(self) -> None:
        """Raise :class:`InvalidInputError` where an option breaks its rule."""
        check_share(self.warm_up, "warm_up", ends="(]")
        check_share(self.settled, "settled", ends="(]")

    def apply(self, work: Workpiece, density: float) -> list[Row]:
        """Train, and prune by and by what moves towards zero."""
        count = count_of(work, density)
        hook = _Movement(work, self, density)
        rows = train_in_place(work.module, work.data(), work.config, seed=work.seed, hooks=[hook])
        # A training that ended early leaves more than was asked for.
        work.keep(largest(hook.scores, hook.alive, count) if not hook.final else work.alive)
        return rows


class _Movement(Hook):
    def __init__(self, work: Workpiece, options: Movement, density: float) -> None:
        self.work, self.options, self.density = work, options, density
        self.alive = work.alive
        self.start = sum(int(alive.sum()) for alive in self.alive) / sum(work.totals)
        # Before any movement the larger weight ranks first, by less than any movement counts.
        self.scores = [slot.magnitude(slot.value) * 1e-12 for slot in work.slots]
        self.seen: list[list[Tensor]] = []
        self.final = False

    @property
    def is_over(self) -> bool:
        return self.final

    def watched(self) -> list[Tensor]:
        self.seen = [slot.effective() for slot in self.work.slots]
        return [weight for places in self.seen for weight in places]

    def gradients(self, progress: TrainingPlace) -> None:
        for slot, score, places in zip(self.work.slots, self.scores, self.seen, strict=True):
            for weight in places:
                if weight.grad is not None:
                    score -= slot.total_over_gates(weight.grad * slot.value)

    def after(self, progress: TrainingPlace, memory: Memory) -> None:
        options = self.options
        if progress.share < options.warm_up:
            return
        span = max(options.settled - options.warm_up, 1e-9)
        done = (progress.step + 1) / progress.steps
        self.final = done >= options.settled
        if self.final or progress.step % max(1, progress.steps // 200) == 0:
            now = (
                self.density
                if self.final
                else cubic((done - options.warm_up) / span, self.start, self.density)
            )
            count = round(now * sum(self.work.totals))
            kept = largest(self.scores, self.alive, count)
            # What lies beneath stays, since a weight may come back until the mask is final.
            self.work.keep(kept, clear=self.final)

    def columns(self) -> Row:
        left = sum(int(alive.sum()) for alive in self.work.alive)
        return {"density": left / sum(self.work.totals)}
