"""N:M sparsity learned from scratch with a sparse-refined straight-through estimator.

References
----------
A. Zhou, Y. Ma, J. Zhu, J. Liu, Z. Zhang, K. Yuan, W. Sun, H. Li, Learning N:M fine-grained structured
sparse neural networks from scratch (2021), arXiv:2102.04010.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from nnstruct.checks import check_integer, check_number
from nnstruct.errors import InvalidInputError
from nnstruct.pruning.base import PRUNERS, Pruner, Row
from nnstruct.pruning.divergence import mask_divergence
from nnstruct.pruning.selection import n_of_m
from nnstruct.pruning.training.hooks import Hook, TrainingPlace
from nnstruct.pruning.training.training import train_in_place
from nnstruct.pruning.workpiece import Workpiece


@PRUNERS.register("sr-ste")
@dataclass(frozen=True, kw_only=True)
class SrSte(Pruner):
    """Trains with the n largest of each m consecutive weights of an output (Zhou et al., 2021).

    The density is n / m: one half is 2:4, or 4:8 with ``m=8``; one quarter is 1:4. The mask is chosen anew
    in each update. All weights, masked ones too, are updated with the gradient by the masked weight, and
    masked ones also decay: ``g + decay * w``. Groups run along the inputs of an output, at one kernel
    position; a group cut short by the end of the inputs keeps at most n.

    Rows of the training have ``divergence``, the share of the weights whose mask differs from an epoch
    before, and ``divergence_from_start``; see :func:`nnstruct.pruning.mask_divergence`.

    Parameters
    ----------
    m : int
        Weights in a group.
    decay : float
        Of masked weights; 0 is the plain straight-through estimator. The authors use 2e-4.

    Examples
    --------
    >>> from torch import nn
    >>> from nnstruct import TrainConfig, load_task
    >>> from nnstruct.pruning import prune
    >>> task, config = load_task("digits"), TrainConfig(epochs=2)
    >>> sparse = prune(nn.Linear(64, 10), 0.5, method="sr-ste", task=task, config=config)
    >>> (sparse.weight != 0).view(10, 16, 4).sum(2).unique().tolist()
    [2]
    """

    name = "sr-ste"
    source = "Zhou et al., 2021"
    needs_task = True
    trains = True
    exact = False

    m: int = 4
    decay: float = 2e-4

    def check(self) -> None:
        """Raise :class:`InvalidInputError` where an option breaks its rule."""
        check_integer(self.m, "m")
        check_number(self.decay, "decay", low=0, rule="be at least 0")

    def apply(self, work: Workpiece, density: float) -> list[Row]:
        """Train with the n largest of each m weights; the density must be ``n / m`` for an integer n."""
        n = round(density * self.m)
        if abs(density * self.m - n) > 1e-9 or n < 1:
            raise InvalidInputError("density", f"be n / {self.m} for an n from 1 to {self.m}", density)
        hook = _Groups(work, self, n)
        rows = train_in_place(work.module, work.data(), work.config, seed=work.seed, hooks=[hook])
        hook.choose(clear=True)
        return rows


class _Groups(Hook):
    def __init__(self, work: Workpiece, options: SrSte, n: int) -> None:
        self.work, self.options, self.n = work, options, n
        self.alive = work.alive
        self.seen: list[list[Tensor]] = []
        self.choose(clear=False)
        self.first = self.last = self._masks()

    def choose(self, *, clear: bool) -> None:
        """Mask all but the n largest of each m."""
        for slot, alive in zip(self.work.slots, self.alive, strict=True):
            slot.keep(n_of_m(slot.magnitude(slot.value), alive, self.n, self.options.m), clear=clear)

    def before(self, progress: TrainingPlace) -> None:
        self.choose(clear=False)

    def watched(self) -> list[Tensor]:
        self.seen = [slot.effective() for slot in self.work.slots]
        return [weight for places in self.seen for weight in places]

    def gradients(self, progress: TrainingPlace) -> None:
        for slot, places in zip(self.work.slots, self.seen, strict=True):
            given = [weight.grad for weight in places if weight.grad is not None]
            if given:
                pruned = slot.value.masked_fill(slot.mask.mask, 0.0)
                slot.parameter.grad = torch.stack(given).sum(0) + self.options.decay * pruned

    def columns(self) -> Row:
        now = self._masks()
        row = {
            "divergence": mask_divergence(self.last, now),
            "divergence_from_start": mask_divergence(self.first, now),
        }
        self.last = now
        return row

    def _masks(self) -> dict[str, Tensor]:
        return {slot.name: slot.mask.mask.clone() for slot in self.work.slots}
