"""The noise of each label, from the few seeds of each structure."""

from __future__ import annotations

import numpy as np

# Half the width of a neighbourhood: a share of all structures, and at least so many.
_SHARE, _FEWEST = 0.1, 10
_FLOOR = 1e-3  # of the mean variance


def label_noise(mean: np.ndarray, std: np.ndarray, count: np.ndarray) -> np.ndarray | None:
    r"""Standard deviation of the mean over seeds, each variance drawn to that of labels like it.

    Two or three seeds hardly tell a structure's variance. It is taken to come from a scaled inverse
    chi-square distribution whose mean depends on the label: the mean variance ``t(y)`` of the structures
    next to it in the order of labels (accuracies near 1 scatter less than others). With ``d = count - 1`` the
    posterior mean of the variance between seeds is::

        v = ((d0 - 2) t(y) + d std^2) / (d0 - 2 + d)

    and the noise of the label ``sqrt(v / count)``. The prior's degrees of freedom ``d0`` follow from how much
    more the variances scatter around ``t(y)`` than variances of ``count`` seeds do: their squared ratio has
    the mean ``(1 + w)(1 + 2 / d)``, where ``w = 2 / (d0 - 4)`` is the relative variance of the true ones.
    Where they scatter no more, ``v`` is ``t(y)``.

    Parameters
    ----------
    mean : float64 [m]
        Labels.
    std : float64 [m]
        Sample standard deviation over seeds, NaN where there is none. With a ``count`` of 1 it is known from
        elsewhere and stays as it is.
    count : int [m]
        Seeds of each label.

    Returns
    -------
    float64 [m] or None
        None where no label has a deviation.

    References
    ----------
    G. K. Smyth. Linear models and empirical Bayes methods for assessing differential expression in microarray
    experiments. Statistical Applications in Genetics and Molecular Biology 3 (2004), article 3.

    Examples
    --------
    >>> import numpy as np
    >>> from nnstruct.benchmark.label_noise import label_noise
    >>> rng = np.random.default_rng(0)
    >>> seeds = rng.normal(size=(200, 2))  # the true noise of each mean is 0.71
    >>> noise = label_noise(seeds.mean(axis=1), seeds.std(axis=1, ddof=1), np.full(200, 2))
    >>> bool(0.45 < noise.min() < noise.max() < 1.0)
    True
    """
    known = np.isfinite(std)
    if not known.any():
        return None
    count = count.astype(np.float64)
    freedom = np.maximum(count - 1, 1.0)
    variance = np.where(known, std, 0.0) ** 2
    level = _by_level(mean, variance, np.where(known, freedom, 0.0))
    shrunk = np.where(known & (count < 2), variance, level)
    sampled = known & (count >= 2)
    if sampled.any():
        prior = _prior_weight(variance[sampled], level[sampled], freedom[sampled])
        if np.isfinite(prior):
            d = freedom[sampled]
            shrunk[sampled] = (prior * level[sampled] + d * variance[sampled]) / (prior + d)
    return np.sqrt(shrunk / count)


def _by_level(mean: np.ndarray, variance: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Weighted mean of the variances of each label's neighbours in the order of labels."""
    m = len(mean)
    order = np.argsort(mean, kind="stable")
    half = max(_FEWEST, round(_SHARE * m))
    place = np.arange(m)
    first, last = np.maximum(place - half, 0), np.minimum(place + half + 1, m)
    sums = (np.concatenate([[0.0], np.cumsum(x[order])]) for x in (weight * variance, weight))
    whole, share = (total[last] - total[first] for total in sums)
    pooled = float((weight * variance).sum() / weight.sum())
    found = np.empty(m)
    found[order] = np.where(share > 0, whole / np.maximum(share, 1.0), pooled)
    return np.maximum(found, _FLOOR * pooled)


def _prior_weight(variance: np.ndarray, level: np.ndarray, freedom: np.ndarray) -> float:
    """What ``t(y)`` weighs, ``d0 - 2``; infinite where the true variances do not differ from it."""
    if not (level > 0).all():
        return np.inf
    scatter = float(((variance / level) ** 2 / (1 + 2 / freedom)).mean()) - 1
    return 2 + 2 / scatter if scatter > 0 else np.inf
