"""How well any predictor can do: the noise ceiling of a benchmark's label."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np

from nnstruct.checks import check_rounds, check_share
from nnstruct.errors import InvalidInputError
from nnstruct.random import generator

Method = Literal["bootstrap", "f"]
_CHUNK = 4_000_000


@dataclass(frozen=True)
class NoiseCeiling:
    """The largest R2 that any predictor of the label can be expected to reach.

    Attributes
    ----------
    value : float
        Ceiling for the label as it is, the mean over each structure's seeds; NaN where no
        structure has two seeds or fewer than two structures have a label.
    low, high : float
        Confidence interval.
    single_seed : float
        Ceiling if the label were one seed's value.
    between, within : float
        Variance between the structures' true means, and between seeds of one structure.
    seeds_for_90 : float
        Seeds a structure for a ceiling of 0.9; infinite where structures do not differ.
    structures, records : int
    confidence : float
    note : str
        Why ``value`` is NaN; empty where it is not.
    """

    value: float
    low: float
    high: float
    single_seed: float
    between: float
    within: float
    seeds_for_90: float
    structures: int
    records: int
    confidence: float = 0.95
    note: str = ""

    def __float__(self) -> float:
        return self.value

    def __str__(self) -> str:
        if self.note:
            return f"unknown ({self.note})"
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


def noise_ceiling(
    values: np.ndarray,
    groups: np.ndarray,
    *,
    confidence: float = 0.95,
    method: Method = "bootstrap",
    resamples: int = 1000,
    seed: int = 0,
) -> NoiseCeiling:
    r"""Estimate the noise ceiling by the variance components of a one-way random-effects model.

    Seed j of structure i gives ``y_ij = mu + b_i + e_ij`` with variances ``B`` of b (what the
    structure decides) and ``W`` of e (what the seed decides). The label is the mean of ``k_i``
    seeds, so its variance over structures is ``B + W mean(1/k_i)``, of which a function of the
    structure can explain ``B``. The ceiling is therefore::

        B / (B + W mean(1 / k_i))

    With k seeds for all it is the intraclass correlation ICC(1, k), that is the Spearman-Brown
    formula ``k r / (1 + (k - 1) r)`` applied to the single-seed ceiling ``r = B / (B + W)``. The
    analysis of variance gives ``W = MSW`` and ``B = (MSB - MSW) / n0`` with
    ``n0 = (N - sum(k_i^2) / N) / (m - 1)`` for m structures and N records; a negative B counts as 0.

    Parameters
    ----------
    values : float [N]
        The label of each record, finite.
    groups : array [N]
        The structure of each record.
    confidence : float
        Of the interval, in (0, 1).
    method : {"bootstrap", "f"}
        ``bootstrap``: percentiles over structures drawn with replacement; holds for skewed
        labels and unequal spreads. ``f``: the interval by the F distribution, exact for normal
        values and equal counts.
    resamples : int
        Of the bootstrap.
    seed : int
        Of the bootstrap.

    Returns
    -------
    NoiseCeiling

    Raises
    ------
    InvalidInputError
        If a value is not finite, the lengths differ, or an option breaks its rule.

    References
    ----------
    P. E. Shrout and J. L. Fleiss. Intraclass correlations: uses in assessing rater reliability.
    Psychological Bulletin 86 (1979), 420-428. Unequal counts: S. R. Searle, G. Casella and
    C. E. McCulloch. Variance Components (1992), chapter 3.

    Examples
    --------
    >>> import numpy as np
    >>> from nnstruct.benchmark import noise_ceiling
    >>> rng = np.random.default_rng(0)
    >>> truth = rng.normal(size=5000)  # between structures: variance 1
    >>> values = (truth[:, None] + rng.normal(size=(5000, 3))).ravel()  # between seeds: variance 1
    >>> round(noise_ceiling(values, np.repeat(np.arange(5000), 3)).value, 2)  # 3 / 4 in truth
    0.75
    """
    y = np.asarray(values, dtype=np.float64)
    if y.ndim != 1 or y.shape != np.shape(groups):
        raise InvalidInputError("values and groups", "be of one length", [y.shape, np.shape(groups)])
    if not np.isfinite(y).all():
        raise InvalidInputError("values", "be finite", float(y[~np.isfinite(y)][0]))
    confidence, resamples = check_share(confidence, "confidence"), check_rounds(resamples, "resamples")
    if method not in ("bootstrap", "f"):
        raise InvalidInputError("method", "be 'bootstrap' or 'f'", method)
    _, index = np.unique(np.asarray(groups), return_inverse=True)
    count = np.bincount(index).astype(np.float64) if len(y) else np.zeros(0)  # [m]
    note = _shortage(count)
    if note:
        nan = math.nan
        return NoiseCeiling(nan, nan, nan, nan, nan, nan, nan, len(count), len(y), confidence, note)
    # Shifting keeps the squares small; the components do not depend on it.
    y = y - y.mean()
    mean = np.bincount(index, weights=y) / count
    squares = np.bincount(index, weights=(y - mean[index]) ** 2)
    between, within, ratio, n0 = _components(np.ones((1, len(count))), count, mean, squares)
    b, w = max(float(between[0]), 0.0), float(within[0])
    inverse = float((1 / count).mean())
    if method == "f":
        low, high = _f_interval(float(ratio[0]), float(n0[0]), len(count), len(y), inverse, confidence)
    else:
        low, high = _bootstrap(count, mean, squares, resamples, seed, confidence)
    return NoiseCeiling(
        value=_share(b, w * inverse),
        low=low,
        high=high,
        single_seed=_share(b, w),
        between=b,
        within=w,
        seeds_for_90=_seeds_for(0.9, b, w),
        structures=len(count),
        records=len(y),
        confidence=confidence,
    )


def _shortage(count: np.ndarray) -> str:
    if len(count) < 2:
        return "it takes at least two structures with a label"
    if count.max() < 2:
        return "one seed a structure does not show the seeds' spread; train at least two"
    return ""


def _share(signal: float, noise: float) -> float:
    return signal / (signal + noise) if signal + noise > 0 else math.nan


def _seeds_for(ceiling: float, between: float, within: float) -> float:
    ratio = within / between if between > 0 else math.inf
    if not math.isfinite(ratio):
        return math.inf
    # The small margin keeps a rounding error from asking for one seed more.
    return max(1.0, math.ceil(ceiling / (1 - ceiling) * ratio - 1e-9))


def _components(
    weight: np.ndarray, count: np.ndarray, mean: np.ndarray, squares: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """B, W, F and n0 for each row of multiplicities ``weight`` [R, m]."""
    m = weight.sum(axis=1)
    total = weight @ count
    grand = (weight @ (count * mean)) / total
    msb = (weight @ (count * mean**2) - total * grand**2) / (m - 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        msw = (weight @ squares) / (total - m)
        n0 = (total - (weight @ count**2) / total) / (m - 1)
        return (msb - msw) / n0, msw, msb / msw, n0


def _bootstrap(
    count: np.ndarray, mean: np.ndarray, squares: np.ndarray, resamples: int, seed: int, confidence: float
) -> tuple[float, float]:
    m = len(count)
    ceilings = []
    for weight in _multiplicities(m, resamples, seed):
        between, within, _, _ = _components(weight, count, mean, squares)
        noise = within * (weight @ (1 / count)) / m
        signal = np.maximum(between, 0.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            ceilings.append(signal / (signal + noise))
    drawn = np.concatenate(ceilings)
    drawn = drawn[np.isfinite(drawn)]
    if not len(drawn):
        return math.nan, math.nan
    low, high = np.quantile(drawn, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def _multiplicities(m: int, resamples: int, seed: int) -> Iterable[np.ndarray]:
    """How often each of m structures is drawn in each resample, float64 [some resamples, m] at a time."""
    if m * resamples <= _CHUNK:
        return (_kept_multiplicities(m, resamples, seed),)
    return _drawn_multiplicities(m, resamples, seed)


@lru_cache(maxsize=1)
def _kept_multiplicities(m: int, resamples: int, seed: int) -> np.ndarray:
    """Kept for the next label of the same structures: a card has one ceiling a label."""
    (weight,) = _drawn_multiplicities(m, resamples, seed)
    return weight


def _drawn_multiplicities(m: int, resamples: int, seed: int) -> Iterator[np.ndarray]:
    rng = generator(seed, "noise ceiling")
    rows = max(1, _CHUNK // m)
    for begin in range(0, resamples, rows):
        size = min(rows, resamples - begin)
        yield rng.multinomial(m, np.full(m, 1 / m), size=size).astype(np.float64)  # [size, m]


def _f_interval(
    ratio: float, n0: float, m: int, total: int, inverse: float, confidence: float
) -> tuple[float, float]:
    from scipy.stats import f

    tail = (1 + confidence) / 2
    bounds = (ratio / f.ppf(tail, m - 1, total - m), ratio * f.ppf(tail, total - m, m - 1))
    # F = 1 + n0 B / W, so each bound on F is one on B / W.
    low, high = (
        _share(max((bound - 1) / n0, 0.0), inverse) if math.isfinite(bound) else 1.0 for bound in bounds
    )
    return low, high
