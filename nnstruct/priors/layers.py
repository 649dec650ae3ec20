"""What priors over layered graphs share: sparse layers in a chain, and edges over longer distances."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Annotated

import numpy as np
from pydantic import Field

from nnstruct.priors.base import Prior
from nnstruct.priors.helpers import components

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
        """Edges between layers that are two or more apart.

        Parameters
        ----------
        layers : list of int64 [size]
            The units of each layer, from the first layer on.
        rng : numpy.random.Generator

        Yields
        ------
        int64 [2, E]
            Edges from units of an earlier layer to units of a later one; one that comes up twice
            counts once.
        """

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
        joined, layers = chained(self.layer_sizes, self.density, rng)
        layer = np.repeat(np.arange(len(layers)), self.layer_sizes)  # [N]
        for edges in self.long_edges(layers, rng):
            joined[edges[0], edges[1]] = True
        join_components(joined, layer, rng)
        return np.stack(np.nonzero(joined))


def chained(
    sizes: Sequence[int], density: float, rng: np.random.Generator
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Random edges between consecutive layers; each unit has one on either side at least.

    Parameters
    ----------
    sizes : sequence of int
    density : float
    rng : numpy.random.Generator

    Returns
    -------
    joined : bool [N, N]
        From the row's unit to the column's.
    layers : list of int64 [size]
        The units of each layer.
    """
    layer = np.repeat(np.arange(len(sizes)), sizes)  # [N]
    layers = [np.flatnonzero(layer == index) for index in range(len(sizes))]
    joined = np.zeros((len(layer), len(layer)), dtype=bool)
    for rows, columns in pairwise(layers):
        block = rng.random((len(rows), len(columns))) < density
        reach_every_unit(block, rng)
        joined[np.ix_(rows, columns)] = block
    return joined, layers


def identity_edges(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """One edge from each unit to its like: the unit of the same place in the other layer.

    Where one layer is smaller, its units are gone through again.

    Parameters
    ----------
    first : int64 [F]
    second : int64 [S]

    Returns
    -------
    int64 [2, max(F, S)]

    Examples
    --------
    >>> import numpy as np
    >>> identity_edges(np.array([0, 1]), np.array([2, 3, 4])).tolist()
    [[0, 1, 0], [2, 3, 4]]
    """
    index = np.arange(max(len(first), len(second)))
    return np.stack([first[index % len(first)], second[index % len(second)]])


def between_layers(edges: np.ndarray, sizes: Sequence[int], pairs: Sequence[tuple[int, int]]) -> np.ndarray:
    """Which edges lead from the first layer of a pair to the second.

    Parameters
    ----------
    edges : int64 [2, E]
    sizes : sequence of int
        Units of each layer; they are numbered from the first layer on.
    pairs : sequence of (int, int)

    Returns
    -------
    bool [E]
    """
    layer = np.repeat(np.arange(len(sizes)), sizes)
    chosen = np.zeros((len(sizes), len(sizes)), dtype=bool)
    chosen[tuple(np.array(pairs, dtype=np.int64).reshape(-1, 2).T)] = True
    return chosen[layer[edges[0]], layer[edges[1]]]


def block_edges(
    first: np.ndarray, second: np.ndarray, density: float, rng: np.random.Generator
) -> np.ndarray:
    """Random edges between two layers; each unit of either has at least one.

    Parameters
    ----------
    first : int64 [F]
    second : int64 [S]
    density : float
        Probability of each pair, in [0, 1].
    rng : numpy.random.Generator

    Returns
    -------
    int64 [2, E]
        From units of ``first`` to units of ``second``.
    """
    block = rng.random((len(first), len(second))) < density
    reach_every_unit(block, rng)
    rows, columns = np.nonzero(block)
    return np.stack([first[rows], second[columns]])


def reach_every_unit(block: np.ndarray, rng: np.random.Generator) -> None:
    """Give each empty row and column of a pair of layers one random edge, in place.

    Parameters
    ----------
    block : bool [F, S]
        True where a unit of the first layer feeds one of the second.
    rng : numpy.random.Generator
    """
    for side in (block, block.T):
        full = side.any(axis=1)
        if not full.all():
            empty = np.flatnonzero(~full)
            side[empty, rng.integers(side.shape[1], size=len(empty))] = True


def join_components(joined: np.ndarray, layer: np.ndarray, rng: np.random.Generator) -> None:
    """Tie each component to unit 0's by one edge between consecutive layers, in place.

    Each component has units in every layer, since every unit is on a path from first to last.

    Parameters
    ----------
    joined : bool [N, N]
        The graph; edges lead from the row's unit to the column's.
    layer : int64 [N]
        Layer of each unit, from 0 and ascending.
    rng : numpy.random.Generator
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
