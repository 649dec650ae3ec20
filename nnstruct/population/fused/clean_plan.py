"""A structure's edges as compressed rows, and its parameters as views into one flat array."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from nnstruct.families import FAMILIES
from nnstruct.structure import Structure
from nnstruct.topology import out_neighbours

CELL_CODES = {"rnn_tanh": 0, "rnn_relu": 1, "gru": 2, "lstm": 3}


class EdgeRows(NamedTuple):
    """Edges of one kind, by target and by source; int32 arrays.

    ``in_source[in_start[u]:in_start[u + 1]]`` are the sources of unit u and ``in_edge`` the
    positions of those edges in the weight array; ``out_target[out_start[u]:out_start[u + 1]]`` are
    its targets, whose weights stand in that very order.
    """

    in_start: np.ndarray
    in_source: np.ndarray
    in_edge: np.ndarray
    out_start: np.ndarray
    out_target: np.ndarray


class Plan(NamedTuple):
    """What the kernel needs to know of a structure; units are in the order of their layers."""

    cell: int
    forward: EdgeRows
    recurrent: EdgeRows
    forward_channel: np.ndarray  # [g]: the bias channel to which a gate's forward edges add
    recurrent_channel: np.ndarray  # [g]
    input_row: np.ndarray  # [N]: row of an input unit in input_weight, or -1
    output_row: np.ndarray  # [N]: column of an output unit in readout_weight, or -1
    output_unit: np.ndarray  # [O]


class Weights(NamedTuple):
    """Views into one flat float32 array (the parameters, or their gradients)."""

    forward: np.ndarray  # [g, E_forward]
    recurrent: np.ndarray  # [g, E_recurrent]
    bias: np.ndarray  # [b, N]
    input: np.ndarray  # [I, g, S], column 0 (the padding) stays zero
    readout: np.ndarray  # [C, O]
    readout_bias: np.ndarray  # [C]


class CleanLayout:
    """Maps a structure's named parameters to the kernel's flat array and back.

    Parameters
    ----------
    structure : Structure
    num_symbols, num_classes : int
        S (padding counted) and C.
    """

    def __init__(self, structure: Structure, num_symbols: int, num_classes: int) -> None:
        self.structure = structure
        family = FAMILIES[structure.family]
        self.order = np.argsort(structure.layer, kind="stable")
        place = np.argsort(self.order)
        edges = place[structure.edge_index]
        # The kernel's edges stand by source, in its own order of units.
        self._forward_edge = _sorted_positions(edges, ~structure.recurrent)
        self._recurrent_edge = _sorted_positions(edges, structure.recurrent)
        channels = np.arange(family.gates, dtype=np.int32)
        recurrent_channels = channels.copy()
        if structure.family == "gru":
            recurrent_channels[2] = 3
        inputs, outputs = structure.inputs[self.order], structure.outputs[self.order]
        self._input_order = _rank_in(self.order[inputs])
        self._output_order = _rank_in(self.order[outputs])
        self.plan = Plan(
            CELL_CODES[structure.family],
            _edge_rows(edges[:, self._forward_edge], structure.num_units),
            _edge_rows(edges[:, self._recurrent_edge], structure.num_units),
            channels,
            recurrent_channels,
            np.where(inputs, np.cumsum(inputs) - 1, -1).astype(np.int32),
            np.where(outputs, np.cumsum(outputs) - 1, -1).astype(np.int32),
            np.flatnonzero(outputs).astype(np.int32),
        )
        self.shapes = Weights(
            (family.gates, len(self._forward_edge)),  # type: ignore[arg-type]
            (family.gates, len(self._recurrent_edge)),  # type: ignore[arg-type]
            (family.biases, structure.num_units),  # type: ignore[arg-type]
            (int(inputs.sum()), family.gates, num_symbols),  # type: ignore[arg-type]
            (num_classes, int(outputs.sum())),  # type: ignore[arg-type]
            (num_classes,),  # type: ignore[arg-type]
        )
        self.size = sum(int(np.prod(shape)) for shape in self.shapes)

    def views(self, flat: np.ndarray) -> Weights:
        """Views into a flat array of :attr:`size` values."""
        ends = np.cumsum([np.prod(shape, dtype=int) for shape in self.shapes])
        parts = np.split(flat, ends[:-1])
        return Weights(*(part.reshape(shape) for part, shape in zip(parts, self.shapes, strict=True)))

    def pack(self, named: dict[str, np.ndarray]) -> np.ndarray:
        """Named parameters as one flat float32 array."""
        flat = np.zeros(self.size, dtype=np.float32)
        views = self.views(flat)
        views.forward[:] = named["weight"][self._forward_edge].T
        views.recurrent[:] = named["weight"][self._recurrent_edge].T
        views.bias[:] = named["bias"][self.order].T
        views.input[:, :, 1:] = named["input_weight"][self._input_order].transpose(0, 2, 1)
        views.readout[:] = named["readout_weight"][:, self._output_order]
        views.readout_bias[:] = named["readout_bias"]
        return flat

    def unpack(self, flat: np.ndarray) -> dict[str, np.ndarray]:
        """The inverse of :meth:`pack`."""
        views = self.views(flat)
        structure = self.structure
        weight = np.empty((structure.num_edges, views.forward.shape[0]), dtype=np.float32)
        weight[self._forward_edge] = views.forward.T
        weight[self._recurrent_edge] = views.recurrent.T
        bias = np.empty((structure.num_units, views.bias.shape[0]), dtype=np.float32)
        bias[self.order] = views.bias.T
        input_weight = np.empty((views.input.shape[0], views.input.shape[2] - 1, views.input.shape[1]), "f4")
        input_weight[self._input_order] = views.input[:, :, 1:].transpose(0, 2, 1)
        readout = np.empty_like(views.readout)
        readout[:, self._output_order] = views.readout
        return {
            "weight": weight,
            "bias": bias,
            "input_weight": input_weight,
            "readout_weight": readout,
            "readout_bias": views.readout_bias.copy(),
        }


def _sorted_positions(edges: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    positions = np.flatnonzero(chosen)
    source, target = edges[:, positions]
    return positions[np.lexsort((target, source))]


def _rank_in(units: np.ndarray) -> np.ndarray:
    """For units in kernel order, the row that each has among the same units in structure order."""
    return np.argsort(np.argsort(units))


def _edge_rows(edges: np.ndarray, num_units: int) -> EdgeRows:
    out_start, out_target = out_neighbours(edges, num_units)
    in_start, in_source = out_neighbours(edges[::-1], num_units)
    in_edge = np.argsort(edges[1], kind="stable")
    return EdgeRows(*(a.astype(np.int32) for a in (in_start, in_source, in_edge, out_start, out_target)))
