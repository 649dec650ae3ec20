"""Many structures as a few flat arrays, so that one call of a kernel serves them all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from nnstruct.structure import Structure


class Pack(NamedTuple):
    """The edges (``Structure.graph_edges``) and layers of S structures, one after the other.

    Attributes
    ----------
    source, target : int32 [sum of F]
        Edges, units numbered within their structure; those of structure ``s`` stand at
        ``edge_start[s]:edge_start[s + 1]``.
    edge_start : int64 [S + 1]
    layer : int32 [sum of N]
        Layer of each unit, at ``unit_start[s]:unit_start[s + 1]``.
    unit_start : int64 [S + 1]
    """

    source: np.ndarray
    target: np.ndarray
    edge_start: np.ndarray
    layer: np.ndarray
    unit_start: np.ndarray


def pack(structures: Sequence[Structure]) -> Pack:
    """Flat arrays of at least one structure.

    Parameters
    ----------
    structures : sequence of Structure, length S

    Returns
    -------
    Pack

    Examples
    --------
    >>> from nnstruct import Structure
    >>> pack([Structure.from_layers([1, 2]), Structure.from_layers([1, 1])]).edge_start.tolist()
    [0, 2, 3]
    """
    edges = [s.graph_edges for s in structures]
    return Pack(
        source=np.concatenate([e[0] for e in edges]).astype(np.int32),
        target=np.concatenate([e[1] for e in edges]).astype(np.int32),
        edge_start=starts([e.shape[1] for e in edges]),
        layer=np.concatenate([s.layer for s in structures]).astype(np.int32),
        unit_start=starts([s.num_units for s in structures]),
    )


def starts(counts: Sequence[int]) -> np.ndarray:
    """Where each block of these lengths begins, and the end of the last.

    Parameters
    ----------
    counts : sequence of int, length n

    Returns
    -------
    int64 [n + 1]
    """
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
