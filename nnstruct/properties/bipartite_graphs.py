"""Ramanujan gaps and singular values of many small bipartite graphs at a time.

The values are those of :mod:`nnstruct.properties.bipartite`, from edges instead of a matrix a graph.
"""

from __future__ import annotations

import numpy as np
import scipy

from nnstruct.properties.bipartite import LEAST_DEGREE, LEAST_SOURCES

# Up to so many units on the smaller side all singular values are found at once.
_DENSE = 300
# Numbers in a stack of matrices.
_STACK = 2_000_000


class BipartiteGraphs:
    """Graphs by their edges.

    Parameters
    ----------
    group : int64 [E]
        The graph of each edge, from 0 on.
    source, target : int64 [E]
        Units; in a graph no edge comes up twice.
    num_units : int

    Attributes
    ----------
    count : int
        G, the number of graphs.
    edges, sources, targets : int64 [G]
        Of each graph; units without an edge in it are left out.
    first, second : float64 [G]
        The two largest singular values, NaN where a side has but one unit.

    Examples
    --------
    >>> import numpy as np
    >>> graphs = BipartiteGraphs(np.array([0, 0, 1]), np.array([0, 1, 0]), np.array([2, 3, 3]), 4)
    >>> graphs.second.tolist()
    [1.0, nan]
    """

    def __init__(self, group: np.ndarray, source: np.ndarray, target: np.ndarray, num_units: int) -> None:
        self.group, self.source, self.target = group, source, target
        self.count = int(group.max()) + 1 if len(group) else 0
        self.edges = np.bincount(group, minlength=self.count)
        self._row, self.targets = self._ranked(target, num_units)
        self._column, self.sources = self._ranked(source, num_units)
        self.first, self.second = np.full(self.count, np.nan), np.full(self.count, np.nan)
        self._find_values()

    def gaps(self) -> np.ndarray:
        """The bound of a Ramanujan graph less the second singular value.

        Returns
        -------
        float64 [G]
            NaN where a mean degree is below 3 or a side has but one unit.
        """
        found = np.full(self.count, np.nan)
        mean = self.edges / self.targets, self.edges / self.sources
        wide = (np.minimum(*mean) >= LEAST_DEGREE) & ~np.isnan(self.second)
        bound = sum(np.sqrt(degree[wide] - 1) for degree in mean)
        found[wide] = bound - self.second[wide]
        return found

    def by_degree_of_source(self) -> tuple[np.ndarray, np.ndarray]:
        """Edges of the subgraphs of all sources with one number of edges, where there are three or more.

        Returns
        -------
        chosen : bool [E]
            Edges in such a subgraph.
        kind : int64 [.]
            The subgraph of each of these.
        """
        start = np.cumsum(self.sources) - self.sources
        place = start[self.group] + self._column
        degree = np.bincount(place)[place]
        most = int(degree.max(initial=0)) + 1
        key = self.group * most + degree
        # Each source brings as many edges as its degree.
        enough = np.bincount(key)[key] // degree >= LEAST_SOURCES
        chosen = enough & (degree >= LEAST_DEGREE)
        return chosen, np.unique(key[chosen], return_inverse=True)[1].reshape(-1)

    def _ranked(self, unit: np.ndarray, num_units: int) -> tuple[np.ndarray, np.ndarray]:
        """The place of each edge's unit among those of its graph, and how many these are."""
        keys, place = np.unique(self.group * num_units + unit, return_inverse=True)
        sizes = np.bincount(keys // num_units, minlength=self.count)
        return place.reshape(-1) - (np.cumsum(sizes) - sizes)[self.group], sizes

    def _find_values(self) -> None:
        smaller, larger = np.minimum(self.targets, self.sources), np.maximum(self.targets, self.sources)
        upright = self.targets <= self.sources
        row = np.where(upright[self.group], self._row, self._column)
        column = np.where(upright[self.group], self._column, self._row)
        # Graphs of about one size are stacked, each beside zeros.
        kind = np.where(smaller < 2, -1, np.ceil(np.log2(np.maximum(smaller, 2))).astype(np.int64))
        for size in np.unique(kind[kind >= 0]).tolist():
            same = np.flatnonzero(kind == size)
            height, width = int(smaller[same].max()), int(larger[same].max())
            together = max(1, _STACK // (height * width)) if height <= _DENSE else 1
            for start in range(0, len(same), together):
                self._stacked(same[start : start + together], row, column, height, width)

    def _stacked(
        self, graphs: np.ndarray, row: np.ndarray, column: np.ndarray, height: int, width: int
    ) -> None:
        place = np.full(self.count, -1)
        place[graphs] = np.arange(len(graphs))
        number = place[self.group]
        chosen = number >= 0
        if height > _DENSE:
            shape, ones = (height, width), np.ones(int(chosen.sum()))
            matrix = scipy.sparse.csr_array((ones, (row[chosen], column[chosen])), shape=shape)
            start = np.ones(height)
            values = np.sort(
                scipy.sparse.linalg.svds(matrix, k=2, v0=start, return_singular_vectors=False, tol=1e-9)
            )[None]
        else:
            links = np.zeros((len(graphs), height, width))
            links[number[chosen], row[chosen], column[chosen]] = 1.0
            values = np.sqrt(np.maximum(np.linalg.eigvalsh(links @ links.swapaxes(1, 2)), 0.0))
        self.first[graphs], self.second[graphs] = values[:, -1], values[:, -2]
