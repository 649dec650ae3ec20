"""What a search gets out of a ranking: how good the best structures by prediction are."""

from __future__ import annotations

import numpy as np

RANKING = ("precision_at_k", "n_at_k", "regret_at_k")


def top_k_scores(y: np.ndarray, predicted: np.ndarray, k: int) -> tuple[float, float, float]:
    r"""Precision@k, N@k and regret@k of predictions; higher labels are better.

    Let P be the k structures with the highest predictions, and T those that fewer than k have a better
    label than. Then::

        precision@k = |P and T| / k
        N@k         = min over P of the rank of the label, 1 + the number of better ones
        regret@k    = max of all labels - max of the labels in P

    Where equal predictions leave open which structures are in P, they are drawn at random among the tied
    ones, and the score is its exact mean over all draws: no score hangs on the order of the rows, and a
    constant prediction gets what chance gets. Equal labels share the best rank.

    Parameters
    ----------
    y, predicted : float64 [n]
    k : int
        At least 1; more than n counts as n.

    Returns
    -------
    precision, n, regret : float

    References
    ----------
    X. Ning et al. A generic graph-based neural architecture encoding scheme for predictor-based NAS.
    ECCV 2020 (precision@K and N@K).

    Examples
    --------
    >>> import numpy as np
    >>> y = np.array([0.9, 0.8, 0.7, 0.6])
    >>> precision, n, regret = top_k_scores(y, np.array([2.0, 1.0, 4.0, 3.0]), 2)
    >>> precision, n, round(regret, 3)  # the third and the fourth are taken
    (0.0, 3.0, 0.2)
    """
    n = len(y)
    k = min(k, n)
    ordered = np.sort(y)
    last = np.partition(predicted, n - k)[n - k]
    sure, tied = predicted > last, np.flatnonzero(predicted == last)
    drawn = k - int(sure.sum())
    true_top = y >= ordered[n - k]
    precision = (true_top[sure].sum() + drawn / len(tied) * true_top[tied].sum()) / k
    share = _share_of_the_best(len(tied), drawn)
    found = -np.sort(-y[tied])  # [tied], the best first
    if sure.any():
        found = np.maximum(found, y[sure].max())
    rank = 1 + n - np.searchsorted(ordered, found, side="right")
    return float(precision), float(share @ rank), float(share @ (ordered[-1] - found))


def _share_of_the_best(tied: int, drawn: int) -> np.ndarray:
    """How often the j-th best of all tied ones is the best of those drawn, float64 [tied]."""
    place = np.arange(tied)
    passed_over = np.concatenate([[1.0], np.cumprod((tied - drawn - place[:-1]) / (tied - place[:-1]))])
    return np.maximum(passed_over, 0.0) * drawn / (tied - place)
