"""The faithful protocol for the compiled loop: cells become units, sums of outputs too."""

from __future__ import annotations

import numpy as np

from nnstruct.modules.rnn.faithful_layout import FaithfulCellLayout, FaithfulLayout
from nnstruct.population.loop.plan import (
    CELL_CODES,
    EdgeRows,
    Layout,
    LoopPlan,
    TiedWeights,
    Weights,
    channels,
    split_views,
    sum_rows,
)
from nnstruct.structure import Structure
from nnstruct.structure.families import FAMILIES
from nnstruct.tasks import SPLIT_NAMES, Task


class FaithfulPlanLayout(Layout):
    """A :class:`nnstruct.population.loop.plan.Layout` of the faithful and the corrected protocol.

    Each hidden unit of each cell is a unit of the loop. Where skip cells add to a layer, further
    units hold the sums that other layers read. Only symbols that occur have a place: the embedding
    of the others never changes.

    Parameters
    ----------
    structure : Structure
        Of a recurrent family.
    task : Task
        Of sequences.
    corrected : bool
        Whether masks fit the gates and sequences are read out at their own end.
    """

    def __init__(self, structure: Structure, task: Task, *, corrected: bool) -> None:
        family = FAMILIES[structure.family]
        self.layout = FaithfulLayout(structure)
        self.gates, self.corrected = family.gates, corrected
        counts = [np.bincount(getattr(task, name).inputs.ravel()) for name in SPLIT_NAMES]
        self.symbols = np.unique(np.concatenate([[0], *map(np.flatnonzero, counts)]))
        self._shapes_by_name = self.layout.parameter_shapes(int(task.num_symbols or 0), task.num_classes)
        sizes = [int(np.prod(shape)) for shape in self._shapes_by_name.values()]
        self._offset = dict(zip(self._shapes_by_name, np.cumsum([0, *sizes[:-1]]).tolist(), strict=True))
        self._number_units()
        forward, self._forward_home = self._edges_by_gate(self._forward_edges)
        recurrent, self._recurrent_home = self._edges_by_gate(self._recurrent_edges)
        first = self._cell_units["layer0"]
        final = self._layer_outputs[-1]
        output_row = np.full(self.num_units, -1, dtype=np.int32)
        output_row[final] = np.arange(len(final))
        input_row = np.full(self.num_units, -1, dtype=np.int32)
        input_row[first] = np.arange(len(first))
        self.plan = LoopPlan(
            CELL_CODES[structure.family],
            EdgeRows.of(forward, self.num_units),
            EdgeRows.of(recurrent[:1], self.num_units),
            *channels(structure.family, family.gates),
            input_row,
            output_row,
            final.astype(np.int32),
            *sum_rows(self._sums, self.num_units),
            self._computes.astype(np.int32),
            0,
            not corrected,
        )
        self._bias_shape = (family.biases, self.num_units)
        self._input_shape = (len(first), family.gates, len(self.symbols))
        self._homes = [
            self._forward_home,
            self._recurrent_home,
            self._home("readout.weight"),
            self._home("readout.bias"),
            self._home("cells.layer0.weight_ih").reshape(self.gates, len(first), len(first)),
            self._home("embedding.weight")[self.symbols],
            self._bias_home("bias_ih"),
            self._bias_home("bias_hh"),
        ]

    def _number_units(self) -> None:
        self._cell_units: dict[str, np.ndarray] = {}
        self._layer_outputs: list[np.ndarray] = []
        parts: list[np.ndarray] = []
        self.num_units = 0
        cells = self.layout.cells
        for layer, units in enumerate(self.layout.units):
            own = [cell for cell in cells if cell.target == layer]
            for cell in own:
                self._cell_units[cell.name] = self._take(len(units))
            outputs = self._cell_units[own[0].name]
            if len(own) > 1:
                outputs = self._take(len(units))
                parts += [np.stack([self._cell_units[cell.name], outputs]) for cell in own]
            self._layer_outputs.append(outputs)
        self._sums = np.concatenate([np.zeros((2, 0), dtype=np.int64), *parts], axis=1)
        self._computes = ~np.isin(np.arange(self.num_units), self._sums[1])

    def _take(self, count: int) -> np.ndarray:
        taken = np.arange(self.num_units, self.num_units + count)
        self.num_units += count
        return taken

    def _home(self, name: str) -> np.ndarray:
        """Positions of a named parameter among all of them, laid one behind the other."""
        shape = self._shapes_by_name[name]
        return self._offset[name] + np.arange(int(np.prod(shape))).reshape(shape)

    def _bias_home(self, kind: str) -> np.ndarray:
        home = np.full((self.gates, self.num_units), -1)
        for name, units in self._cell_units.items():
            home[:, units] = self._home(f"cells.{name}.{kind}").reshape(self.gates, -1)
        return home

    def _forward_edges(self, cell: FaithfulCellLayout, gate: int) -> tuple[np.ndarray, np.ndarray]:
        if cell.source < 0:
            return np.zeros((2, 0), dtype=np.int64), np.zeros(0, dtype=np.int64)
        hidden = len(cell.mask)
        of_gate = slice(gate * hidden, (gate + 1) * hidden)
        mask = self.layout.gate_mask(cell.mask, aligned=self.corrected)[of_gate]
        target, source = np.nonzero(mask)
        edges = np.stack([self._layer_outputs[cell.source][source], self._cell_units[cell.name][target]])
        return edges, self._home(f"cells.{cell.name}.weight_ih")[of_gate][mask]

    def _recurrent_edges(self, cell: FaithfulCellLayout, gate: int) -> tuple[np.ndarray, np.ndarray]:
        units = self._cell_units[cell.name]
        hidden = len(units)
        edges = np.stack([np.tile(units, hidden), np.repeat(units, hidden)])
        return edges, self._home(f"cells.{cell.name}.weight_hh")[gate * hidden : (gate + 1) * hidden].ravel()

    def _edges_by_gate(self, edges_of) -> tuple[list[np.ndarray], np.ndarray]:  # type: ignore[no-untyped-def]
        """For each gate the edges by source, and the home of each one's weight (-1 behind the last)."""
        all_edges, homes = [], []
        for gate in range(self.gates):
            parts = [edges_of(cell, gate) for cell in self.layout.cells]
            edges = np.concatenate([part[0] for part in parts], axis=1)
            order = np.lexsort((edges[1], edges[0]))
            all_edges.append(edges[:, order])
            homes.append(np.concatenate([part[1] for part in parts])[order])
        most = max(len(home) for home in homes)
        padded = [np.pad(home, (0, most - len(home)), constant_values=-1) for home in homes]
        return all_edges, np.stack(padded).astype(np.int64)

    def views(self, flat: np.ndarray) -> tuple[Weights, TiedWeights]:
        """Views, but for the bias and the input table, which are new arrays that the loop fills."""
        forward, recurrent, readout, readout_bias, input_weight, embedding, bias_ih, bias_hh = split_views(
            flat, [home.shape for home in self._homes]
        )
        bias = np.zeros(self._bias_shape, dtype=np.float32)
        table = np.zeros(self._input_shape, dtype=np.float32)
        return (
            Weights(forward, recurrent, bias, table, readout, readout_bias),
            TiedWeights(input_weight, embedding, bias_ih, bias_hh),
        )

    def pack(self, named: dict[str, np.ndarray]) -> np.ndarray:
        """Masked weights and embeddings of symbols that do not occur have no place."""
        values = np.concatenate([named[name].ravel() for name in self._shapes_by_name])
        home = np.concatenate([home.ravel() for home in self._homes])
        return np.where(home >= 0, values[home], 0).astype(np.float32)

    def unpack(self, flat: np.ndarray, initial: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Masked weights are zero, embeddings of symbols that do not occur as in ``initial``."""
        values = np.concatenate([initial[name].ravel() for name in self._shapes_by_name])
        for cell in self.layout.cells:
            masked = ~self.layout.gate_mask(cell.mask, aligned=self.corrected)
            values[self._home(f"cells.{cell.name}.weight_ih")[masked]] = 0.0
        home = np.concatenate([home.ravel() for home in self._homes])
        values[home[home >= 0]] = flat[home >= 0]
        return {name: values[self._home(name)].astype(np.float32) for name in self._shapes_by_name}
