"""Scores of copies of one structure, pooled: their mean, their spread, and the ceiling that follows."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from nnstruct.benchmark.noise import NoiseCeiling
from nnstruct.random import generator

_RESAMPLES, _CONFIDENCE, _CHUNK = 1000, 0.95, 4_000_000
_NO_SPREAD = "neither repeats nor y_std show the label's noise, so that nothing below 1 is known"


@dataclass(frozen=True)
class Pooled:
    """What the scores of each group say.

    Attributes
    ----------
    mean : float [g]
        Over trainings.
    count : int [g]
        Trainings.
    squares, freedom : float [g]
        Sum of squares about the mean, and its degrees of freedom; 0 where nothing shows a spread.
    """

    mean: np.ndarray
    count: np.ndarray
    squares: np.ndarray
    freedom: np.ndarray

    @property
    def std(self) -> np.ndarray:
        """Standard deviation of one training, float [g]; NaN where nothing shows it."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(self.freedom > 0, np.sqrt(self.squares / self.freedom), np.nan)


def pooled(value: np.ndarray, std: np.ndarray, seeds: np.ndarray, group: np.ndarray) -> Pooled:
    """Pool the scores of each group.

    A score ``v`` is the mean over ``k`` trainings whose standard deviation is ``s``, where that is known.
    With ``m`` for the mean over all of a group's trainings::

        squares = sum k (v - m)^2  +  sum d s^2        freedom = (scores - 1)  +  sum d

    where ``d`` is ``k - 1`` for several trainings, 1 for one whose spread is known, and 0 otherwise.

    Parameters
    ----------
    value, std : float [n]
    seeds : int [n]
    group : int [n]
        From 0 to g - 1, none left out.

    Returns
    -------
    Pooled

    Examples
    --------
    >>> import numpy as np
    >>> both = pooled(np.array([1.0, 3.0]), np.full(2, np.nan), np.ones(2, int), np.zeros(2, int))
    >>> both.mean.tolist(), both.std.round(3).tolist(), both.count.tolist()
    ([2.0], [1.414], [2])
    """
    known = np.isfinite(std)
    own = np.where(known, np.maximum(seeds - 1, 1), 0)
    count = np.bincount(group, weights=seeds)
    # About the first of the group, so that a group of one keeps its score to the last bit.
    first = value[np.unique(group, return_index=True)[1]]
    mean = first + np.bincount(group, weights=seeds * (value - first[group])) / count
    apart = seeds * (value - mean[group]) ** 2
    squares = np.bincount(group, weights=apart + own * np.where(known, std, 0.0) ** 2)
    freedom = np.bincount(group) - 1 + np.bincount(group, weights=own)
    return Pooled(mean, count.astype(np.int64), squares, freedom)


def ceiling_of_labels(
    label: np.ndarray, seeds: np.ndarray, group: np.ndarray, groups: Pooled, *, seed: int = 0
) -> NoiseCeiling:
    r"""The largest R2 that a function of the structure can be expected to reach on the labels.

    A label that is the mean over ``k`` trainings has noise of variance ``W / k``, where ``W`` is the
    variance of one training, pooled over all that shows it: the spread of seeds and that of copies. So::

        ceiling = 1 - W mean(1 / k) / var(label)

    The interval is the bootstrap's, over groups (Efron and Tibshirani, 1993).

    Parameters
    ----------
    label : float [n]
        Several of one group where copies are kept.
    seeds : int [n]
        Trainings of which each label is the mean.
    group : int [n]
    groups : Pooled
        Of the g groups.
    seed : int
        Of the bootstrap.

    Returns
    -------
    NoiseCeiling
        Where nothing shows a spread its value is 1, its interval all from 0 to 1, and its note says why.
    """
    sizes = len(groups.count), int(seeds.sum())
    nan = math.nan
    if len(groups.count) < 2:
        note = "it takes at least two structures with a label"
        return NoiseCeiling(nan, nan, nan, nan, nan, nan, nan, *sizes, _CONFIDENCE, note)
    if not groups.freedom.sum() > 0:
        return NoiseCeiling(1.0, 0.0, 1.0, nan, nan, nan, nan, *sizes, _CONFIDENCE, _NO_SPREAD)
    label = label - label.mean()
    sums = np.stack(
        [
            np.bincount(group),
            np.bincount(group, weights=label),
            np.bincount(group, weights=label**2),
            np.bincount(group, weights=1 / seeds),
            groups.squares,
            groups.freedom,
        ]
    )  # [6, g]
    value, between, within = (float(x[0]) for x in _ceilings(sums.sum(axis=1, keepdims=True)))
    rng, g, drawn = generator(seed, "ceiling of scores"), sums.shape[1], []
    rows = max(1, _CHUNK // g)
    for begin in range(0, _RESAMPLES, rows):
        size = min(rows, _RESAMPLES - begin)
        weight = rng.multinomial(g, np.full(g, 1 / g), size=size).astype(np.float64)  # [size, g]
        drawn.append(_ceilings(sums @ weight.T)[0])
    found = np.concatenate(drawn)
    found = found[np.isfinite(found)]
    tail = (1 - _CONFIDENCE) / 2
    low, high = np.quantile(found, [tail, 1 - tail]) if len(found) else (nan, nan)
    single = between / (between + within) if between + within > 0 else nan
    # As many trainings as bring 9 B = W / k; the margin keeps a rounding error from asking for one more.
    wanted = max(1.0, math.ceil(9 * within / between - 1e-9)) if between > 0 else math.inf
    return NoiseCeiling(value, float(low), float(high), single, between, within, wanted, *sizes, _CONFIDENCE)


def _ceilings(sums: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Ceiling, variance between structures and that of one training, from sums over groups [6, R]."""
    n, total, squared, inverse, squares, freedom = sums
    with np.errstate(divide="ignore", invalid="ignore"):
        variance = (squared - total**2 / n) / (n - 1)
        within = squares / freedom
        noise = within * inverse / n
        between = np.maximum(variance - noise, 0.0)
        return np.clip(between / variance, 0.0, 1.0), between, within
