"""Gaussian clones of a split: drawn data that share the first moments of each class."""

from __future__ import annotations

import numpy as np

from nnstruct.tasks.splits import Split

ORDERS = ("mean", "covariance")


def gaussian_clone(model: Split, targets: np.ndarray, order: str, rng: np.random.Generator) -> Split:
    """Gaussian inputs with the moments that a split has within each class.

    Parameters
    ----------
    model : Split
        Of vectors or images; gives the moments.
    targets : int64 [n]
        The classes to draw; each occurs in ``model``.
    order : {"mean", "covariance"}
        ``mean``: the class's mean, and one variance for all inputs of all classes, the mean of those that
        they have within a class. ``covariance``: the class's mean and covariance.
    rng : numpy.random.Generator

    Returns
    -------
    Split
        float32, of the shape of the model's inputs and the given classes, in their order.

    References
    ----------
    M. Refinetti, A. Ingrosso, S. Goldt, Neural networks trained with SGD learn distributions of increasing
    complexity, ICML 2023, arXiv:2211.11567: the clones "gpiso" and "gp" of their program, read in
    github.com/sgoldt/dist_inc_comp.
    """
    flat = model.inputs.reshape(len(model), -1).astype(np.float64)
    drawn = np.empty((len(targets), flat.shape[1]), dtype=np.float32)
    spread = np.sqrt(
        sum(flat[model.targets == c].var(axis=0).sum() * n for c, n in _counts(model)) / flat.size
    )
    for c in np.unique(targets).tolist():
        own, chosen = flat[model.targets == c], targets == c
        size = int(chosen.sum())
        mean = own.mean(axis=0)
        if order == "mean":
            noise = spread * rng.standard_normal((size, len(mean)))
        else:
            noise = _with_covariance(own - mean, size, rng)
        drawn[chosen] = mean + noise
    return Split(drawn.reshape(len(targets), *model.inputs.shape[1:]), targets.copy())


def _counts(split: Split) -> list[tuple[int, int]]:
    classes, counts = np.unique(split.targets, return_counts=True)
    return list(zip(classes.tolist(), counts.tolist(), strict=True))


def _with_covariance(centred: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    """Normal vectors whose covariance is that of centred examples [n, d], by the smaller of the two roots."""
    count, inputs = centred.shape
    if count <= inputs:
        return rng.standard_normal((size, count)) @ centred / np.sqrt(count)
    values, vectors = np.linalg.eigh(centred.T @ centred / count)
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    return rng.standard_normal((size, inputs)) @ root.T
