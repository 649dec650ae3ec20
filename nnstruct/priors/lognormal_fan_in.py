"""Sparse layers whose units differ widely in how many others feed them."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field

from nnstruct.priors.base import PRIORS, Prior, Sizes
from nnstruct.priors.helpers import log_uniform, random_sizes
from nnstruct.priors.layers import join_components, reach_every_unit

MOST_LAYERS = 6


@PRIORS.register("lognormal-fan-in")
class LognormalFanIn(Prior):
    """The fan-in of a unit is lognormal, as numbers of synapses are; who feeds it is drawn at random.

    A unit takes round(exp(X)) units of the layer before, at least one and at most all, where X is normal with
    the standard deviation ``sigma`` and the mean ``log(mean) - sigma^2 / 2``, so that the fan-in has the
    given mean before it is rounded and bounded. A unit that feeds none is then joined to a random one of the
    layer behind, separate components by one edge each. :func:`nnstruct.priors.sample` takes it where it is
    named.

    :meth:`draw` takes 2 to 6 layers of random sizes, a mean fan-in log-uniform from 2 to n/3, and ``sigma``
    uniform in 0.2..1.5.

    Parameters
    ----------
    sizes : sequence of int
        Units in each layer, at least two layers.
    mean : float
        At least 1.
    sigma : float
        Of the logarithm; 0 gives every unit the same fan-in.

    References
    ----------
    Buzsaki and Mizuseki, "The log-dynamic brain: how skewed distributions affect network operations", Nature
    Reviews Neuroscience 15, 2014.

    Examples
    --------
    >>> from nnstruct.priors import LognormalFanIn
    >>> LognormalFanIn(sizes=[10, 40], mean=3, sigma=0).sample(0, family="mlp").num_edges
    120
    """

    name: ClassVar[str] = "lognormal-fan-in"
    in_turn: ClassVar[bool] = False

    sizes: Sizes
    mean: Annotated[float, Field(ge=1)]
    sigma: Annotated[float, Field(ge=0)]

    @property
    def num_units(self) -> int:
        """The sum of the sizes."""
        return sum(self.sizes)

    @property
    def expected_edges(self) -> float:
        """Mean fan-ins of all units behind the first layer, none above the size of the layer before.

        Never less than n - 1, the fewest that the repair leaves.
        """
        return max(self.num_units - 1.0, sum(b * min(self.mean, a) for a, b in pairwise(self.sizes)))

    @classmethod
    def parameters_for(cls, units: int, rng: np.random.Generator) -> dict[str, Any]:
        """Sizes, mean and sigma as the class describes them."""
        layers = int(rng.integers(2, min(units, MOST_LAYERS) + 1))
        return {
            "sizes": random_sizes(units, layers, rng),
            "mean": log_uniform(2, max(2.5, units / 3), rng),
            "sigma": float(rng.uniform(0.2, 1.5)),
        }

    def pairs(self, rng: np.random.Generator) -> np.ndarray:
        """The edges of one graph, int64 [2, E]."""
        layer = np.repeat(np.arange(len(self.sizes)), self.sizes)
        joined = np.zeros((self.num_units, self.num_units), dtype=bool)
        for index, (first, second) in enumerate(pairwise(self.sizes)):
            exponents = rng.normal(np.log(self.mean) - self.sigma**2 / 2, self.sigma, second)
            fan_in = np.clip(np.rint(np.exp(exponents)), 1, first)
            ranks = np.argsort(np.argsort(rng.random((first, second)), axis=0), axis=0)
            block = ranks < fan_in  # [first, second]
            reach_every_unit(block, rng)
            rows, columns = np.flatnonzero(layer == index), np.flatnonzero(layer == index + 1)
            joined[np.ix_(rows, columns)] = block
        join_components(joined, layer, rng)
        return np.stack(np.nonzero(joined))
