"""A structure's units and edges as arrays of numbers, the same under relabelling up to its permutation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from nnstruct.encode.packed import GRAPH_FEATURES, KINDS, NODE_FEATURES, PackedGraphs, pack_graphs
from nnstruct.structure import Structure

EDGE_FEATURES = (*KINDS, "log_span", "relative_span", "log_copies")

__all__ = ["EDGE_FEATURES", "GRAPH_FEATURES", "NODE_FEATURES", "EncodedGraph", "edge_lists", "encode_graph"]


@dataclass(frozen=True, eq=False)
class EncodedGraph:
    """Arrays for message passing. Nothing in them was learned from other structures.

    Attributes
    ----------
    nodes : float32 [N, len(NODE_FEATURES)]
        Row ``u`` belongs to unit ``u``.
    edge_index : int64 [2, M]
        Each edge along and against its direction. Delayed self-loops are left out; they are a node
        feature.
    edges : float32 [M, len(EDGE_FEATURES)]
        A flag for the kind of message, then how many layers the edge spans, and the logarithm of how many
        edges it stands for: 0.
    graph : float32 [len(GRAPH_FEATURES)]
    family : str
    attributes : dict of str to tuple of length N
        Per-unit attributes (operator, activation, stage) as they are.
    """

    nodes: np.ndarray
    edge_index: np.ndarray
    edges: np.ndarray
    graph: np.ndarray
    family: str
    attributes: dict[str, tuple[Any, ...]]


def encode_graph(structure: Structure) -> EncodedGraph:
    """Degrees, layers, positions and flags of each unit, and kinds and spans of each edge.

    Relabelling the units permutes the rows and changes no value.

    Parameters
    ----------
    structure : Structure

    Returns
    -------
    EncodedGraph

    Examples
    --------
    >>> from nnstruct import Structure
    >>> from nnstruct.encode import encode_graph
    >>> graph = encode_graph(Structure.from_layers([2, 3]))
    >>> graph.nodes.shape[0], graph.edge_index.shape
    (5, (2, 12))
    """
    packed = pack_graphs([structure])
    edge_index, edges = edge_lists(packed)
    arrays = (packed.nodes, edge_index, edges, packed.graph[0])
    for array in arrays:
        array.setflags(write=False)
    return EncodedGraph(
        *arrays,
        family=structure.family,
        attributes={name: tuple(values) for name, values in structure.attributes.items()},
    )


def edge_lists(packed: PackedGraphs) -> tuple[np.ndarray, np.ndarray]:
    """The messages of packed graphs as pairs of units, and the features of each.

    Parameters
    ----------
    packed : PackedGraphs
        M messages.

    Returns
    -------
    edge_index : int64 [2, M]
        Sender, receiver; units are numbered over all graphs.
    edges : float32 [M, len(EDGE_FEATURES)]
    """
    counts = np.diff(packed.first)  # [4 N]
    receiver, kind = np.divmod(np.repeat(np.arange(len(counts)), counts), len(KINDS))  # [M], [M]
    edge_index = np.stack([packed.sender.astype(np.int64), receiver])
    deepest = np.maximum.reduceat(packed.layer, packed.unit_start[:-1]) if len(packed) else packed.layer
    last = np.maximum(1, np.repeat(deepest, np.diff(packed.unit_start)))  # [N]
    span = (packed.layer[receiver] - packed.layer[edge_index[0]]).astype(np.float64)
    edges = np.zeros((len(kind), len(EDGE_FEATURES)), dtype=np.float32)
    edges[np.arange(len(kind)), kind] = 1.0
    edges[:, 4] = np.sign(span) * np.log1p(np.abs(span))
    edges[:, 5] = span / last[receiver]
    edges[:, 6] = np.log(packed.copies)
    return edge_index, edges
