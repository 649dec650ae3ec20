"""Chains of layers with skips like the identity."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field

from nnstruct.priors.base import PRIORS, Probability, Sizes
from nnstruct.priors.editions import EditedPrior
from nnstruct.priors.helpers import log_uniform, random_sizes
from nnstruct.priors.layers import LayeredPrior, between_layers, identity_edges

MOST_LAYERS, LONGEST_SKIP = 16, 4


@PRIORS.register("residual-chain")
class ResidualChain(LayeredPrior, EditedPrior):
    """A chain of layers, and every ``skip`` layers a shortcut from each unit to its like.

    Layers 0, k, 2k, ... with k = ``skip`` are joined by shortcuts, one edge from each unit to the
    unit of the same place (where sizes differ, the smaller layer goes round again): what stands
    between them computes a residual. The edges of a shortcut are residual ones: they add the value of
    their source, as it is, to what their target makes of the layer before it. A shortcut is left out
    as a whole with probability ``drop``.

    :meth:`draw` takes 3 to 16 layers, every way to fill them with equal likelihood, skips over 2 to
    4 layers, a density log-uniform in 0.1..1, and drops in half of the cases (uniform in 0..0.5).

    Parameters
    ----------
    sizes : sequence of int
        Units in each layer, at least two layers.
    skip : int
        Layers that a shortcut leads onward, at least 2; 2 by default.
    density : float
        Of the edges between consecutive layers, in (0, 1]; 1 by default.
    drop : float
        In [0, 1]; 0 by default.
    edition : int
        In edition 1 the edges of shortcuts are ordinary ones, and in the family ``cnn`` the cells in which
        one may end sum their inputs before they convolve them.

    References
    ----------
    He, Zhang, Ren and Sun, "Identity mappings in deep residual networks", ECCV 2016; shortcuts left
    out as in Huang et al., "Deep networks with stochastic depth", ECCV 2016, here for good.

    Examples
    --------
    >>> from nnstruct.priors import ResidualChain
    >>> structure = ResidualChain(sizes=[1] * 6, skip=2).sample(0, family="mlp")
    >>> structure.forward_edges.T.tolist()
    [[0, 1], [0, 2], [1, 2], [2, 3], [2, 4], [3, 4], [4, 5]]
    """

    name: ClassVar[str] = "residual-chain"
    min_units: ClassVar[int] = 3

    sizes: Sizes
    skip: Annotated[int, Field(ge=2)] = 2
    drop: Probability = 0.0

    @property
    def layer_sizes(self) -> Sequence[int]:
        """Units in each layer."""
        return self.sizes

    @property
    def expected_long_edges(self) -> float:
        """An edge a unit of the larger layer for each shortcut, times the share that is kept."""
        return (1 - self.drop) * sum(max(self.sizes[a], self.sizes[b]) for a, b in self._shortcuts())

    @classmethod
    def parameters_for(cls, units: int, rng: np.random.Generator) -> dict[str, Any]:
        """Layers, skips, density and drops as the class describes them."""
        layers = int(rng.integers(3, min(units, MOST_LAYERS) + 1))
        return {
            "sizes": random_sizes(units, layers, rng),
            "skip": int(rng.integers(2, min(layers - 1, LONGEST_SKIP) + 1)),
            "density": log_uniform(0.1, 1, rng),
            "drop": rng.uniform(0, 0.5) if rng.random() < 0.5 else 0.0,
        }

    def long_edges(self, layers: list[np.ndarray], rng: np.random.Generator) -> Iterator[np.ndarray]:
        """The shortcuts that are kept."""
        for start, end in self._shortcuts():
            if rng.random() >= self.drop:
                yield identity_edges(layers[start], layers[end])

    def _shortcuts(self) -> list[tuple[int, int]]:
        ends = range(self.skip, len(self.sizes), self.skip)
        return [(end - self.skip, end) for end in ends]

    def residual_edges(self, edges: np.ndarray, family: str) -> np.ndarray:
        """The edges of shortcuts, as no other edge leads over several layers."""
        return between_layers(edges, self.sizes, self._shortcuts() if self.edition > 1 else [])

    def cell_attributes(self) -> Mapping[str, Sequence[str | int | None]]:
        """In edition 1 cells sum where a shortcut may end."""
        if self.edition > 1:
            return {}
        ends = {end for _, end in self._shortcuts()}
        joins = [("sum" if layer in ends else None,) * size for layer, size in enumerate(self.sizes)]
        return {"join": sum(joins, ())}
