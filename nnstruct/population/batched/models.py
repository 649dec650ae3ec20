"""From structures of one family to their population."""

from __future__ import annotations

from collections.abc import Sequence

from nnstruct.modules.residual import plain_neurons
from nnstruct.population.batched.model import BatchedModel
from nnstruct.record import TrainConfig
from nnstruct.structure import Structure
from nnstruct.structure.families import RNN_FAMILIES
from nnstruct.tasks import Task

# Rows of a multiple of 16 bytes let a GPU load four numbers at once.
GPU_ALIGNMENT = 4


def obstacle(structure: Structure, task: Task, config: TrainConfig) -> str | None:
    """Why this engine cannot train such a network.

    Parameters
    ----------
    structure : Structure
    task : Task
    config : TrainConfig

    Returns
    -------
    str or None
        In words, to follow "cannot train"; None where it can.
    """
    allowed = {"init_gain", "normalization"} if structure.family == "mlp" else {"init_gain"}
    if structure.family not in (*RNN_FAMILIES, "mlp"):
        return f"the family {structure.family!r}"
    if config.protocol != "clean":
        return f"the protocol {config.protocol!r}"
    if not plain_neurons(structure):
        return "residual edges and tied units"
    beyond = [name for name in config.options if name not in allowed]
    return f"config.{beyond[0]}" if beyond else None


def make_model(
    structures: Sequence[Structure], task: Task, config: TrainConfig, device: str = "cpu"
) -> BatchedModel:
    """The population of structures of one family, without weights.

    Parameters
    ----------
    structures : sequence of Structure
        Of one family that :func:`obstacle` has nothing against.
    task : Task
    config : TrainConfig
        Its protocol and normalisation decide the kind of model.
    device : str
        ``cpu``, or a GPU, for which layers are padded to multiples of four units.

    Returns
    -------
    BatchedModel

    Examples
    --------
    >>> from nnstruct import Structure, TrainConfig, load_task
    >>> structures = [Structure.from_layers(sizes, family="gru") for sizes in ([4, 3], [2, 5])]
    >>> model = make_model(structures, load_task("reber"), TrainConfig())
    >>> model.blocks.shapes["recurrent1"]  # 5 units from 5 units, 3 gates
    (5, 3, 5)
    """
    align = 1 if device == "cpu" else GPU_ALIGNMENT
    if structures[0].family == "mlp":
        from nnstruct.population.batched.mlp import BatchedMLP

        return BatchedMLP(
            structures,
            task.input_shape,
            task.num_outputs,
            normalized=config.normalization == "layer",
            align=align,
            device=device,
        )
    from nnstruct.population.batched.clean import BatchedClean

    symbols = int(task.num_symbols or 0)
    features = symbols or 1 + task.input_shape[1]
    return BatchedClean(
        structures, features, task.num_outputs, align, series=not symbols, every_step=task.goal.every_step
    )
