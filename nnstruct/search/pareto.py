"""Several objectives at once: who dominates whom, how crowded a front is, what volume it holds.

In all of this file a higher value is better; turn the sign of what is to be low.
"""

from __future__ import annotations

import numpy as np


def dominates(first: np.ndarray, second: np.ndarray) -> bool:
    """Whether one point is nowhere worse than another and somewhere better.

    Parameters
    ----------
    first, second : float [k]

    Returns
    -------
    bool

    Examples
    --------
    >>> import numpy as np
    >>> dominates(np.array([2.0, 1.0]), np.array([1.0, 1.0]))
    True
    >>> dominates(np.array([1.0, 1.0]), np.array([1.0, 1.0]))
    False
    """
    return bool((first >= second).all() and (first > second).any())


def front_numbers(points: np.ndarray) -> np.ndarray:
    """The number of each point's front: 0 where no point dominates it, 1 where only points of front 0 do, ...

    Non-dominated sorting (Deb et al., 2002, "A fast and elitist multiobjective genetic algorithm: NSGA-II").

    Parameters
    ----------
    points : float [n, k]

    Returns
    -------
    int64 [n]

    Examples
    --------
    >>> import numpy as np
    >>> front_numbers(np.array([[1.0, 3.0], [3.0, 1.0], [0.0, 2.0], [0.0, 0.0]])).tolist()
    [0, 0, 1, 2]
    """
    points = np.asarray(points, dtype=np.float64)
    worse = np.ones((len(points), len(points)), dtype=bool)  # [n, n]: row dominates column
    better = np.zeros_like(worse)
    for column in points.T:
        worse &= column[:, None] >= column
        better |= column[:, None] > column
    dominating = worse & better
    number = np.full(len(points), -1, dtype=np.int64)
    above = dominating.sum(axis=0)
    front = 0
    while (number < 0).any():
        now = np.flatnonzero((number < 0) & (above == 0))
        number[now] = front
        above = above - dominating[now].sum(axis=0)
        front += 1
    return number


def crowding_distances(points: np.ndarray) -> np.ndarray:
    """How far each point of one front is from its neighbours (Deb et al., 2002, section III B).

    For each objective the points are sorted; the first and the last get infinity, each other one the
    difference between its two neighbours as a share of the front's range. The sum over objectives counts.

    Parameters
    ----------
    points : float [n, k]
        Of one front.

    Returns
    -------
    float64 [n]

    Examples
    --------
    >>> import numpy as np
    >>> crowding_distances(np.array([[0.0, 4.0], [1.0, 3.0], [4.0, 0.0]])).tolist()
    [inf, 2.0, inf]
    """
    points = np.asarray(points, dtype=np.float64)
    distance = np.zeros(len(points))
    for column in points.T:
        order = np.argsort(column, kind="stable")
        distance[order[[0, -1]]] = np.inf
        spread = column[order[-1]] - column[order[0]]
        if spread > 0:
            distance[order[1:-1]] += (column[order[2:]] - column[order[:-2]]) / spread
    return distance


def crowded_order(points: np.ndarray) -> np.ndarray:
    """Points from the best to the worst by NSGA-II's comparison: by front, then the less crowded first.

    Parameters
    ----------
    points : float [n, k]

    Returns
    -------
    int64 [n]
        Places in ``points``; the earlier of equals first.
    """
    points = np.asarray(points, dtype=np.float64)
    number = front_numbers(points)
    distance = np.zeros(len(points))
    for front in range(int(number.max(initial=-1)) + 1):
        members = np.flatnonzero(number == front)
        distance[members] = crowding_distances(points[members])
    return np.lexsort((np.arange(len(points)), -distance, number))


def covering(points: np.ndarray, reference: np.ndarray, count: int) -> np.ndarray:
    """A few points that together dominate much of what all do.

    First that with the highest first objective; then always the one that adds most to the hypervolume of
    those before it. That greedy choice has at least 1 - 1/e of the volume that the best choice adds
    (Nemhauser et al., 1978). Where nothing is left to add, others follow as :func:`crowded_order` has them.

    Parameters
    ----------
    points : float [n, k]
    reference : float [k]
    count : int

    Returns
    -------
    int64 [min(count, n)]
        Places in ``points``.

    Examples
    --------
    >>> import numpy as np
    >>> points = np.array([[9.0, 1.0], [8.0, 8.0], [1.0, 9.0], [8.5, 7.0]])
    >>> covering(points, np.zeros(2), 3).tolist()
    [0, 1, 3]
    """
    points = np.asarray(points, dtype=np.float64)
    rest = crowded_order(points).tolist()
    chosen: list[int] = []
    held = 0.0
    while rest and len(chosen) < count:
        if chosen:
            volumes = [hypervolume(points[[*chosen, place]], reference) for place in rest]
            place = int(np.argmax(volumes)) if max(volumes) > held else 0
        else:
            place = int(np.argmax(points[rest, 0]))
        chosen.append(rest.pop(place))
        held = hypervolume(points[chosen], reference)
    return np.array(chosen, dtype=np.int64)


def hypervolume(points: np.ndarray, reference: np.ndarray) -> float:
    """Volume of all that lies between a reference point and some point of a set.

    Exact: by a sweep in two dimensions, in more of them slice by slice along the last one (While et al.,
    2006, "A faster algorithm for calculating hypervolume", calls it HSO).

    Parameters
    ----------
    points : float [n, k]
        Those that are not above the reference in every objective add nothing.
    reference : float [k]

    Returns
    -------
    float

    Examples
    --------
    >>> import numpy as np
    >>> hypervolume(np.array([[1.0, 3.0], [3.0, 1.0], [0.5, 0.5]]), np.zeros(2))
    5.0
    """
    reference = np.asarray(reference, dtype=np.float64)
    above = np.asarray(points, dtype=np.float64).reshape(-1, len(reference)) - reference
    return _volume(above[(above > 0).all(axis=1)])


def _volume(above: np.ndarray) -> float:
    """Hypervolume of points with positive coordinates above the origin."""
    if not len(above):
        return 0.0
    if above.shape[1] == 1:
        return float(above.max())
    above = above[np.argsort(-above[:, -1], kind="stable")]
    heights = above[:, -1]
    thickness = heights - np.append(heights[1:], 0.0)
    if above.shape[1] == 2:
        return float((np.maximum.accumulate(above[:, 0]) * thickness).sum())
    return sum(
        _volume(above[: place + 1, :-1]) * float(thick) for place, thick in enumerate(thickness) if thick > 0
    )
