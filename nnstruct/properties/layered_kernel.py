"""The loops of :mod:`nnstruct.properties.layered`, compiled by numba when a call is long."""

from __future__ import annotations

import numpy as np

from nnstruct.loops import loop

# Helpers are compiled into the entry that calls them, and only the entry is kept on disk.
_inner = loop(keep=False, nogil=True, error_model="numpy")


@_inner
def _spread(values, row):  # type: ignore[no-untyped-def]
    """Mean, population standard deviation and maximum of values >= 0, to ``row[:3]``; NaN for none."""
    n = values.size
    total = squares = 0.0
    largest = 0
    for i in range(n):
        total += values[i]
        largest = max(largest, values[i])
    mean = total / n if n > 0 else np.nan
    for i in range(n):
        squares += (values[i] - mean) * (values[i] - mean)
    row[0] = mean
    row[1] = np.sqrt(squares / n) if n > 0 else np.nan
    row[2] = largest if n > 0 else np.nan


@_inner
def _positive(values):  # type: ignore[no-untyped-def]
    """The values above zero."""
    kept = np.empty(values.size, values.dtype)
    n = 0
    for x in values:
        if x > 0:
            kept[n] = x
            n += 1
    return kept[:n]


@_inner
def _widths(layer, num_layers, row):  # type: ignore[no-untyped-def]
    width = np.zeros(num_layers, np.int64)
    for depth in layer:
        width[depth] += 1
    narrowest = widest = width[0]
    for w in width:
        narrowest, widest = min(narrowest, w), max(widest, w)
    row[0] = width[0]
    for back in range(3):
        row[1 + back] = width[num_layers - 1 - back] if back < num_layers else 0.0
    row[4], row[5], row[6] = narrowest, widest, layer.size / num_layers
    return width


@_inner
def _bottleneck(source, target, layer, num_layers, row):  # type: ignore[no-untyped-def]
    """Fewest edges over a gap between consecutive layers, and fewest units with an edge over it."""
    edge_change = np.zeros(num_layers, np.int64)
    unit_change = np.zeros(num_layers, np.int64)
    furthest = layer.copy()
    for e in range(source.size):
        u, v = source[e], target[e]
        edge_change[layer[u]] += 1
        edge_change[layer[v]] -= 1
        furthest[u] = max(furthest[u], layer[v])
    for u in range(layer.size):
        unit_change[layer[u]] += 1
        unit_change[furthest[u]] -= 1
    row[0], row[1] = np.nan, np.nan
    edges = units = 0
    for gap in range(num_layers - 1):
        edges += edge_change[gap]
        units += unit_change[gap]
        row[0] = edges if gap == 0 else min(row[0], edges)
        row[1] = units if gap == 0 else min(row[1], units)


@_inner
def _spans(source, target, layer, num_layers, row):  # type: ignore[no-untyped-def]
    span = np.empty(source.size, np.int32)
    skips = into_last = 0
    for e in range(source.size):
        span[e] = layer[target[e]] - layer[source[e]]
        if span[e] > 1:
            skips += 1
            into_last += layer[target[e]] == num_layers - 1
    _spread(span, row)
    row[3] = skips / source.size if source.size else np.nan
    row[4] = into_last


@_inner
def _log_paths(source, target, layer, width, inputs, outputs, outgoing):  # type: ignore[no-untyped-def]
    """Natural logarithm of the number of forward paths from an input to an output; NaN for none."""
    n = layer.size
    # Edges are sorted by source, so those of a unit stand together.
    first_edge = np.zeros(n + 1, np.int64)
    for u in range(n):
        first_edge[u + 1] = first_edge[u] + outgoing[u]
    place = np.zeros(width.size, np.int64)
    for depth in range(1, width.size):
        place[depth] = place[depth - 1] + width[depth - 1]
    order = np.empty(n, np.int64)
    for u in range(n):
        order[place[layer[u]]] = u
        place[layer[u]] += 1
    # A count is mantissa * 2 ** exponent, since it may pass the largest float.
    mantissa = np.zeros(n, np.float64)
    exponent = np.zeros(n, np.int64)
    total, total_exponent = 0.0, np.int64(0)
    for u in order:
        if inputs[u]:
            mantissa[u], exponent[u] = _add(mantissa[u], exponent[u], 1.0, np.int64(0))
        if outputs[u]:
            total, total_exponent = _add(total, total_exponent, mantissa[u], exponent[u])
        for e in range(first_edge[u], first_edge[u + 1]):
            v = target[e]
            mantissa[v], exponent[v] = _add(mantissa[v], exponent[v], mantissa[u], exponent[u])
    return np.log(total) + total_exponent * np.log(2.0) if total > 0 else np.nan


_HUGE = 2.0**500


@_inner
def _add(a, a_exponent, b, b_exponent):  # type: ignore[no-untyped-def]
    """Sum of a * 2 ** a_exponent and b * 2 ** b_exponent, exponents multiples of 500."""
    if a == 0.0:
        return b, b_exponent
    if b == 0.0:
        return a, a_exponent
    while a_exponent < b_exponent:
        a, a_exponent = a / _HUGE, a_exponent + 500
    while b_exponent < a_exponent:
        b, b_exponent = b / _HUGE, b_exponent + 500
    a += b
    if a > _HUGE:
        a, a_exponent = a / _HUGE, a_exponent + 500
    return a, a_exponent


def _turns(source, target, edge_start, layer, unit_start, *given):  # type: ignore[no-untyped-def]
    """A few for each unit and edge."""
    return 10 * (len(source) + len(layer))


@loop(_turns, nogil=True, error_model="numpy")
def layered_rows(source, target, edge_start, layer, unit_start, inputs, outputs, out):  # type: ignore[no-untyped-def]
    """Fill ``out``, float64 [S, 24]; arrays as in a Pack, ``inputs`` and ``outputs`` bool [sum of N]."""
    for s in range(out.shape[0]):
        row = out[s]
        tails = source[edge_start[s] : edge_start[s + 1]]
        heads = target[edge_start[s] : edge_start[s + 1]]
        first, last = unit_start[s], unit_start[s + 1]
        layers = layer[first:last]
        incoming = np.zeros(last - first, np.int32)
        outgoing = np.zeros(last - first, np.int32)
        for e in range(tails.size):
            outgoing[tails[e]] += 1
            incoming[heads[e]] += 1
        num_layers = 1
        for depth in layers:
            num_layers = max(num_layers, depth + 1)
        width = _widths(layers, num_layers, row)
        _bottleneck(tails, heads, layers, num_layers, row[7:])
        _spans(tails, heads, layers, num_layers, row[9:])
        _spread(_positive(incoming), row[14:])
        _spread(_positive(outgoing), row[17:])
        _spread(layers, row[20:])
        row[23] = _log_paths(tails, heads, layers, width, inputs[first:last], outputs[first:last], outgoing)
