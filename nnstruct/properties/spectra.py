"""Eigenvalues and singular values of a structure's matrices.

A is the adjacency matrix of the undirected graph of the forward edges with eigenvalues a_1 >= ... >=
a_n, D the diagonal matrix of its degrees, L = D - A the Laplacian with eigenvalues 0 = l_1 <= ... <= l_n,
and N = D^(-1/2) L D^(-1/2) the normalised Laplacian (rows of isolated units are 0; Chung, 1997). F is the
directed adjacency matrix of the forward edges and R that of the recurrent ones.

- energy: sum |a_i| (Gutman, 1978); spectral gap: a_1 - a_2; Estrada index: log (sum exp(a_i) / n)
  (Estrada, 2000); algebraic connectivity: l_2 (Fiedler, 1973).
- spanning trees: log of their number, sum over i >= 2 of log l_i, less log n (Kirchhoff, 1847);
  resistance: the mean over pairs of units of the effective resistance, 2 / (n - 1) * sum 1 / l_i.
- entropy of the normalised Laplacian: that of its eigenvalues as shares of their sum.
- effective rank of a matrix: exp of the entropy of its singular values as shares of their sum (Roy and
  Vetterli, 2007); stable rank: (sum s_i^2) / s_1^2.

A measure is NaN exactly where it is undefined: second eigenvalues of one unit, spanning trees and
resistance of a disconnected graph (and resistance of one unit), ranks and entropies without edges. Norms
are 0 without edges. In a relational graph F is undefined, and R is A.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from nnstruct.properties.base import PROPERTY_FAMILIES, PropertyFamily
from nnstruct.properties.large import left_out
from nnstruct.structure import Structure

MEASURES = {
    "adjacency_max": "largest eigenvalue of A",
    "adjacency_min": "smallest eigenvalue of A",
    "adjacency_second": "second largest eigenvalue of A",
    "gap": "spectral gap of A",
    "energy": "sum of the absolute eigenvalues of A",
    "estrada": "log of the Estrada index, over n",
    "laplacian_second": "algebraic connectivity",
    "laplacian_max": "largest eigenvalue of L",
    "laplacian_sd": "eigenvalues of L: population standard deviation",
    "spanning_trees": "log of the number of spanning trees",
    "resistance": "mean effective resistance between two units",
    "normalised_second": "second smallest eigenvalue of N",
    "normalised_max": "largest eigenvalue of N",
    "normalised_sd": "eigenvalues of N: population standard deviation",
    "normalised_entropy": "entropy of the eigenvalues of N as shares of their sum",
    "forward_norm": "largest singular value of F",
    "forward_stable_rank": "stable rank of F",
    "forward_effective_rank": "effective rank of F",
    "recurrent_norm": "largest singular value of R",
    "recurrent_stable_rank": "stable rank of R",
    "recurrent_effective_rank": "effective rank of R",
}
# Eigenvalues below this are zero: those of integer matrices come within 1e-12 of it or are larger.
_ZERO = 1e-8


def spectral_measures(structures: Sequence[Structure]) -> np.ndarray:
    """The spectra of each structure.

    Parameters
    ----------
    structures : sequence of S Structures, at least one

    Returns
    -------
    float64 [S, 21]
        Columns in the order of ``MEASURES``.

    Examples
    --------
    >>> from nnstruct import Structure
    >>> row = spectral_measures([Structure([[0, 1, 0], [1, 2, 2]], num_units=3)])[0]  # a triangle
    >>> named = dict(zip(MEASURES, row.round(9).tolist()))
    >>> named["adjacency_max"], named["laplacian_second"], round(np.exp(named["spanning_trees"]))
    (2.0, 3.0, 3)
    """
    return np.stack([_row(structure) for structure in structures])


def _row(structure: Structure) -> np.ndarray:
    n = structure.num_units
    forward, recurrent = np.zeros((n, n)), np.zeros((n, n))
    forward[tuple(structure.graph_edges)] = 1.0
    recurrent[tuple(structure.recurrent_edges)] = 1.0
    adjacency = forward + forward.T
    degree = adjacency.sum(axis=0)
    laplacian = np.diag(degree) - adjacency
    scale = 1.0 / np.sqrt(np.maximum(degree, 1.0))
    normalised = laplacian * scale * scale[:, None]
    a, low, even = np.linalg.eigvalsh(np.stack([adjacency, laplacian, normalised]))  # 3 times [n], rising
    second = 1 if n > 1 else None
    return np.array(
        [
            a[-1],
            a[0],
            a[-2] if second else np.nan,
            a[-1] - a[-2] if second else np.nan,
            np.abs(a).sum(),
            a[-1] + np.log(np.exp(a - a[-1]).sum() / n),
            low[1] if second else np.nan,
            low[-1],
            low.std(),
            *_connected_measures(low),
            even[1] if second else np.nan,
            even[-1],
            even.std(),
            _entropy(even),
            *matrix_ranks(forward),
            *matrix_ranks(recurrent),
        ]
    )


def _connected_measures(laplacian: np.ndarray) -> tuple[float, float]:
    """Log of the number of spanning trees, and mean resistance; NaN for a disconnected graph."""
    n, positive = len(laplacian), laplacian[1:]
    if n == 1:
        return 0.0, np.nan
    if positive[0] < _ZERO:
        return np.nan, np.nan
    return float(np.log(positive).sum() - np.log(n)), float(2.0 * (1.0 / positive).sum() / (n - 1))


def _entropy(values: np.ndarray) -> float:
    """Entropy of values >= 0 as shares of their sum, in nats; NaN where all are zero."""
    positive = values[values > _ZERO]
    if not len(positive):
        return np.nan
    share = positive / positive.sum()
    return float(-(share * np.log(share)).sum())


def matrix_ranks(matrix: np.ndarray) -> tuple[float, float, float]:
    """Largest singular value, stable rank and effective rank; of a zero matrix 0, NaN, NaN.

    Examples
    --------
    >>> import numpy as np
    >>> [round(x, 6) for x in matrix_ranks(2.0 * np.eye(3))]
    [2.0, 3.0, 3.0]
    """
    if not matrix.any():
        return 0.0, np.nan, np.nan
    singular = np.linalg.svd(matrix, compute_uv=False)
    stable = float((singular**2).sum() / singular[0] ** 2)
    return float(singular[0]), stable, float(np.exp(_entropy(singular)))


SPECTRA = PropertyFamily(
    name="spectra",
    measures=MEASURES,
    compute=spectral_measures,
    large=partial(left_out, count=len(MEASURES)),
    cost="cubic",
    undirected=[name for name in MEASURES if not name.startswith("forward_")],
    source="Chung, 1997, Spectral Graph Theory; Gutman, 1978; Estrada, 2000; Roy and Vetterli, 2007",
)
PROPERTY_FAMILIES.register(SPECTRA.name)(SPECTRA)
