"""What follows from the edges and the layers of a Structure, and the same graph with some of its parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, Self

import numpy as np

from nnstruct.errors import InvalidInputError
from nnstruct.structure.fields import checked_keep, frozen
from nnstruct.structure.topology import Reachability


class LayeredGraph:
    """Counts, kinds of edges, dead units and parts of a directed graph with layers.

    Attributes
    ----------
    edge_index : int64 [2, E]
    recurrent : bool [E]
        True where an edge is delayed by one step.
    inputs, outputs : bool [N]
    layer : int64 [N]
    attributes : mapping of str to tuple of length N
    origin : mapping
    """

    edge_index: np.ndarray
    recurrent: np.ndarray
    residual: np.ndarray
    inputs: np.ndarray
    outputs: np.ndarray
    layer: np.ndarray
    num_units: int
    attributes: Mapping[str, tuple[Any, ...]]
    origin: Mapping[str, Any]

    @property
    def num_edges(self) -> int:
        """E, forward and recurrent edges together."""
        return self.edge_index.shape[1]

    @property
    def forward_edges(self) -> np.ndarray:
        """Edges within a time step, int64 [2, E_forward], sorted by source, then target."""
        return self.edge_index[:, ~self.recurrent]

    @property
    def recurrent_edges(self) -> np.ndarray:
        """Edges one time step delayed, int64 [2, E_recurrent], sorted by source, then target."""
        return self.edge_index[:, self.recurrent]

    @property
    def num_layers(self) -> int:
        """Layers by longest path: one more than the number of forward edges on it."""
        return int(self.layer.max()) + 1

    @property
    def layer_sizes(self) -> np.ndarray:
        """Units in each layer, int64 [num_layers]."""
        return np.bincount(self.layer)

    @cached_property
    def reachability(self) -> Reachability:
        """Which units lie on a path from an input or to an output (both kinds of edges count)."""
        return Reachability.in_dag(self.forward_edges, self.edge_index, self.inputs, self.outputs)

    @property
    def dead_units(self) -> np.ndarray:
        """Units without a path from an input unit or without one to an output unit, int64 [D]."""
        return np.flatnonzero(~(self.reachability.from_input & self.reachability.to_output))

    # ---- new structures from this one

    def relabel(self, permutation: Sequence[int] | np.ndarray) -> Self:
        """The same structure with unit ``u`` called ``permutation[u]``.

        Parameters
        ----------
        permutation : sequence of int, length N
            Each of 0..N-1 once.

        Returns
        -------
        Structure
            With an equal fingerprint.

        Raises
        ------
        InvalidInputError
            If it is no permutation of the units.
        """
        new = np.asarray(permutation, dtype=np.int64)
        if new.shape != (self.num_units,) or not np.array_equal(np.sort(new), np.arange(self.num_units)):
            raise InvalidInputError("permutation", f"hold each of 0..{self.num_units - 1} once", permutation)
        return self._renumbered(np.argsort(new), new[self.edge_index], slice(None), self.origin)

    def with_edges(self, keep: np.ndarray, *, origin: Mapping[str, Any] | None = None) -> Self:
        """The same units with some of the edges.

        Parameters
        ----------
        keep : array of bool, shape [E]
            True for the edges that stay.
        origin : mapping, optional
            Of the new structure; by default that of this one.

        Returns
        -------
        Structure
            Its input and output units, attributes and family are those of this one.

        Raises
        ------
        InvalidInputError
            If ``keep`` is of another type or shape.
        StructureError
            If an output unit loses its last path from an input unit and the origin is not that of a
            pruned network (``kind`` = ``pruning``); the family ``module`` allows it.

        Examples
        --------
        >>> from nnstruct import Structure
        >>> diamond = Structure([[0, 0, 1, 2], [1, 2, 3, 3]], num_units=4)
        >>> part = diamond.with_edges(diamond.edge_index[0] != 2)
        >>> part.edge_index.tolist(), part.dead_units.tolist()
        ([[0, 0, 1], [1, 2, 3]], [2])
        """
        keep = checked_keep(keep, self.num_edges)
        return replace(  # type: ignore[type-var]
            self,
            edge_index=frozen(np.compress(keep, self.edge_index, axis=1)),
            recurrent=self.recurrent[keep],
            residual=self.residual[keep],
            origin=self.origin if origin is None else origin,
        )

    def with_units(self, keep: np.ndarray, *, origin: Mapping[str, Any] | None = None) -> Self:
        """Some of the units, in the same order, with the edges between them.

        Parameters
        ----------
        keep : array of bool, shape [N]
            True for the units that stay. They are input and output units where they were before, whatever
            edges they lose.
        origin : mapping, optional
            Of the new structure; by default that of this one.

        Returns
        -------
        Structure
            Of the same family. Layers may change, since they follow from the edges.

        Raises
        ------
        InvalidInputError
            If ``keep`` is of another type or shape.
        StructureError
            If no unit, no input unit or no output unit is left, or an output unit loses its last path
            from an input unit, as in :meth:`with_edges`.

        Examples
        --------
        >>> import numpy as np
        >>> from nnstruct import Structure
        >>> diamond = Structure([[0, 0, 1, 2], [1, 2, 3, 3]], num_units=4)
        >>> diamond.with_units(np.array([True, False, True, True])).edge_index.tolist()
        [[0, 1], [1, 2]]
        """
        keep = checked_keep(keep, self.num_units)
        place = np.cumsum(keep) - 1
        whole = keep[self.edge_index[0]] & keep[self.edge_index[1]]
        edges = frozen(np.take(place, np.compress(whole, self.edge_index, axis=1)))
        origin = self.origin if origin is None else origin
        return self._renumbered(np.flatnonzero(keep), edges, whole, origin)

    def _renumbered(
        self, old: np.ndarray, edges: np.ndarray, kept: np.ndarray | slice, origin: Mapping[str, Any]
    ) -> Self:
        """Kept edges, between units of which the n-th is the one now called ``old[n]``."""
        return replace(  # type: ignore[type-var]
            self,
            edge_index=edges,
            num_units=len(old),
            recurrent=self.recurrent[kept],
            residual=self.residual[kept],
            inputs=self.inputs[old],
            outputs=self.outputs[old],
            attributes={name: tuple(values[u] for u in old) for name, values in self.attributes.items()},
            origin=origin,
        )
