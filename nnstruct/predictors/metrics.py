"""Scores of predictions, and their intervals."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
from scipy import stats

from nnstruct.random import generator

METRICS = ("r2", "mae", "rmse", "kendall", "spearman")
COVERED_SHARE = 0.9


def scores(y: np.ndarray, predicted: np.ndarray, fold: np.ndarray | None = None) -> dict[str, float]:
    """R2, MAE, RMSE, Kendall's tau-b and Spearman's rho, each averaged over repeats.

    Parameters
    ----------
    y : float [n]
    predicted : float [repeats, n]
    fold : int [repeats, n], optional
        Where the predictions are constant inside every fold, they rank nothing, and both rank
        scores are 0; over several folds at once they would seem to rank backwards, because a
        fold with high labels leaves low ones to learn from.

    Returns
    -------
    dict of str to float

    Examples
    --------
    >>> import numpy as np
    >>> scores(np.array([1.0, 2.0, 3.0]), np.array([[1.0, 2.0, 3.0]]))["kendall"]
    1.0
    """
    rows = []
    total = ((y - y.mean()) ** 2).sum()
    for repeat, row in enumerate(predicted):
        error = row - y
        r2 = 1.0 - float((error**2).sum() / total) if total > 0 else float("nan")
        rank = _rank_scores(y, row, None if fold is None else fold[repeat])
        rows.append((r2, float(np.abs(error).mean()), float(np.sqrt((error**2).mean())), *rank))
    return dict(zip(METRICS, (float(value) for value in np.mean(rows, axis=0)), strict=True))


def _rank_scores(y: np.ndarray, predicted: np.ndarray, fold: np.ndarray | None) -> tuple[float, float]:
    groups = np.zeros(len(y), dtype=np.int64) if fold is None else fold
    if all(np.ptp(predicted[groups == g]) == 0 for g in np.unique(groups)) or np.ptp(y) == 0:
        return 0.0, 0.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", stats.ConstantInputWarning)
        tau = stats.kendalltau(y, predicted, method="asymptotic").statistic
        rho = stats.spearmanr(y, predicted).statistic
    return float(np.nan_to_num(tau)), float(np.nan_to_num(rho))


def bootstrap_intervals(
    y: np.ndarray,
    predicted: np.ndarray,
    fold: np.ndarray,
    groups: Sequence[str],
    *,
    confidence: float,
    resamples: int,
    seed: int,
) -> tuple[dict[str, float], dict[str, float]]:
    """Lower and upper ends of percentile intervals of :func:`scores`, resampling whole groups.

    Parameters
    ----------
    y : float [n]
    predicted, fold : [repeats, n]
    groups : sequence of str, length n
        Rows of one group are drawn together.
    confidence : float
    resamples : int
    seed : int

    Returns
    -------
    low, high : dict of str to float
    """
    names, group = np.unique(np.asarray(groups), return_inverse=True)
    order = np.argsort(group, kind="stable")
    members = np.split(order, np.cumsum(np.bincount(group))[:-1])

    def statistic(drawn: np.ndarray) -> np.ndarray:
        rows = np.concatenate([members[index] for index in drawn])
        return np.array(list(scores(y[rows], predicted[:, rows], fold[:, rows]).values()))

    result = stats.bootstrap(
        (np.arange(len(names)),),
        statistic,
        vectorized=False,
        n_resamples=resamples,
        confidence_level=confidence,
        method="percentile",
        rng=generator(seed, "bootstrap"),
    ).confidence_interval
    low, high = (dict(zip(METRICS, map(float, end), strict=True)) for end in (result.low, result.high))
    return low, high


def coverage(y: np.ndarray, mean: np.ndarray, std: np.ndarray) -> float:
    """Share of labels inside the central 90% of their predicted normal distribution.

    Parameters
    ----------
    y : float64 [n]
    mean : float64 [n]
    std : float64 [n]
        NaN where a predictor gives none.

    Returns
    -------
    float
        From 0 to 1; NaN if a standard deviation is not finite.

    Examples
    --------
    >>> import numpy as np
    >>> coverage(np.array([0.0, 5.0]), np.zeros(2), np.ones(2))
    0.5
    """
    if not np.isfinite(std).all():
        return float("nan")
    return float((np.abs(y - mean) <= stats.norm.ppf(0.5 + COVERED_SHARE / 2) * std).mean())
