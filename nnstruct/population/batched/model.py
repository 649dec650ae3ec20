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
        """Numbers that a training step holds in memory for each network, about.

        Parameters
        ----------
        steps : int
            Of the longest sequence in a batch; 1 where inputs are no sequences.
        lanes : int
            Examples in a batch.

        Returns
        -------
        int
            For one network of the population, its padding and the optimiser's moments included.
        """

    def slots(self, index: int) -> Slots:
        """Where the named parameters of one network stand in its row.

        Parameters
        ----------
        index : int
            Of the network, 0 to P - 1.

        Returns
        -------
        dict of str to int64 array
            By the names and shapes of :func:`nnstruct.modules.parameter_shapes`; -1 where a mask removes a
            parameter.
        """

    def scores(self, parameters: Mapping[str, Tensor], batch: Batch) -> Tensor:
        """Class scores of all networks on a batch; differentiable.

        Parameters
        ----------
        parameters : mapping of str to Tensor [P, ...]
            From :meth:`nnstruct.population.batched.blocks.Blocks.split`.
        batch : Batch
            Of B examples for each network.

        Returns
        -------
        Tensor [P, C, B]
        """


def read_out(states: Tensor, read: Tensor) -> Tensor:
    """States at the step at which each example is read out.

    Parameters
    ----------
    states : Tensor [P, H, T, B]
    read : int64 Tensor [P, B]
        Steps from 0 to T - 1.

    Returns
    -------
    Tensor [P, H, B]
    """
    index = read[:, None, None].expand(-1, states.shape[1], -1, -1)
    return states.gather(2, index).squeeze(2)
