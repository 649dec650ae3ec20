"""How initial weights and learning rates go with the width: maximal updates, tangent kernel, integrable.

With width ratios r = width / base_width, of what a weight sums over (``in``) or of the layer that it belongs
to (``out``); all else is as in the standard parametrization. ``mup``, the maximal update parametrization:

=========================== ==================== ============= =============
parameters                  initial values       Adam's rate   SGD's rate
=========================== ==================== ============= =============
input weights, biases and   as they are          1             r_out
scales
hidden weights              min(1, sqrt(out/in)) 1 / r_in      r_out / r_in
read-out weights            1 / sqrt(r_in)       1 / r_in      1 / r_in
read-out biases             as they are          1             1
=========================== ==================== ============= =============

The rates are those of MuAdam and MuSGD (read in the file mup/optim.py of github.com/microsoft/mup), where a
hidden weight's ratio of fan in and fan out is that of the two layers. There a weight whose fan in alone grows
has to be declared a read-out, which starts smaller; nobody can declare it in a graph, and the factor on the
initial values, from the widths of the two layers, does the same (Yang, Simon and Bernstein, 2023,
arXiv:2310.17813, who ask for a spectral norm of sqrt(out / in)).

Where one layer alone grows, a layer below it moves by A + B / sqrt(width), not by A: its gradient is a sum
over the growing layer of weights in times weights out, n terms of size 1 / n. As drawn these are independent,
so that the sum is of size 1 / sqrt(n), the B; after t steps both hold what the steps have put there, which
agrees, and its share of the sum does not depend on n, the A, which is 0 in the first step and grows with t.
So the slopes of :func:`nnstruct.probes.coordinate_slopes` there are -1/2 in the first step and tend to 0 with
steps and width; MuSGD has the same ones, step for step. A read-out that starts at zero has no B.

``ntk`` and ``integrable`` are what Chen et al. (2025) compare it with, both for SGD: in the first (Jacot et
al., 2018) hidden and read-out weights have the rate 1 / r_in and features stay where they began; the second
(Hajjar, Chizat and Giraud, 2021) has the rates of ``mup``, and hidden weights begin smaller by sqrt(r_in).

Rate times decay is the same for all weights, as in MuSGD and MuAdam. In a graph the fan in is each unit's own
(for convolutions the channels that it sees), so that every edge has its own rate.

References
----------
G. Yang, E. J. Hu, Feature learning in infinite-width neural networks, ICML 2021, arXiv:2011.14522.
G. Yang et al., Tensor Programs V: tuning large neural networks via zero-shot hyperparameter transfer
(2022), arXiv:2203.03466, table 3.
Z. Chen, G. Yang, Q. Zhao, Q. Gu, Global convergence and rich feature learning in L-layer infinite-width
neural networks under muP parametrization, ICML 2025, arXiv:2503.09565.
K. Hajjar, L. Chizat, C. Giraud, Training integrable parameterizations of deep neural networks in the
infinite-width limit (2021), arXiv:2110.15596.
"""

from __future__ import annotations

import math

import numpy as np

from nnstruct.errors import InvalidInputError
from nnstruct.record import TrainConfig

FOR_SGD = ("ntk", "integrable")


def check_parametrization(config: TrainConfig) -> None:
    """Raise :class:`InvalidInputError` for an optimiser that the parametrization is not defined for."""
    if config.parametrization in FOR_SGD and config.optimizer != "sgd":
        rule = f"be 'sgd' for the parametrization {config.parametrization!r}"
        raise InvalidInputError("config.optimizer", rule, config.optimizer)


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
    scaled = config.parametrization in ("mup", "integrable")
    return 1.0 / math.sqrt(fan_in / config.base_width) if scaled else 1.0


def hidden_gain(
    source: np.ndarray, target: np.ndarray, fan_in: np.ndarray, config: TrainConfig
) -> np.ndarray:
    """Factor on the initial values of hidden weights.

    Parameters
    ----------
    source, target : int64 [n]
        Widths of the layers that each weight leads from and to.
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
    >>> wide, narrow = np.array([128, 32]), np.array([32, 128])
    >>> hidden_gain(wide, narrow, wide, TrainConfig(parametrization="mup")).tolist()
    [0.5, 1.0]
    """
    if config.parametrization == "mup":
        return np.minimum(1.0, np.sqrt(np.asarray(target) / np.asarray(source)))
    if config.parametrization == "integrable":
        return np.sqrt(config.base_width / np.maximum(fan_in, 1))
    return np.ones(len(fan_in))


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
    return np.full(1, 1.0 if config.parametrization == "standard" else config.base_width / fan_in)


def matrix_rate(fan_in: np.ndarray, fan_out: np.ndarray, config: TrainConfig) -> np.ndarray:
    """Factor on the learning rate of hidden weights.

    Parameters
    ----------
    fan_in : int64 [n]
        Units or channels that each weight's unit sums over.
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
    >>> fan_in, fan_out = np.array([32, 64, 64]), np.array([64, 32, 64])
    >>> matrix_rate(fan_in, fan_out, TrainConfig(parametrization="mup", base_width=32)).tolist()
    [1.0, 0.5, 0.5]
    >>> config = TrainConfig(parametrization="mup", base_width=32, optimizer="sgd")
    >>> matrix_rate(fan_in, fan_out, config).tolist()
    [2.0, 0.5, 1.0]
    """
    if config.parametrization == "standard":
        return np.ones(len(fan_in))
    outward = vector_rate(fan_out, config)
    return outward * config.base_width / np.maximum(fan_in, 1)


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
    scaled = config.parametrization in ("mup", "integrable") and config.optimizer == "sgd"
    return np.asarray(fan_out) / config.base_width if scaled else np.ones(len(fan_out))
