"""Parameters of recurrent networks, in all protocols."""

from __future__ import annotations

import math

import numpy as np

from nnstruct.errors import InvalidInputError
from nnstruct.modules import mup
from nnstruct.modules.residual import untrained, with_unit_weights
from nnstruct.modules.rnn.faithful_layout import FaithfulLayout
from nnstruct.modules.ties import check_neurons
from nnstruct.record import CNN_OPTIONS, IMAGE_OPTIONS, TrainConfig, refuse_options
from nnstruct.structure import Structure
from nnstruct.structure.families import FAMILIES
from nnstruct.tasks import Task

LSTM_FORGET_GATE = 1
LSTM_FORGET_BIAS = 1.0


def check_task(structure: Structure, task: Task) -> None:
    """Raise :class:`InvalidInputError` unless the task holds sequences of symbols or series."""
    if not task.is_sequence:
        raise InvalidInputError(
            "task",
            f"hold sequences of symbols or series for the family {structure.family!r}",
            task.name,
            "Give num_symbols and lengths, or build it with Task.from_sequences or Task.from_series.",
        )
    check_neurons(structure)


def check_config(config: TrainConfig) -> None:
    """Raise :class:`InvalidInputError` for an option that recurrent networks do not have."""
    refuse_options(config, (*IMAGE_OPTIONS, *CNN_OPTIONS, "normalization"), "recurrent families")
    if config.protocol != "clean" and config.parametrization != "standard":
        rule = f"be 'standard' in the protocol {config.protocol!r}"
        raise InvalidInputError("config.parametrization", rule, config.parametrization)


def num_inputs(task: Task) -> int:
    """Weights from the input to a unit and gate: one a symbol, or one a channel of a series."""
    return task.input_shape[1] if task.num_symbols is None else task.num_symbols - 1


def shapes(structure: Structure, task: Task, config: TrainConfig) -> dict[str, tuple[int, ...]]:
    """Name and shape of each array; see :func:`nnstruct.modules.parameter_shapes`.

    Parameters
    ----------
    structure : Structure
        Of a recurrent family.
    task : Task
        Of sequences or series.
    config : TrainConfig
        Its protocol decides.

    Returns
    -------
    dict of str to tuple of int
    """
    if config.protocol != "clean":
        return FaithfulLayout(structure).parameter_shapes(int(task.num_symbols or 0), task.num_classes)
    family = FAMILIES[structure.family]
    inputs, outputs = int(structure.inputs.sum()), int(structure.outputs.sum())
    return {
        "weight": (structure.num_edges, family.gates),
        "bias": (structure.num_units, family.biases),
        "input_weight": (inputs, num_inputs(task), family.gates),
        "readout_weight": (task.num_outputs, outputs),
        "readout_bias": (task.num_outputs,),
    }


def values(
    structure: Structure,
    task: Task,
    config: TrainConfig,
    shapes: dict[str, tuple[int, ...]],
    rng: np.random.Generator,
) -> dict[str, np.ndarray]:
    """Initial values; see :func:`nnstruct.modules.initial_parameters`.

    Parameters
    ----------
    structure : Structure
        Of a recurrent family.
    task : Task
    config : TrainConfig
        Its protocol decides.
    shapes : dict of str to tuple of int
        From :func:`shapes`.
    rng : numpy.random.Generator
        Advanced.

    Returns
    -------
    dict of str to float32 array
    """
    if config.protocol != "clean":
        return FaithfulLayout(structure).initial_parameters(shapes, rng)
    entering = num_inputs(task) if task.is_series else 1  # of the symbols one is there at a time
    return _clean_values(structure, entering, config, shapes, rng)


def rates(
    structure: Structure, config: TrainConfig, shapes: dict[str, tuple[int, ...]]
) -> dict[str, np.ndarray]:
    """Learning rates relative to ``config.learning_rate``, in the layout of the parameters.

    Parameters
    ----------
    structure : Structure
        Of a recurrent family.
    config : TrainConfig
    shapes : dict of str to tuple of int
        From :func:`shapes`.

    Returns
    -------
    dict of str to float32 array
        By the rules of :mod:`nnstruct.modules.mup`; a unit sums over its edges of both kinds.
    """
    target = structure.edge_index[1]
    fan_in = np.bincount(target[~structure.residual], minlength=structure.num_units)[target]  # [E]
    width = structure.layer_sizes[structure.layer]  # [N]
    vector = mup.vector_rate(width, config)
    found = {
        "weight": mup.matrix_rate(fan_in, width[target], config)[:, None],
        "bias": vector[:, None],
        "input_weight": vector[structure.inputs][:, None, None],
        "readout_weight": mup.readout_rate(shapes["readout_weight"][1], config),
        "readout_bias": np.ones(1),
    }
    return {name: np.broadcast_to(found[name], shape).astype(np.float32) for name, shape in shapes.items()}


def num_masked(structure: Structure, config: TrainConfig) -> int:
    """Scalars within the shapes that are not trained; in the clean protocol those of residual and tied ones.

    Parameters
    ----------
    structure : Structure
        Of a recurrent family.
    config : TrainConfig

    Returns
    -------
    int
    """
    if config.protocol == "clean":
        family = FAMILIES[structure.family]
        return untrained(structure, family.gates, family.biases)
    return FaithfulLayout(structure).num_masked_weights


def _clean_values(
    structure: Structure,
    entering: int,
    config: TrainConfig,
    shapes: dict[str, tuple[int, ...]],
    rng: np.random.Generator,
) -> dict[str, np.ndarray]:
    weighted = structure.edge_index[1, ~structure.residual]
    fan_in = np.bincount(weighted, minlength=structure.num_units) + entering * structure.inputs
    gain = math.sqrt(2.0) if structure.family == "rnn_relu" else 1.0
    bound = gain * np.sqrt(3.0 / np.maximum(fan_in, 1))  # [N]
    target = structure.edge_index[1]
    widths = structure.layer_sizes[structure.layer[structure.edge_index]]  # [2, E]
    gains = mup.hidden_gain(widths[0], widths[1], fan_in[target], config)
    width = shapes["readout_weight"][1]
    readout_bound = math.sqrt(1.0 / width) * mup.readout_gain(width, config)
    values = {
        "weight": with_unit_weights(
            rng.uniform(-1, 1, shapes["weight"]) * (bound[target] * gains)[:, None], structure
        ),
        "bias": np.zeros(shapes["bias"]),
        "input_weight": rng.uniform(-1, 1, shapes["input_weight"]) * bound[structure.inputs][:, None, None],
        "readout_weight": rng.uniform(-readout_bound, readout_bound, shapes["readout_weight"]),
        "readout_bias": np.zeros(shapes["readout_bias"]),
    }
    if structure.family == "lstm":
        values["bias"][:, LSTM_FORGET_GATE] = LSTM_FORGET_BIAS
    return {name: value.astype(np.float32) for name, value in values.items()}
