"""Learning rates of single parameters as named arrays."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from nnstruct.modules.cnn import parameters as cnn_parameters
from nnstruct.modules.mlp import parameters as mlp_parameters
from nnstruct.modules.parameters import READ_OUT, parameter_shapes
from nnstruct.modules.rnn import parameters as rnn_parameters
from nnstruct.record import TrainConfig
from nnstruct.structure import Structure
from nnstruct.structure.families import RNN_FAMILIES
from nnstruct.tasks import Task

Rates = Callable[[Structure, TrainConfig, dict[str, tuple[int, ...]]], dict[str, np.ndarray]]

_RATES: dict[str, Rates] = {
    **dict.fromkeys(RNN_FAMILIES, rnn_parameters.rates),
    "cnn": cnn_parameters.rates,
    "mlp": mlp_parameters.rates,
}


def parameter_rates(structure: Structure, task: Task, config: TrainConfig) -> dict[str, np.ndarray]:
    """Factors on ``config.learning_rate`` for the arrays of :func:`nnstruct.modules.parameter_shapes`.

    :mod:`nnstruct.modules.mup` has the rules. ``config.output_scale`` is a factor on those of the read-out,
    with ``sgd`` its square: then a step changes the read-out as if its scores were multiplied by the scale,
    since both the gradient and what it moves are.

    Parameters
    ----------
    structure : Structure
    task : Task
    config : TrainConfig

    Returns
    -------
    dict of str to float32 array

    Raises
    ------
    InvalidInputError
        If the structure cannot be trained on the task, or not by the configuration.

    Examples
    --------
    >>> from nnstruct import Structure, TrainConfig, load_task
    >>> config = TrainConfig(parametrization="mup", base_width=2)
    >>> task = load_task("shapes", train=64, val=8, test=8)
    >>> rates = parameter_rates(Structure.from_layers([4, 4], family="cnn"), task, config)
    >>> {name: float(rate.flat[0]) for name, rate in rates.items()}["weight"]
    0.5
    """
    rates = _RATES[structure.family](structure, config, parameter_shapes(structure, task, config))
    if config.output_scale != 1.0:
        factor = np.float32(config.output_scale ** (2 if config.optimizer == "sgd" else 1))
        for name in READ_OUT:
            rates[name] = rates[name] * factor
    return rates
