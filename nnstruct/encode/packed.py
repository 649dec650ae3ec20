"""Many structures as a few flat arrays for message passing, made in one pass."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np

from nnstruct.encode.shortcuts import shown_attributes
from nnstruct.structure import Structure
from nnstruct.structure.operator_kinds import is_identity, operator_kind

KINDS = ("forward", "backward", "delayed", "delayed_backward")
DEGREE_BINS = (0, 1, 2, 4, 8, 16)  # the last bin is open
DEPTHS = 8  # likewise


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
    *(f"layer={depth}" for depth in range(DEPTHS)),
    f"layer>={DEPTHS}",
)
GRAPH_FEATURES = (
    "log_units",
    "log_forward",
    "log_delayed",
    "log_layers",
    "log_inputs",
    "log_outputs",
    "density",
    "log_dead",
    "log_skips",
)


@dataclass(frozen=True, eq=False)
class PackedGraphs:
    """Arrays of S graphs, one after the other; N units and M messages in all.

    Attributes
    ----------
    nodes : float32 [N, F]
        A row a unit; what its columns are, says ``NODE_FEATURES``, or whoever changed them.
    layer : int32 [N]
        Longest path from a source.
    unit : int32 [N]
        The unit's number in its structure.
    unit_start : int64 [S + 1]
        The units of graph ``s`` are ``unit_start[s]:unit_start[s + 1]``.
    first : int64 [4 N + 1]
        The messages of kind ``k`` that unit ``v`` gets are ``first[4 * v + k]:first[4 * v + k + 1]``. Kinds
        are those of ``KINDS``: along a forward edge, against one, along a delayed one, against one.
    sender : int32 [M]
        The unit that each message comes from. Delayed self-loops send none; they are a column.
    copies : float32 [M]
        How many edges a message stands for: 1, or more where skips were contracted.
    graph : float32 [S, G]
        Features of whole graphs, those of ``GRAPH_FEATURES`` first.
    """

    nodes: np.ndarray
    layer: np.ndarray
    unit: np.ndarray
    unit_start: np.ndarray
    first: np.ndarray
    sender: np.ndarray
    copies: np.ndarray
    graph: np.ndarray

    def __len__(self) -> int:
        return len(self.unit_start) - 1


def pack_graphs(structures: Sequence[Structure], *, contract: bool = False) -> PackedGraphs:
    """Degrees, layers, positions and flags of all units, and the messages between them, as flat arrays.

    Relabelling the units of a structure permutes its rows and changes no value.

    Parameters
    ----------
    structures : sequence of Structure, length S
    contract : bool
        Trim the structures and put edges in the place of identities, as
        :func:`nnstruct.structure.reduction.contract` does; at most 16 copies of an edge are counted, and
        an identity that would make too many edges stays.

    Returns
    -------
    PackedGraphs

    Examples
    --------
    >>> from nnstruct import Structure
    >>> from nnstruct.encode.packed import pack_graphs
    >>> diamond = Structure([[0, 0, 1, 2], [1, 2, 3, 3]], 4, family="module",
    ...                     attributes={"operator": ["input", "conv3x3", "skip", "output"]})
    >>> graphs = pack_graphs([diamond], contract=True)
    >>> graphs.unit.tolist(), graphs.sender[graphs.first[8]:graphs.first[9]].tolist()
    ([0, 1, 3], [1, 0])
    """
    from nnstruct.encode.packed_kernel import encode_rows

    count = len(structures)
    if not count:
        empty = np.zeros(0, np.int32)
        return PackedGraphs(
            np.zeros((0, len(NODE_FEATURES)), np.float32), empty, empty, np.zeros(1, np.int64),
            np.zeros(1, np.int64), empty, empty.astype(np.float32),
            np.zeros((0, len(GRAPH_FEATURES)), np.float32),
        )  # fmt: skip
    edges = np.concatenate([s.edge_index for s in structures], axis=1)
    recurrent = np.concatenate([s.recurrent for s in structures])
    edge_start = starts(s.num_edges for s in structures)
    delayed = np.concatenate([[0], np.cumsum(recurrent)])
    forward = np.diff(edge_start) - (delayed[edge_start[1:]] - delayed[edge_start[:-1]])
    unit_start = starts(s.num_units for s in structures)
    none, skip = _operator_flags(structures, unit_start) if contract else (np.zeros(0, bool),) * 2
    residual = np.concatenate([s.residual for s in structures])
    if contract and residual.any():
        offset = np.repeat(unit_start[:-1], np.diff(edge_start))
        skip = skip.copy()
        skip[(edges + offset)[:, residual].ravel()] = False
    arrays = encode_rows(
        edges[0].astype(np.int32),
        edges[1].astype(np.int32),
        forward,
        edge_start,
        unit_start,
        np.concatenate([s.inputs for s in structures]),
        np.concatenate([s.outputs for s in structures]),
        none,
        skip,
        contract,
        len(NODE_FEATURES),
        len(GRAPH_FEATURES),
    )
    nodes, layer, unit, row_start, first, sender, copies, graph = arrays
    return PackedGraphs(nodes, layer, unit, row_start, first, sender, copies, graph)


def starts(counts: Iterable[int]) -> np.ndarray:
    """Where each block of these lengths begins, and the end of the last, int64 [n + 1]."""
    return np.concatenate([[0], np.cumsum(list(counts))]).astype(np.int64)


def unit_column(
    structures: Sequence[Structure], name: str, values: dict[Any, float], missing: float
) -> np.ndarray:
    """A number for an attribute of each unit of all structures, one structure after the other.

    Parameters
    ----------
    structures : sequence of Structure
    name : str
        Of the attribute; see :func:`nnstruct.encode.shortcuts.shown_attributes`.
    values : dict
        The number of each value.
    missing : float
        Where a value is not among them, or a structure lacks the attribute.

    Returns
    -------
    float64 [sum of N]
    """
    get = values.get
    parts = []
    for structure in structures:
        given = shown_attributes(structure).get(name)
        if given is None:
            parts.append([missing] * structure.num_units)
        else:
            parts.append([get(value, missing) for value in given])
    return np.fromiter(chain.from_iterable(parts), np.float64)


def _operator_flags(structures: Sequence[Structure], unit_start: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    names = {name for structure in structures for name in structure.attributes.get("operator", ())}
    if not names:
        flags = np.zeros(unit_start[-1], dtype=bool)
        return flags, flags
    codes = {name: _acts(str(name)) for name in names}
    code = unit_column(structures, "operator", codes, 0.0)
    return code == 1.0, code == 2.0


def _acts(operator: str) -> float:
    return 1.0 if operator_kind(operator) == "zero" else 2.0 if is_identity(operator) else 0.0
