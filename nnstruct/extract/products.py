"""Products of a value with a constant that holds a matrix for each of its first places."""

from __future__ import annotations

import math

import numpy as np

from nnstruct.extract.builder import Builder

# More matrices than this stay one constant.
_MOST = 256


def by_matrix(b: Builder, value: int, name: str, matrices: np.ndarray) -> int | None:
    """A value times a constant, as a linear layer for each matrix, so that each weight is one.

    Parameters
    ----------
    b : Builder
    value : int
        [..., M, K]
    name : str
        What the constant is called.
    matrices : float array [..., K, N]

    Returns
    -------
    int or None
        [..., M, N]; None where there are too many matrices.
    """
    lead = np.broadcast_shapes(b.shape[value][:-2], matrices.shape[:-2])
    own = matrices.shape[:-2]
    if not matrices.size or math.prod(lead) != math.prod(own) or math.prod(own) > _MOST:
        return None
    rows, inner = b.shape[value][-2:]
    flat = b.reshape(b.expand(value, (*lead, rows, inner)), (math.prod(lead), rows, inner))
    parts = []
    for place, matrix in enumerate(matrices.reshape(-1, *matrices.shape[-2:])):
        part = b.select(flat, 0, place)
        tensors = {"weight": (f"{name}.{place}", np.ascontiguousarray(matrix.T))}
        made = b.one("linear", [part], (rows, matrix.shape[1]), tensors=tensors)
        parts.append(b.reshape(made, (1, rows, matrix.shape[1])))
    joined = b.concat(parts, 0) if len(parts) > 1 else parts[0]
    return b.reshape(joined, (*lead, rows, matrices.shape[-1]))
