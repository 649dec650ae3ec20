"""Layer-wise optimal brain surgeon: remove weights and correct the others, layer by layer.

References
----------
X. Dong, S. Chen, S. J. Pan, Learning to prune deep neural networks via layer-wise optimal brain surgeon
(2017), arXiv:1705.07565. B. Hassibi, D. G. Stork, Second order derivatives for network pruning: optimal
brain surgeon, Advances in Neural Information Processing Systems 5 (1992).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from nnstruct.checks import check_integer, check_number
from nnstruct.pruning.base import PRUNERS, Row, ScoringPruner
from nnstruct.pruning.methods.layer_inputs import second_moments
from nnstruct.pruning.slots import Slot
from nnstruct.pruning.training.gradients import device_of, sample
from nnstruct.pruning.workpiece import Workpiece


@PRUNERS.register("layerwise-obs")
@dataclass(frozen=True, kw_only=True)
class LayerwiseObs(ScoringPruner):
    """Removes the weights that a layer's output misses least, and corrects the others (Dong et al., 2017).

    The error of a layer is the mean squared change of its sums for given inputs y, whose Hessian is
    ``H = mean(y y^T)`` for each output. Weight q costs ``w_q**2 / (2 [H^-1]_qq)``. Those that cost most
    stay, and are set to the values that minimise the layer's error exactly, given what was removed (the
    authors remove one after the other with one fixed inverse). Meant for a trained network.

    Parameters
    ----------
    classes : {"uniform", "blind"}
        ``uniform``, the default, keeps the same share of each tensor.
    samples : int
        Training examples.
    damping : float
        Share of the mean of H's diagonal that is added to the diagonal.

    Examples
    --------
    >>> from torch import nn
    >>> from nnstruct import load_task
    >>> from nnstruct.pruning import prune
    >>> sparse = prune(nn.Linear(64, 10), 0.1, method="layerwise-obs", task=load_task("digits"))
    >>> int((sparse.weight != 0).sum())
    64
    """

    name = "layerwise-obs"
    source = "Dong, Chen and Pan, 2017"
    needs_task = True

    classes: str = "uniform"
    samples: int = 256
    damping: float = 1e-3

    def check(self) -> None:
        """Raise :class:`InvalidInputError` where an option breaks its rule."""
        super().check()
        check_integer(self.samples, "samples")
        check_number(self.damping, "damping", low=0, open_low=True)

    def scores(self, work: Workpiece) -> list[Tensor]:
        """What the removal of each unit costs, summed over its gates."""
        return self._costs(work, self._hessians(work))

    def apply(self, work: Workpiece, density: float) -> list[Row]:
        """Keep the units that cost most, and set them to the values that make up for the others."""
        hessians = self._hessians(work)
        kept = self.best_of(self._costs(work, hessians), work, density)
        dense = [slot.weight.detach().clone() for slot in work.slots]
        work.keep(kept)
        for slot, weight, hessian in zip(work.slots, dense, hessians, strict=True):
            slot.assign(_refitted(weight, slot.mask.mask, hessian))
        return []

    def _hessians(self, work: Workpiece) -> list[Tensor]:
        batch = sample(work.data(), self.samples, work.seed, device_of(work.module))
        found = []
        for moment in second_moments(work.slots, work.module, batch):
            size = moment.diagonal(dim1=1, dim2=2).mean(1).clamp(min=1e-12)[:, None, None]
            identity = torch.eye(moment.shape[1], dtype=moment.dtype, device=moment.device)
            found.append(moment + self.damping * size * identity)
        return found

    def _costs(self, work: Workpiece, hessians: list[Tensor]) -> list[Tensor]:
        return [
            slot.total_over_gates(_cost(slot, hessian))
            for slot, hessian in zip(work.slots, hessians, strict=True)
        ]


def _cost(slot: Slot, hessian: Tensor) -> Tensor:
    weight = slot.weight.detach()
    rows = _rows(weight, hessian).double()  # [groups, outputs, d]
    inverse = torch.linalg.inv(hessian).diagonal(dim1=1, dim2=2)  # [groups, d]
    return (rows**2 / (2 * inverse[:, None])).reshape(weight.shape)


def _rows(weight: Tensor, hessian: Tensor) -> Tensor:
    return weight.reshape(len(hessian), -1, hessian.shape[-1])


def _refitted(weight: Tensor, mask: Tensor, hessian: Tensor) -> Tensor:
    """The masked weights that change the layer's sums least."""
    rows, kept = _rows(weight, hessian).double().clone(), _rows(mask, hessian)
    inverse = torch.linalg.inv(hessian)
    for group in range(len(hessian)):
        for output in range(rows.shape[1]):
            row, keep = rows[group, output], kept[group, output]
            gone = ~keep & (row != 0)
            if not gone.any():
                continue
            fitted = torch.zeros_like(row)
            if int(keep.sum()) <= int((~keep).sum()):
                among = hessian[group][keep]
                fitted[keep] = torch.linalg.solve(among[:, keep], among @ row)
            else:
                lost = inverse[group][~keep]
                correction = torch.linalg.solve(lost[:, ~keep], row[~keep])
                fitted[keep] = (row - lost.T @ correction)[keep]
            rows[group, output] = fitted
    return rows.reshape(weight.shape).to(weight.dtype)
