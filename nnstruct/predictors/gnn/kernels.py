"""What message passing does besides matrix products, compiled by numba; importing this imports numba.

Arrays are float32 with the members of an ensemble in front: [members, units, width].
"""

from __future__ import annotations

import numpy as np
from numba import njit

from nnstruct.encode.packed_kernel import KINDS
from nnstruct.jit import cached_njit

# Sums may be taken in any order, so that they are taken eight at a time.
_FAST = {"reassoc", "contract", "nsz", "arcp"}
_inner = njit(nogil=True, error_model="numpy", fastmath=_FAST)
_entry = cached_njit(nogil=True, error_model="numpy", fastmath=_FAST)
_LEAST_VARIANCE = np.float32(1e-5)
_HALF, _ONE, _SIXTH = np.float32(0.5), np.float32(1.0), np.float32(1 / 6)
_TWENTY_FOURTH, _R120, _R720 = np.float32(1 / 24), np.float32(1 / 120), np.float32(1 / 720)
_LOG2E = np.float32(np.log2(np.e))
_LN2_HIGH = np.float32(0.693359375)  # exact in few bits; the rest of log 2 follows
_LN2_LOW = np.float32(np.log(2.0) - 0.693359375)
_FARTHEST = np.float32(87.0)
# gelu(x) = x sigmoid(_STEEP (x + _CUBE x^3)), the form with tanh of Hendrycks and Gimpel (2016).
_STEEP = np.float32(2.0 * np.sqrt(2.0 / np.pi))
_CUBE, _THRICE = np.float32(0.044715), np.float32(3 * 0.044715)


@_inner
def _exp(y):  # type: ignore[no-untyped-def]
    """exp in float32, in arithmetic that a compiler does eight at a time."""
    y = min(max(y, -_FARTHEST), _FARTHEST)
    k = np.floor(y * _LOG2E + _HALF)
    r = (y - k * _LN2_HIGH) - k * _LN2_LOW
    p = _ONE + r * (_ONE + r * (_HALF + r * (_SIXTH + r * (_TWENTY_FOURTH + r * (_R120 + r * _R720)))))
    return p * np.int32((np.int32(k) + np.int32(127)) << np.int32(23)).view(np.float32)


@_entry
def activate(s, shift, mask, masked, a):  # type: ignore[no-untyped-def]
    """``s += shift``, then ``a = gelu(s)``, times ``mask`` where ``masked``."""
    members, units, width = s.shape
    for m in range(members):
        for v in range(units):
            for c in range(width):
                s[m, v, c] += shift[m, 0, c]
                x = s[m, v, c]
                a[m, v, c] = x / (_ONE + _exp(-_STEEP * (x + _CUBE * x * x * x)))
            if masked:
                for c in range(width):
                    a[m, v, c] *= mask[m, v, c]


@_entry
def activate_back(slope, s, mask, masked, out):  # type: ignore[no-untyped-def]
    """The slope with respect to ``s`` of :func:`activate`."""
    members, units, width = s.shape
    for m in range(members):
        for v in range(units):
            for c in range(width):
                x = s[m, v, c]
                share = _ONE / (_ONE + _exp(-_STEEP * (x + _CUBE * x * x * x)))
                steep = x * share * (_ONE - share) * _STEEP * (_ONE + _THRICE * x * x)
                out[m, v, c] = slope[m, v, c] * (share + steep)
            if masked:
                for c in range(width):
                    out[m, v, c] *= mask[m, v, c]


@_entry
def take_graphs(chosen, unit_start, first, sender, copies):  # type: ignore[no-untyped-def]
    """Some of packed graphs, in the order chosen: their units, and their messages numbered anew."""
    units = messages = 0
    for g in chosen:
        units += unit_start[g + 1] - unit_start[g]
        messages += first[KINDS * unit_start[g + 1]] - first[KINDS * unit_start[g]]
    rows = np.empty(units, np.int64)
    start = np.zeros(chosen.size + 1, np.int64)
    firsts = np.zeros(KINDS * units + 1, np.int64)
    senders = np.empty(messages, np.int32)
    taken = np.empty(messages, np.float32)
    row = message = 0
    for i in range(chosen.size):
        g = chosen[i]
        shift = row - unit_start[g]
        for v in range(unit_start[g], unit_start[g + 1]):
            rows[row] = v
            for k in range(KINDS):
                firsts[KINDS * row + k] = message
                for e in range(first[KINDS * v + k], first[KINDS * v + k + 1]):
                    senders[message] = sender[e] + shift
                    taken[message] = copies[e]
                    message += 1
            row += 1
        start[i + 1] = row
    firsts[KINDS * units] = message
    return rows, start, firsts, senders, taken


@_inner
def _normalise(h, u, scale):  # type: ignore[no-untyped-def]
    units, width = h.shape
    for v in range(units):
        total = np.float32(0.0)
        for c in range(width):
            total += h[v, c]
        mean = total / np.float32(width)
        squares = np.float32(0.0)
        for c in range(width):
            away = h[v, c] - mean
            squares += away * away
        inverse = np.float32(1.0) / np.sqrt(squares / np.float32(width) + _LEAST_VARIANCE)
        scale[v] = inverse
        for c in range(width):
            u[v, c] = (h[v, c] - mean) * inverse


@_entry
def normalise(h, u, scale):  # type: ignore[no-untyped-def]
    """``u = (h - mean(h)) / sqrt(var(h) + 1e-5)`` over the width; ``scale`` keeps the divisor's inverse."""
    for m in range(h.shape[0]):
        _normalise(h[m], u[m], scale[m])


@_entry
def normalise_back(slope, u, scale, out):  # type: ignore[no-untyped-def]
    """Add to ``out`` the slope with respect to ``h`` from that with respect to ``u``."""
    members, units, width = u.shape
    for m in range(members):
        for v in range(units):
            plain = aligned = np.float32(0.0)
            for c in range(width):
                plain += slope[m, v, c]
                aligned += slope[m, v, c] * u[m, v, c]
            plain /= np.float32(width)
            aligned /= np.float32(width)
            inverse = scale[m, v]
            for c in range(width):
                out[m, v, c] += inverse * (slope[m, v, c] - plain - u[m, v, c] * aligned)


@_inner
def _gather(u, first, sender, copies, out):  # type: ignore[no-untyped-def]
    units, width = u.shape
    kinds = out.shape[1] // width - 1
    for v in range(units):
        for c in range(width):
            out[v, c] = u[v, c]
        for k in range(kinds):
            shift = (1 + k) * width
            for c in range(width):
                out[v, shift + c] = 0.0
            for e in range(first[KINDS * v + k], first[KINDS * v + k + 1]):
                sent, weight = sender[e], copies[e]
                for c in range(width):
                    out[v, shift + c] += weight * u[sent, c]


@_entry
def gather(u, first, sender, copies, out):  # type: ignore[no-untyped-def]
    """Each unit's own features, then for each kind the sum of those that messages of the kind bring.

    ``out`` [members, units, (1 + kinds) width].
    """
    for m in range(u.shape[0]):
        _gather(u[m], first, sender, copies, out[m])


@_entry
def gather_back(slope, first, sender, copies, out):  # type: ignore[no-untyped-def]
    """The slope with respect to ``u`` of :func:`gather`: messages go back as those of the mirrored kind."""
    members, units, width = out.shape
    kinds = slope.shape[2] // width - 1
    for m in range(members):
        for v in range(units):
            for c in range(width):
                out[m, v, c] = slope[m, v, c]
            for k in range(kinds):
                shift, mirror = (1 + k) * width, k ^ 1
                for e in range(first[KINDS * v + mirror], first[KINDS * v + mirror + 1]):
                    sent, weight = sender[e], copies[e]
                    for c in range(width):
                        out[m, v, c] += weight * slope[m, sent, shift + c]


@_inner
def _read_out(h, start, typical, out, where):  # type: ignore[no-untyped-def]
    width = h.shape[1]
    inverse = np.float32(1.0 / typical)
    for g in range(start.size - 1):
        low, high = start[g], start[g + 1]
        for c in range(width):
            out[g, c] = 0.0
            out[g, 2 * width + c] = h[low, c]
            where[g, c] = low
        for v in range(low, high):
            for c in range(width):
                out[g, c] += h[v, c]
            for c in range(width):
                if h[v, c] > out[g, 2 * width + c]:
                    out[g, 2 * width + c] = h[v, c]
                    where[g, c] = v
        share = np.float32(1.0) / np.float32(high - low)
        for c in range(width):
            total = out[g, c]
            out[g, c] = total * inverse
            out[g, width + c] = total * share


@_entry
def read_out(h, start, typical, out, where):  # type: ignore[no-untyped-def]
    """For each graph sum / typical, mean and maximum over its units: ``out`` [members, graphs, 3 width]."""
    for m in range(h.shape[0]):
        _read_out(h[m], start, typical, out[m], where[m])


@_entry
def read_out_back(slope, start, typical, where, out):  # type: ignore[no-untyped-def]
    """The slope with respect to ``h`` of :func:`read_out`."""
    members, _, width = out.shape
    for m in range(members):
        for g in range(start.size - 1):
            low, high = start[g], start[g + 1]
            share = np.float32(1.0) / np.float32(high - low)
            inverse = np.float32(1.0 / typical)
            for v in range(low, high):
                for c in range(width):
                    out[m, v, c] = slope[m, g, c] * inverse + slope[m, g, width + c] * share
            for c in range(width):
                out[m, where[m, g, c], c] += slope[m, g, 2 * width + c]


@_inner
def _read_out_alone(h, start, typical, out):  # type: ignore[no-untyped-def]
    """:func:`read_out` of one member, without the places of the maxima."""
    width = h.shape[1]
    inverse = np.float32(1.0 / typical)
    for g in range(start.size - 1):
        low, high = start[g], start[g + 1]
        for c in range(width):
            out[g, c] = 0.0
            out[g, 2 * width + c] = h[low, c]
        for v in range(low, high):
            for c in range(width):
                out[g, c] += h[v, c]
            for c in range(width):
                out[g, 2 * width + c] = max(out[g, 2 * width + c], h[v, c])
        share = np.float32(1.0) / np.float32(high - low)
        for c in range(width):
            total = out[g, c]
            out[g, c] = total * inverse
            out[g, width + c] = total * share


@_entry
def ask_layers(nodes, weights, first, sender, copies, start, typical, room, out):  # type: ignore[no-untyped-def]
    """All layers of bidirectional networks in one call, and what they read out, some graphs after others.

    ``weights`` are the embedding and its shift, then what layers multiply messages by and its shift, and
    what they add and its shift, [members, ...] or [members, layers, ...]; ``room`` is ``h``, ``u`` and ``a``
    [most, width], ``scale`` [most] and ``mixed`` [most, (1 + kinds) width]; graphs are taken together while
    they have no more than ``most`` units, and none has more; ``out`` [members, graphs, 3 width].
    """
    embed, embed_shift, inner, inner_shift, outer, outer_shift = weights
    width, most = room[0].shape[1], room[0].shape[0]
    graphs = start.size - 1
    begin = 0
    while begin < graphs:
        end = begin + 1
        while end < graphs and start[end + 1] - start[begin] <= most:
            end += 1
        low, high = start[begin], start[end]
        units = high - low
        h, u, a, scale, mixed = room[0][:units], room[1][:units], room[2][:units], room[3], room[4][:units]
        message, last = first[KINDS * low], first[KINDS * high]
        firsts = first[KINDS * low : KINDS * high + 1] - message
        senders, taken = sender[message:last] - np.int32(low), copies[message:last]
        for m in range(embed.shape[0]):
            np.dot(nodes[low:high], embed[m], h)
            for v in range(units):
                for c in range(width):
                    h[v, c] += embed_shift[m, 0, c]
            for layer in range(inner.shape[1]):
                _normalise(h, u, scale)
                _gather(u, firsts, senders, taken, mixed)
                np.dot(mixed, inner[m, layer], a)
                for v in range(units):
                    for c in range(width):
                        x = a[v, c] + inner_shift[m, layer, 0, c]
                        a[v, c] = x / (_ONE + _exp(-_STEEP * (x + _CUBE * x * x * x)))
                np.dot(a, outer[m, layer], u)
                for v in range(units):
                    for c in range(width):
                        h[v, c] += u[v, c] + outer_shift[m, layer, 0, c]
            _read_out_alone(h, start[begin : end + 1] - low, typical, out[m, begin:end])
        begin = end
