"""Sparse evolutionary training.

References
----------
D. C. Mocanu, E. Mocanu, P. Stone, P. H. Nguyen, M. Gibescu, A. Liotta, Scalable training of artificial
neural networks with adaptive sparse connectivity inspired by network science, Nature Communications 9
(2018), arXiv:1707.04780.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from nnstruct.pruning.base import PRUNERS
from nnstruct.pruning.methods.dynamic import DynamicPruner, Rewiring, random_scores
from nnstruct.pruning.selection import largest_in_each
from nnstruct.pruning.training.hooks import Memory, TrainingPlace
from nnstruct.pruning.workpiece import Workpiece


@PRUNERS.register("set")
@dataclass(frozen=True, kw_only=True)
class SparseEvolution(DynamicPruner):
    """Trains a sparse network and replaces its weakest weights by random ones (Mocanu et al., 2018).

    After each epoch but the last the given fraction of the positive weights nearest to zero and of the
    negative ones goes, in each tensor, and as many come at random places, from zero.

    Parameters
    ----------
    fraction, distribution
        As for :class:`nnstruct.pruning.methods.dynamic.DynamicPruner`.

    Examples
    --------
    >>> from torch import nn
    >>> from nnstruct import TrainConfig, load_task
    >>> from nnstruct.pruning import masks_of, prune
    >>> task, config = load_task("digits"), TrainConfig(epochs=2)
    >>> sparse = prune(nn.Linear(64, 10), 0.1, method="set", task=task, config=config)
    >>> int(masks_of(sparse)["weight"].sum())
    64
    """

    name = "set"
    source = "Mocanu et al., 2018"

    def rewiring(self, work: Workpiece, allowed: list[Tensor]) -> Rewiring:
        """Moves the weights nearest to zero to random places."""
        return _Evolution(work, allowed, self.fraction)


class _Evolution(Rewiring):
    def __init__(self, work: Workpiece, allowed: list[Tensor], fraction: float) -> None:
        super().__init__(work, allowed)
        self.fraction = fraction

    def after(self, progress: TrainingPlace, memory: Memory) -> None:
        self.move(self._weakest(), random_scores(self.work, "grow", progress.epoch), memory)

    def _weakest(self) -> list[Tensor]:
        dropped = []
        for slot in self.work.slots:
            weight, alive = slot.weight.detach(), slot.alive
            # The strongest gate tells on which side of zero a unit of several gates is.
            gated = slot.gated(weight)
            strongest = gated.gather(0, gated.abs().argmax(0, keepdim=True))[0]
            sides = [alive & (strongest > 0), alive & (strongest <= 0)]
            counts = [round(self.fraction * int(side.sum())) for side in sides]
            near = -slot.magnitude(weight)
            first, second = largest_in_each([near, near], sides, counts)
            dropped.append(first | second)
        return dropped
