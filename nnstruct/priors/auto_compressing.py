"""Layers that each feed the output by long connections."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field

from nnstruct.priors.base import PRIORS
from nnstruct.priors.editions import EditedPrior
from nnstruct.priors.helpers import log_uniform, random_sizes
from nnstruct.priors.layers import LayeredPrior, block_edges, chained, identity_edges, join_components

MOST_LAYERS = 12


@PRIORS.register("auto-compressing")
class AutoCompressing(LayeredPrior, EditedPrior):
    """A chain of layers, each of which also feeds the last one; no layer skips to any other.

    The last layer stands for the network's output, to which an auto-compressing network adds what
    every layer gives: ``y = x_0 + x_1 + ... + x_L`` with ``x_(i+1) = f_i(x_i)``. So all its edges are
    residual: one from each unit to its like (where sizes differ, to any, and the smaller layer goes
    round again), and a unit of the last layer is the plain sum of what they bring.

    :meth:`draw` takes 3 to 12 layers, every way to fill them with equal likelihood, and a density
    log-uniform in 0.1..1.

    Parameters
    ----------
    sizes : sequence of int
        Units in each layer, at least three layers.
    density : float
        Of the edges between the other layers, in (0, 1]; 1 by default.
    edition : int
        In edition 1 the edges to the last layer have weights and are drawn with probability ``density``.

    References
    ----------
    Dorovatas, Paraskevopoulos and Potamianos, "Auto-Compressing Networks", arXiv:2506.09714, 2025.

    Examples
    --------
    >>> from nnstruct.priors import AutoCompressing
    >>> structure = AutoCompressing(sizes=[1, 1, 1, 1]).sample(0, family="mlp")
    >>> structure.forward_edges.T.tolist()
    [[0, 1], [0, 3], [1, 2], [1, 3], [2, 3]]
    """

    name: ClassVar[str] = "auto-compressing"
    min_units: ClassVar[int] = 3

    sizes: Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(min_length=3, strict=False)]

    @property
    def layer_sizes(self) -> Sequence[int]:
        """Units in each layer."""
        return self.sizes

    @property
    def expected_edges(self) -> float:
        """Pairs of consecutive layers times the density, and an edge a unit and layer to the last one."""
        if self.edition == 1:
            return super().expected_edges
        hidden, last = self.sizes[:-1], self.sizes[-1]
        pairs = sum(a * b for a, b in pairwise(hidden))
        return max(sum(hidden) - 1.0, self.density * pairs) + sum(max(size, last) for size in hidden)

    @property
    def expected_long_edges(self) -> float:
        """In edition 1, pairs of a unit two or more layers before the last and one in it by the density."""
        return self.density * sum(self.sizes[:-2]) * self.sizes[-1]

    @classmethod
    def parameters_for(cls, units: int, rng: np.random.Generator) -> dict[str, Any]:
        """Layers, sizes and density as the class describes them."""
        layers = int(rng.integers(3, min(units, MOST_LAYERS) + 1))
        return {"sizes": random_sizes(units, layers, rng), "density": log_uniform(0.1, 1, rng)}

    def pairs(self, rng: np.random.Generator) -> np.ndarray:
        """The edges of one graph, int64 [2, E]."""
        if self.edition == 1:
            return super().pairs(rng)
        hidden, last = self.sizes[:-1], sum(self.sizes[:-1]) + np.arange(self.sizes[-1])
        joined, layers = chained(hidden, self.density, rng)
        join_components(joined, np.repeat(np.arange(len(hidden)), hidden), rng)
        # Where there is no like, who meets whom is drawn.
        likes = [layer if len(layer) == len(last) else rng.permutation(layer) for layer in layers]
        sums = [identity_edges(layer, last) for layer in likes]
        return np.concatenate([np.stack(np.nonzero(joined)), *sums], axis=1)

    def long_edges(self, layers: list[np.ndarray], rng: np.random.Generator) -> Iterator[np.ndarray]:
        """In edition 1, from each layer to the last."""
        for layer in layers[:-2]:
            yield block_edges(layer, layers[-1], self.density, rng)

    def residual_edges(self, edges: np.ndarray, family: str) -> np.ndarray:
        """All edges to the last layer."""
        return (edges[1] >= sum(self.sizes[:-1])) & (self.edition > 1)

    def cell_attributes(self) -> Mapping[str, Sequence[str | int | None]]:
        """The last layer sums what reaches it and changes nothing else."""
        hidden, last = sum(self.sizes[:-1]), self.sizes[-1]
        return {
            "operator": (None,) * hidden + ("identity",) * last,
            "join": (None,) * hidden + ("sum",) * last,
        }
