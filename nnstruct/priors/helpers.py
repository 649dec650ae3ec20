"""What several priors need: components, orders, arrays of edges, random numbers."""

from __future__ import annotations

import networkx as nx
import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

_SMALL = 2_000  # edges, below which a loop is faster than the fixed cost of a sparse matrix


def components(pairs: np.ndarray, num_units: int) -> np.ndarray:
    """Number of the connected component of each unit, int64 [N], from 0; edges count both ways."""
    if pairs.shape[1] > _SMALL:
        ones, shape = np.ones(pairs.shape[1], dtype=bool), (num_units, num_units)
        matrix = coo_array((ones, (pairs[0], pairs[1])), shape=shape)
        return connected_components(matrix, directed=False)[1].astype(np.int64)
    parent = list(range(num_units))  # each unit's component is named by its lowest unit
    for unit, other in pairs.T.tolist():
        while parent[unit] != unit:
            parent[unit] = unit = parent[parent[unit]]
        while parent[other] != other:
            parent[other] = other = parent[parent[other]]
        if unit != other:
            parent[max(unit, other)] = min(unit, other)
    number: dict[int, int] = {}
    label = np.empty(num_units, dtype=np.int64)
    for unit in range(num_units):
        parent[unit] = parent[parent[unit]]
        label[unit] = number.setdefault(parent[unit], len(number))
    return label


def reordered(pairs: np.ndarray, num_units: int, orientation: str, rng: np.random.Generator) -> np.ndarray:
    """Units in the order of their index, or in a random one where the orientation is ``random``."""
    return rng.permutation(num_units)[pairs] if orientation == "random" else pairs


def edge_array(graph: nx.Graph) -> np.ndarray:
    """The edges of a networkx graph on the nodes 0..N-1, int64 [2, E]."""
    return np.array(list(graph.edges()), dtype=np.int64).reshape(-1, 2).T


def networkx_seed(rng: np.random.Generator) -> int:
    """A seed for a networkx generator."""
    return int(rng.integers(2**63))


def log_uniform(low: float, high: float, rng: np.random.Generator) -> float:
    """A number between two positive bounds whose logarithm is uniform."""
    return float(np.clip(np.exp(rng.uniform(np.log(low), np.log(high))), low, high))


def log_uniform_int(low: int, high: int, rng: np.random.Generator) -> int:
    """An integer in low..high, low ones likelier, as :func:`log_uniform` rounded down."""
    return min(high, int(log_uniform(low, high + 1, rng)))


def random_sizes(total: int, parts: int, rng: np.random.Generator) -> list[int]:
    """Positive sizes with the given sum; every ordered way to write it so is equally likely."""
    cuts = np.sort(rng.choice(np.arange(1, total), parts - 1, replace=False))
    return np.diff(np.concatenate([[0], cuts, [total]])).tolist()
