"""The loops of :mod:`nnstruct.properties.operators`, compiled by numba at the first call."""

from __future__ import annotations

import numpy as np

from nnstruct.loops import loop

# Helpers are compiled into the entry that calls them, and only the entry is kept on disk.
_inner = loop(keep=False, nogil=True, error_model="numpy")
_entry = loop(nogil=True, error_model="numpy")


@_inner
def _by_layer(layer):  # type: ignore[no-untyped-def]
    """The units, those of earlier layers first."""
    return np.argsort(layer, kind="mergesort")


@_inner
def _shortest(target, start, order, usable, inputs, outputs):  # type: ignore[no-untyped-def]
    """Edges on the shortest path from an input to an output over usable units; n for none."""
    n = order.size
    distance = np.full(n, n, np.int64)
    best = n
    for u in order:
        if not usable[u]:
            continue
        if inputs[u]:
            distance[u] = 0
        if distance[u] == n:
            continue
        if outputs[u]:
            best = min(best, distance[u])
        for e in range(start[u], start[u + 1]):
            distance[target[e]] = min(distance[target[e]], distance[u] + 1)
    return best


@_inner
def _most(target, start, order, counted, inputs, outputs):  # type: ignore[no-untyped-def]
    """Most counted units on a path from an input to an output; NaN without a path."""
    most = np.full(order.size, -1, np.int64)
    best = -1
    for u in order:
        if inputs[u]:
            most[u] = max(most[u], 0)
        if most[u] < 0:
            continue
        most[u] += counted[u]
        if outputs[u]:
            best = max(best, most[u])
        for e in range(start[u], start[u + 1]):
            most[target[e]] = max(most[target[e]], most[u])
    return float(best) if best >= 0 else np.nan


@_inner
def _degrees(source, target, within, inputs, outputs, row):  # type: ignore[no-untyped-def]
    """Edges into outputs from the set's units, edges from inputs to them, and the mean number of the
    set's units before and behind a unit, to ``row[:4]``."""
    into = outof = before = behind = 0
    for e in range(source.size):
        u, v = source[e], target[e]
        into += outputs[v] and within[u]
        outof += inputs[u] and within[v]
        before += within[u]
        behind += within[v]
    n = within.size
    row[0], row[1], row[2], row[3] = into, outof, before / n, behind / n


@_entry
def operator_rows(  # type: ignore[no-untyped-def]
    source, target, edge_start, layer, unit_start, inputs, outputs, kind, num_kinds, out
):
    """Fill ``out``, float64 [S, 1 + 2 K + 2^K + 4 (2^K - 1)], K kinds of operators.

    Arrays as in a Pack; ``kind``, int64 [sum of N], is each unit's kind, K for any other.
    """
    subsets = 1 << num_kinds
    for s in range(out.shape[0]):
        row = out[s]
        first, last = unit_start[s], unit_start[s + 1]
        tails = source[edge_start[s] : edge_start[s + 1]]
        heads = target[edge_start[s] : edge_start[s + 1]]
        own, into, outof = kind[first:last], inputs[first:last], outputs[first:last]
        n = last - first
        start = np.zeros(n + 1, np.int64)
        for u in tails:
            start[u + 1] += 1
        for u in range(n):
            start[u + 1] += start[u]
        order = _by_layer(layer[first:last])
        row[: num_kinds + 1] = 0.0
        for k in own:
            row[k] += 1.0
        place = num_kinds + 1
        for k in range(num_kinds):
            row[place] = _most(heads, start, order, own == k, into, outof)
            place += 1
        within = np.zeros(n, np.bool_)
        for subset in range(subsets):
            for u in range(n):
                within[u] = (subset >> own[u]) & 1
            row[place] = _shortest(heads, start, order, ~within, into, outof)
            place += 1
            if subset:
                _degrees(
                    tails, heads, within, into, outof, row[num_kinds * 2 + 1 + subsets + 4 * subset - 4 :]
                )
