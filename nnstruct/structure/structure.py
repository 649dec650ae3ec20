"""A Structure says which units connect; it holds no weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from nnstruct.checks import check_integer
from nnstruct.errors import StructureError
from nnstruct.structure.families import FAMILIES
from nnstruct.structure.fields import (
    as_attributes,
    as_edges,
    as_flags,
    as_origin,
    frozen,
    in_canonical_order,
)
from nnstruct.structure.graph_doors import GraphDoors
from nnstruct.structure.layered import LayeredGraph
from nnstruct.structure.topology import find_cycle, longest_path_layers
from nnstruct.structure.undirected import check_undirected

if TYPE_CHECKING:
    import networkx as nx
    from matplotlib.axes import Axes
    from torch_geometric.data import Data

# The ``kind`` in the origin of structures that pruning has left; they may have units that are cut off.
PRUNED = "pruning"
# The ``kind`` in the origin of structures of which trimming has left the input and output units alone.
NOTHING_LEFT = "nothing left"
_ARRAYS = ("edge_index", "recurrent", "residual", "inputs", "outputs")


@dataclass(frozen=True, eq=False, repr=False)
class Structure(GraphDoors, LayeredGraph):
    """The units of a network and the edges between them, without weights.

    Forward edges act within one time step and form a directed acyclic graph. Recurrent edges
    act one time step later and may form any graph, self-loops included. A residual edge is a forward edge
    without a weight: it adds its source's value to what its target has computed from all other edges (He et
    al., 2016, arXiv:1512.03385). The order is canonical: forward before recurrent, by source, then target.

    Parameters
    ----------
    edge_index : array of int64, shape [2, E]
        Source units in row 0, target units in row 1.
    num_units : int
        N; units are numbered from 0 to N - 1.
    recurrent : array of bool, shape [E], optional
        True where an edge is delayed by one step. No edge is, by default.
    family : str
        One of ``mlp``, ``cnn``, ``module``, ``rnn_tanh``, ``rnn_relu``, ``gru``, ``lstm``; ``relational``
        of graphs without directions (:mod:`nnstruct.structure.undirected`).
    inputs : array of bool, shape [N], optional
        Units that see the network's input; by default those without an incoming forward edge.
    outputs : array of bool, shape [N], optional
        Units that the read-out sees; by default those without an outgoing forward edge.
    attributes : mapping, optional
        ``operator``, ``activation``, ``stage``, ``channels``, ``join``, ``width``, ``kernel``, ``stride``,
        ``dilation``, ``groups`` or ``tie``, each with N values; left out where all units have the family's
        default: 1 from ``width`` to ``groups``, 0 for ``tie``. See :mod:`nnstruct.structure.units`.
    origin : mapping, optional
        Where the structure came from, as JSON values; not part of its identity.
    residual : array of bool, shape [E], optional
        True where a forward edge is residual; none is by default. In the family ``cnn`` one that leads to
        another number of channels or stage has weights after all, a projection's.

    Raises
    ------
    StructureError
        If forward edges form a cycle, an edge is out of range or given twice, an output unit
        has no path from an input unit (except in family ``module`` and in pruned networks, of which
        :attr:`dead_units` tells it), or the family has no state for a recurrent edge.

    Examples
    --------
    >>> from nnstruct.structure import Structure
    >>> diamond = Structure([[0, 0, 1, 2], [1, 2, 3, 3]], num_units=4)
    >>> diamond.layer.tolist(), diamond.num_edges
    ([0, 1, 1, 2], 4)
    >>> diamond.fingerprint == diamond.relabel([3, 1, 2, 0]).fingerprint
    True
    """

    edge_index: np.ndarray
    num_units: int
    recurrent: np.ndarray = None  # type: ignore[assignment]
    family: str = "mlp"
    inputs: np.ndarray = None  # type: ignore[assignment]
    outputs: np.ndarray = None  # type: ignore[assignment]
    attributes: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    origin: Mapping[str, Any] = field(default_factory=dict)
    residual: np.ndarray = None  # type: ignore[assignment]
    layer: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        check_integer(self.num_units, "num_units", low=None, error=StructureError)
        empty = "be at least 1 (the graph is empty)"
        check_integer(self.num_units, "num_units", rule=empty, error=StructureError)
        family = FAMILIES[self.family]
        edges = as_edges(self.edge_index, self.num_units)
        recurrent = as_flags("recurrent", self.recurrent, edges.shape[1])
        residual = as_flags("residual", self.residual, edges.shape[1])
        edges, recurrent, residual = in_canonical_order(edges, recurrent, residual, int(self.num_units))
        for first in edges[:, residual & recurrent].T.tolist():
            raise StructureError("residual", "be False for an edge that is recurrent", first)
        if recurrent.any() and not family.recurrent:
            first = edges[:, np.flatnonzero(recurrent)[0]].tolist()
            raise StructureError("recurrent", f"be all False for the family {self.family!r}", first)

        forward = edges[:, : len(recurrent) - np.count_nonzero(recurrent)]
        layer = longest_path_layers(forward, self.num_units)
        if (layer < 0).any():
            cycle = " -> ".join(str(unit) for unit in find_cycle(forward, layer))
            raise StructureError(
                "edge_index", "have no cycle of forward edges", cycle, "Mark delayed edges as recurrent."
            )
        has_incoming = np.zeros(self.num_units, dtype=bool)
        has_outgoing = np.zeros(self.num_units, dtype=bool)
        has_outgoing[forward[0]], has_incoming[forward[1]] = True, True
        inputs = as_flags("inputs", self.inputs, self.num_units, default=~has_incoming)
        outputs = as_flags("outputs", self.outputs, self.num_units, default=~has_outgoing)
        if family.undirected:
            check_undirected(edges, recurrent, inputs, outputs, self.family)

        set_field = object.__setattr__
        set_field(self, "num_units", int(self.num_units))
        set_field(self, "edge_index", frozen(edges))
        set_field(self, "recurrent", frozen(recurrent))
        set_field(self, "residual", frozen(residual))
        set_field(self, "inputs", frozen(inputs))
        set_field(self, "outputs", frozen(outputs))
        set_field(self, "attributes", as_attributes(self.attributes, self.num_units))
        set_field(self, "origin", as_origin(self.origin))
        set_field(self, "layer", frozen(layer))
        if not outputs.any():
            raise StructureError("outputs", "mark at least one unit", outputs.tolist())
        if not inputs.any():
            raise StructureError("inputs", "mark at least one unit", inputs.tolist())
        # Every unit has a path from one without incoming edges; if those are inputs, all are reached.
        found_so = self.family == "module" or self.origin.get("kind") in (PRUNED, NOTHING_LEFT)
        if not found_so and not (inputs | has_incoming).all():
            cut_off = np.flatnonzero(outputs & ~self.reachability.from_input)
            if len(cut_off):
                raise StructureError(
                    "outputs", "each have a path from an input unit", f"isolated unit {cut_off[0]}"
                )

    @cached_property
    def fingerprint(self) -> str:
        """32 hexadecimal digits, the same under every relabelling of the units.

        See :func:`nnstruct.structure.fingerprint.fingerprint` for the method and its limits.
        """
        from nnstruct.structure.fingerprint import fingerprint

        return fingerprint(self)

    @property
    def graph_edges(self) -> np.ndarray:
        """What measures of the graph count, int64 [2, F]: forward edges, sorted by source, then target.

        Of an undirected family each edge once, from the lower to the higher unit.
        """
        delayed = np.count_nonzero(self.recurrent)
        if delayed and FAMILIES[self.family].undirected:
            return self.edge_index[:, self.edge_index[0] < self.edge_index[1]]
        return self.edge_index[:, : self.num_edges - delayed]  # forward edges come first

    # ---- new structures from this one

    def with_recurrence(self, recurrence: str, *, seed: int = 0, density: float = 0.1) -> Structure:
        """The same forward edges with other recurrent ones.

        Parameters
        ----------
        recurrence : str
            ``layer``, ``self``, ``reverse``, ``random`` or ``none``; what each means, and what ``seed``
            and ``density`` decide, says :func:`nnstruct.structure.recurrence.recurrent_edges`.
        seed : int
        density : float

        Returns
        -------
        Structure

        Raises
        ------
        StructureError
            If the family has no directions, or no state.
        """
        from nnstruct.structure.recurrence import recurrent_edges

        if FAMILIES[self.family].undirected:
            raise StructureError("family", "have directions to be given recurrent edges", self.family)
        forward = self.forward_edges
        delayed = recurrent_edges(recurrence, forward, self.layer, seed=seed, density=density)
        edges = np.concatenate([forward, delayed], axis=1)
        flags = np.repeat([False, True], [forward.shape[1], delayed.shape[1]])
        residual = np.concatenate([self.residual[: forward.shape[1]], np.zeros(delayed.shape[1], dtype=bool)])
        if not self.reachability.all_by_forward_edges or not FAMILIES[self.family].recurrent:
            return replace(self, edge_index=edges, recurrent=flags, residual=residual)
        # The forward edges have been checked, and each unit is reached by them: the delayed ones are new.
        edges = as_edges(edges, self.num_units)
        edges, flags, residual = in_canonical_order(edges, flags, residual, self.num_units)
        made = object.__new__(type(self))
        made.__dict__.update({item.name: getattr(self, item.name) for item in fields(self)})
        new = {"edge_index": edges, "recurrent": flags, "residual": residual}
        made.__dict__.update({name: frozen(value) for name, value in new.items()})
        return made

    def trim(self) -> Structure:
        """The units that an output can feel; see :func:`nnstruct.structure.reduction.trim`.

        Returns
        -------
        Structure
            Without units that give zero and without those on no path from an input to an output.
        """
        return self if self._trimmed is None else self._trimmed

    @cached_property
    def _trimmed(self) -> Structure | None:
        from nnstruct.structure.reduction import trim

        trimmed = trim(self)
        if trimmed is self:
            return None
        trimmed.__dict__["_trimmed"] = None  # nothing is left to trim of it
        return trimmed

    def with_origin(self, **origin: Any) -> Structure:
        """The same structure with another origin.

        Parameters
        ----------
        **origin
            JSON values; they take the place of the whole origin.

        Returns
        -------
        Structure
        """
        return replace(self, origin=origin)

    # ---- interchange

    @classmethod
    def from_networkx(
        cls,
        graph: nx.Graph,
        *,
        family: str | None = None,
        recurrence: str = "layer",
        seed: int = 0,
        undirected: bool = False,
    ) -> Structure:
        """A Structure from any networkx graph; see :func:`nnstruct.structure.networkx_graphs.from_networkx`.

        Parameters
        ----------
        graph : networkx.Graph
            Or of a subclass; an undirected graph is oriented along its order of nodes.
        family : str, optional
            ``mlp`` by default, ``relational`` with ``undirected=True``.
        recurrence, seed
            Recurrent edges of a recurrent family whose graph marks none itself.
        undirected : bool
            Whether edges have no direction; then the order of the nodes does not count.

        Returns
        -------
        Structure
        """
        from nnstruct.structure.networkx_graphs import from_networkx

        return from_networkx(graph, family=family, recurrence=recurrence, seed=seed, undirected=undirected)

    def to_networkx(self, *, recurrent: bool = True) -> nx.Graph:
        """A networkx graph; see :func:`nnstruct.structure.networkx_graphs.to_networkx`.

        Parameters
        ----------
        recurrent : bool
            Whether to include the delayed edges.

        Returns
        -------
        networkx.DiGraph
            A ``MultiDiGraph`` where it holds delayed edges, a ``Graph`` of an undirected family.
        """
        from nnstruct.structure.networkx_graphs import to_networkx

        return to_networkx(self, recurrent=recurrent)

    def to_pyg(self) -> Data:
        """A PyG ``Data`` that holds the whole structure; :meth:`from_pyg` brings it back.

        Returns
        -------
        torch_geometric.data.Data
            See :func:`nnstruct.structure.interchange.to_pyg` for its fields.
        """
        from nnstruct.structure.interchange import to_pyg

        return to_pyg(self)

    @classmethod
    def from_pyg(cls, data: Data, *, family: str | None = None, recurrence: str = "layer") -> Structure:
        """The structure that :meth:`to_pyg` wrote, or that of any other PyG graph.

        Parameters
        ----------
        data : torch_geometric.data.Data
            With ``edge_index``; see :func:`nnstruct.structure.interchange.from_pyg`.
        family : str, optional
            Of a graph that does not say its own; ``mlp`` by default.
        recurrence : str
            Recurrent edges of a recurrent family whose graph marks none itself.

        Returns
        -------
        Structure
        """
        from nnstruct.structure.interchange import from_pyg

        return from_pyg(data, family=family, recurrence=recurrence)

    def plot(self, ax: Axes | None = None, **options: Any) -> Axes:
        """Draw the layers from left to right; see :func:`nnstruct.structure.drawing.plot_structure`.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Of a new figure by default.
        **options
            ``recurrent``, ``title``, ``unit_size`` and ``layers``.

        Returns
        -------
        matplotlib.axes.Axes
        """
        from nnstruct.structure.drawing import plot_structure

        return plot_structure(self, ax=ax, **options)

    # ---- identity

    def __eq__(self, other: object) -> bool:
        """Same labelled graph, family and attributes (the origin does not count)."""
        if not isinstance(other, Structure):
            return NotImplemented
        return (
            self.num_units == other.num_units
            and self.family == other.family
            and all(getattr(self, name).tobytes() == getattr(other, name).tobytes() for name in _ARRAYS)
            and dict(self.attributes) == dict(other.attributes)
        )

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def _hash(self) -> int:
        content = (self.num_units, self.family, *(getattr(self, name).tobytes() for name in _ARRAYS))
        return hash((*content, tuple(self.attributes.items())))

    def __repr__(self) -> str:
        added = f"residual={int(self.residual.sum())}, " if self.residual.any() else ""
        return (
            f"Structure(family={self.family!r}, units={self.num_units}, layers={self.num_layers}, "
            f"forward={int((~self.recurrent).sum())}, recurrent={int(self.recurrent.sum())}, {added}"
            f"origin={self.origin.get('prior') or self.origin.get('kind') or 'user'!r})"
        )

    def _repr_html_(self) -> str:
        from nnstruct.structure.sketch import structure_panel

        return structure_panel(self)

    def __getstate__(self) -> dict[str, Any]:
        state = {name: getattr(self, name) for name in ("num_units", "family", *_ARRAYS)}
        return state | {"attributes": dict(self.attributes), "origin": dict(self.origin)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            object.__setattr__(self, name, value)
        self.__post_init__()
