"""Optimal brain damage: the increase of the loss that a weight's removal causes, to second order.

References
----------
Y. LeCun, J. S. Denker, S. A. Solla, Optimal brain damage, Advances in Neural Information Processing
Systems 2 (1989).
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from nnstruct.checks import check_integer
from nnstruct.pruning.base import PRUNERS, ScoringPruner
from nnstruct.pruning.masks import made_permanent
from nnstruct.pruning.methods.curvature import gauss_newton_diagonal
from nnstruct.pruning.training.gradients import device_of, sample, still
from nnstruct.pruning.workpiece import Workpiece


@PRUNERS.register("optimal-brain-damage")
@dataclass(frozen=True, kw_only=True)
class OptimalBrainDamage(ScoringPruner):
    """Keeps the weights with the largest saliency ``h * w**2 / 2`` (LeCun et al., 1989).

    h is the diagonal of the Gauss-Newton matrix, which drops the Hessian's terms in second derivatives
    of the class scores, as LeCun's backpropagation does (his is that matrix's layer-wise
    approximation); it is exact, not sampled, for the examples chosen. Meant for a trained network.

    Parameters
    ----------
    classes : {"blind", "uniform"}
        Whether the share holds for all tensors together or for each.
    samples : int
        Training examples; each costs as many backward passes as there are classes.

    Examples
    --------
    >>> from torch import nn
    >>> from nnstruct import load_task
    >>> from nnstruct.pruning import prune
    >>> sparse = prune(nn.Linear(64, 10), 0.1, method="optimal-brain-damage", task=load_task("digits"))
    >>> int((sparse.weight != 0).sum())
    64
    """

    name = "optimal-brain-damage"
    source = "LeCun, Denker and Solla, 1989"
    needs_task = True

    samples: int = 128

    def check(self) -> None:
        """Raise :class:`InvalidInputError` where an option breaks its rule."""
        super().check()
        check_integer(self.samples, "samples")

    def scores(self, work: Workpiece) -> list[Tensor]:
        """The saliency of each unit, summed over its gates."""
        batch = sample(work.data(), self.samples, work.seed, device_of(work.module))
        plain = made_permanent(work.module)
        with still(plain, work.seed):
            curvature = gauss_newton_diagonal(plain, [slot.name for slot in work.slots], batch)
        return [
            slot.total_over_gates(diagonal * slot.weight.detach() ** 2 / 2)
            for slot, diagonal in zip(work.slots, curvature, strict=True)
        ]
