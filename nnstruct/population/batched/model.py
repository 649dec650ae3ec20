"""What the engine asks of a family: a population of networks as one differentiable function."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol

import numpy as np
from torch import Tensor

from nnstruct.population.batched.blocks import Blocks, Slots

# Values, mask, gradient, both moments and what the optimiser computes with.
PARAMETER_COPIES = 8


class Batch(NamedTuple):
    """A batch as all networks of a population see it.

    Attributes
    ----------
    features : Tensor [P, F, T * B]
        Row 0 is 1 and multiplies a bias; the others are the input, one-hot for symbols. T is 1 where
        inputs are no sequences.
    read : int64 Tensor [P, B]
        The step at which each example is read out.
    steps : int
        T.
    """

    features: Tensor
    read: Tensor
    steps: int


class BatchedModel(Protocol):
    """A population of P networks of one family.

    Attributes
    ----------
    blocks : Blocks
        Of the padded parameters.
    lookup : float32 [S, F] or None
        Features of each symbol, column 0 being 1; None where inputs are no symbols.
    """

    blocks: Blocks
    lookup: np.ndarray | None

    def numbers_held(self, steps: int, lanes: int) -> int:
        """Numbers that a training step of so many steps and lanes holds for each network."""

    def slots(self, index: int) -> Slots:
        """Where the named parameters of network ``index`` stand in its row."""

    def scores(self, parameters: Mapping[str, Tensor], batch: Batch) -> Tensor:
        """Class scores [P, C, B]; ``parameters`` are :meth:`Blocks.split`."""


def read_out(states: Tensor, read: Tensor) -> Tensor:
    """States [P, H, T, B] at the steps ``read`` [P, B], as [P, H, B]."""
    index = read[:, None, None].expand(-1, states.shape[1], -1, -1)
    return states.gather(2, index).squeeze(2)
