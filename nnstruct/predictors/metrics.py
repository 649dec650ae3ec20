"""Scores of predictions, and their intervals."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
from scipy import stats

from nnstruct.predictors.ranking import RANKING, top_k_scores
from nnstruct.random import generator

COVERED_SHARE = 0.9
COVERAGE = f"coverage_{round(100 * COVERED_SHARE)}"
METRICS = ("r2", "mae", "rmse", "kendall", "spearman", *RANKING, "nll", COVERAGE)
TOP_K = 10


def scores(
    y: np.ndarray,
    predicted: np.ndarray,
    fold: np.ndarray | None = None,
    *,
    std: np.ndarray | None = None,
    k: int = TOP_K,
    higher_is_better: bool = True,
) -> dict[str, float]:
    """Every metric of the predictions, each averaged over repeats.

    ``r2``, ``mae``, ``rmse``; Kendall's tau-b, ``kendall``, and Spearman's rho, ``spearman``, which
    count ties as their definitions do; ``precision_at_k``, ``n_at_k`` and ``regret_at_k``
    of :func:`nnstruct.predictors.ranking.top_k_scores`; ``nll``, the mean negative logarithm of the
    predicted normal density at the label, in nats; ``coverage_90`` of :func:`coverage`. The labels are
    as they are, with their noise, so a predicted deviation has to hold it too.

    Parameters
    ----------
    y : float [n]
    predicted : float [repeats, n]
    fold : int [repeats, n], optional
        Where the predictions are constant inside every fold, they rank nothing: both rank
        correlations are 0, and the top k are drawn at random. Over several folds at once they would
        seem to rank backwards, because a fold with high labels leaves low ones to learn from.
    std : float [repeats, n], optional
        Predicted standard deviations; without them ``nll`` and ``coverage_90`` are NaN.
    k : int
    higher_is_better : bool
        Whether the best label is the largest one; it decides what the top k are.

    Returns
    -------
    dict of str to float
        With fewer than two labels all are NaN.

    Examples
    --------
    >>> import numpy as np
    >>> scores(np.array([1.0, 2.0, 3.0]), np.array([[1.0, 2.0, 3.0]]))["kendall"]
    1.0
    """
    if len(y) < 2:
        return dict.fromkeys(METRICS, float("nan"))
    rows = []
    total = ((y - y.mean()) ** 2).sum()
    sign = 1.0 if higher_is_better else -1.0
    deviation = np.full(predicted.shape, np.nan) if std is None else std
    for repeat, row in enumerate(predicted):
        error = row - y
        r2 = 1.0 - float((error**2).sum() / total) if total > 0 else float("nan")
        blind = _ranks_nothing(row, None if fold is None else fold[repeat])
        rank = (0.0, 0.0) if blind or np.ptp(y) == 0 else _rank_scores(y, row)
        top = top_k_scores(sign * y, np.zeros(len(y)) if blind else sign * row, k)
        fit = (nll(y, row, deviation[repeat]), coverage(y, row, deviation[repeat]))
        rows.append((r2, float(np.abs(error).mean()), float(np.sqrt((error**2).mean())), *rank, *top, *fit))
    return dict(zip(METRICS, (float(value) for value in np.mean(rows, axis=0)), strict=True))


def _ranks_nothing(predicted: np.ndarray, fold: np.ndarray | None) -> bool:
    groups = np.zeros(len(predicted), dtype=np.int64) if fold is None else fold
    return all(np.ptp(predicted[groups == g]) == 0 for g in np.unique(groups))


def _rank_scores(y: np.ndarray, predicted: np.ndarray) -> tuple[float, float]:
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
    std: np.ndarray | None = None,
    k: int = TOP_K,
    higher_is_better: bool = True,
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
    std : float [repeats, n], optional
    k : int
    higher_is_better : bool

    Returns
    -------
    low, high : dict of str to float
        NaN for a metric that the predictions have not.
    """
    names, group = np.unique(np.asarray(groups), return_inverse=True)
    order = np.argsort(group, kind="stable")
    members = np.split(order, np.cumsum(np.bincount(group))[:-1])

    def measured(drawn: np.ndarray) -> dict[str, float]:
        rows = np.concatenate([members[index] for index in drawn])
        return scores(
            y[rows], predicted[:, rows], fold[:, rows],
            std=None if std is None else std[:, rows], k=k, higher_is_better=higher_is_better,
        )  # fmt: skip

    whole = measured(np.arange(len(names)))
    known = [name for name in METRICS if np.isfinite(whole[name])]

    def statistic(drawn: np.ndarray) -> np.ndarray:
        found = measured(drawn)
        return np.array([found[name] for name in known])

    result = stats.bootstrap(
        (np.arange(len(names)),),
        statistic,
        vectorized=False,
        n_resamples=resamples,
        confidence_level=confidence,
        method="percentile",
        rng=generator(seed, "bootstrap"),
    ).confidence_interval
    unknown = dict.fromkeys(METRICS, float("nan"))
    low, high = (
        unknown | dict(zip(known, map(float, end), strict=True)) for end in (result.low, result.high)
    )
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


def nll(y: np.ndarray, mean: np.ndarray, std: np.ndarray) -> float:
    """Mean negative log-likelihood of the labels under their predicted normal distributions, in nats.

    Parameters
    ----------
    y, mean, std : float64 [n]

    Returns
    -------
    float
        NaN if a standard deviation is not finite, or not positive.

    Examples
    --------
    >>> import numpy as np
    >>> round(nll(np.zeros(1), np.zeros(1), np.ones(1)), 4)  # ln(2 pi) / 2
    0.9189
    """
    if not (np.isfinite(std).all() and (std > 0).all()):
        return float("nan")
    return float((0.5 * np.log(2 * np.pi * std**2) + 0.5 * ((y - mean) / std) ** 2).mean())
