"""Magnitude pruning with the three ways to treat classes of weights.

A class is a tensor: the weights between two layers, or the input-to-hidden or hidden-to-hidden weights of
a recurrent layer.

References
----------
A. See, M.-T. Luong, C. D. Manning, Compression of neural machine translation models via pruning (2016),
arXiv:1606.09274.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from nnstruct.errors import InvalidInputError
from nnstruct.pruning.base import PRUNERS, Pruner, Row
from nnstruct.pruning.selection import largest, largest_in_each
from nnstruct.pruning.workpiece import Workpiece, count_of, counts_in_each


@dataclass(frozen=True, kw_only=True)
class _Magnitude(Pruner):
    source = "See, Luong and Manning, 2016"

    def scores(self, work: Workpiece) -> list[Tensor]:
        """The magnitude of each unit; of several gates the Euclidean norm.

        Parameters
        ----------
        work : Workpiece

        Returns
        -------
        list of Tensor [*unit_shape]
            One for each slot.
        """
        return [slot.magnitude(slot.weight.detach()) for slot in work.slots]

    def chosen(self, work: Workpiece, density: float) -> list[Tensor]:
        """Which units stay: those of the largest scores, ``round(density * E)`` over all tensors together.

        Parameters
        ----------
        work : Workpiece
        density : float

        Returns
        -------
        list of bool Tensor [*unit_shape]
            One for each slot.
        """
        return largest(self.scores(work), work.alive, count_of(work, density))

    def apply(self, work: Workpiece, density: float) -> list[Row]:
        """Keep the units that :meth:`chosen` names; nothing is trained, so there are no rows."""
        work.keep(self.chosen(work, density))
        return []


@PRUNERS.register("magnitude-class-blind")
@dataclass(frozen=True, kw_only=True)
class ClassBlind(_Magnitude):
    """Keeps the weights of the largest magnitude, whatever layer they are in (See et al., 2016).

    Examples
    --------
    >>> import torch
    >>> from nnstruct.pruning import prune
    >>> layer = torch.nn.Linear(4, 1)
    >>> _ = layer.weight.data.copy_(torch.tensor([[0.1, -0.4, 0.3, 0.2]]))
    >>> [round(value, 1) for value in prune(layer, 0.5).weight[0].tolist()]
    [0.0, -0.4, 0.3, 0.0]
    """

    name = "magnitude-class-blind"


@PRUNERS.register("magnitude-class-uniform")
@dataclass(frozen=True, kw_only=True)
class ClassUniform(_Magnitude):
    """Keeps the same share of each layer, the weights of the largest magnitude (See et al., 2016).

    Examples
    --------
    >>> from torch import nn
    >>> from nnstruct.pruning import masks_of, prune
    >>> mlp = nn.Sequential(nn.Linear(10, 4), nn.Linear(4, 5))
    >>> sparse = prune(mlp, 0.1, method="magnitude-class-uniform")
    >>> [int(mask.sum()) for mask in masks_of(sparse).values()]
    [4, 2]
    """

    name = "magnitude-class-uniform"
    classes: ClassVar[str] = "uniform"

    def chosen(self, work: Workpiece, density: float) -> list[Tensor]:
        """The units of the largest scores in each tensor, ``round(density * E_l)`` of tensor l."""
        return largest_in_each(self.scores(work), work.alive, counts_in_each(work, density))


@PRUNERS.register("magnitude-class-distributed")
@dataclass(frozen=True, kw_only=True)
class ClassDistributed(_Magnitude):
    """Keeps in each layer what exceeds one multiple of the layer's standard deviation (See et al., 2016).

    The multiple is the one that keeps the share asked for, so that weights are ranked over all layers by
    their magnitude in standard deviations of their layer (of those not pruned before).

    Examples
    --------
    >>> from torch import nn
    >>> from nnstruct.pruning import masks_of, prune
    >>> mlp = nn.Sequential(nn.Linear(10, 4), nn.Linear(4, 5))
    >>> sparse = prune(mlp, 0.1, method="magnitude-class-distributed")
    >>> sum(int(mask.sum()) for mask in masks_of(sparse).values())
    6
    """

    name = "magnitude-class-distributed"

    def scores(self, work: Workpiece) -> list[Tensor]:
        """Magnitudes divided by the standard deviation of their tensor's weights.

        Parameters
        ----------
        work : Workpiece

        Returns
        -------
        list of Tensor [*unit_shape]
            One for each slot.

        Raises
        ------
        InvalidInputError
            If a tensor has several weights left that are all equal, and so no deviation to divide by.
        """
        found = []
        for slot, score in zip(work.slots, super().scores(work), strict=True):
            living = slot.gated(slot.weight.detach())[:, slot.alive]
            deviation = living.std(correction=0) if living.numel() else living.new_zeros(())
            if living.numel() > 1 and not deviation > 0:
                raise InvalidInputError(slot.name, "hold weights that differ", float(living.flatten()[0]))
            found.append(score / deviation if deviation > 0 else score)
        return found
