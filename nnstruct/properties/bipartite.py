"""How well a layer's bipartite graph expands: Ramanujan's bound, its relaxation, and spectral gaps.

B is the matrix of a layer's targets by its sources, without the units that have no edge; s_1 >= s_2 >= ...
are its singular values (the eigenvalues of the graph's adjacency matrix are these and their negatives), d_t
and d_s the mean numbers of edges of a target and of a source.

- Ramanujan gap: sqrt(d_t - 1) + sqrt(d_s - 1) - s_2; a Ramanujan graph has one >= 0.
- Iterative mean difference of bound: the mean of this gap over the subgraphs of all sources with one and the
  same number of edges, for each number that three sources or more have.
- Spectral gap: s_1 - s_2, of B with ones or with absolute weights.

A gap to the bound is NaN where d_t or d_s is below 3, as in the authors' program, and each is where there is
no second singular value.

References
----------
D. N. M. Hoang, S. Liu, R. Marculescu, Z. Wang, Revisiting pruning at initialization through the lens of
Ramanujan graph (ICLR 2023), openreview.net/forum?id=uVcDssQff_; the definitions were read in
github.com/VITA-Group/ramanujan-on-pai.
"""

from __future__ import annotations

import math

import numpy as np

LEAST_DEGREE = 3
LEAST_SOURCES = 3
# Up to so many units on the smaller side all singular values are found at once.
_DENSE = 300


def ramanujan_gap(links: np.ndarray) -> float:
    """The bound of a Ramanujan graph less the second singular value.

    Parameters
    ----------
    links : bool [targets, sources]

    Returns
    -------
    float

    Examples
    --------
    A full layer has a second singular value of 0:

    >>> ramanujan_gap(np.ones((5, 10), dtype=bool))
    5.0
    """
    links = with_edges(links)
    if min(links.shape) < 2:
        return math.nan
    targets, sources = links.sum(1).mean(), links.sum(0).mean()
    if min(targets, sources) < LEAST_DEGREE:
        return math.nan
    return float(math.sqrt(targets - 1) + math.sqrt(sources - 1) - two_largest(links)[1])


def mean_difference_of_bound(links: np.ndarray) -> float:
    """The mean Ramanujan gap of the subgraphs whose sources have the same number of edges.

    Parameters
    ----------
    links : bool [targets, sources]

    Returns
    -------
    float
        NaN where none of them has a gap.
    """
    degrees = links.sum(0)
    found = []
    for degree, count in zip(*np.unique(degrees, return_counts=True), strict=True):
        if degree and count >= LEAST_SOURCES:
            gap = ramanujan_gap(links[:, degrees == degree])
            found += [] if math.isnan(gap) else [gap]
    return float(np.mean(found)) if found else math.nan


def spectral_gap(matrix: np.ndarray) -> float:
    """The largest singular value less the second one.

    Parameters
    ----------
    matrix : float or bool [targets, sources]
        Absolute weights, or which edges there are.

    Returns
    -------
    float

    Examples
    --------
    >>> spectral_gap(np.diag([3.0, 1.0]))
    2.0
    """
    matrix = with_edges(matrix)
    if min(matrix.shape) < 2:
        return math.nan
    first, second = two_largest(matrix)
    return first - second


def two_largest(matrix: np.ndarray) -> tuple[float, float]:
    """The two largest singular values.

    Parameters
    ----------
    matrix : [a, b]
        Both at least 2.

    Returns
    -------
    (float, float)
    """
    values = np.asarray(matrix, dtype=np.float64)
    if min(values.shape) <= _DENSE:
        small = values if values.shape[0] <= values.shape[1] else values.T
        found = np.sqrt(np.maximum(np.linalg.eigvalsh(small @ small.T), 0.0))
    else:
        start = np.ones(min(values.shape))
        from scipy.sparse.linalg import svds

        found = np.sort(svds(values, k=2, v0=start, return_singular_vectors=False, tol=1e-9))
    return float(found[-1]), float(found[-2])


def with_edges(matrix: np.ndarray) -> np.ndarray:
    """The rows and columns that are not zero.

    Parameters
    ----------
    matrix : [a, b]

    Returns
    -------
    [a', b']
    """
    return matrix[matrix.any(1)][:, matrix.any(0)]
