"""Whether one predictor is better than another: tests that are paired, and corrected for their number."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from nnstruct.checks import check_choice, check_rounds, check_share
from nnstruct.errors import InvalidInputError, UnknownNameError
from nnstruct.random import check_seed, generator

CORRECTED_T, PERMUTATION = METHODS = ("corrected-t", "permutation")
LOW_IS_BETTER = ("mae", "rmse")
COMPARED = ("kendall", "spearman", "r2", "mae", "rmse")
_COLUMNS = ["difference", "low", "high", "p", "p_holm", "better"]


def compare_predictors(
    predictions: pd.DataFrame,
    pairs: Sequence[tuple[str, str]],
    *,
    metric: str,
    method: str,
    confidence: float,
    permutations: int,
    seed: int,
) -> pd.DataFrame:
    """The table of :meth:`nnstruct.predictors.Evaluation.compare`.

    Parameters
    ----------
    predictions : pandas.DataFrame
        Of an evaluation.
    pairs : sequence of (str, str)
        Predictors.
    metric, method : str
    confidence : float
    permutations, seed : int

    Returns
    -------
    pandas.DataFrame
    """
    check_choice(metric, "metric", COMPARED)
    check_choice(method, "method", METHODS)
    level = check_share(confidence, "confidence")
    check_rounds(permutations, "permutations")
    check_seed(seed)
    curve = "train_size" in predictions
    given = predictions[~predictions["trained"]] if "trained" in predictions else predictions
    parts: dict[Any, pd.DataFrame] = {None: given}
    if curve:
        parts = dict(iter(given.groupby("train_size", sort=True)))
    rows = []
    for size, part in parts.items():
        for first, second in pairs:
            fits = _paired_fits(part, first, second, ("draw",) if curve else ("repeat", "fold"))
            ratio = _share(fits, size)
            values = [np.mean([_value(metric, fit["y"], fit[name]) for fit in fits]) for name in ("a", "b")]
            found = _by_t(fits, metric, ratio, level) if method == CORRECTED_T else None
            low, high, p = found or _by_permutation(fits, metric, permutations, seed)
            rows.append([first, second, size, *values, values[0] - values[1], low, high, p])
    names = ["a", "b", "train_size", f"{metric}_a", f"{metric}_b", "difference", "low", "high", "p"]
    table = pd.DataFrame(rows, columns=names)
    table["p_holm"] = holm(table["p"].to_numpy())
    sign = -1 if metric in LOW_IS_BETTER else 1
    sure = table["p_holm"] < 1 - level
    ahead = np.where(sign * table["difference"] > 0, table["a"], table["b"])
    table["better"] = np.where(sure, ahead, "")
    return table if curve else table.drop(columns="train_size")


def holm(p: np.ndarray) -> np.ndarray:
    """P-values for several tests at once (Holm, 1979): the chance of any false one stays below the level.

    Parameters
    ----------
    p : float [m]

    Returns
    -------
    float64 [m]

    Examples
    --------
    >>> import numpy as np
    >>> holm(np.array([0.01, 0.04, 0.03])).round(2).tolist()
    [0.03, 0.06, 0.06]
    """
    order = np.argsort(p, kind="stable")
    raised = np.maximum.accumulate(np.asarray(p)[order] * np.arange(len(p), 0, -1))
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(raised, 1.0)
    return adjusted


def corrected_t(differences: np.ndarray, ratio: float, confidence: float) -> tuple[float, float, float]:
    """The corrected resampled t-test (Nadeau and Bengio, 2003, Machine Learning 52).

    Training sets of one evaluation overlap, so that the variance of a mean of J differences is not
    ``s^2 / J`` but about ``(1 / J + n_test / n_train) s^2``.

    Parameters
    ----------
    differences : float [J]
        One a fit.
    ratio : float
        Structures scored for each that was learned from.
    confidence : float

    Returns
    -------
    low, high : float
        Interval of the mean difference.
    p : float
        Of no difference, from both sides.

    Examples
    --------
    >>> import numpy as np
    >>> [round(x, 3) for x in corrected_t(np.array([0.1, 0.2, 0.3]), 0.25, 0.95)]
    [-0.129, 0.529, 0.12]
    """
    count, mean = len(differences), float(np.mean(differences))
    if count < 2:
        return float("nan"), float("nan"), float("nan")
    spread = float(np.sqrt((1 / count + ratio) * np.var(differences, ddof=1)))
    half = float(stats.t.ppf(0.5 + confidence / 2, count - 1)) * spread
    if spread == 0:
        return mean, mean, float(mean == 0)
    return mean - half, mean + half, float(2 * stats.t.sf(abs(mean) / spread, count - 1))


def all_pairs(names: Sequence[str], first: str | None, second: str | None) -> list[tuple[str, str]]:
    """The pairs that are asked for: one, one predictor with every other, or all.

    Parameters
    ----------
    names : sequence of str
        Predictors that there are.
    first, second : str or None

    Returns
    -------
    list of (str, str)

    Raises
    ------
    UnknownNameError
        If there is no such predictor.
    InvalidInputError
        If there is nothing to compare.
    """
    for field, name in (("a", first), ("b", second)):
        if name is not None and name not in names:
            raise UnknownNameError(field, f"be one of {', '.join(names)}", name)
    if len(names) < 2 or (first is not None and first == second):
        raise InvalidInputError("predictors", "be two or more to be compared", list(names))
    if first is None and second is not None:
        first, second = second, None
    if first is None:
        return list(itertools.combinations(names, 2))
    return [(first, second)] if second else [(first, name) for name in names if name != first]


def _paired_fits(
    part: pd.DataFrame, first: str, second: str, by: tuple[str, ...]
) -> list[dict[str, np.ndarray]]:
    """What two predictors said of the same structures, a fit at a time."""
    fits = []
    one, two = (part[part["predictor"] == name] for name in (first, second))
    others = dict(iter(two.groupby(list(by), sort=True)))
    for key, rows in one.groupby(list(by), sort=True):
        other = others[key]
        fits.append(
            {
                "y": rows["y"].to_numpy(),
                "a": rows["y_pred"].to_numpy(),
                "b": other["y_pred"].to_numpy(),
                "who": rows["fingerprint"].to_numpy(),
            }
        )
    return fits


def _share(fits: list[dict[str, np.ndarray]], size: int | None) -> float:
    scored = float(np.mean([len(fit["y"]) for fit in fits]))
    if size is not None:
        return scored / size
    everyone = len(np.unique(np.concatenate([fit["who"] for fit in fits])))
    return scored / max(everyone - scored, 1.0)


def _value(metric: str, y: np.ndarray, predicted: np.ndarray) -> float:
    return _METRICS[metric](y, predicted)


def _rank(function: Callable) -> Callable[[np.ndarray, np.ndarray], float]:
    def value(y: np.ndarray, predicted: np.ndarray) -> float:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", stats.ConstantInputWarning)
            return float(np.nan_to_num(function(y, predicted).statistic))

    return value


def _r2(y: np.ndarray, predicted: np.ndarray) -> float:
    total = float(((y - y.mean()) ** 2).sum())
    return 1 - float(((predicted - y) ** 2).sum()) / total if total else float("nan")


_METRICS: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "kendall": _rank(stats.kendalltau),
    "spearman": _rank(stats.spearmanr),
    "r2": _r2,
    "mae": lambda y, predicted: float(np.abs(predicted - y).mean()),
    "rmse": lambda y, predicted: float(np.sqrt(((predicted - y) ** 2).mean())),
}


def _by_t(
    fits: list[dict[str, np.ndarray]], metric: str, ratio: float, confidence: float
) -> tuple[float, float, float]:
    differences = [_value(metric, f["y"], f["a"]) - _value(metric, f["y"], f["b"]) for f in fits]
    return corrected_t(np.array(differences), ratio, confidence)


def _by_permutation(
    fits: list[dict[str, np.ndarray]], metric: str, permutations: int, seed: int
) -> tuple[float, float, float]:
    """Predictions of a structure change sides, in all fits at once; ranks where ranks are compared."""
    ranked = metric in ("kendall", "spearman")
    names = np.unique(np.concatenate([fit["who"] for fit in fits]))
    places = [np.searchsorted(names, fit["who"]) for fit in fits]
    sides = [
        (stats.rankdata(fit["a"]), stats.rankdata(fit["b"])) if ranked else (fit["a"], fit["b"])
        for fit in fits
    ]

    def difference(swapped: np.ndarray) -> float:
        found = []
        for fit, place, (a, b) in zip(fits, places, sides, strict=True):
            turned = swapped[place]
            one, two = np.where(turned, b, a), np.where(turned, a, b)
            found.append(_value(metric, fit["y"], one) - _value(metric, fit["y"], two))
        return float(np.mean(found))

    rng = generator(seed, "permutations")
    observed = abs(difference(np.zeros(len(names), dtype=bool)))
    reached = sum(
        abs(difference(rng.random(len(names)) < 0.5)) >= observed - 1e-12 for _ in range(permutations)
    )
    return float("nan"), float("nan"), (1 + reached) / (1 + permutations)
