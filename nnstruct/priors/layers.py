"""What priors over layered graphs share: sparse layers in a chain, and edges over longer distances."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Annotated

import numpy as np
from pydantic import Field

from nnstruct.priors.base import Prior, components

Density = Annotated[float, Field(gt=0, le=1)]
Counts = Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(min_length=1, strict=False)]

# Layers that a drawn pattern has at most, about: deeper ones train slowly whatever their pattern.
MOST_LAYERS = 24


class LayeredPrior(Prior):
    """Sparse layers in a chain with edges over longer distances, which a subclass defines.

    Each pair of units in consecutive layers is joined with probability ``density``. The repair
    gives a unit without an edge from the layer before one from a random unit of it, likewise
    towards the layer behind, and joins separate components by one random edge each between
    consecutive layers. Nothing is redrawn. Edges run from earlier layers to later ones, and each
    unit's longest path from a source ends in its layer.

    Parameters
    ----------
    density : float
        In (0, 1]; 1 by default, which makes every layer dense.
    """

    density: Density = 1.0

    @property
    @abstractmethod
    def layer_sizes(self) -> Sequence[int]:
        """Units of each layer."""

    @property
    @abstractmethod
    def expected_long_edges(self) -> float:
        """Mean number of the edges that :meth:`long_edges` gives, before its repair."""

    @abstractmethod
    def long_edges(self, layers: list[np.ndarray], rng: np.random.Generator) -> Iterator[np.ndarray]:
        """Edges between layers two or more apart, as arrays int64 [2, E], from the units of each layer."""

    @property
    def num_units(self) -> int:
        """N, the sum of the layers' sizes."""
        return sum(self.layer_sizes)

    @property
    def expected_edges(self) -> float:
        """Pairs of consecutive layers times the density, and the long edges; never less than n - 1."""
        pairs = sum(a * b for a, b in pairwise(self.layer_sizes))
        return max(self.num_units - 1.0, self.density * pairs + self.expected_long_edges)

    def pairs(self, rng: np.random.Generator) -> np.ndarray:
        """The edges of one graph, int64 [2, E]."""
        layer = np.repeat(np.arange(len(self.layer_sizes)), self.layer_sizes)  # [N]
        layers = [np.flatnonzero(layer == index) for index in range(len(self.layer_sizes))]
        joined = np.zeros((len(layer), len(layer)), dtype=bool)
        for rows, columns in pairwise(layers):
            block = rng.random((len(rows), len(columns))) < self.density
            reach_every_unit(block, rng)
            joined[np.ix_(rows, columns)] = block
        for edges in self.long_edges(layers, rng):
            joined[edges[0], edges[1]] = True
        join_components(joined, layer, rng)
        return np.stack(np.nonzero(joined))


def identity_edges(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """One edge from each unit to its like, int64 [2, max(F, S)]; the smaller side goes round.

    Examples
    --------
    >>> import numpy as np
    >>> identity_edges(np.array([0, 1]), np.array([2, 3, 4])).tolist()
    [[0, 1, 0], [2, 3, 4]]
    """
    index = np.arange(max(len(first), len(second)))
    return np.stack([first[index % len(first)], second[index % len(second)]])


def block_edges(
    first: np.ndarray, second: np.ndarray, density: float, rng: np.random.Generator
) -> np.ndarray:
    """Each pair of two layers' units with the probability given, each unit at least once, int64 [2, E]."""
    block = rng.random((len(first), len(second))) < density
    reach_every_unit(block, rng)
    rows, columns = np.nonzero(block)
    return np.stack([first[rows], second[columns]])


def reach_every_unit(block: np.ndarray, rng: np.random.Generator) -> None:
    """Give each empty row and column of a pair of layers one random edge, in place."""
    for side in (block, block.T):
        empty = np.flatnonzero(~side.any(axis=1))
        side[empty, rng.integers(side.shape[1], size=len(empty))] = True


def join_components(joined: np.ndarray, layer: np.ndarray, rng: np.random.Generator) -> None:
    """Tie each component to unit 0's by one edge between consecutive layers, in place.

    Each component has units in every layer, since every unit is on a path from first to last.
    """
    label = components(np.stack(np.nonzero(joined)), len(layer))
    for other in range(1, int(label.max()) + 1):
        below = int(rng.integers(layer[-1]))
        first, second = (label == 0), (label == other)
        if rng.random() < 0.5:
            first, second = second, first
        source = rng.choice(np.flatnonzero(first & (layer == below)))
        target = rng.choice(np.flatnonzero(second & (layer == below + 1)))
        joined[source, target] = True
        label[label == other] = 0
