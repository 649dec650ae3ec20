"""RigL: rewiring towards the largest gradients.

References
----------
U. Evci, T. Gale, J. Menick, P. S. Castro, E. Elsen, Rigging the lottery: making all tickets winners
(2020), arXiv:1911.11134.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from nnstruct.checks import check_integer, check_share
from nnstruct.pruning.base import PRUNERS
from nnstruct.pruning.methods.dynamic import DynamicPruner, Rewiring, cosine_fraction
from nnstruct.pruning.selection import largest_in_each
from nnstruct.pruning.training.hooks import Memory, TrainingPlace
from nnstruct.pruning.workpiece import Workpiece


@PRUNERS.register("rigl")
@dataclass(frozen=True, kw_only=True)
class RigL(DynamicPruner):
    """Trains a sparse network and moves weak weights to where the gradient is large (Evci et al., 2020).

    At intervals the weights of the smallest magnitude go, in each tensor, and as many come where the
    gradient by a weight that is not there is largest, from zero. The fraction that moves falls to zero
    along a cosine.

    Parameters
    ----------
    fraction, distribution
        As for :class:`nnstruct.pruning.methods.dynamic.DynamicPruner`.
    moves : int
        How many times weights move; at most every update, at least every 100.
    end : float
        Share of the training after which nothing moves any more.

    Examples
    --------
    >>> from torch import nn
    >>> from nnstruct import TrainConfig, load_task
    >>> from nnstruct.pruning import masks_of, prune
    >>> task, config = load_task("digits"), TrainConfig(epochs=2)
    >>> sparse = prune(nn.Linear(64, 10), 0.1, method="rigl", task=task, config=config)
    >>> int(masks_of(sparse)["weight"].sum())
    64
    """

    name = "rigl"
    source = "Evci et al., 2020"

    moves: int = 20
    end: float = 0.75

    def check(self) -> None:
        """Raise :class:`InvalidInputError` where an option breaks its rule."""
        super().check()
        check_integer(self.moves, "moves")
        check_share(self.end, "end", ends="(]")

    def rewiring(self, work: Workpiece, allowed: list[Tensor]) -> Rewiring:
        """Moves the weakest weights to where the gradient is largest."""
        return _Rigged(work, allowed, self)


class _Rigged(Rewiring):
    sees_gradients = True

    def __init__(self, work: Workpiece, allowed: list[Tensor], options: RigL) -> None:
        super().__init__(work, allowed)
        self.options = options
        self.seen: list[list[Tensor]] = []
        self.gains: list[Tensor] = []

    def takes_part(self, progress: TrainingPlace) -> bool:
        every = min(100, max(1, int(self.options.end * progress.steps) // self.options.moves))
        return progress.step % every == every - 1 and progress.share < self.options.end

    def watched(self) -> list[Tensor]:
        self.seen = [slot.effective() for slot in self.work.slots]
        return [weight for places in self.seen for weight in places]

    def gradients(self, progress: TrainingPlace) -> None:
        self.gains = [
            slot.magnitude(sum((w.grad for w in places if w.grad is not None), torch.zeros_like(places[0])))
            for slot, places in zip(self.work.slots, self.seen, strict=True)
        ]

    def after(self, progress: TrainingPlace, memory: Memory) -> None:
        fraction = cosine_fraction(self.options.fraction, progress, self.options.end)
        dropped = []
        for slot in self.work.slots:
            alive = slot.alive
            count = round(fraction * int(alive.sum()))
            dropped += largest_in_each([-slot.magnitude(slot.weight.detach())], [alive], [count])
        self.move(dropped, [gain.detach() for gain in self.gains], memory)
