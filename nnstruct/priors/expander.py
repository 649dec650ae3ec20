"""Layers that expand: between two of them a random graph in which all units have as many edges."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field

from nnstruct.priors.base import PRIORS, Sizes
from nnstruct.priors.helpers import log_uniform_int, random_sizes
from nnstruct.priors.redrawn import RedrawnPrior

MOST_LAYERS = 6


@PRIORS.register("expander")
class Expander(RedrawnPrior):
    """Consecutive layers are joined by random bipartite graphs that are regular.

    Each unit of the larger layer of two has ``degree`` edges to the other, or as many as that has units;
    those of the smaller share the edges as evenly as can be. Such graphs expand nearly as well as any can:
    of two layers of equal size the second singular value is near 2 (d - 1)^(1/2). Disconnected graphs are
    drawn again, at most ``tries`` times. :func:`nnstruct.priors.sample` takes it where it is named.

    :meth:`draw` takes 2 to 6 layers, at most n/4, of random sizes and a degree log-uniform from 2 to half of
    the mean size.

    Parameters
    ----------
    sizes : sequence of int
        Units in each layer, at least two layers.
    degree : int
        At least 2.
    tries : int
        Graphs drawn before sampling gives up with an error; 100 by default.

    References
    ----------
    Prabhu, Varma and Namboodiri, "Deep expander networks: efficient deep networks from graph theory", ECCV
    2018, arXiv 1711.08757. Friedman, "A proof of Alon's second eigenvalue conjecture", 2008.

    Examples
    --------
    >>> from nnstruct.priors import Expander
    >>> Expander(sizes=[6, 6, 3], degree=2).sample(0, family="mlp").num_edges
    24
    """

    name: ClassVar[str] = "expander"
    in_turn: ClassVar[bool] = False

    sizes: Sizes
    degree: Annotated[int, Field(ge=2)]

    @property
    def num_units(self) -> int:
        """The sum of the sizes."""
        return sum(self.sizes)

    @property
    def expected_edges(self) -> float:
        """Those of the larger layer of each two, exactly."""
        return float(sum(max(a, b) * min(self.degree, a, b) for a, b in pairwise(self.sizes)))

    @classmethod
    def parameters_for(cls, units: int, rng: np.random.Generator) -> dict[str, Any]:
        """Sizes and a degree as the class describes them."""
        layers = int(rng.integers(2, max(2, min(units // 4, MOST_LAYERS)) + 1))
        return {
            "sizes": random_sizes(units, layers, rng),
            "degree": log_uniform_int(2, max(2, units // (2 * layers)), rng),
        }

    def pairs(self, rng: np.random.Generator) -> np.ndarray:
        """The edges of one graph, connected or not, int64 [2, E]."""
        found, start = [], 0
        for first, second in pairwise(self.sizes):
            rows, columns = np.nonzero(regular_bipartite(first, second, self.degree, rng))
            found.append(np.stack([start + rows, start + first + columns]))
            start += first
        return np.concatenate(found, axis=1)


def regular_bipartite(first: int, second: int, degree: int, rng: np.random.Generator) -> np.ndarray:
    """A random bipartite graph whose degrees differ by at most one on either side.

    Parameters
    ----------
    first, second : int
        Units of the two sides.
    degree : int
        Of the units of the larger side, if the smaller has so many.
    rng : numpy.random.Generator

    Returns
    -------
    bool [first, second]

    Examples
    --------
    >>> import numpy as np
    >>> links = regular_bipartite(4, 8, 3, np.random.default_rng(0))
    >>> links.sum(0).tolist(), links.sum(1).tolist()
    ([3, 3, 3, 3, 3, 3, 3, 3], [6, 6, 6, 6])
    """
    if first > second:
        return regular_bipartite(second, first, degree, rng).T
    if 2 * degree > first:  # what is left out is regular, too, and sparse
        return ~_sparse(first, second, max(0, first - degree), rng)
    return _sparse(first, second, degree, rng)


def _sparse(small: int, large: int, degree: int, rng: np.random.Generator) -> np.ndarray:
    """Ends of edges put together at random; pairs that come twice change an end with another edge."""
    links = np.zeros((small, large), dtype=bool)
    columns = np.repeat(np.arange(large), degree)
    rows = rng.permutation(np.resize(rng.permutation(small), len(columns)))
    while True:
        _, first = np.unique(rows * large + columns, return_index=True)
        twice = np.setdiff1d(np.arange(len(columns)), first)
        if not len(twice):
            links[rows, columns] = True
            return links
        for place in twice:
            other = rng.integers(len(columns))
            rows[place], rows[other] = rows[other], rows[place]
