"""Ways in for graphs that others have made: layers, lists of edges, adjacency matrices, strings of cells."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any, Self

import numpy as np

from nnstruct.checks import check_integer, is_integer
from nnstruct.errors import StructureError
from nnstruct.structure.families import FAMILIES
from nnstruct.structure.undirected import both_ways

_ISOLATED = "Leave the unit out, or say by inputs and outputs what it is for."


class GraphDoors:
    """Constructors of a Structure from what other libraries and tables write."""

    @classmethod
    def from_layers(cls, sizes: Sequence[int], *, family: str = "mlp", recurrence: str = "layer") -> Self:
        """Fully connected layers; every unit of a layer feeds every unit of the next.

        Parameters
        ----------
        sizes : sequence of int
            Units in each layer, at least one layer; the units of the first see the input, those of the
            last are read out.
        family : str
        recurrence : str
            Recurrent edges of a recurrent family; see :mod:`nnstruct.structure.recurrence`.

        Returns
        -------
        Structure
            Units are numbered layer by layer.

        Raises
        ------
        StructureError
            If there is no layer, or a size is no positive integer.

        Examples
        --------
        >>> from nnstruct import Structure
        >>> Structure.from_layers([3, 2]).forward_edges.shape
        (2, 6)
        """
        if not len(sizes) or not all(is_integer(size) and size >= 1 for size in sizes):
            raise StructureError("sizes", "be positive integers, at least one", list(sizes))
        sizes = [int(size) for size in sizes]
        starts = np.concatenate([[0], np.cumsum(sizes)])
        pairs = [
            np.stack(np.meshgrid(np.arange(a, b), np.arange(b, c), indexing="ij")).reshape(2, -1)
            for a, b, c in zip(starts[:-2], starts[1:-1], starts[2:], strict=True)
        ]
        edges = np.concatenate(pairs, axis=1) if pairs else np.zeros((2, 0), dtype=np.int64)
        return cls._of_edges(
            edges, int(starts[-1]), family, recurrence, origin={"kind": "layers", "sizes": sizes}
        )

    @classmethod
    def from_edges(
        cls,
        pairs: Iterable[tuple[Hashable, Hashable]],
        *,
        family: str = "mlp",
        num_units: int | None = None,
        recurrent: Iterable[tuple[Hashable, Hashable]] | None = None,
        recurrence: str = "layer",
        **fields: Any,
    ) -> Self:
        """A Structure from a list of its edges.

        Parameters
        ----------
        pairs : iterable of (source, target)
            Forward edges, each once. Numbers are the units, 0 to N - 1; any other names are numbered as they
            come up. Where every pair comes both ways, the edges have no directions and are led from the
            lower unit to the higher one.
        family : str
            For ``relational`` pairs have no direction.
        num_units : int, optional
            By default one more than the largest number.
        recurrent : iterable of (source, target), optional
            Edges delayed by one step.
        recurrence : str
            Recurrent edges of a recurrent family where none are given; see
            :mod:`nnstruct.structure.recurrence`.
        **fields
            Further fields of :class:`Structure`: ``inputs``, ``outputs``, ``attributes``, ``residual``
            (of ``pairs``), ``origin``.

        Returns
        -------
        Structure

        Raises
        ------
        StructureError
            If an item is no pair, an edge is given twice, forward edges form a cycle, or a unit has no edge
            and nothing says what it is for.

        Examples
        --------
        >>> from nnstruct import Structure
        >>> diamond = Structure.from_edges([(0, 1), (0, 2), (1, 3), (2, 3)])
        >>> diamond == Structure.from_edges([("in", "a"), ("in", "b"), ("a", "out"), ("b", "out")])
        True
        >>> Structure.from_edges([(0, 1), (1, 2)], family="gru", recurrent=[(2, 2)]).num_edges
        3
        """
        forward, delayed = _pairs(pairs, "pairs"), _pairs(recurrent, "recurrent")
        names = [unit for pair in forward + delayed for unit in pair]
        if all(is_integer(name) for name in names):
            unit: dict[Hashable, int] = {name: int(name) for name in names if is_integer(name)}
        else:
            unit = {name: place for place, name in enumerate(dict.fromkeys(names))}
        size = max(unit.values(), default=-1) + 1
        if num_units is not None:
            size = check_integer(num_units, "num_units", low=max(1, size), error=StructureError)
        edges = _numbered(forward, unit)
        return cls._of_edges(
            edges, size, family, recurrence, None if recurrent is None else _numbered(delayed, unit), **fields
        )

    @classmethod
    def from_adjacency(
        cls, matrix: Any, *, family: str = "mlp", recurrence: str = "layer", **fields: Any
    ) -> Self:
        """A Structure from an adjacency matrix.

        Parameters
        ----------
        matrix : array-like [N, N]
            Not zero at [source, target] where an edge is: a numpy array, a nested list, a scipy sparse
            matrix, a tensor. A symmetric one is a graph without directions; its edges are led from the lower
            unit to the higher one, as those of an undirected networkx graph are.
        family : str
        recurrence : str
            Recurrent edges of a recurrent family; see :mod:`nnstruct.structure.recurrence`.
        **fields
            Further fields of :class:`Structure`, as for :meth:`from_edges`.

        Returns
        -------
        Structure

        Raises
        ------
        StructureError
            If it is not square, or as for :meth:`from_edges`.

        Examples
        --------
        >>> from nnstruct import Structure
        >>> Structure.from_adjacency([[0, 1, 1], [0, 0, 1], [0, 0, 0]]).edge_index.tolist()
        [[0, 0, 1], [1, 2, 2]]
        """
        dense = np.asarray(matrix.toarray() if hasattr(matrix, "toarray") else matrix)
        if dense.ndim != 2 or dense.shape[0] != dense.shape[1] or not len(dense):
            raise StructureError("matrix", "have shape [N, N]", list(dense.shape))
        if dense.dtype.kind not in "biuf":
            raise StructureError("matrix", "hold numbers or booleans", dense.ravel().tolist()[0])
        edges = np.stack(np.nonzero(dense))
        return cls._of_edges(
            edges, len(dense), family, recurrence, **{"origin": {"kind": "adjacency"}, **fields}
        )

    @classmethod
    def from_cell(cls, text: str) -> Self:
        """A Structure from the string of a cell, as tables of architecture search write them.

        Parameters
        ----------
        text : str
            ``|op~0|+|op~0|op~1|+...`` of NAS-Bench-201, with any number of nodes, or
            ``Genotype(normal=[...], normal_concat=..., reduce=[...], reduce_concat=...)`` of DARTS.

        Returns
        -------
        Structure
            Of the family ``module``; the same as the reader of the table gives.

        Raises
        ------
        InvalidInputError
            If it is neither.

        Examples
        --------
        >>> from nnstruct import Structure
        >>> cell = Structure.from_cell("|nor_conv_3x3~0|+|none~0|skip_connect~1|")
        >>> cell.attributes["operator"]
        ('input', 'conv3x3', 'none', 'identity', 'output')
        """
        from nnstruct.structure.cell_strings import read_cell

        made: Any = read_cell(text)
        return made

    @classmethod
    def _of_edges(
        cls,
        edges: np.ndarray,
        num_units: int,
        family: str,
        recurrence: str,
        delayed: np.ndarray | None = None,
        **fields: Any,
    ) -> Self:
        """Forward edges [2, E], oriented where each leads both ways, and delayed ones [2, D]."""
        if FAMILIES[family].undirected:
            arcs = both_ways(map(tuple, edges.T.tolist()))
            edges, delayed = np.zeros((2, 0), dtype=np.int64), np.array(arcs, dtype=np.int64).reshape(-1, 2).T
        elif edges.shape[1] and "residual" not in fields and _symmetric(edges, num_units):
            edges = edges[:, edges[0] < edges[1]]
        late = np.zeros((2, 0), dtype=np.int64) if delayed is None else delayed
        everything = np.concatenate([edges, late], axis=1)
        alone = np.setdiff1d(np.arange(num_units), everything)
        if edges.shape[1] and len(alone) and (fields.get("inputs") is None or fields.get("outputs") is None):
            raise StructureError(
                "edges", "leave no unit without an edge", f"isolated unit {alone[0]}", _ISOLATED
            )
        if "residual" in fields:
            given = np.asarray(fields["residual"], dtype=bool)
            fields = fields | {"residual": np.concatenate([given, np.zeros(late.shape[1], dtype=bool)])}
        made: Any = cls
        structure = made(
            everything,
            num_units,
            recurrent=np.repeat([False, True], [edges.shape[1], late.shape[1]]),
            family=family,
            **{"origin": {"kind": "edges"}, **fields},
        )
        keeps_state = FAMILIES[family].keeps_state and delayed is None
        return structure.with_recurrence(recurrence) if keeps_state else structure


def _pairs(given: Any, field: str) -> list[tuple[Hashable, Hashable]]:
    pairs: list[tuple[Hashable, Hashable]] = []
    for place, item in enumerate([] if given is None else given):
        pair = tuple(item.tolist() if isinstance(item, np.ndarray) else item) if _is_row(item) else ()
        if len(pair) != 2 or not all(isinstance(unit, Hashable) for unit in pair):
            hint = "An edge_index of shape [2, E] goes to Structure(edge_index, num_units) itself."
            raise StructureError(f"{field}[{place}]", "be a pair (source, target)", item, hint)
        pairs.append((pair[0], pair[1]))
    return pairs


def _is_row(item: Any) -> bool:
    return isinstance(item, Sequence | np.ndarray) and not isinstance(item, str | bytes | Mapping)


def _numbered(pairs: list[tuple[Hashable, Hashable]], unit: Mapping[Any, int]) -> np.ndarray:
    return np.array([(unit[a], unit[b]) for a, b in pairs], dtype=np.int64).reshape(-1, 2).T


def _symmetric(edges: np.ndarray, num_units: int) -> bool:
    """Whether each edge leads both ways and none from a unit to itself."""
    low, high = edges.min(axis=0), edges.max(axis=0)
    codes, count = np.unique(low * num_units + high, return_counts=True)
    return bool(
        (count == 2).all() and (low < high).all() and len(np.unique(edges, axis=1).T) == 2 * len(codes)
    )
