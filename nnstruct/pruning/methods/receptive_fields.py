"""Where the links of a layer begin: near each other on a ring, or anywhere.

References
----------
Y. Zhang et al., Brain network science modelling of sparse neural networks enables Transformers and LLMs to
perform as fully connected (2025), arXiv:2501.19107; the law was read in the authors' program,
github.com/biomedical-cybernetics/Cannistraci-Hebb-Training-Soft-Rule-.
"""

from __future__ import annotations

import numpy as np

from nnstruct.pruning.selection import apportion


def receptive_fields(
    allowed: np.ndarray, count: int, spread: float, generator: np.random.Generator
) -> np.ndarray:
    """Links of a bipartite receptive field.

    Each unit of the smaller side has as many links as the others, to units of the larger side that lie
    around its own place on a ring. A unit at distance d is taken with a probability in proportion to
    ``(1 + d) ** ((spread - 1) / spread)``.

    Parameters
    ----------
    allowed : bool [outputs, inputs]
        Where links may be.
    count : int
        Links, at most as many as are allowed.
    spread : float
        From 0, the nearest ones, to 1, any with the same probability.
    generator : numpy.random.Generator

    Returns
    -------
    bool [outputs, inputs]
        Exactly ``count`` of them True.

    Examples
    --------
    >>> import numpy as np
    >>> from nnstruct.pruning.methods.receptive_fields import receptive_fields
    >>> receptive_fields(np.ones((2, 6), dtype=bool), 6, 0.0, np.random.default_rng(0)).astype(int)
    array([[1, 1, 0, 0, 0, 1],
           [0, 0, 1, 1, 1, 0]])
    """
    if allowed.shape[0] > allowed.shape[1]:
        return receptive_fields(allowed.T, count, spread, generator).T
    small, large = allowed.shape
    room = allowed.sum(1)
    order = generator.permutation(small)  # who has one more
    degrees = np.zeros(small, dtype=np.int64)
    degrees[order] = apportion([1.0] * small, room[order].tolist(), count)
    centres = np.arange(small) * large // small
    apart = np.abs(np.arange(large)[None, :] - centres[:, None])
    apart = np.minimum(apart, large - apart)  # [small, large]
    chance = generator.random(allowed.shape)
    if spread > 0:
        # The largest of log-weights plus Gumbel noise are a draw without replacement by the weights.
        keys = (spread - 1) / spread * np.log1p(apart) - np.log(-np.log(np.maximum(chance, 1e-300)))
    else:
        keys = chance - apart
    keys[~allowed] = -np.inf
    ranks = np.argsort(np.argsort(-keys, axis=1), axis=1)
    return ranks < degrees[:, None]
