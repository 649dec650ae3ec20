"""The clean protocol for the compiled loop: units are units, edges are edges, residual ones add states."""

from __future__ import annotations

import numpy as np

from nnstruct.modules.residual import weighted_units
from nnstruct.population.loop.plan import (
    CELL_CODES,
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
        self.order = np.argsort(structure.layer, kind="stable")
        edges = np.argsort(self.order)[structure.edge_index]
        # The loop's edges stand by source, in its own order of units.
        self._forward_edge = _sorted_positions(edges, ~(structure.recurrent | structure.residual))
        self._recurrent_edge = _sorted_positions(edges, structure.recurrent)
        inputs, outputs = structure.inputs[self.order], structure.outputs[self.order]
        self._input_order = np.argsort(np.argsort(self.order[inputs]))
        self._output_order = np.argsort(np.argsort(self.order[outputs]))
        units = structure.num_units
        self.plan = LoopPlan(
            CELL_CODES[structure.family],
            EdgeRows.of([edges[:, self._forward_edge]], units),
            EdgeRows.of([edges[:, self._recurrent_edge]], units),
            *channels(structure.family, family.gates),
            rows_of(inputs),
            rows_of(outputs),
            np.flatnonzero(outputs).astype(np.int32),
            *sum_rows(edges[:, structure.residual], units),
            weighted_units(structure)[self.order].astype(np.int32),
            1,
            False,
        )
        self._shapes: list[tuple[int, ...]] = [
            (family.gates, len(self._forward_edge)),
            (family.gates, len(self._recurrent_edge)),
            (family.biases, units),
            (int(inputs.sum()), family.gates, len(self.symbols)),
            (task.num_classes, int(outputs.sum())),
            (task.num_classes,),
        ]
        self._no_ties = TiedWeights(*(np.zeros(s, np.float32) for s in ((0, 0, 0), (0, 0), (0, 0), (0, 0))))

    def views(self, flat: np.ndarray) -> tuple[Weights, TiedWeights]:
        """All weights are views, and nothing is tied."""
        return Weights(*split_views(flat, self._shapes)), self._no_ties

    def pack(self, named: dict[str, np.ndarray]) -> np.ndarray:
        """Edges by gate and source, then biases, input table and read-out."""
        flat = np.zeros(sum(int(np.prod(shape)) for shape in self._shapes), dtype=np.float32)
        views, _ = self.views(flat)
        views.forward[:] = named["weight"][self._forward_edge].T
        views.recurrent[:] = named["weight"][self._recurrent_edge].T
        views.bias[:] = named["bias"][self.order].T
        views.input[:, :, 1:] = named["input_weight"][self._input_order].transpose(0, 2, 1)
        views.readout[:] = named["readout_weight"][:, self._output_order]
        views.readout_bias[:] = named["readout_bias"]
        return flat

    def unpack(self, flat: np.ndarray, initial: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Only weights of residual edges have no place in ``flat``: they are as in ``initial``."""
        views, _ = self.views(flat)
        named = {name: np.array(value) for name, value in initial.items()}
        named["weight"][self._forward_edge] = views.forward.T
        named["weight"][self._recurrent_edge] = views.recurrent.T
        named["bias"][self.order] = views.bias.T
        named["input_weight"][self._input_order] = views.input[:, :, 1:].transpose(0, 2, 1)
        named["readout_weight"][:, self._output_order] = views.readout
        named["readout_bias"][:] = views.readout_bias
        return named


def _sorted_positions(edges: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    positions = np.flatnonzero(chosen)
    source, target = edges[:, positions]
    return positions[np.lexsort((target, source))]
