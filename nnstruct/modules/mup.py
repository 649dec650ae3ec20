"""The maximal update parametrization: how weights and learning rates go with the width.

With width ratios r = width / base_width, of what a weight sums over (fan in) or of the layer that it
belongs to (fan out); all else is as in the standard parametrization:

=========================== ================= ============= =============
parameters                  initial values    Adam's rate   SGD's rate
=========================== ================= ============= =============
input weights, biases and   as they are       1             r (fan out)
scales
hidden weights              as they are       1 / r         1
read-out weights            1 / sqrt(r)       1 / r         1 / r
read-out biases             as they are       1             1
=========================== ================= ============= =============

In a graph the fan in is each unit's own (for convolutions the channels that it sees), so that every edge
has its own rate.

References
----------
G. Yang, E. J. Hu, Feature learning in infinite-width neural networks, ICML 2021, arXiv:2011.14522.
G. Yang et al., Tensor Programs V: tuning large neural networks via zero-shot hyperparameter transfer
(2022), arXiv:2203.03466, table 3.
"""

from __future__ import annotations

import math

import numpy as np

from nnstruct.record import TrainConfig


def readout_gain(fan_in: int, config: TrainConfig) -> float:
    """Factor on the initial values of the read-out.

    Parameters
    ----------
    fan_in : int
        Units or channels that are read out.
    config : TrainConfig

    Returns
    -------
    float

    Examples
    --------
    >>> from nnstruct import TrainConfig
    >>> readout_gain(128, TrainConfig(parametrization="mup", base_width=32))
    0.5
    >>> readout_gain(128, TrainConfig())
    1.0
    """
    return 1.0 / math.sqrt(fan_in / config.base_width) if config.parametrization == "mup" else 1.0


def readout_rate(fan_in: int, config: TrainConfig) -> np.ndarray:
    """Factor on the learning rate of the read-out's weights.

    Parameters
    ----------
    fan_in : int
        Units or channels that are read out.
    config : TrainConfig

    Returns
    -------
    float64 [1]

    Examples
    --------
    >>> from nnstruct import TrainConfig
    >>> readout_rate(64, TrainConfig(parametrization="mup", base_width=32))
    array([0.5])
    """
    return np.full(1, config.base_width / fan_in if config.parametrization == "mup" else 1.0)


def matrix_rate(fan_in: np.ndarray, config: TrainConfig) -> np.ndarray:
    """Factor on the learning rate of hidden weights.

    Parameters
    ----------
    fan_in : int64 [n]
        Units or channels that each weight's unit sums over.
    config : TrainConfig

    Returns
    -------
    float64 [n]

    Examples
    --------
    >>> import numpy as np
    >>> from nnstruct import TrainConfig
    >>> fan_in = np.array([32, 64])
    >>> matrix_rate(fan_in, TrainConfig(parametrization="mup", base_width=32)).tolist()
    [1.0, 0.5]
    >>> matrix_rate(fan_in, TrainConfig(parametrization="mup", base_width=32, optimizer="sgd")).tolist()
    [1.0, 1.0]
    """
    scaled = config.parametrization == "mup" and config.optimizer != "sgd"
    return config.base_width / np.maximum(fan_in, 1) if scaled else np.ones(len(fan_in))


def vector_rate(fan_out: np.ndarray, config: TrainConfig) -> np.ndarray:
    """Factor on the learning rate of input weights, biases and scales.

    Parameters
    ----------
    fan_out : int64 [n]
        Width of the layer that each belongs to.
    config : TrainConfig

    Returns
    -------
    float64 [n]

    Examples
    --------
    >>> import numpy as np
    >>> from nnstruct import TrainConfig
    >>> config = TrainConfig(parametrization="mup", base_width=32, optimizer="sgd")
    >>> vector_rate(np.array([64]), config).tolist()
    [2.0]
    """
    scaled = config.parametrization == "mup" and config.optimizer == "sgd"
    return np.asarray(fan_out) / config.base_width if scaled else np.ones(len(fan_out))
