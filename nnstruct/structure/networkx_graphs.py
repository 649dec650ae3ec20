"""Structures to and from networkx graphs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nnstruct.errors import StructureError
from nnstruct.structure.families import FAMILIES
from nnstruct.structure.fields import UNIT_ATTRIBUTES
from nnstruct.structure.structure import Structure
from nnstruct.structure.undirected import both_ways

if TYPE_CHECKING:
    import networkx as nx


def from_networkx(
    graph: nx.Graph,
    *,
    family: str | None = None,
    recurrence: str = "layer",
    seed: int = 0,
    undirected: bool = False,
) -> Structure:
    """A Structure from a networkx graph.

    Nodes become units in the graph's own node order. A directed graph is taken as it is; an
    undirected one is oriented along ``graph.edges`` (from the node that comes first in node
    order to the later one), which always gives a directed acyclic graph. An edge attribute
    ``recurrent=True`` marks a delayed edge, ``residual=True`` a residual one; node attributes ``input``,
    ``output`` (bool) and ``operator``, ``activation``, ``stage``, ``channels``, ``join``, ``width``,
    ``kernel``, ``stride``, ``dilation``, ``groups``, ``tie`` are read where every node has them.

    With ``undirected=True`` edges stay without a direction (:mod:`nnstruct.structure.undirected`): the family
    is ``relational``, and graphs that differ in the order of their nodes alone have one fingerprint.

    Parameters
    ----------
    graph : networkx.Graph or any of its subclasses
    family : str, optional
        ``mlp`` by default, ``relational`` with ``undirected=True``, which it also stands for.
    recurrence : str
        Recurrent edges for a recurrent family whose graph marks none itself; see
        :mod:`nnstruct.structure.recurrence`.
    seed : int
        Used by ``recurrence="random"`` only.
    undirected : bool
        Whether edges have no direction: those of a directed graph lose theirs, several between two nodes
        count once, and a node's edge to itself is left out.

    Returns
    -------
    Structure
        Its origin says no more than that it came from networkx.

    Raises
    ------
    StructureError
        If the graph is empty, has a cycle of forward edges, parallel edges, or an isolated node
        beside connected ones (unless every node says by ``input`` and ``output`` what it is); or if
        ``undirected`` does not fit the family.

    Examples
    --------
    >>> import networkx as nx
    >>> from nnstruct import Structure
    >>> Structure.from_networkx(nx.barabasi_albert_graph(30, 3, seed=0)).num_units
    30
    >>> path, other = nx.Graph([(0, 1), (1, 2)]), nx.Graph([(1, 0), (0, 2)])
    >>> len({Structure.from_networkx(graph, undirected=True).fingerprint for graph in (path, other)})
    1
    """
    if not hasattr(graph, "is_directed"):
        raise StructureError("graph", "be a graph of networkx", graph)
    family = family or ("relational" if undirected else "mlp")
    undirected = undirected or FAMILIES[family].undirected
    if not FAMILIES[family].undirected and undirected:
        raise StructureError("undirected", f"be False for the family {family!r}", True)
    unit = {node: index for index, node in enumerate(graph.nodes)}
    if not unit:
        raise StructureError("graph", "have at least one node", "an empty graph")
    delayed: list[tuple[int, int]] = []
    forward: list[tuple[int, int]] = []
    residual: list[bool] = []
    marked = False
    for source, target, data in graph.edges(data=True):
        if "recurrent" in data:
            marked = True
        pair = (unit[source], unit[target])
        if not graph.is_directed():
            pair = min(pair), max(pair)
        if data.get("recurrent") or undirected:
            delayed.append(pair)
        else:
            forward.append(pair)
            residual.append(bool(data.get("residual")))
    if undirected:
        delayed = both_ways(delayed)
    touched = {u for pair in forward + delayed for u in pair}
    isolated = [node for node, index in unit.items() if index not in touched]
    inputs, outputs = _node_flags(graph, "input"), _node_flags(graph, "output")
    # Where the graph says itself which nodes are inputs and outputs, a lone node is meant.
    if forward and isolated and (inputs is None or outputs is None):
        raise StructureError(
            "graph",
            "have no isolated node beside connected ones",
            isolated[0],
            "Remove it first: graph.remove_nodes_from(list(networkx.isolates(graph))).",
        )
    structure = Structure(
        np.array(forward + delayed, dtype=np.int64).reshape(-1, 2).T,
        len(unit),
        recurrent=np.repeat([False, True], [len(forward), len(delayed)]),
        residual=np.array(residual + [False] * len(delayed), dtype=bool),
        family=family,
        inputs=inputs,
        outputs=outputs,
        attributes={
            name: tuple(data[name] for _, data in graph.nodes(data=True))
            for name in UNIT_ATTRIBUTES
            if all(name in data for _, data in graph.nodes(data=True))
        },
        origin={"kind": "networkx"},
    )
    if FAMILIES[family].keeps_state and not marked:
        return structure.with_recurrence(recurrence, seed=seed)
    return structure


def _node_flags(graph: nx.Graph, name: str) -> Any:
    flags = [data.get(name) for _, data in graph.nodes(data=True)]
    return None if any(flag is None for flag in flags) else np.array(flags, dtype=bool)


def to_networkx(structure: Structure, *, recurrent: bool = True) -> nx.Graph:
    """A networkx graph with ``recurrent`` on each edge and ``layer``, ``input``, ``output`` on each node.

    A residual edge has ``residual=True``. Nodes also have those of ``operator``, ``activation``, ``stage``,
    ``channels``, ``join``, ``width``, ``kernel``, ``stride``, ``dilation``, ``groups`` and ``tie`` that the
    structure has; :func:`from_networkx` brings everything but the origin back.

    Parameters
    ----------
    structure : Structure
    recurrent : bool
        Whether to include the delayed edges.

    Returns
    -------
    networkx.DiGraph or networkx.MultiDiGraph
        The latter where it holds delayed edges, since a pair of units can have a forward and a
        delayed edge at once. Of an undirected family a ``networkx.Graph`` with the units' attributes alone.

    Examples
    --------
    >>> from nnstruct import Structure
    >>> graph = to_networkx(Structure.from_layers([2, 1]))
    >>> graph.nodes[2]
    {'layer': 1, 'input': False, 'output': True}
    """
    import networkx as nx

    plain = FAMILIES[structure.family].undirected
    delayed = structure.recurrent_edges if recurrent else np.zeros((2, 0), dtype=np.int64)
    graph = nx.Graph() if plain else nx.MultiDiGraph() if delayed.shape[1] else nx.DiGraph()
    graph.graph["family"] = structure.family
    places = {"layer": structure.layer, "input": structure.inputs, "output": structure.outputs}
    for unit in range(structure.num_units):
        place = {} if plain else {name: values[unit].item() for name, values in places.items()}
        graph.add_node(unit, **place, **{name: values[unit] for name, values in structure.attributes.items()})
    if plain:
        graph.add_edges_from(structure.graph_edges.T.tolist())
        return graph
    residual = structure.residual[~structure.recurrent]
    for flag, more in ((False, {}), (True, {"residual": True})):
        graph.add_edges_from(structure.forward_edges.T[residual == flag].tolist(), recurrent=False, **more)
    graph.add_edges_from(delayed.T.tolist(), recurrent=True)
    return graph
