"""Networks to networkx, rustworkx, PyG, scipy and GraphML."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nnstruct.errors import InvalidInputError
from nnstruct.files import write_parts
from nnstruct.network.module_network import ModuleNetwork
from nnstruct.network.network import Network
from nnstruct.processes import physical_memory
from nnstruct.structure.interchange import geometric

if TYPE_CHECKING:
    import networkx as nx
    import rustworkx as rx
    from scipy.sparse import coo_array
    from torch_geometric.data import Data, HeteroData


def _kinds(network: Network) -> np.ndarray:
    if isinstance(network, ModuleNetwork):
        return network.edge_kind
    structure = network.structure
    return np.where(structure.recurrent, "recurrent", np.where(structure.residual, "residual", "weight"))


def _edges(network: Network) -> Iterator[tuple[int, int, dict[str, Any]]]:
    """Source, target and data of each edge."""
    structure = network.structure
    columns = (network.weight, structure.recurrent, _kinds(network), structure.residual)
    rows = zip(*structure.edge_index.tolist(), *(column.tolist() for column in columns), strict=True)
    for source, target, values, late, kind, residual in rows:
        more = {"residual": True} if residual else {}
        yield source, target, {"weight": values, "recurrent": late, "kind": kind, **more}


_BYTES_AN_EDGE = 800  # measured, of a networkx graph with one value an edge


def _check_memory(edges: int) -> None:
    """Refuse a graph of Python objects that no memory of this machine holds."""
    needed, has = edges * _BYTES_AN_EDGE, physical_memory()
    if has is not None and needed > has:
        raise InvalidInputError(
            "network", f"fit as a networkx graph into {has / 2**30:.1f} GiB of memory",
            f"{edges:,} edges, about {needed / 2**30:.1f} GiB",
            "to_scipy and to_pyg need a tenth of it, and to_graphml writes edge by edge.",
        )  # fmt: skip


def to_networkx(network: Network) -> nx.DiGraph:
    """The structure's graph with weights and biases.

    Parameters
    ----------
    network : Network

    Returns
    -------
    networkx.DiGraph
        A ``MultiDiGraph`` where there are recurrent edges, since they may join units that a forward edge
        joins too. Nodes have what :meth:`nnstruct.Structure.to_networkx` gives them and ``bias`` (a list of
        b numbers); edges have ``weight`` (a list of k numbers), ``recurrent`` and ``kind`` (``weight``,
        ``residual`` or ``recurrent``; in networks from modules also ``identity`` and ``state``), and residual
        ones ``residual=True``.

    Raises
    ------
    InvalidInputError
        If the graph, at some 800 bytes an edge, would not fit into the machine's memory.

    Examples
    --------
    >>> import numpy as np
    >>> from nnstruct import Structure
    >>> structure = Structure.from_layers([1, 1])
    >>> graph = to_networkx(Network(structure, np.array([[0.5]]), np.zeros((2, 1))))
    >>> graph.edges[0, 1]["weight"]
    [0.5]
    """
    import networkx as nx

    structure = network.structure
    _check_memory(structure.num_edges)
    plain = structure.to_networkx(recurrent=False)
    graph: Any = nx.MultiDiGraph() if structure.recurrent.any() else nx.DiGraph()
    graph.graph.update(plain.graph)
    for unit, data in plain.nodes(data=True):
        graph.add_node(unit, **data, bias=network.bias[unit].tolist())
    graph.add_edges_from(_edges(network))
    return graph


def to_rustworkx(network: Network) -> rx.PyDiGraph:
    """A rustworkx graph of the units and edges.

    Parameters
    ----------
    network : Network

    Returns
    -------
    rustworkx.PyDiGraph
        Node i is unit i. Nodes and edges hold the same data as in :func:`to_networkx`, in dicts.
    """
    import rustworkx as rx

    structure = network.structure
    graph = rx.PyDiGraph(multigraph=bool(structure.recurrent.any()))
    names = list(structure.attributes)
    columns = [structure.attributes[name] for name in names]
    graph.add_nodes_from(
        [
            {
                "layer": int(structure.layer[unit]),
                "input": bool(structure.inputs[unit]),
                "output": bool(structure.outputs[unit]),
                "bias": network.bias[unit].tolist(),
                **{name: column[unit] for name, column in zip(names, columns, strict=True)},
            }
            for unit in range(structure.num_units)
        ]
    )
    graph.add_edges_from(list(_edges(network)))
    return graph


def to_pyg(network: Network) -> Data:
    """The structure's PyG ``Data`` with weights and biases.

    Parameters
    ----------
    network : Network

    Returns
    -------
    torch_geometric.data.Data
        As :meth:`nnstruct.Structure.to_pyg` gives it, with ``edge_attr`` float32 [E, k] (the weights) and
        ``x`` float32 [N, b] (the biases).
    """
    import torch

    data = network.structure.to_pyg()
    data.edge_attr = torch.tensor(network.weight)
    data.x = torch.tensor(network.bias)
    return data


def to_hetero(network: Network) -> HeteroData:
    """A PyG ``HeteroData``: a node type for each operator, an edge type for each pair of them and kind.

    Parameters
    ----------
    network : Network

    Returns
    -------
    torch_geometric.data.HeteroData
        Each node type has ``x`` float32 [n, b] (biases) and ``unit`` int64 [n] (numbers in the
        structure); each edge type ``(source, kind, target)`` has ``edge_index`` int64 [2, e], within its
        node types, and ``edge_attr`` float32 [e, k], as wide as its widest edge. Units without an
        operator are of the node type ``unit``.
    """
    import torch

    structure = network.structure
    operator = np.array(structure.attributes.get("operator", ("unit",) * structure.num_units))
    names, kind_of = np.unique(operator, return_inverse=True)
    local = np.zeros(structure.num_units, dtype=np.int64)
    data = geometric().HeteroData()
    for number, name in enumerate(names):
        units = np.flatnonzero(kind_of == number)
        local[units] = np.arange(len(units))
        data[str(name)].x = torch.tensor(network.bias[units])
        data[str(name)].unit = torch.tensor(units)
    edge_kinds, edge_kind = np.unique(_kinds(network), return_inverse=True)
    source, target = structure.edge_index
    code = (kind_of[source] * len(names) + kind_of[target]) * len(edge_kinds) + edge_kind
    width = (
        network.edge_width
        if isinstance(network, ModuleNetwork)
        else np.full(len(code), network.weight.shape[1])
    )
    for number in np.unique(code):
        chosen = np.flatnonzero(code == number)
        pair, kind = divmod(int(number), len(edge_kinds))
        key = (str(names[pair // len(names)]), str(edge_kinds[kind]), str(names[pair % len(names)]))
        data[key].edge_index = torch.tensor(np.stack([local[source[chosen]], local[target[chosen]]]))
        data[key].edge_attr = torch.tensor(network.weight[chosen, : width[chosen].max()])
    return data


def to_scipy(network: Network, *, value: str = "norm", recurrent: bool = False) -> coo_array:
    """A sparse matrix [N, N] with the entry (target, source) of each edge.

    Parameters
    ----------
    network : Network
    value : str
        ``norm``: the Euclidean norm of the edge's values; ``sum``: their sum; ``one``: 1.
    recurrent : bool
        The recurrent edges instead of the forward ones.

    Returns
    -------
    scipy.sparse.coo_array
        float64 [N, N].

    Raises
    ------
    InvalidInputError
        If ``value`` is none of these.

    Examples
    --------
    >>> import numpy as np
    >>> from nnstruct import Structure
    >>> network = Network(Structure.from_layers([2, 1]), np.array([[3.0], [-4.0]]), np.zeros((3, 1)))
    >>> to_scipy(network, value="sum").toarray().tolist()
    [[0.0, 0.0, 0.0], [0.0, 0.0, 0.0], [3.0, -4.0, 0.0]]
    """
    from scipy.sparse import coo_array

    if value not in _VALUES:
        raise InvalidInputError("value", f"be one of {', '.join(_VALUES)}", value)
    structure = network.structure
    # Forward edges stand before the delayed ones.
    first = structure.num_edges - int(np.count_nonzero(structure.recurrent))
    here = slice(first, None) if recurrent else slice(0, first)
    source, target = structure.edge_index[:, here]
    size = (structure.num_units,) * 2
    return coo_array((_one_each(network, _VALUES[value])[here], (target, source)), shape=size)


_VALUES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "norm": lambda w: np.sqrt(np.einsum("ek,ek->e", w, w, dtype=np.float64)),
    "sum": lambda w: w.sum(axis=1, dtype=np.float64),
    "one": lambda w: np.ones(len(w)),
}


def _one_each(network: Network, function: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """One number for each edge, float64 [E]; blocks of edges keep their own width."""
    if not isinstance(network, ModuleNetwork):
        return function(network.weight)
    found = np.zeros(network.structure.num_edges)
    for block in network.blocks:
        found[block.edges] = function(block.values)
    return found


def to_graphml(network: Network, path: str | PathLike[str]) -> None:
    """Write the graph of :func:`to_networkx` as GraphML, edge by edge.

    Parameters
    ----------
    network : Network
    path : path
        Of the file, which is replaced if it is there. ``weight`` and ``bias`` are text in it: numbers with
        spaces between them.
    """
    import networkx as nx

    plain = network.structure.to_networkx(recurrent=False)
    nodes: Any = nx.DiGraph()
    nodes.graph.update(plain.graph)
    for unit, data in plain.nodes(data=True):
        nodes.add_node(unit, **data, bias=" ".join(map(repr, network.bias[unit].tolist())))
    head, _, tail = "\n".join(nx.generate_graphml(nodes)).partition("</graph>")
    opening, start, rest = head.partition("<graph ")
    write_parts(Path(path), [opening, _EDGE_KEYS, start, rest, *_edge_lines(network), "</graph>", tail])


_EDGE_TYPES = {"weight": "string", "recurrent": "boolean", "kind": "string", "residual": "boolean"}
_EDGE_KEYS = "".join(
    f'<key id="{name}" for="edge" attr.name="{name}" attr.type="{kind}" />\n'
    for name, kind in _EDGE_TYPES.items()
)
_OF_KIND = {"residual": '<data key="residual">True</data>'}
_CHUNK = 50_000


def _edge_lines(network: Network) -> Iterator[str]:
    """The edges as GraphML, some at a time, so that no more than these are held as text."""
    kinds, (source, target), late = _kinds(network), network.structure.edge_index, network.structure.recurrent
    parts: list[tuple[Any, np.ndarray]] = [(slice(None), network.weight)]
    if isinstance(network, ModuleNetwork):
        parts = [(block.edges, block.values) for block in network.blocks]
    width = max((values.shape[1] for _, values in parts), default=0)
    for edges, values in parts:
        ends = [array[edges] for array in (source, target, late, kinds)]
        filling = " 0.0" * (width - values.shape[1])
        for first in range(0, len(values), _CHUNK):
            here = slice(first, first + _CHUNK)
            rows = zip(*(array[here].tolist() for array in ends), values[here].tolist(), strict=True)
            yield "".join(
                f'<edge source="{a}" target="{b}"><data key="weight">{" ".join(map(repr, w))}{filling}</data>'
                f'<data key="recurrent">{delayed}</data><data key="kind">{kind}</data>'
                f"{_OF_KIND.get(kind, '')}</edge>\n"
                for a, b, delayed, kind, w in rows
            )
