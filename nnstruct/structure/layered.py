"""What follows from the edges and the layers of a Structure."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from nnstruct.structure.topology import Reachability


class LayeredGraph:
    """Counts, kinds of edges and dead units of a directed graph with layers.

    Attributes
    ----------
    edge_index : int64 [2, E]
    recurrent : bool [E]
        True where an edge is delayed by one step.
    inputs, outputs : bool [N]
    layer : int64 [N]
    """

    edge_index: np.ndarray
    recurrent: np.ndarray
    inputs: np.ndarray
    outputs: np.ndarray
    layer: np.ndarray

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
        return Reachability.of(self.edge_index, self.inputs, self.outputs)

    @property
    def dead_units(self) -> np.ndarray:
        """Units without a path from an input unit or without one to an output unit, int64 [D]."""
        return np.flatnonzero(~(self.reachability.from_input & self.reachability.to_output))
