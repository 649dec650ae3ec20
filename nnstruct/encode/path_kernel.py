"""Counts of paths in one graph, compiled into the encoder by numba; importing this imports numba."""

from __future__ import annotations

import numpy as np
from numba import njit

_MOST_COUNT = 1e290
_LEAST_SHARE = 1e-290


@njit(nogil=True, error_model="numpy")
def add(a, b):  # type: ignore[no-untyped-def]
    """log(exp(a) + exp(b))."""
    larger, smaller = max(a, b), min(a, b)
    if smaller == -np.inf:
        return larger
    return larger + np.log1p(np.exp(smaller - larger))


@njit(nogil=True, error_model="numpy")
def walks(order, used, begin, end, pred, copies, forth, back, flow, leaving):  # type: ignore[no-untyped-def]
    """Logarithms of paths from sources and to sinks, and of walkers that pass, in each used unit.

    Counted plainly; by logarithms only where the numbers leave the range of floats.
    """
    n = order.size
    sources = 0
    for v in range(n):
        back[v] = 0.0
        flow[v] = 0.0
        if used[v] and begin[v] == end[v]:
            sources += 1
    most, least = 1.0, 1.0
    for i in range(n):
        v = order[i]
        if not used[v]:
            continue
        if begin[v] == end[v]:
            forth[v], flow[v] = 1.0, 1.0 / sources
        else:
            total = passing = 0.0
            for k in range(begin[v], end[v]):
                total += copies[k] * forth[pred[k]]
                passing += copies[k] * flow[pred[k]] / leaving[pred[k]]
            forth[v], flow[v] = total, passing
        most, least = max(most, forth[v]), min(least, flow[v])
    for i in range(n - 1, -1, -1):
        v = order[i]
        if not used[v]:
            continue
        if leaving[v] == 0:
            back[v] = 1.0
        most = max(most, back[v])
        for k in range(begin[v], end[v]):
            back[pred[k]] += copies[k] * back[v]
    if most < _MOST_COUNT and least > _LEAST_SHARE:
        for v in range(n):
            if used[v]:
                forth[v], back[v], flow[v] = np.log(forth[v]), np.log(back[v]), np.log(flow[v])
        return
    for v in range(n):
        forth[v] = back[v] = flow[v] = -np.inf
    for i in range(n):
        v = order[i]
        if not used[v]:
            continue
        if begin[v] == end[v]:
            forth[v], flow[v] = 0.0, -np.log(sources)
        for k in range(begin[v], end[v]):
            p, copied = pred[k], np.log(copies[k])
            forth[v] = add(forth[v], forth[p] + copied)
            flow[v] = add(flow[v], flow[p] + copied - np.log(leaving[p]))
    for i in range(n - 1, -1, -1):
        v = order[i]
        if not used[v]:
            continue
        if leaving[v] == 0:
            back[v] = 0.0
        for k in range(begin[v], end[v]):
            back[pred[k]] = add(back[pred[k]], back[v] + np.log(copies[k]))
