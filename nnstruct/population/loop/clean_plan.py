"""The clean protocol for the compiled loop: units are units, edges are edges, residual ones add states."""

from __future__ import annotations

import numpy as np

from nnstruct.modules.residual import weighted_units
from nnstruct.population.loop.plan import (
    CELL_CODES,
    GIVEN,
    EdgeRows,
    Layout,
    LoopPlan,
    TiedWeights,
    Weights,
    channels,
    rows_of,
    split_views,
    sum_rows,
)
from nnstruct.structure import Structure
from nnstruct.structure.families import FAMILIES
from nnstruct.tasks import Task


class CleanLayout(Layout):
    """A :class:`nnstruct.population.loop.plan.Layout` of the clean protocol.

    Parameters
    ----------
    structure : Structure
    task : Task
        Of sequences.
    """

    def __init__(self, structure: Structure, task: Task) -> None:
        self.structure = structure
        family = FAMILIES[structure.family]
        self.symbols = np.arange(int(task.num_symbols or 0))
        # Channels of a series are units whose states are given, with an edge to each input unit.
        self._channels = given = task.input_shape[1] if task.is_series else 0
        self.order = np.argsort(structure.layer, kind="stable")
        edges = np.argsort(self.order)[structure.edge_index] + given
        # The loop's edges stand by source, in its own order of units.
        self._forward_edge = _sorted_positions(edges, ~(structure.recurrent | structure.residual))
        self._recurrent_edge = _sorted_positions(edges, structure.recurrent)
        inputs, outputs = structure.inputs[self.order], structure.outputs[self.order]
        self._input_order = np.argsort(np.argsort(self.order[inputs]))
        self._output_order = np.argsort(np.argsort(self.order[outputs]))
        units, no_unit = structure.num_units + given, np.zeros(given, dtype=bool)
        read = np.flatnonzero(inputs) + given
        from_series = np.stack([np.repeat(np.arange(given), len(read)), np.tile(read, given)])
        self._from_series = from_series.shape[1]
        self.plan = LoopPlan(
            CELL_CODES[structure.family],
            EdgeRows.of([np.concatenate([from_series, edges[:, self._forward_edge]], axis=1)], units),
            EdgeRows.of([edges[:, self._recurrent_edge]], units),
            *channels(structure.family, family.gates),
            rows_of(np.r_[no_unit, inputs & (given == 0)]),
            rows_of(np.r_[no_unit, outputs]),
            (np.flatnonzero(outputs) + given).astype(np.int32),
            *sum_rows(edges[:, structure.residual], units),
            np.r_[np.full(given, GIVEN), weighted_units(structure)[self.order]].astype(np.int32),
            1,
            False,
            task.goal.every_step,
        )
        self._shapes: list[tuple[int, ...]] = [
            (family.gates, self._from_series + len(self._forward_edge)),
            (family.gates, len(self._recurrent_edge)),
            (family.biases, units),
            (0 if given else int(inputs.sum()), family.gates, len(self.symbols)),
            (task.num_outputs, int(outputs.sum())),
            (task.num_outputs,),
        ]
        self._no_ties = TiedWeights(*(np.zeros(s, np.float32) for s in ((0, 0, 0), (0, 0), (0, 0), (0, 0))))

    def views(self, flat: np.ndarray) -> tuple[Weights, TiedWeights]:
        """All weights are views, and nothing is tied."""
        return Weights(*split_views(flat, self._shapes)), self._no_ties

    def pack(self, named: dict[str, np.ndarray]) -> np.ndarray:
        """Edges by gate and source, then biases, input table and read-out."""
        flat = np.zeros(sum(int(np.prod(shape)) for shape in self._shapes), dtype=np.float32)
        views, _ = self.views(flat)
        views.forward[:, self._from_series :] = named["weight"][self._forward_edge].T
        views.recurrent[:] = named["weight"][self._recurrent_edge].T
        views.bias[:, self._channels :] = named["bias"][self.order].T
        entering = named["input_weight"][self._input_order]  # [I, D, g]
        if self._channels:
            views.forward[:, : self._from_series] = entering.transpose(2, 1, 0).reshape(
                len(views.forward), -1
            )
        else:
            views.input[:, :, 1:] = entering.transpose(0, 2, 1)
        views.readout[:] = named["readout_weight"][:, self._output_order]
        views.readout_bias[:] = named["readout_bias"]
        return flat

    def unpack(self, flat: np.ndarray, initial: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Only weights of residual edges have no place in ``flat``: they are as in ``initial``."""
        views, _ = self.views(flat)
        named = {name: np.array(value) for name, value in initial.items()}
        named["weight"][self._forward_edge] = views.forward[:, self._from_series :].T
        named["weight"][self._recurrent_edge] = views.recurrent.T
        named["bias"][self.order] = views.bias[:, self._channels :].T
        if self._channels:
            gates, read = len(views.forward), len(self._input_order)
            entering = views.forward[:, : self._from_series].reshape(gates, self._channels, read)
            named["input_weight"][self._input_order] = entering.transpose(2, 1, 0)
        else:
            named["input_weight"][self._input_order] = views.input[:, :, 1:].transpose(0, 2, 1)
        named["readout_weight"][:, self._output_order] = views.readout
        named["readout_bias"][:] = views.readout_bias
        return named


def _sorted_positions(edges: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    positions = np.flatnonzero(chosen)
    source, target = edges[:, positions]
    return positions[np.lexsort((target, source))]
