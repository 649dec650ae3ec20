"""Means with their intervals."""

from __future__ import annotations

import numpy as np


def mean_interval(values: np.ndarray, confidence: float = 0.95) -> tuple[float, float, float]:
    """Mean of a sample and the ends of its interval by Student's t, NaN with fewer than two values.

    Examples
    --------
    >>> import numpy as np
    >>> from nnstruct.intervals import mean_interval
    >>> [round(value, 3) for value in mean_interval(np.array([1.0, 2.0, 3.0]))]
    [2.0, -0.484, 4.484]
    """
    from scipy import stats

    finite = np.asarray(values, dtype=np.float64)
    finite = finite[np.isfinite(finite)]
    if not len(finite):
        return float("nan"), float("nan"), float("nan")
    mean = float(finite.mean())
    if len(finite) < 2:
        return mean, float("nan"), float("nan")
    half = float(stats.t.ppf(0.5 + confidence / 2, len(finite) - 1) * finite.std(ddof=1) / len(finite) ** 0.5)
    return mean, mean - half, mean + half
