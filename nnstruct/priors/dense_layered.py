"""Fully connected layers."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from nnstruct.priors.base import PRIORS, Prior, Sizes
from nnstruct.priors.helpers import random_sizes
from nnstruct.structure import Structure

MOST_LAYERS = 10


@PRIORS.register("dense-layered")
class DenseLayered(Prior):
    """Layers in which every unit feeds every unit of the next.

    The graph is fixed by its sizes; the seed decides nothing but ``random`` recurrent edges. Edges
    run from each layer to the next. The graph is connected, nothing is redrawn.

    :meth:`draw` takes 2 to 10 layers and every way to fill them with equal likelihood.

    Parameters
    ----------
    sizes : sequence of int
        Units in each layer, at least two layers.

    References
    ----------
    Rosenblatt, "The perceptron: a probabilistic model for information storage and organization in
    the brain", Psychological Review 65, 1958; layered by Rumelhart, Hinton and Williams,
    "Learning representations by back-propagating errors", Nature 323, 1986.

    Examples
    --------
    >>> from nnstruct.priors import DenseLayered
    >>> DenseLayered(sizes=[4, 3, 2]).sample(0, family="mlp").num_edges
    18
    """

    name: ClassVar[str] = "dense-layered"
    deterministic: ClassVar[bool] = True

    sizes: Sizes

    @property
    def num_units(self) -> int:
        """N, the sum of the sizes."""
        return sum(self.sizes)

    @property
    def expected_edges(self) -> float:
        """The exact number of edges."""
        return float(sum(a * b for a, b in zip(self.sizes, self.sizes[1:], strict=False)))

    @classmethod
    def parameters_for(cls, units: int, rng: np.random.Generator) -> dict[str, Any]:
        """Uniformly many layers, 2 to 10, then uniformly one of the ways to fill them."""
        layers = int(rng.integers(2, min(units, MOST_LAYERS) + 1))
        return {"sizes": random_sizes(units, layers, rng)}

    def pairs(self, rng: np.random.Generator) -> np.ndarray:
        """The edges between consecutive layers, int64 [2, E]."""
        return Structure.from_layers(self.sizes).forward_edges
