"""Multiplications that a network needs for one input."""

from __future__ import annotations

import math

import numpy as np

from nnstruct.modules.parameters import check_trainable
from nnstruct.network.cell_layout import CellLayout
from nnstruct.structure import Structure
from nnstruct.structure.families import FAMILIES
from nnstruct.structure.units import GRADIENT_FLOW, HAMILTONIAN
from nnstruct.tasks import Task

# A flow block multiplies with its kernel and the transposed one, a Hamiltonian block does so for both halves.
_USES = {GRADIENT_FLOW: 2, HAMILTONIAN: 4}


def count_multiply_adds(structure: Structure, task: Task) -> int:
    """Multiply-adds of one forward pass of one input; two floating-point operations (FLOPs) each.

    A weight counts once for every position of the map that it makes (family ``cnn``), once for every symbol
    of the longest sequence (recurrent families), and once (``mlp``). Symbols are looked up and cost nothing;
    biases, normalisations, activations and pools are left out. Pruned weights cost nothing, whatever an
    engine makes of them.

    Parameters
    ----------
    structure : Structure
    task : Task

    Returns
    -------
    int

    Raises
    ------
    InvalidInputError
        If the structure cannot be trained on the task.

    Examples
    --------
    >>> from nnstruct import Structure, load_task
    >>> count_multiply_adds(Structure.from_layers([4, 3]), load_task("digits"))  # 64 x 4 + 4 x 3 + 3 x 10
    298
    """
    check_trainable(structure, task)
    if structure.family == "cnn":
        return _of_cells(structure, task)
    read_out = task.num_classes * int(structure.outputs.sum())
    edges = structure.num_edges - int(structure.residual.sum())
    if structure.family == "mlp":
        return math.prod(task.input_shape) * int(structure.inputs.sum()) + edges + read_out
    return task.input_shape[0] * FAMILIES[structure.family].gates * edges + read_out


def _of_cells(structure: Structure, task: Task) -> int:
    layout = CellLayout(structure)
    cells = layout.cells
    *colours, height, width = task.input_shape
    positions = np.array([-(-height // 2**s) * -(-width // 2**s) for s in cells.stage.tolist()])  # [N]
    uses = np.array([_USES.get(operator, 1) for operator in cells.operator])
    from_image = np.where(structure.inputs, layout.row_length, 0) * (colours[0] if colours else 1)
    weights = from_image + layout.own_size * uses
    np.add.at(weights, structure.edge_index[1], layout.edge_size)
    read_out = task.num_classes * int(cells.channels[structure.outputs].sum())
    return int((weights * positions).sum()) + read_out
