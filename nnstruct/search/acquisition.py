"""How promising a structure is, from what a guide predicts of it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.stats import norm

from nnstruct.registry import Registry

Acquisition = Callable[[np.ndarray, np.ndarray, float, float], np.ndarray]
ACQUISITIONS: Registry[Acquisition] = Registry("acquisition")


@ACQUISITIONS.register("ucb")
def upper_confidence_bound(mean: np.ndarray, std: np.ndarray, best: float, exploration: float) -> np.ndarray:
    """``mean + exploration * std`` (Srinivas et al., 2010, arXiv 0912.3995).

    Parameters
    ----------
    mean, std : float [n]
        Prediction and its standard deviation, of a score that is to be high.
    best : float
        The best score told so far; not used here.
    exploration : float
        Standard deviations that an uncertain structure is given in advance.

    Returns
    -------
    float [n]

    Examples
    --------
    >>> import numpy as np
    >>> upper_confidence_bound(np.array([0.5, 0.4]), np.array([0.0, 0.2]), 0.0, 1.0).round(2).tolist()
    [0.5, 0.6]
    """
    return mean + exploration * std


@ACQUISITIONS.register("mean")
def predicted_mean(mean: np.ndarray, std: np.ndarray, best: float, exploration: float) -> np.ndarray:
    """The prediction itself: no exploration.

    Parameters
    ----------
    mean : float [n]
    std : float [n]
        Not used, as ``best`` and ``exploration`` are not.
    best : float
    exploration : float

    Returns
    -------
    float [n]
    """
    return mean


@ACQUISITIONS.register("ei")
def expected_improvement(mean: np.ndarray, std: np.ndarray, best: float, exploration: float) -> np.ndarray:
    """Expected improvement on ``best`` of a normal prediction (Jones et al., 1998).

    Parameters
    ----------
    mean, std : float [n]
    best : float
    exploration : float
        Standard deviations by which the prediction has to beat ``best``; 0 is the textbook form.

    Returns
    -------
    float [n]

    Examples
    --------
    >>> import numpy as np
    >>> expected_improvement(np.array([1.5, 1.0]), np.array([0.0, 1.0]), 1.0, 0.0).round(3).tolist()
    [0.5, 0.399]
    """
    gain = mean - best - exploration * std
    spread = np.maximum(std, 1e-12)
    z = gain / spread
    return np.where(std > 0, gain * norm.cdf(z) + spread * norm.pdf(z), np.maximum(gain, 0.0))
