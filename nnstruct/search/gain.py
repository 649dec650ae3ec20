"""A batch for several objectives: each next structure is that with the largest expected gain in hypervolume.

One objective is believed with an uncertainty, the others are known of a structure before it is trained. So
the expected gain has a closed form: no sample is drawn.
"""

from __future__ import annotations

import numpy as np
from scipy.stats import norm

from nnstruct.search.choice import Belief, once_measured
from nnstruct.search.pareto import hypervolume

# Candidates that stay in the race after the first choice.
_RACE = 64


def expected_gain(
    mean: np.ndarray,
    std: np.ndarray,
    known: np.ndarray,
    front: np.ndarray,
    reference: np.ndarray,
) -> np.ndarray:
    """Expected growth of a front's hypervolume by one more point, its first coordinate normal.

    With ``A(t)`` the volume over the other objectives that a candidate adds where its first one reaches
    ``t``, the gain is the integral of ``A(t) P(first > t)``. Between two neighbouring first coordinates of
    the front A is constant, so that the integral is a sum of differences of expected improvements.

    Parameters
    ----------
    mean, std : float [m]
        Of the candidates' first objective.
    known : float [m, k - 1]
        Of their other ones.
    front : float [t, k]
        Points that are there; they need not be free of domination.
    reference : float [k]

    Returns
    -------
    float64 [m]

    Examples
    --------
    A candidate that is certain to come out at (2, 2) adds what the volume grows by:

    >>> import numpy as np
    >>> front, reference = np.array([[1.0, 3.0], [3.0, 1.0]]), np.zeros(2)
    >>> expected_gain(np.array([2.0]), np.array([0.0]), np.array([[2.0]]), front, reference).tolist()
    [1.0]
    """
    above = front[(front > reference).all(axis=1)]
    above = above[np.argsort(above[:, 0], kind="stable")]
    lower = np.unique(np.concatenate([[reference[0]], above[:, 0]]))  # [s], where strips begin
    beyond = _improvement(mean, std, lower)  # [m, s]
    strips = beyond - np.pad(beyond[:, 1:], ((0, 0), (0, 1)))
    return np.asarray((_areas(known, above, reference, lower) * strips).sum(axis=1))


def _improvement(mean: np.ndarray, std: np.ndarray, over: np.ndarray) -> np.ndarray:
    """Expectation of what a normal value has over each of some bounds, float64 [m, s]."""
    difference = mean[:, None] - over
    spread = np.maximum(std, 1e-12)[:, None]
    z = difference / spread
    expected = difference * norm.cdf(z) + spread * norm.pdf(z)
    return np.where(std[:, None] > 0, expected, np.maximum(difference, 0.0))


def _areas(known: np.ndarray, above: np.ndarray, reference: np.ndarray, lower: np.ndarray) -> np.ndarray:
    """Volume over the other objectives that candidates add within each strip, float64 [m, s]."""
    base = reference[1:]
    reached = np.searchsorted(above[:, 0], lower, side="right")  # the front from here on lies over the strip
    if len(base) == 1:
        highest = np.append(np.maximum.accumulate(above[::-1, 1])[::-1], base[0])
        return np.asarray(np.maximum(known - highest[reached], 0.0))
    areas = np.zeros((len(known), len(lower)))
    for row, point in enumerate(known):
        if not (point > base).all():
            continue
        whole = float(np.prod(point - base))
        for strip, first in enumerate(reached):
            areas[row, strip] = whole - hypervolume(np.minimum(above[first:, 1:], point), base)
    return np.maximum(areas, 0.0)


def choose_by_gain(
    belief: Belief, known: np.ndarray, front: np.ndarray, n: int, reference: np.ndarray
) -> list[int]:
    """The places of n candidates whose hypervolume gains are the largest, one after the other.

    Each choice joins the front at its mean, and what is uncertain about the others is what would be left
    of it, had that one been measured.

    Parameters
    ----------
    belief : Belief
        Of m candidates' first objective.
    known : float [m, k - 1]
        Their other ones.
    front : float [t, k]
        Points that are there, or are awaited.
    n : int
    reference : float [k]
        What is worse in some objective adds nothing.

    Returns
    -------
    list of int
        Distinct; fewer than n only where there are fewer candidates.
    """
    m = belief.candidates
    mean, covariance = belief.mean[:m], belief.covariance[:m, :m]
    left = np.arange(m)
    chosen: list[int] = []
    scale = np.maximum(np.ptp(np.vstack([front, np.column_stack([mean, known])]), axis=0), 1e-12)
    for _ in range(min(n, m)):
        std = np.sqrt(np.maximum(np.diag(covariance)[left], 0.0))
        gain = expected_gain(mean[left], std, known[left], front, reference)
        # Where nothing is gained, the best sum of objectives decides.
        total = mean[left] / scale[0] + (known[left] / scale[1:]).sum(axis=1)
        best = np.lexsort((-total, -gain))
        place = int(left[best[0]])
        if not chosen:
            left = left[np.sort(best[: max(_RACE, n)])]
        chosen.append(place)
        left = left[left != place]
        front = np.vstack([front, [mean[place], *known[place]]])
        covariance = once_measured(covariance, place, belief.noise)
    return chosen


def worst_corner(points: np.ndarray) -> np.ndarray:
    """A reference point: a tenth of the range below the worst of each objective.

    Parameters
    ----------
    points : float [n, k]
        At least one.

    Returns
    -------
    float64 [k]

    Examples
    --------
    >>> import numpy as np
    >>> worst_corner(np.array([[0.0, 5.0], [10.0, 5.0]])).tolist()
    [-1.0, 4.9]
    """
    low, high = points.min(axis=0), points.max(axis=0)
    return np.asarray(low - 0.1 * np.where(high > low, high - low, 1.0))
