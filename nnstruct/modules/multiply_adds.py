"""Multiplications that a network needs for one input."""

from __future__ import annotations

import math

import numpy as np

from nnstruct.modules.parameters import check_trainable
from nnstruct.network.cell_layout import POOLS, CellLayout
from nnstruct.record import TrainConfig
from nnstruct.structure import Structure
from nnstruct.structure.families import FAMILIES
from nnstruct.structure.units import FLOWS, HAMILTONIAN
from nnstruct.tasks import Task

# A flow block multiplies with its kernel and the transposed one, a Hamiltonian block does so for both halves.
_USES = {name: 4 if name == HAMILTONIAN else 2 for name in FLOWS}


def count_multiply_adds(structure: Structure, task: Task, config: TrainConfig | None = None) -> int:
    """Multiply-adds of one forward pass of one input; two floating-point operations (FLOPs) each.

    A weight counts once for every position of the map that it makes (family ``cnn``), once for every symbol
    of the longest sequence (recurrent families), and once (``mlp``). Symbols are looked up and cost nothing;
    biases, normalisations, activations and pools are left out. Pruned weights cost nothing, whatever an
    engine makes of them.

    Parameters
    ----------
    structure : Structure
    task : Task
    config : TrainConfig, optional
        With ``downsampling="max-pool"`` convolutions are computed at the size of their inputs.

    Returns
    -------
    int

    Raises
    ------
    InvalidInputError
        If the structure cannot be trained on the task, or not by the configuration.

    Examples
    --------
    >>> from nnstruct import Structure, load_task
    >>> count_multiply_adds(Structure.from_layers([4, 3]), load_task("digits"))  # 64 x 4 + 4 x 3 + 3 x 10
    298
    """
    check_trainable(structure, task, config)
    if structure.family == "cnn":
        return _of_cells(structure, task, config or TrainConfig())
    read_out = task.num_outputs * int(structure.outputs.sum())
    edges = structure.num_edges - int(structure.residual.sum())
    if structure.family == "mlp":
        return math.prod(task.input_shape) * int(structure.inputs.sum()) + edges + read_out
    return task.input_shape[0] * FAMILIES[structure.family].gates * edges + read_out


def _of_cells(structure: Structure, task: Task, config: TrainConfig) -> int:
    layout = CellLayout(structure)
    cells = layout.cells
    *colours, height, width = task.input_shape
    positions = _positions(cells.stage, height, width)
    uses = np.array([_USES.get(operator, 1) for operator in cells.operator])
    from_image = np.where(structure.inputs, layout.row_length, 0) * (colours[0] if colours else 1)
    source, target = structure.edge_index
    # A pool with weights on its edges pools first, and so has the smaller map before it.
    pools_first = np.isin(cells.operator, POOLS) & (np.array(cells.join) != "sum")
    full = np.full(len(positions), config.downsampling == "max-pool") & ~pools_first
    seen = np.where(full[target], positions[source], positions[target])  # [E]
    seen_image = np.where(full, height * width, positions)
    read_out = task.num_outputs * int(cells.channels[structure.outputs].sum())
    in_units = layout.own_size * uses * positions + from_image * seen_image
    return int(in_units.sum() + (layout.edge_size * seen).sum()) + read_out


def _positions(stage: np.ndarray, height: int, width: int) -> np.ndarray:
    """Positions of a map of each stage, int64 [N]."""
    return np.array([-(-height // 2**s) * -(-width // 2**s) for s in stage.tolist()], dtype=np.int64)
