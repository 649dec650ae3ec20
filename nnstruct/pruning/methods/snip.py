"""SNIP: which connections matter to the loss before any training.

References
----------
N. Lee, T. Ajanthan, P. H. S. Torr, SNIP: single-shot network pruning based on connection sensitivity
(2019), arXiv:1810.02340.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from nnstruct.checks import check_integer
from nnstruct.modules.saliency import saliency
from nnstruct.pruning.base import PRUNERS, ScoringPruner
from nnstruct.pruning.training.gradients import device_of, effective_gradients, sample, still
from nnstruct.pruning.workpiece import Workpiece


@PRUNERS.register("snip")
@dataclass(frozen=True, kw_only=True)
class Snip(ScoringPruner):
    """Keeps the weights with the largest connection sensitivity ``|g * w|`` (Lee et al., 2019).

    g is the gradient of the mean loss on some training examples. Meant for a network before training.

    Parameters
    ----------
    classes : {"blind", "uniform"}
        Whether the share holds for all tensors together or for each.
    samples : int
        Training examples.

    Examples
    --------
    >>> from torch import nn
    >>> from nnstruct import load_task
    >>> from nnstruct.pruning import prune
    >>> sparse = prune(nn.Linear(64, 10), 0.1, method="snip", task=load_task("digits"))
    >>> int((sparse.weight != 0).sum())
    64
    """

    name = "snip"
    source = "Lee, Ajanthan and Torr, 2019"
    needs_task = True

    samples: int = 256

    def check(self) -> None:
        """Raise :class:`InvalidInputError` where an option breaks its rule."""
        super().check()
        check_integer(self.samples, "samples")

    def scores(self, work: Workpiece) -> list[Tensor]:
        """The connection sensitivity of each unit, summed over its gates."""
        batch = sample(work.data(), self.samples, work.seed, device_of(work.module))
        with still(work.module, work.seed):
            gradients, _ = effective_gradients(work.slots, lambda: batch.loss(work.module))
        return [
            slot.total_over_gates(saliency(slot.weight, gradient))
            for slot, gradient in zip(work.slots, gradients, strict=True)
        ]
