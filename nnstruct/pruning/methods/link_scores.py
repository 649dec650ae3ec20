"""How likely a link is where a layer has none: scores by the paths of length three between two units.

A layer is a bipartite graph of its outputs and inputs. A pair (u, v) of an output and an input without a
link may have paths u - z1 - z2 - v; the z are its local community. Of each z, i counts its links inside
the community, e those to neither the community nor u and v. Cannistraci and Muscoloni score the pair by

=========  ==============================================================================
ch2-l3p    sum over paths of sqrt((1 + i1) (1 + i2)) / sqrt((1 + e1) (1 + e2))
ch3-l3p    sum over paths of 1 / sqrt((1 + e1) (1 + e2))
ch2-l3n    sum over the community of (1 + i) / (1 + e), which matrix products give
ch3-l3n    sum over the community of 1 / (1 + e)
=========  ==============================================================================

References
----------
A. Muscoloni, U. Michieli, Y. Zhang, C. V. Cannistraci, Adaptive network automata modelling of complex
networks (2022), doi:10.20944/preprints202012.0808.v3. The forms over paths and over units were read in the
program of Y. Zhang et al. (2025), arXiv:2501.19107,
github.com/biomedical-cybernetics/Cannistraci-Hebb-training.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse

from nnstruct.checks import check_choice
from nnstruct.jit import cached_njit

LINK_SCORES = ("ch2-l3p", "ch3-l3p", "ch2-l3n", "ch3-l3n")
# Products of sparse matrices take longer than dense ones where about so many entries are not zero.
MOST_SPARSE = 0.05


def link_scores(links: np.ndarray, score: str = "ch3-l3p") -> np.ndarray:
    """The score of every pair of an output and an input that has no link.

    Parameters
    ----------
    links : bool [outputs, inputs]
        Which are there.
    score : {"ch2-l3p", "ch3-l3p", "ch2-l3n", "ch3-l3n"}

    Returns
    -------
    float32 [outputs, inputs]
        0 where a link is, and where no path of length three leads from one to the other.

    Raises
    ------
    InvalidInputError
        If there is no such score.

    Examples
    --------
    A path of three links between the first output and the second input:

    >>> import numpy as np
    >>> from nnstruct.pruning.methods.link_scores import link_scores
    >>> link_scores(np.array([[True, False], [True, True]]), "ch3-l3p").tolist()
    [[0.0, 1.0], [0.0, 0.0]]
    """
    check_choice(score, "score", LINK_SCORES)
    links = np.asarray(links, dtype=bool)
    if not links.any():
        return np.zeros(links.shape, dtype=np.float32)
    entries = links.astype(np.float32)
    thin = links.mean() < MOST_SPARSE
    matrix: Any = sparse.csr_array(entries) if thin else entries
    # Of an output z2, seen from u, and of an input z1, seen from v, symmetric in shape only.
    outputs = _weights(matrix @ matrix.T, links.sum(1), score)  # [outputs z2, outputs u]
    inputs = _weights(matrix.T @ matrix, links.sum(0), score)  # [inputs z1, inputs v]
    if score.endswith("n"):
        found = outputs.T @ matrix + matrix @ inputs
        found = found.toarray() if thin else found
    else:
        rows, columns = sparse.csr_array(entries), sparse.csc_array(entries)
        dense = [np.sqrt(part.toarray() if thin else part) for part in (outputs, inputs)]
        found = _over_paths(rows.indptr, rows.indices, columns.indptr, columns.indices, *dense)
    return np.where(links, np.float32(0), found)


def _weights(shared: Any, degrees: np.ndarray, score: str) -> Any:
    """Of z towards an end of the pair: (1 + i) / (1 + e) or 1 / (1 + e), 0 where z has no link in common."""

    def weight(common: np.ndarray, degree: np.ndarray) -> np.ndarray:
        # One of z's links is that to the end of the pair on the other side.
        outside = np.maximum(degree - common - 1, 0)
        inside = common if score.startswith("ch2") else 0
        return ((1 + inside) / (1 + outside)).astype(np.float32)

    if sparse.issparse(shared):
        found = sparse.coo_array(shared)
        return sparse.csr_array((weight(found.data, degrees[found.row]), (found.row, found.col)), found.shape)
    return np.where(shared > 0, weight(shared, degrees[:, None]), np.float32(0))


@cached_njit(nogil=True)
def _over_paths(
    row_starts: np.ndarray,
    row_links: np.ndarray,
    column_starts: np.ndarray,
    column_links: np.ndarray,
    outputs: np.ndarray,
    inputs: np.ndarray,
) -> np.ndarray:
    found = np.zeros((len(row_starts) - 1, len(column_starts) - 1), dtype=np.float32)
    for u in range(len(row_starts) - 1):
        for a in range(row_starts[u], row_starts[u + 1]):
            z1 = row_links[a]
            for b in range(column_starts[z1], column_starts[z1 + 1]):
                z2 = column_links[b]
                if z2 == u:
                    continue
                for c in range(row_starts[z2], row_starts[z2 + 1]):
                    v = row_links[c]
                    if v != z1:
                        found[u, v] += outputs[z2, u] * inputs[z1, v]
    return found
