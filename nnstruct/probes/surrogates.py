"""Gaussian data with the moments of a task's data, class by class."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from nnstruct.probes.subject import Subject
from nnstruct.random import generator
from nnstruct.tasks import Split

ORDERS = ("mean", "covariance")


def gaussian_surrogate(
    subject: Subject, split: Split, order: str, samples: int, seed: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Gaussian inputs whose moments match those of each class in a split.

    Classes are drawn as often as in the split. ``mean``: the class's mean, and one variance for all
    coordinates (the mean over classes and coordinates of the variance within a class). ``covariance``: also
    the class's covariance. Sequences take a length from a random sequence of the class; moments at a
    position, or a pair of them, are those over the sequences that reach it, and negative eigenvalues that the
    covariance thereby gets are set to zero.

    Parameters
    ----------
    subject : Subject
        Says how inputs are encoded.
    split : Split
    order : {"mean", "covariance"}
    samples : int
    seed : int

    Returns
    -------
    x : float64 [samples, ...]
    lengths : int64 [samples]
    targets : int64 [samples]
    """
    rng = generator(seed, "surrogate", order)
    x, lengths = subject.encode(split)
    shape = x.shape[1:]
    alive = _alive(x, lengths, split.lengths is not None)  # [n, inputs]
    flat = x.flatten(1).numpy()
    drawn = rng.integers(len(split), size=samples)
    targets = split.targets[drawn]
    values = np.zeros((samples, flat.shape[1]))
    moments = {c: _moments(flat[split.targets == c], alive[split.targets == c]) for c in np.unique(targets)}
    variances = [np.diag(covariance)[known] for _, covariance, known in moments.values()]
    shared = float(np.sqrt(np.concatenate(variances).mean()))
    for c, (mean, covariance, _) in moments.items():
        own = np.flatnonzero(targets == c)
        noise = rng.standard_normal((len(own), len(mean)))
        values[own] = mean + (noise * shared if order == "mean" else noise @ _root(covariance))
    # Behind the end stands what the encoding has there.
    values = np.where(alive[drawn], values, flat[drawn])
    return (
        torch.from_numpy(values).view(samples, *shape),
        lengths[torch.from_numpy(drawn)],
        torch.from_numpy(targets),
    )


def _alive(x: Tensor, lengths: Tensor, sequences: bool) -> np.ndarray:
    """Which coordinates lie within each example's length, bool [n, inputs]."""
    if not sequences:
        return np.ones((len(x), x[0].numel()), dtype=bool)
    within = torch.arange(x.shape[1]) < lengths[:, None]  # [n, T]
    return within[:, :, None].expand(x.shape).flatten(1).numpy()


def _moments(flat: np.ndarray, alive: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean [d], covariance [d, d] and which coordinates occur, over the examples that have them."""
    count = alive.sum(axis=0)
    mean = (flat * alive).sum(axis=0) / np.maximum(count, 1)
    centred = (flat - mean) * alive
    pairs = alive.T.astype(float) @ alive
    return mean, centred.T @ centred / np.maximum(pairs, 1), count > 0


def _root(covariance: np.ndarray) -> np.ndarray:
    """Symmetric root of a matrix, its negative eigenvalues left out."""
    values, vectors = np.linalg.eigh(covariance)
    return (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
