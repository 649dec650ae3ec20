"""A structure's units and edges as arrays of numbers, the same under relabelling up to its permutation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from nnstruct.caches import LookupCache
from nnstruct.encode.positions import path_counts, sinusoids, unit_flow
from nnstruct.structure import Structure
from nnstruct.structure.topology import longest_path_layers

EDGE_KINDS = ("forward", "backward", "delayed", "delayed_backward")
DEGREE_BINS = (0, 1, 2, 4, 8, 16)  # the last bin is open
_WAVES = 4


def _binned(name: str) -> list[str]:
    return [f"{name}<={edge}" for edge in DEGREE_BINS] + [f"{name}>{DEGREE_BINS[-1]}"]


NODE_FEATURES = (
    "input",
    "output",
    "from_input",
    "to_output",
    "log_in",
    "log_out",
    "log_delayed_in",
    "log_delayed_out",
    "self_loop",
    *_binned("in"),
    *_binned("out"),
    "depth",
    "height",
    "slack",
    "log_layer",
    "log_height",
    "log_width",
    "log_paths_in",
    "log_paths_out",
    "log_flow",
    *(f"{wave}{k}" for k in range(_WAVES) for wave in ("sin", "cos")),
)
EDGE_FEATURES = (*EDGE_KINDS, "log_span", "relative_span")
GRAPH_FEATURES = (
    "log_units",
    "log_forward",
    "log_delayed",
    "log_layers",
    "log_inputs",
    "log_outputs",
    "density",
)


@dataclass(frozen=True, eq=False)
class EncodedGraph:
    """Arrays for message passing. Nothing in them was learned from other structures.

    Attributes
    ----------
    nodes : float32 [N, len(NODE_FEATURES)]
        Row ``u`` belongs to unit ``u``.
    edge_index : int64 [2, M]
        Each forward edge along and against its direction, and both directions between units
        that a delayed edge joins. Delayed self-loops are left out; they are a node feature.
    edges : float32 [M, len(EDGE_FEATURES)]
        Flags of the kind (a message between units with delayed edges both ways has two of
        them), then how many layers the edge spans.
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


def _bytes(graph: EncodedGraph) -> int:
    return graph.nodes.nbytes + graph.edge_index.nbytes + graph.edges.nbytes + graph.graph.nbytes


# By labelled structure, not by fingerprint: the rows are in the order of the units.
_encoded: LookupCache[Structure, EncodedGraph] = LookupCache(capacity=256 * 2**20, size=_bytes)


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
    return _encoded.lookup([structure], lambda missing: [_encode(s) for s in missing])[0]


def _encode(structure: Structure) -> EncodedGraph:
    height = longest_path_layers(structure.forward_edges[::-1], structure.num_units)
    edge_index, edges = _edges(structure)
    arrays = (_nodes(structure, height), edge_index, edges, _graph(structure))
    for array in arrays:
        array.setflags(write=False)  # the cache gives the same arrays to every caller
    return EncodedGraph(
        *arrays,
        family=structure.family,
        attributes={name: tuple(values) for name, values in structure.attributes.items()},
    )


def _nodes(structure: Structure, height: np.ndarray) -> np.ndarray:
    n, layer = structure.num_units, structure.layer
    forward, delayed = structure.forward_edges, structure.recurrent_edges
    last = max(1, structure.num_layers - 1)
    loops = np.bincount(delayed[0][delayed[0] == delayed[1]], minlength=n)
    in_degree, out_degree = (np.bincount(forward[side], minlength=n) for side in (1, 0))
    paths_in, paths_out = path_counts(forward, layer), path_counts(forward[::-1], height)
    columns = [
        structure.inputs,
        structure.outputs,
        structure.reachability.from_input,
        structure.reachability.to_output,
        np.log1p(in_degree),
        np.log1p(out_degree),
        np.log1p(np.bincount(delayed[1], minlength=n)),
        np.log1p(np.bincount(delayed[0], minlength=n)),
        loops,
        *_one_hot_bins(in_degree),
        *_one_hot_bins(out_degree),
        layer / last,
        height / last,
        (structure.num_layers - 1 - layer - height) / last,
        np.log1p(layer),
        np.log1p(height),
        np.log(structure.layer_sizes[layer]),
        paths_in,
        paths_out,
        unit_flow(forward, layer),
        *sinusoids(layer, _WAVES),
    ]
    return np.stack(columns, axis=1).astype(np.float32)  # [N, F]


def _one_hot_bins(degree: np.ndarray) -> np.ndarray:
    position = np.searchsorted(DEGREE_BINS, degree)  # [N]
    return (np.arange(len(DEGREE_BINS) + 1)[:, None] == position).astype(np.float32)  # [bins, N]


def _edges(structure: Structure) -> tuple[np.ndarray, np.ndarray]:
    forward, delayed = structure.forward_edges, structure.recurrent_edges
    delayed = delayed[:, delayed[0] != delayed[1]]
    n = structure.num_units
    # A pair of units joined by delayed edges both ways needs one message each way, not two.
    codes = delayed[0] * n + delayed[1]
    reverse_codes = delayed[1] * n + delayed[0]
    either = np.union1d(codes, reverse_codes).astype(np.int64)
    groups = [forward, forward[::-1], np.stack([either // n, either % n])]
    edge_index = np.concatenate(groups, axis=1)  # [2, M]
    f = forward.shape[1]
    kind = np.zeros((edge_index.shape[1], len(EDGE_KINDS)))
    kind[:f, 0], kind[f : 2 * f, 1] = 1.0, 1.0
    kind[2 * f :, 2], kind[2 * f :, 3] = np.isin(either, codes), np.isin(either, reverse_codes)
    span = (structure.layer[edge_index[1]] - structure.layer[edge_index[0]]).astype(np.float64)
    spans = [np.sign(span) * np.log1p(np.abs(span)), span / max(1, structure.num_layers - 1)]
    edges = np.concatenate([kind, np.stack(spans, axis=1)], axis=1)
    return np.ascontiguousarray(edge_index), edges.astype(np.float32)  # [2, M], [M, 6]


def _graph(structure: Structure) -> np.ndarray:
    n, forward = structure.num_units, structure.forward_edges.shape[1]
    values = [
        *np.log1p(
            [
                n,
                forward,
                structure.num_edges - forward,
                structure.num_layers,
                structure.inputs.sum(),
                structure.outputs.sum(),
            ]
        ),
        2.0 * forward / max(1, n * (n - 1)),
    ]
    return np.array(values, dtype=np.float32)
