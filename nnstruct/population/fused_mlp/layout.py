"""A multilayer perceptron as flat arrays for the compiled loop."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from nnstruct.modules.mlp.parameters import activations
from nnstruct.modules.residual import weighted_units
from nnstruct.population.fused.workspace import LANE_MULTIPLE, MOST_LANES
from nnstruct.population.loop.plan import EdgeRows, rows_of, split_views, sum_rows
from nnstruct.record import TrainConfig
from nnstruct.structure import Structure
from nnstruct.tasks import Task

RELU, TANH, GELU = 0, 1, 2
CODES = {"relu": RELU, "tanh": TANH, "gelu": GELU}
# Rows of input weights that are multiplied at a time; there is a multiple of them.
BLOCK = 4


class PerceptronPlan(NamedTuple):
    """The wiring of a network whose units stand in the order in which they are computed."""

    edges: EdgeRows
    layer_start: np.ndarray  # int32 [L + 1]
    activation: np.ndarray  # int32 [N]
    input_row: np.ndarray  # int32 [N]: row of a unit in the input weights, or -1
    output_row: np.ndarray  # int32 [N]: column of a unit in the read-out weights, or -1
    output_unit: np.ndarray  # int32 [O]
    sum_start: np.ndarray  # int32 [N + 1]: a unit's row: whose values are added to its own
    sum_source: np.ndarray  # int32 [sum of all rows]
    computes: np.ndarray  # int32 [N]: 0 for a unit that only adds up others, else 1


class PerceptronWeights(NamedTuple):
    """Float32 arrays that the loop reads (or their gradients)."""

    edges: np.ndarray  # [1, E]
    bias: np.ndarray  # [N]
    input: np.ndarray  # [I, D], I rounded up to a multiple of BLOCK
    readout: np.ndarray  # [C, O]
    readout_bias: np.ndarray  # [C]
    norm_scale: np.ndarray  # [N], or [0] without normalisation
    norm_shift: np.ndarray  # [N], or [0]


class PerceptronWorkspace(NamedTuple):
    """Arrays that live through a training; B lanes, one an example."""

    position: np.ndarray  # int64 [B]: the example of each lane
    lengths: np.ndarray  # int32 [B]: 1, or 0 for a lane without an example
    targets: np.ndarray  # int32 [B]
    products: np.ndarray  # float32 [I, B]: what the input adds to the input units, or its gradient
    sums: np.ndarray  # float32 [N, B]: what the activation acts on, or the value that tanh makes of it
    normal: np.ndarray  # float32 [N, B]: sums before the normalisation's scale and shift
    inverse: np.ndarray  # float32 [L, B]: one over the deviation within a layer
    hidden: np.ndarray  # float32 [1, N, B]
    delta: np.ndarray  # float32 [1, N, 1, B]: gradients of the sums before normalisation
    gradient: np.ndarray  # float32 [2, B]
    added: np.ndarray  # float32 [N, B]: gradient of a value from the units to which it is added
    last: np.ndarray  # float32 [O, B]
    last_gradient: np.ndarray  # float32 [O, B]
    scores: np.ndarray  # float32 [C, B]


class MLPLayout:
    """Maps a network's named parameters to one flat array and back.

    Parameters
    ----------
    structure : Structure
        Of the family ``mlp``.
    task : Task
        Of vectors or images.
    config : TrainConfig
    """

    def __init__(self, structure: Structure, task: Task, config: TrainConfig) -> None:
        self.order = np.argsort(structure.layer, kind="stable")
        edges = np.argsort(self.order)[structure.edge_index]
        positions = np.flatnonzero(~structure.residual)
        self._edge = positions[np.lexsort((edges[1, positions], edges[0, positions]))]
        inputs, outputs = structure.inputs[self.order], structure.outputs[self.order]
        self._input_order = np.argsort(np.argsort(self.order[inputs]))
        self._output_order = np.argsort(np.argsort(self.order[outputs]))
        names = activations(structure)
        self.plan = PerceptronPlan(
            EdgeRows.of([edges[:, self._edge]], structure.num_units),
            np.concatenate([[0], np.cumsum(structure.layer_sizes)]).astype(np.int32),
            np.array([CODES[names[unit]] for unit in self.order], dtype=np.int32),
            rows_of(inputs),
            rows_of(outputs),
            np.flatnonzero(outputs).astype(np.int32),
            *sum_rows(edges[:, structure.residual], structure.num_units),
            weighted_units(structure)[self.order].astype(np.int32),
        )
        normalized = structure.num_units if config.normalization == "layer" else 0
        self._shapes: list[tuple[int, ...]] = [
            (1, len(self._edge)),
            (structure.num_units,),
            (-(-int(inputs.sum()) // BLOCK) * BLOCK, math.prod(task.input_shape)),
            (task.num_outputs, int(outputs.sum())),
            (task.num_outputs,),
            (normalized,),
            (normalized,),
        ]

    def views(self, flat: np.ndarray) -> PerceptronWeights:
        """Weights as views into a flat array.

        Parameters
        ----------
        flat : float32 [M]
            From :meth:`pack`, or of that length.

        Returns
        -------
        PerceptronWeights
            Writing to it writes to ``flat``.
        """
        return PerceptronWeights(*split_views(flat, self._shapes))

    def pack(self, named: dict[str, np.ndarray]) -> np.ndarray:
        """Named parameters as one flat array.

        Parameters
        ----------
        named : dict of str to float32 array
            As :func:`nnstruct.modules.parameter_shapes` lists them.

        Returns
        -------
        float32 [M]
            In the order of :class:`PerceptronWeights`; rows of input weights that fill up a block are zero.
        """
        flat = np.zeros(sum(math.prod(shape) for shape in self._shapes), dtype=np.float32)
        views = self.views(flat)
        views.edges[0] = named["weight"][self._edge, 0]
        views.bias[:] = named["bias"][self.order, 0]
        views.input[: len(self._input_order)] = named["input_weight"][self._input_order, :, 0]
        views.readout[:] = named["readout_weight"][:, self._output_order]
        views.readout_bias[:] = named["readout_bias"]
        if "norm_scale" in named:
            views.norm_scale[:] = named["norm_scale"][self.order]
            views.norm_shift[:] = named["norm_shift"][self.order]
        return flat

    def unpack(self, flat: np.ndarray, initial: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The inverse of :meth:`pack`.

        Parameters
        ----------
        flat : float32 [M]
        initial : dict of str to float32 array
            Gives names and shapes, and the weights of residual edges.

        Returns
        -------
        dict of str to float32 array
            New arrays.
        """
        views = self.views(flat)
        named = {name: np.array(value) for name, value in initial.items()}
        named["weight"][self._edge, 0] = views.edges[0]
        named["bias"][self.order, 0] = views.bias
        named["input_weight"][self._input_order, :, 0] = views.input[: len(self._input_order)]
        named["readout_weight"][:, self._output_order] = views.readout
        named["readout_bias"][:] = views.readout_bias
        if "norm_scale" in named:
            named["norm_scale"][self.order] = views.norm_scale
            named["norm_shift"][self.order] = views.norm_shift
        return named

    def workspace(self, batch_size: int) -> PerceptronWorkspace:
        """Zeroed arrays in which the loop works.

        Parameters
        ----------
        batch_size : int
            Most examples in a batch. The lanes are a multiple of 16 and at most 128; a larger batch goes
            through in parts.

        Returns
        -------
        PerceptronWorkspace
        """
        lanes = min(MOST_LANES, -(-batch_size // LANE_MULTIPLE) * LANE_MULTIPLE)
        (_, (units,), (rows, _), (classes, outputs), _, (normalized,), _) = self._shapes

        def zeros(*shape: int) -> np.ndarray:
            return np.zeros((*shape, lanes), dtype=np.float32)

        return PerceptronWorkspace(
            np.zeros(lanes, dtype=np.int64),
            np.zeros(lanes, dtype=np.int32),
            np.zeros(lanes, dtype=np.int32),
            zeros(rows),
            zeros(units),
            zeros(normalized),
            zeros(len(self.plan.layer_start) - 1),
            zeros(1, units),
            zeros(1, units, 1),
            zeros(2),
            zeros(units if len(self.plan.sum_source) else 0),
            zeros(outputs),
            zeros(outputs),
            zeros(classes),
        )
