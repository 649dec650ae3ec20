"""Parameters of a network as named arrays: their shapes and their initial values.

They are drawn with numpy and not by the module that will hold them, so that every engine starts
from the same weights.
"""

from __future__ import annotations

import math

import numpy as np

from nnstruct.errors import InvalidInputError
from nnstruct.families import FAMILIES, RNN_FAMILIES
from nnstruct.networks.faithful_layout import FaithfulLayout
from nnstruct.random import generator
from nnstruct.record import TrainConfig
from nnstruct.structure import Structure
from nnstruct.tasks import Task

LSTM_FORGET_GATE = 1
LSTM_FORGET_BIAS = 1.0


def check_trainable(structure: Structure, task: Task) -> None:
    """Raise :class:`InvalidInputError` unless the structure's family can be trained on the task."""
    if structure.family not in RNN_FAMILIES:
        raise InvalidInputError(
            "family", f"be one of {', '.join(RNN_FAMILIES)} to be trained", structure.family
        )
    if not task.is_sequence:
        raise InvalidInputError(
            "task",
            f"hold sequences of symbols for the family {structure.family!r}",
            task.name,
            "Give num_symbols and lengths, or build it with Task.from_sequences.",
        )


def parameter_shapes(structure: Structure, task: Task, config: TrainConfig) -> dict[str, tuple[int, ...]]:
    """Name and shape of each parameter array, in a fixed order.

    In the clean protocol with g gates, b biases (:class:`nnstruct.families.Family`), I input
    units, O output units, S symbols (the padding counted) and C classes:

    ==================  =============  ==================================================
    name                shape          belongs to
    ==================  =============  ==================================================
    ``weight``          [E, g]         the edges, in the order of ``structure.edge_index``
    ``bias``            [N, b]         the units
    ``input_weight``    [I, S - 1, g]  an input unit and a symbol from 1 on
    ``readout_weight``  [C, O]         a class and an output unit
    ``readout_bias``    [C]            a class
    ==================  =============  ==================================================

    In the faithful protocol they are those of :class:`nnstruct.networks.faithful.FaithfulRNN`.
    """
    check_trainable(structure, task)
    if config.protocol != "clean":
        return FaithfulLayout(structure).parameter_shapes(int(task.num_symbols or 0), task.num_classes)
    family = FAMILIES[structure.family]
    inputs, outputs = int(structure.inputs.sum()), int(structure.outputs.sum())
    return {
        "weight": (structure.num_edges, family.gates),
        "bias": (structure.num_units, family.biases),
        "input_weight": (inputs, int(task.num_symbols or 0) - 1, family.gates),
        "readout_weight": (task.num_classes, outputs),
        "readout_bias": (task.num_classes,),
    }


def initial_parameters(
    structure: Structure, task: Task, config: TrainConfig, seed: int
) -> dict[str, np.ndarray]:
    """Initial values, float32, for the shapes of :func:`parameter_shapes`.

    Clean protocol: a weight is uniform in +-g * sqrt(3 / fan_in), with fan_in the edges that enter
    its unit (the input counts as one) and g the gain: sqrt(2) for relu (He et al., 2015), 1
    otherwise. Biases are 0, but 1 for the forget gate of LSTM (Gers et al., 2000). Faithful
    protocol: the embedding is standard normal and all else uniform in +-1 / sqrt(size), the
    size of the cell or, for the read-out, its inputs.

    Parameters
    ----------
    structure : Structure
    task : Task
    config : TrainConfig
    seed : int
        Together with the structure's fingerprint it decides the values.
    """
    shapes = parameter_shapes(structure, task, config)
    rng = generator(seed, "init", structure.fingerprint)
    if config.protocol != "clean":
        return FaithfulLayout(structure).initial_parameters(shapes, rng)
    return _clean_values(structure, shapes, rng)


def _clean_values(
    structure: Structure, shapes: dict[str, tuple[int, ...]], rng: np.random.Generator
) -> dict[str, np.ndarray]:
    fan_in = np.bincount(structure.edge_index[1], minlength=structure.num_units) + structure.inputs
    gain = math.sqrt(2.0) if structure.family == "rnn_relu" else 1.0
    bound = gain * np.sqrt(3.0 / np.maximum(fan_in, 1))  # [N]
    target = structure.edge_index[1]
    readout_bound = math.sqrt(1.0 / shapes["readout_weight"][1])
    values = {
        "weight": rng.uniform(-1, 1, shapes["weight"]) * bound[target][:, None],
        "bias": np.zeros(shapes["bias"]),
        "input_weight": rng.uniform(-1, 1, shapes["input_weight"]) * bound[structure.inputs][:, None, None],
        "readout_weight": rng.uniform(-readout_bound, readout_bound, shapes["readout_weight"]),
        "readout_bias": np.zeros(shapes["readout_bias"]),
    }
    if structure.family == "lstm":
        values["bias"][:, LSTM_FORGET_GATE] = LSTM_FORGET_BIAS
    return {name: value.astype(np.float32) for name, value in values.items()}


def count_parameters(structure: Structure, task: Task, config: TrainConfig) -> int:
    """Trainable scalars; a masked weight is none."""
    shapes = parameter_shapes(structure, task, config)
    total = sum(math.prod(shape) for shape in shapes.values())
    if config.protocol == "clean":
        return total
    return total - FaithfulLayout(structure).num_masked_weights
