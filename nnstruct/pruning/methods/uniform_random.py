"""Random pruning, the baseline."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from nnstruct.pruning.base import PRUNERS, ScoringPruner
from nnstruct.pruning.workpiece import Workpiece
from nnstruct.random import generator


@PRUNERS.register("random")
@dataclass(frozen=True, kw_only=True)
class Random(ScoringPruner):
    """Keeps weights chosen at random, each subset of the size asked for with the same probability.

    What a seed keeps at one density is part of what it keeps at every larger one.

    Parameters
    ----------
    classes : {"blind", "uniform"}
        Whether the share holds for all tensors together or for each.

    Examples
    --------
    >>> from torch import nn
    >>> from nnstruct.pruning import prune
    >>> sparse = prune(nn.Linear(10, 10), 0.3, method="random", seed=1)
    >>> int((sparse.weight != 0).sum())
    30
    """

    name = "random"
    source = "a baseline"

    def scores(self, work: Workpiece) -> list[Tensor]:
        """A random number for each unit, the same on every device."""
        found = []
        for slot in work.slots:
            rng = generator(work.seed, "prune", "random", slot.name)
            found.append(torch.from_numpy(rng.random(tuple(slot.domain.shape))).to(slot.domain.device))
        return found
