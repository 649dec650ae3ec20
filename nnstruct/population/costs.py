"""What orders networks by the time that their training takes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from nnstruct.modules.multiply_adds import count_multiply_adds
from nnstruct.structure import Structure
from nnstruct.structure.families import FAMILIES

if TYPE_CHECKING:
    from nnstruct.record import TrainConfig
    from nnstruct.tasks import Task


def relative_cost(structure: Structure, task: Task, config: TrainConfig) -> int:
    """What a training costs in proportion to others of the same family on the same task.

    Of the family ``cnn`` it is the number of multiply-adds of one example; the weights of the others are
    those that the compiled loops were measured to have.

    Parameters
    ----------
    structure : Structure
    task : Task
    config : TrainConfig

    Returns
    -------
    int

    Examples
    --------
    >>> from nnstruct import Structure, TrainConfig, load_task
    >>> from nnstruct.population.costs import relative_cost
    >>> task, config = load_task("digits"), TrainConfig()
    >>> [relative_cost(Structure.from_layers(sizes), task, config) for sizes in ([2, 2], [8, 8])]
    [220, 1024]
    """
    if structure.family == "cnn":
        return count_multiply_adds(structure, task, config)
    if structure.family == "mlp":
        from_input = math.prod(task.input_shape) * int(structure.inputs.sum())
        return from_input + 3 * structure.num_edges + 20 * structure.num_units
    return FAMILIES[structure.family].gates * (structure.num_edges + 8 * structure.num_units)
