"""Correlations and components of variance over structures and tasks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from nnstruct.random import generator


def normal_scores(values: np.ndarray) -> np.ndarray:
    """Quantiles of the normal distribution at the ranks of values: ``Phi^-1((rank - 3/8) / (n + 1/4))``.

    Parameters
    ----------
    values : float [n]

    Returns
    -------
    float64 [n]
        Equal values get their mean rank.

    References
    ----------
    G. Blom. Statistical Estimates and Transformed Beta-Variables (1958).

    Examples
    --------
    >>> import numpy as np
    >>> from nnstruct.benchmark.task_statistics import normal_scores
    >>> normal_scores(np.array([10.0, -3.0, 400.0])).round(2).tolist()
    [0.0, -0.87, 0.87]
    """
    from scipy.special import ndtri
    from scipy.stats import rankdata

    scores: np.ndarray = ndtri((rankdata(values) - 0.375) / (len(values) + 0.25))
    return scores


def rank_interval(rho: np.ndarray, n: int, confidence: float) -> tuple[np.ndarray, np.ndarray]:
    """Intervals of Spearman's correlations: Fisher's, with the variance ``(1 + rho^2 / 2) / (n - 3)``.

    Parameters
    ----------
    rho : float array
    n : int
        Pairs that each is of.
    confidence : float

    Returns
    -------
    low, high : float64, of the shape of ``rho``
    """
    from scipy.special import ndtri

    inside = np.clip(rho, -1 + 1e-12, 1 - 1e-12)
    half = ndtri((1 + confidence) / 2) * np.sqrt((1 + inside**2 / 2) / max(n - 3, 1e-9))
    z = np.arctanh(inside)
    return np.tanh(z - half), np.tanh(z + half)


@dataclass(frozen=True, eq=False)
class Trainings:
    """Trainings of s structures on one task.

    Attributes
    ----------
    value : float64 [n]
    structure : int64 [n]
        Place of each one's structure.
    seed : int64 [n]
        Trainings of a structure on two tasks with one seed start from the same draw, and may fare alike.
    told : float or None
        Variance of a structure's mean where it is known from elsewhere.
    """

    value: np.ndarray
    structure: np.ndarray
    seed: np.ndarray
    told: float | None = None


@dataclass(frozen=True, eq=False)
class TaskCells:
    """Means of s structures on t tasks, and what is needed to reckon the noise in them.

    Attributes
    ----------
    mean : float64 [s, t]
        Over the trainings of each cell.
    products : float64 [s, t, t]
        Sum over the seeds that two tasks have in common of the product of the distances from the two means;
        0 where the seeds are not the same. On the diagonal the sum of squares.
    freedom : float64 [s, t, t]
        Seeds less one; 0 where the seeds are not the same.
    overlap : float64 [s, t, t]
        Of two tasks with the same k seeds ``1 / k``, with others common seeds over both numbers of seeds.
    told : float64 [t]
        Variance of a mean where it is known from elsewhere, else NaN.
    """

    mean: np.ndarray
    products: np.ndarray
    freedom: np.ndarray
    overlap: np.ndarray
    told: np.ndarray

    @classmethod
    def of(cls, tasks: Sequence[Trainings], size: int) -> Self:
        """From the trainings on each task.

        Parameters
        ----------
        tasks : sequence of Trainings
        size : int
            Structures; each has a training on each task.

        Returns
        -------
        TaskCells
        """
        seeds = np.unique(np.concatenate([task.seed for task in tasks]))
        shape = (len(tasks), size, len(seeds))
        there, off = np.zeros(shape), np.zeros(shape)
        mean = np.empty((size, len(tasks)))
        for i, task in enumerate(tasks):
            count = np.bincount(task.structure, minlength=size)
            mean[:, i] = np.bincount(task.structure, weights=task.value, minlength=size) / count
            place = np.searchsorted(seeds, task.seed)
            there[i, task.structure, place] = 1.0
            off[i, task.structure, place] = task.value - mean[task.structure, i]
        number = there.sum(axis=2).T  # [s, t]
        common = np.einsum("ask,bsk->sab", there, there)
        same = (common == number[:, :, None]) & (common == number[:, None, :])
        products = np.where(same, np.einsum("ask,bsk->sab", off, off), 0.0)
        told = np.array([np.nan if task.told is None else task.told for task in tasks])
        return cls(
            mean,
            products,
            np.where(same, common - 1, 0.0),
            common / (number[:, :, None] * number[:, None, :]),
            told,
        )

    @property
    def has_seeds(self) -> bool:
        """Whether the noise of each task is known."""
        sampled = np.einsum("saa->a", self.freedom) > 0
        return bool((sampled | np.isfinite(self.told)).all())

    def covariances(self, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Of the means, of what the seeds add to the means, and of single trainings of one structure.

        Parameters
        ----------
        weight : float64 [s]
            Multiplicities of the structures.

        Returns
        -------
        means, noise, single : float64 [t, t]
            NaN on the diagonal of the last two where nothing tells; 0 between tasks without common seeds.
        """
        total = weight.sum()
        centred = self.mean - (weight @ self.mean) / total
        means = (centred * weight[:, None]).T @ centred / (total - 1)
        freedom = np.tensordot(weight, self.freedom, 1)
        with np.errstate(divide="ignore", invalid="ignore"):
            single = np.where(freedom > 0, np.tensordot(weight, self.products, 1) / freedom, np.nan)
        noise = single * np.tensordot(weight, self.overlap, 1) / total
        known = np.isfinite(self.told)
        noise[known, known] = self.told[known]
        single[known, known] = self.told[known]
        apart = ~np.eye(len(means), dtype=bool)
        return means, _filled(noise, apart), _filled(single, apart)

    def correlations(self, weight: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Pearson's correlations of the means between tasks, as they are and corrected, and ceilings.

        Parameters
        ----------
        weight : float64 [s], optional
            Multiplicities; 1 by default.

        Returns
        -------
        plain, corrected : float64 [t, t]
        ceilings : float64 [t]
            Share of the variance of the means that is not the seeds'.
        """
        means, noise, _ = self.covariances(np.ones(len(self.mean)) if weight is None else weight)
        variance = np.diag(means)
        true = means - noise
        with np.errstate(divide="ignore", invalid="ignore"):
            plain = means / np.sqrt(np.outer(variance, variance))
            ceilings = np.where(variance > 0, np.maximum(np.diag(true) / variance, 0.0), np.nan)
            scale = np.sqrt(np.outer(np.diag(true), np.diag(true)))
            corrected = np.where((np.diag(true) > 0) & (np.diag(true) > 0)[:, None], true / scale, np.nan)
        return plain, corrected, ceilings


@dataclass(frozen=True, eq=False)
class CorrelationDraws:
    """Correlations between tasks over structures drawn with replacement, float64 [r, t, t] each."""

    plain: np.ndarray
    corrected: np.ndarray


def correlation_draws(cells: TaskCells, resamples: int, seed: int) -> CorrelationDraws:
    """Correlations of bootstrap samples of the structures.

    Parameters
    ----------
    cells : TaskCells
    resamples, seed : int

    Returns
    -------
    CorrelationDraws
    """
    found = [cells.correlations(weight)[:2] for weight in _multiplicities(len(cells.mean), resamples, seed)]
    return CorrelationDraws(*(np.stack(part) for part in zip(*found, strict=True)))


def shares(cells: TaskCells, weight: np.ndarray, *, tasks_differ: bool) -> np.ndarray:
    """Shares of structure, task, interaction, start and training, and of structure beside the interaction.

    Parameters
    ----------
    cells : TaskCells
    weight : float64 [s]
        Multiplicities of the structures.
    tasks_differ : bool
        Whether means of tasks are compared; if not, each task is centred, and its share is 0.

    Returns
    -------
    float64 [6]
    """
    means, noise, single = (np.nan_to_num(matrix) for matrix in cells.covariances(weight))
    true = means - noise
    structure = max(_between(true), 0.0)
    both = max(float(np.diag(true).mean()) - structure, 0.0)
    start = max(_between(single), 0.0)
    training = max(float(np.diag(single).mean()) - start, 0.0)
    task = 0.0
    if tasks_differ:
        average = (weight @ cells.mean) / weight.sum()
        apart = float(np.diag(means).mean()) - _between(means)
        task = max(float(average.var(ddof=1)) - apart / float(weight.sum()), 0.0)
    parts = np.array([structure, task, both, start, training])
    total, decided = parts.sum(), structure + both
    return np.append(
        parts / total if total > 0 else np.full(5, np.nan), structure / decided if decided > 0 else np.nan
    )


def share_draws(cells: TaskCells, resamples: int, seed: int, *, tasks_differ: bool) -> np.ndarray:
    """:func:`shares` of bootstrap samples of the structures.

    Parameters
    ----------
    cells : TaskCells
    resamples, seed : int
    tasks_differ : bool

    Returns
    -------
    float64 [r, 6]
    """
    weights = _multiplicities(len(cells.mean), resamples, seed)
    return np.stack([shares(cells, weight, tasks_differ=tasks_differ) for weight in weights])


def _between(matrix: np.ndarray) -> float:
    """Mean of what is not on the diagonal."""
    size = len(matrix)
    return float((matrix.sum() - np.trace(matrix)) / (size * (size - 1)))


def _filled(matrix: np.ndarray, apart: np.ndarray) -> np.ndarray:
    return np.where(apart & ~np.isfinite(matrix), 0.0, matrix)


def _multiplicities(size: int, resamples: int, seed: int) -> np.ndarray:
    rng = generator(seed, "cross task")
    return rng.multinomial(size, np.full(size, 1 / size), size=resamples).astype(np.float64)
