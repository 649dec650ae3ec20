"""Units and messages of many structures in one pass, compiled by numba.

Importing this module imports numba.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from nnstruct.encode.path_kernel import walks
from nnstruct.jit import cached_njit

# Helpers are compiled into the entry that calls them, and only the entry is kept on disk.
_inner = njit(nogil=True, error_model="numpy")
_entry = cached_njit(nogil=True, error_model="numpy")

KINDS = 4  # forward, backward, delayed, delayed backward
BINS = 6  # 0, 1, 2, 4, 8, 16; one more is open
DEPTHS = 8  # the last is open
_MOST_COPIES = 16.0


@_inner
def _grown(array, size):  # type: ignore[no-untyped-def]
    if size <= array.size:
        return array
    larger = np.empty(max(size, 2 * array.size), array.dtype)
    larger[: array.size] = array
    return larger


@_inner
def _bin(degree):  # type: ignore[no-untyped-def]
    edge, place = 0.0, 0
    while place < BINS and degree > edge:
        place += 1
        edge = 1.0 if place == 1 else 2.0 * edge
    return place


@_inner
def _rows(cursor, ends, other, start, listed):  # type: ignore[no-untyped-def]
    """Compressed rows of the edges: ``listed[start[v]:start[v + 1]]`` are the other ends of v's edges."""
    n = start.size - 1
    start[:] = 0
    cursor[:n] = 0
    for e in range(ends.size):
        start[ends[e] + 1] += 1
    for v in range(n):
        start[v + 1] += start[v]
    for e in range(ends.size):
        v = ends[e]
        listed[start[v] + cursor[v]] = other[e]
        cursor[v] += 1


@_inner
def _reach(seeds, barred, start, listed, later_start, later, reached, waiting):  # type: ignore[no-untyped-def]
    """Units that are reached from the seeds over forward and delayed edges, past no barred one."""
    top = 0
    for v in range(reached.size):
        reached[v] = seeds[v] and not barred[v]
        if reached[v]:
            waiting[top] = v
            top += 1
    while top:
        top -= 1
        v = waiting[top]
        for k in range(start[v], start[v + 1]):
            w = listed[k]
            if not reached[w] and not barred[w]:
                reached[w] = True
                waiting[top] = w
                top += 1
        for k in range(later_start[v], later_start[v + 1]):
            w = later[k]
            if not reached[w] and not barred[w]:
                reached[w] = True
                waiting[top] = w
                top += 1


@_inner
def _order(in_start, out_start, out_list, order):  # type: ignore[no-untyped-def]
    """Units in an order that every forward edge follows."""
    n = order.size
    left = np.empty(n, np.int32)
    count = 0
    for v in range(n):
        left[v] = in_start[v + 1] - in_start[v]
        if left[v] == 0:
            order[count] = v
            count += 1
    head = 0
    while head < count:
        v = order[head]
        head += 1
        for k in range(out_start[v], out_start[v + 1]):
            w = out_list[k]
            left[w] -= 1
            if left[w] == 0:
                order[count] = w
                count += 1


@_entry
def encode_rows(  # type: ignore[no-untyped-def]
    source, target, forward, edge_start, unit_start, inputs, outputs, none, skip, reduce, columns, overall
):
    """All arrays of :class:`~nnstruct.encode.packed.PackedGraphs` from flat arrays of structures.

    ``forward`` [S] counts the forward edges, which come first; ``none`` and ``skip`` [N] flag units that
    pass nothing on, or pass on what they get; with ``reduce`` dead units are left out and skips contracted.
    """
    size = unit_start.size - 1
    widest = busiest = 0
    for s in range(size):
        widest = max(widest, unit_start[s + 1] - unit_start[s])
        busiest = max(busiest, edge_start[s + 1] - edge_start[s])
    nodes = np.zeros((unit_start[size], columns), np.float32)
    layers = np.empty(unit_start[size], np.int32)
    unit = np.empty(unit_start[size], np.int32)
    row_start = np.zeros(size + 1, np.int64)
    graph = np.zeros((size, overall), np.float32)
    first = np.zeros(KINDS * unit_start[size] + 1, np.int64)
    sender = np.empty(4 * edge_start[size] + 16, np.int32)
    copies = np.empty(sender.size, np.float32)
    messages = rows = 0

    cursor = np.empty(widest, np.int32)
    out_list, in_list = np.empty(busiest, np.int32), np.empty(busiest, np.int32)
    pred, pred_copies = np.empty(busiest + 16, np.int32), np.empty(busiest + 16, np.float64)
    share = np.zeros(widest, np.float64)
    touched = np.empty(widest, np.int32)
    for s in range(size):
        u0, n = unit_start[s], unit_start[s + 1] - unit_start[s]
        e0, f = edge_start[s], forward[s]
        m = edge_start[s + 1] - e0
        tails, heads = source[e0 : e0 + f], target[e0 : e0 + f]
        from_unit, to_unit = source[e0 + f : e0 + m], target[e0 + f : e0 + m]
        sees, read = inputs[u0 : u0 + n], outputs[u0 : u0 + n]
        out_start, in_start = np.empty(n + 1, np.int32), np.empty(n + 1, np.int32)
        later_out, later_in = np.empty(n + 1, np.int32), np.empty(n + 1, np.int32)
        _rows(cursor, tails, heads, out_start, out_list)
        _rows(cursor, heads, tails, in_start, in_list)
        _rows(cursor, from_unit, to_unit, later_out, out_list[f:])
        _rows(cursor, to_unit, from_unit, later_in, in_list[f:])
        order = np.empty(n, np.int32)
        _order(in_start, out_start, out_list, order)

        barred = np.zeros(n, np.bool_)
        if reduce:
            barred[:] = none[u0 : u0 + n]
        from_input, to_output = np.zeros(n, np.bool_), np.zeros(n, np.bool_)
        _reach(sees, barred, out_start, out_list, later_out, out_list[f:], from_input, cursor)
        _reach(read, barred, in_start, in_list, later_in, in_list[f:], to_output, cursor)
        kept = np.ones(n, np.bool_)
        alive = 0
        for v in range(n):
            alive += from_input[v] and to_output[v]
        if reduce and not alive:  # no path leads through: inputs and outputs are left, without an edge
            m = f = 0
            in_start[:], out_start[:] = 0, 0
        if reduce:
            for v in range(n):
                kept[v] = (from_input[v] and to_output[v]) if alive else (sees[v] or read[v])

        delayed_in, delayed_out = np.zeros(n, np.int32), np.zeros(n, np.int32)
        loop = np.zeros(n, np.bool_)
        for e in range(m - f):
            a, b = from_unit[e], to_unit[e]
            if kept[a] and kept[b]:
                delayed_out[a] += 1
                delayed_in[b] += 1
                loop[a] |= a == b

        # Predecessors of each kept unit, those behind a contracted skip in its place.
        used = kept.copy()
        begin, end = np.zeros(n, np.int64), np.zeros(n, np.int64)
        filled = skips = 0
        for i in range(n):
            v = order[i]
            begin[v] = end[v] = filled
            if not kept[v]:
                continue
            count = 0
            for k in range(in_start[v], in_start[v + 1]):
                u = in_list[k]
                if not kept[u]:
                    continue
                if used[u]:
                    if share[u] == 0.0:
                        touched[count] = u
                        count += 1
                    share[u] += 1.0
                else:
                    for j in range(begin[u], end[u]):
                        p = pred[j]
                        if share[p] == 0.0:
                            touched[count] = p
                            count += 1
                        share[p] += pred_copies[j]
            pred, pred_copies = _grown(pred, filled + count), _grown(pred_copies, filled + count)
            for j in range(count):
                pred[filled + j] = touched[j]
                pred_copies[filled + j] = min(share[touched[j]], _MOST_COPIES)
                share[touched[j]] = 0.0
            filled += count
            end[v] = filled
            if (
                reduce
                and skip[u0 + v]
                and count
                and not (sees[v] or read[v] or delayed_in[v] or delayed_out[v])
            ):
                following = 0
                for k in range(out_start[v], out_start[v + 1]):
                    following += kept[out_list[k]]
                # Many inputs times many outputs would be too many edges.
                if following and count * following <= 4 * (count + following) + 16:
                    used[v] = False
                    skips += 1

        layer, height = np.zeros(n, np.int32), np.zeros(n, np.int32)
        coming, leaving = np.zeros(n, np.float64), np.zeros(n, np.float64)
        sent = np.zeros(n, np.int32)
        arcs = 0
        for i in range(n):
            v = order[i]
            if used[v]:
                for k in range(begin[v], end[v]):
                    p = pred[k]
                    layer[v] = max(layer[v], layer[p] + 1)
                    coming[v] += pred_copies[k]
                    leaving[p] += pred_copies[k]
                    sent[p] += 1
                    arcs += 1
        for i in range(n - 1, -1, -1):
            v = order[i]
            if used[v]:
                for k in range(begin[v], end[v]):
                    height[pred[k]] = max(height[pred[k]], height[v] + 1)
        deepest = 0
        for v in range(n):
            if used[v]:
                deepest = max(deepest, layer[v])
        width = np.zeros(deepest + 1, np.int32)
        row = np.empty(n, np.int32)
        first_row = rows
        seen = shown = 0
        for v in range(n):
            if used[v]:
                width[layer[v]] += 1
                row[v] = rows
                unit[rows] = v
                rows += 1
                seen += sees[v]
                shown += read[v]
        row_start[s + 1] = rows
        forth, back, flow = np.empty(n), np.empty(n), np.empty(n)
        walks(order, used, begin, end, pred, pred_copies, forth, back, flow, leaving)

        # Messages that each unit gets, by kind.
        place = KINDS * first_row
        for v in range(n):
            if used[v]:
                own = loop[v]
                first[place + 1] = end[v] - begin[v]
                first[place + 2] = sent[v]
                first[place + 3] = delayed_in[v] - own
                first[place + 4] = delayed_out[v] - own
                place += KINDS
        first[KINDS * first_row] = messages
        for i in range(KINDS * first_row, place):
            first[i + 1] += first[i]
        messages = first[place]
        sender, copies = _grown(sender, messages), _grown(copies, messages)
        for v in range(n):
            if used[v]:
                here = KINDS * row[v]
                for k in range(begin[v], end[v]):
                    p = pred[k]
                    at = first[here] + k - begin[v]
                    sender[at], copies[at] = row[p], pred_copies[k]
                    sent[p] -= 1
                    at = first[KINDS * row[p] + 1] + sent[p]
                    sender[at], copies[at] = row[v], pred_copies[k]
        cursor[:n] = 0
        taken = np.zeros(n, np.int32)
        delayed = 0
        for e in range(m - f):
            a, b = from_unit[e], to_unit[e]
            if not (kept[a] and kept[b]):
                continue
            delayed += 1
            if a != b:
                at = first[KINDS * row[b] + 2] + cursor[b]
                sender[at], copies[at] = row[a], 1.0
                cursor[b] += 1
                at = first[KINDS * row[a] + 3] + taken[a]
                sender[at], copies[at] = row[b], 1.0
                taken[a] += 1

        last = max(1, deepest)
        count = rows - first_row
        for v in range(n):
            if not used[v]:
                continue
            x = nodes[row[v]]
            layers[row[v]] = layer[v]
            x[0], x[1], x[2], x[3] = sees[v], read[v], from_input[v], to_output[v]
            x[4], x[5] = np.log1p(coming[v]), np.log1p(leaving[v])
            x[6], x[7], x[8] = np.log1p(delayed_in[v]), np.log1p(delayed_out[v]), loop[v]
            x[9 + _bin(coming[v])] = 1.0
            x[16 + _bin(leaving[v])] = 1.0
            x[23], x[24] = layer[v] / last, height[v] / last
            x[25] = (deepest - layer[v] - height[v]) / last
            x[26], x[27] = np.log1p(layer[v]), np.log1p(height[v])
            x[28] = np.log(width[layer[v]])
            x[29], x[30], x[31] = forth[v], back[v], flow[v] + np.log(count)
            x[32 + min(layer[v], DEPTHS)] = 1.0
        g = graph[s]
        g[0], g[1], g[2] = np.log1p(count), np.log1p(arcs), np.log1p(delayed)
        g[3], g[4], g[5] = np.log1p(deepest + 1), np.log1p(seen), np.log1p(shown)
        g[6] = 2.0 * arcs / max(1, count * (count - 1))
        g[7], g[8] = np.log1p(n - alive), np.log1p(skips)
    return (
        nodes[:rows], layers[:rows], unit[:rows], row_start, first[: KINDS * rows + 1],
        sender[:messages], copies[:messages], graph,
    )  # fmt: skip
