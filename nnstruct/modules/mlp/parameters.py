"""Parameters of multilayer perceptrons on any acyclic graph."""

from __future__ import annotations

import math

import numpy as np

from nnstruct.errors import InvalidInputError
from nnstruct.modules import mup
from nnstruct.modules.residual import untrained, with_unit_weights
from nnstruct.modules.ties import check_neurons
from nnstruct.record import CNN_OPTIONS, IMAGE_OPTIONS, TrainConfig, refuse_options
from nnstruct.structure import Structure
from nnstruct.structure.units import ATTRIBUTES_OF, unit_values
from nnstruct.tasks import Task

NORM_EPSILON = 1e-5
# One value less its mean is 0 and of two only the order is left, so that nothing would be learned.
SMALLEST_NORMALIZED_LAYER = 3
# Gain by activation: the scale of the weights that keeps the size of the values.
GAINS = {"relu": math.sqrt(2.0), "tanh": 1.0, "gelu": math.sqrt(2.0)}


def activations(structure: Structure) -> tuple[str, ...]:
    """The activation of each unit.

    Parameters
    ----------
    structure : Structure
        Of the family ``mlp``.

    Returns
    -------
    tuple of N str
        ``relu`` where the structure names none.

    Raises
    ------
    InvalidInputError
        If a unit has one that the family does not know.

    Examples
    --------
    >>> from nnstruct import Structure
    >>> activations(Structure.from_layers([1, 2]))
    ('relu', 'relu', 'relu')
    """
    names = unit_values(structure, "activation")
    for name in names:
        if name not in GAINS:
            rule = f"be among {', '.join(GAINS)} for the family 'mlp'"
            raise InvalidInputError("attributes['activation']", rule, name)
    return names


def check_task(structure: Structure, task: Task) -> None:
    """Raise :class:`InvalidInputError` unless the task holds vectors or images."""
    if task.is_sequence:
        raise InvalidInputError(
            "task",
            "hold vectors or images for the family 'mlp'",
            task.name,
            "Take a recurrent family for sequences of symbols.",
        )
    activations(structure)
    for name in structure.attributes:
        if name not in (*ATTRIBUTES_OF["mlp"], "operator", "tie"):
            rule = "hold 'activation', 'operator' and 'tie' alone for the family 'mlp'"
            raise InvalidInputError("attributes", rule, name)
    check_neurons(structure)


def check_config(config: TrainConfig) -> None:
    """Raise :class:`InvalidInputError` for an option that multilayer perceptrons do not have."""
    if config.protocol != "clean":
        raise InvalidInputError("config.protocol", "be 'clean' for the family 'mlp'", config.protocol)
    if config.normalization == "batch":
        raise InvalidInputError(
            "config.normalization", "be 'layer' or 'none' for the family 'mlp'", config.normalization
        )
    refuse_options(config, (*IMAGE_OPTIONS, *CNN_OPTIONS), "the family 'mlp'")


def shapes(structure: Structure, task: Task, config: TrainConfig) -> dict[str, tuple[int, ...]]:
    """Name and shape of each array; see :func:`nnstruct.modules.parameter_shapes`.

    Parameters
    ----------
    structure : Structure
        Of the family ``mlp``.
    task : Task
        Of vectors or images.
    config : TrainConfig
        With ``normalization="layer"`` units have a scale and a shift.

    Returns
    -------
    dict of str to tuple of int
    """
    inputs, outputs = int(structure.inputs.sum()), int(structure.outputs.sum())
    named: dict[str, tuple[int, ...]] = {
        "weight": (structure.num_edges, 1),
        "bias": (structure.num_units, 1),
        "input_weight": (inputs, math.prod(task.input_shape), 1),
        "readout_weight": (task.num_outputs, outputs),
        "readout_bias": (task.num_outputs,),
    }
    if config.normalization == "layer":
        named |= {"norm_scale": (structure.num_units,), "norm_shift": (structure.num_units,)}
    return named


def values(
    structure: Structure,
    task: Task,
    config: TrainConfig,
    shapes: dict[str, tuple[int, ...]],
    rng: np.random.Generator,
) -> dict[str, np.ndarray]:
    """Initial values: uniform in +-gain * sqrt(3 / fan_in), which is a variance of gain^2 / fan_in.

    The fan-in of a unit counts its edges with a weight and, for an input unit, all values of an input.

    Parameters
    ----------
    structure : Structure
        Of the family ``mlp``.
    task : Task
    config : TrainConfig
        Its parametrization decides the scales of hidden weights and the read-out.
    shapes : dict of str to tuple of int
        From :func:`shapes`.
    rng : numpy.random.Generator
        Advanced.

    Returns
    -------
    dict of str to float32 array
    """
    width = shapes["input_weight"][1]
    target = structure.edge_index[1]
    weighted = target[~structure.residual]
    fan_in = np.bincount(weighted, minlength=structure.num_units) + width * structure.inputs  # [N]
    gain = np.array([GAINS[name] for name in activations(structure)])
    bound = gain * np.sqrt(3.0 / np.maximum(fan_in, 1))  # [N]
    widths = structure.layer_sizes[structure.layer[structure.edge_index]]  # [2, E]
    gains = mup.hidden_gain(widths[0], widths[1], fan_in[target], config)
    readout_width = shapes["readout_weight"][1]
    readout_bound = math.sqrt(1.0 / readout_width) * mup.readout_gain(readout_width, config)
    drawn = {
        "weight": with_unit_weights(
            rng.uniform(-1, 1, shapes["weight"]) * (bound[target] * gains)[:, None], structure
        ),
        "input_weight": rng.uniform(-1, 1, shapes["input_weight"]) * bound[structure.inputs][:, None, None],
        "readout_weight": rng.uniform(-readout_bound, readout_bound, shapes["readout_weight"]),
    }
    constant = {"norm_scale": 1.0}
    return {
        name: drawn.get(name, np.full(shape, constant.get(name, 0.0))).astype(np.float32)
        for name, shape in shapes.items()
    }


def rates(
    structure: Structure, config: TrainConfig, shapes: dict[str, tuple[int, ...]]
) -> dict[str, np.ndarray]:
    """Learning rates relative to ``config.learning_rate``, in the layout of the parameters.

    Parameters
    ----------
    structure : Structure
        Of the family ``mlp``.
    config : TrainConfig
    shapes : dict of str to tuple of int
        From :func:`shapes`.

    Returns
    -------
    dict of str to float32 array
        By the rules of :mod:`nnstruct.modules.mup`.
    """
    target = structure.edge_index[1]
    fan_in = np.bincount(target[~structure.residual], minlength=structure.num_units)[target]  # [E]
    vector = mup.vector_rate(structure.layer_sizes[structure.layer], config)  # [N]
    found = {
        "weight": mup.matrix_rate(fan_in, structure.layer_sizes[structure.layer[target]], config)[:, None],
        "bias": vector[:, None],
        "input_weight": vector[structure.inputs][:, None, None],
        "readout_weight": mup.readout_rate(shapes["readout_weight"][1], config),
        "readout_bias": np.ones(1),
        "norm_scale": vector,
        "norm_shift": vector,
    }
    return {name: np.broadcast_to(found[name], shape).astype(np.float32) for name, shape in shapes.items()}


def num_masked(structure: Structure, config: TrainConfig) -> int:
    """Scalars within the shapes that are not trained on their own: of residual edges and tied ones.

    Parameters
    ----------
    structure : Structure
    config : TrainConfig

    Returns
    -------
    int
    """
    return untrained(structure, 1, 1)
