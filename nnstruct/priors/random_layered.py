"""Sparse layers of random sizes."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Self

import numpy as np
from pydantic import Field, model_validator

from nnstruct.errors import InvalidInputError
from nnstruct.priors.base import PRIORS, Prior, Probability
from nnstruct.priors.helpers import log_uniform, random_sizes
from nnstruct.priors.layers import join_components, reach_every_unit

MOST_LAYERS = 10


@PRIORS.register("random-layered")
class RandomLayered(Prior):
    """Layers of random sizes, sparsely joined at densities that are drawn for each pair of layers.

    Every way to fill the layers is equally likely. Each pair of consecutive layers draws its
    density uniformly from ``density``, and each of its pairs of units is then joined with that
    probability; units two or more layers apart are joined with probability ``skip``. The repair
    keeps every unit on a path from the first layer to the last: a unit without an edge from the
    layer before gets one from a random unit of it, likewise towards the layer behind; separate
    components are joined by one random edge each between consecutive layers. Nothing is redrawn.
    Edges run from earlier layers to later ones, and each unit's longest path from a source ends in
    the layer that it was put into.

    :meth:`draw` takes 2 to 10 layers, two densities uniform in 0.1..1, and skips in half of the
    cases (log-uniform in 0.01..0.3).

    Parameters
    ----------
    units : int
        n, at least ``layers``.
    layers : int
        At least 2.
    density : (float, float)
        Lowest and highest density, in [0, 1]; (0.1, 1) by default.
    skip : float
        Probability of an edge between units two or more layers apart; 0 by default.

    References
    ----------
    Sparse layers as in Mocanu et al., "Scalable training of artificial neural networks with
    adaptive sparse connectivity inspired by network science", Nature Communications 9, 2018.

    Examples
    --------
    >>> from nnstruct.priors import RandomLayered
    >>> RandomLayered(units=20, layers=4).sample(0, family="mlp").num_layers
    4
    """

    name: ClassVar[str] = "random-layered"

    units: Annotated[int, Field(ge=2)]
    layers: Annotated[int, Field(ge=2)]
    density: Annotated[tuple[Probability, Probability], Field(strict=False)] = (0.1, 1.0)
    skip: Probability = 0.0

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.layers > self.units:
            raise InvalidInputError("layers", f"be at most units, {self.units}", self.layers)
        if self.density[0] > self.density[1]:
            raise InvalidInputError("density", "be a pair (lowest, highest)", self.density)
        return self

    @property
    def expected_edges(self) -> float:
        """Pairs of units at each distance, on average over the sizes, times their probability.

        Never less than n - 1, the fewest that the repair leaves.
        """
        layers, spare = self.layers, self.units - self.layers
        # Moments of the sizes when every way to fill the layers is equally likely.
        product = spare * (spare - 1) / (layers * (layers + 1))
        consecutive = (layers - 1) * (1 + 2 * spare / layers + product)
        within = layers * (product + spare / layers)
        apart = self.units * (self.units - 1) / 2 - consecutive - within
        return max(self.units - 1.0, consecutive * sum(self.density) / 2 + apart * self.skip)

    @classmethod
    def parameters_for(cls, units: int, rng: np.random.Generator) -> dict[str, Any]:
        """Layers, densities and skips as the class describes them."""
        return {
            "units": units,
            "layers": int(rng.integers(2, min(units, MOST_LAYERS) + 1)),
            "density": tuple(np.sort(rng.uniform(0.1, 1, 2)).tolist()),
            "skip": log_uniform(0.01, 0.3, rng) if rng.random() < 0.5 else 0.0,
        }

    def pairs(self, rng: np.random.Generator) -> np.ndarray:
        """The edges of one graph, int64 [2, E]."""
        sizes = random_sizes(self.units, self.layers, rng)
        layer = np.repeat(np.arange(self.layers), sizes)  # [N]
        far = layer[None, :] - layer[:, None] >= 2
        joined = far & (rng.random(far.shape) < self.skip)  # [N, N]
        for index in range(self.layers - 1):
            rows, columns = np.flatnonzero(layer == index), np.flatnonzero(layer == index + 1)
            block = rng.random((len(rows), len(columns))) < rng.uniform(*self.density)
            reach_every_unit(block, rng)
            joined[np.ix_(rows, columns)] = block
        join_components(joined, layer, rng)
        return np.stack(np.nonzero(joined))
