"""The clean protocol in one compiled loop: forward, backward, clipping and Adam, one network.

Layout: [time, unit, lane], a batch's examples being the lanes, so that the innermost loop always
runs over contiguous lanes and becomes vector code. Edges are taken four at a time: an
accumulator row is loaded and stored once for four multiply-adds.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import float32, njit

from nnstruct.population.fused.arithmetic import FAST, sigmoid, tanh

LANE_MULTIPLE = 16
TANH, RELU, GRU, LSTM = 0, 1, 2, 3
_ONE, _ZERO = float32(1.0), float32(0.0)


class Workspace(NamedTuple):
    """Arrays that live through a training; B lanes, T steps at most."""

    symbols: np.ndarray  # int32 [T, B]
    lengths: np.ndarray  # int32 [B]; 0 for a lane without an example
    targets: np.ndarray  # int32 [B]
    hidden: np.ndarray  # float32 [T + 1, N, B]; row 0 is the state before the first symbol
    memory: np.ndarray  # float32 [T + 1, N, B] for LSTM
    gates: np.ndarray  # float32 [T, N, 4, B] for GRU and LSTM
    delta: np.ndarray  # float32 [2, N, b, B]: gradients of pre-activations at this step and the next
    carry: np.ndarray  # float32 [N, B]: gradient that reaches a unit's own state without an edge
    sums: np.ndarray  # float32 [b, B]
    hidden_gradient: np.ndarray  # float32 [B]
    last: np.ndarray  # float32 [O, B]
    last_gradient: np.ndarray  # float32 [O, B]
    scores: np.ndarray  # float32 [C, B]


def make_workspace(plan, shapes, batch_size: int, longest: int) -> Workspace:  # type: ignore[no-untyped-def]
    """Zeroed arrays for batches of at most ``batch_size`` sequences of at most ``longest`` symbols."""
    lanes = -(-batch_size // LANE_MULTIPLE) * LANE_MULTIPLE
    biases, units = shapes.bias
    gated = plan.cell in (GRU, LSTM)
    classes, outputs = shapes.readout

    def zeros(*shape: int) -> np.ndarray:
        return np.zeros(shape, dtype=np.float32)

    return Workspace(
        np.zeros((longest, lanes), dtype=np.int32),
        np.zeros(lanes, dtype=np.int32),
        np.zeros(lanes, dtype=np.int32),
        zeros(longest + 1, units, lanes),
        zeros(longest + 1, units, lanes) if plan.cell == LSTM else zeros(1, 1, lanes),
        zeros(longest, units, 4, lanes) if gated else zeros(1, 1, 4, lanes),
        zeros(2, units, biases, lanes),
        zeros(units, lanes),
        zeros(biases, lanes),
        zeros(lanes),
        zeros(outputs, lanes),
        zeros(outputs, lanes),
        zeros(classes, lanes),
    )


@njit(inline="always", fastmath=FAST, error_model="numpy")
def add_edges(sums, channel, weight, gate, rows, unit, states, lanes):  # type: ignore[no-untyped-def]
    """sums[channel] += weight[gate, e] * states[source of e] over the edges that enter a unit."""
    begin, end = rows.in_start[unit], rows.in_start[unit + 1]
    e = begin
    while e + 3 < end:
        s0, s1, s2, s3 = (
            rows.in_source[e],
            rows.in_source[e + 1],
            rows.in_source[e + 2],
            rows.in_source[e + 3],
        )
        w0, w1 = weight[gate, rows.in_edge[e]], weight[gate, rows.in_edge[e + 1]]
        w2, w3 = weight[gate, rows.in_edge[e + 2]], weight[gate, rows.in_edge[e + 3]]
        for b in range(lanes):
            sums[channel, b] += (
                w0 * states[s0, b] + w1 * states[s1, b] + w2 * states[s2, b] + w3 * states[s3, b]
            )
        e += 4
    while e < end:
        s0, w0 = rows.in_source[e], weight[gate, rows.in_edge[e]]
        for b in range(lanes):
            sums[channel, b] += w0 * states[s0, b]
        e += 1


@njit(inline="always", fastmath=FAST, error_model="numpy")
def pull_edges(gradient, channel, weight, weight_gradient, gate, rows, unit, delta, state, lanes):  # type: ignore[no-untyped-def]
    """Gradients through the edges that leave a unit: of its state, and of their weights."""
    e, end = rows.out_start[unit], rows.out_start[unit + 1]
    while e + 3 < end:
        t0, t1, t2, t3 = (
            rows.out_target[e],
            rows.out_target[e + 1],
            rows.out_target[e + 2],
            rows.out_target[e + 3],
        )
        w0, w1, w2, w3 = weight[gate, e], weight[gate, e + 1], weight[gate, e + 2], weight[gate, e + 3]
        g0, g1, g2, g3 = _ZERO, _ZERO, _ZERO, _ZERO
        for b in range(lanes):
            d0, d1 = delta[t0, channel, b], delta[t1, channel, b]
            d2, d3 = delta[t2, channel, b], delta[t3, channel, b]
            gradient[b] += w0 * d0 + w1 * d1 + w2 * d2 + w3 * d3
            h = state[b]
            g0 += d0 * h
            g1 += d1 * h
            g2 += d2 * h
            g3 += d3 * h
        weight_gradient[gate, e] += g0
        weight_gradient[gate, e + 1] += g1
        weight_gradient[gate, e + 2] += g2
        weight_gradient[gate, e + 3] += g3
        e += 4
    while e < end:
        t0, w0 = rows.out_target[e], weight[gate, e]
        g0 = _ZERO
        for b in range(lanes):
            d0 = delta[t0, channel, b]
            gradient[b] += w0 * d0
            g0 += d0 * state[b]
        weight_gradient[gate, e] += g0
        e += 1


@njit(inline="always", fastmath=FAST, error_model="numpy")
def load_batch(work, tokens, lengths, targets, batch):  # type: ignore[no-untyped-def]
    """Fill the workspace's lanes; returns the lanes in use (a multiple of 16) and the longest length."""
    lanes = (len(batch) + LANE_MULTIPLE - 1) // LANE_MULTIPLE * LANE_MULTIPLE
    longest = 0
    for b in range(lanes):
        if b < len(batch):
            work.lengths[b] = lengths[batch[b]]
            work.targets[b] = targets[batch[b]]
            longest = max(longest, work.lengths[b])
        else:
            work.lengths[b] = 0
    for t in range(longest):
        for b in range(lanes):
            work.symbols[t, b] = tokens[batch[b], t] if b < len(batch) else 0
    return lanes, longest


@njit(inline="always", fastmath=FAST, error_model="numpy")
def forward_pass(plan, weights, work, lanes, steps):  # type: ignore[no-untyped-def]
    """States, gates and class scores of the loaded batch."""
    num_channels, num_units = weights.bias.shape
    sums = work.sums
    for t in range(steps):
        before, now = work.hidden[t], work.hidden[t + 1]
        for u in range(num_units):
            for c in range(num_channels):
                for b in range(lanes):
                    sums[c, b] = weights.bias[c, u]
            row = plan.input_row[u]
            for gate in range(len(plan.forward_channel)):
                c = plan.forward_channel[gate]
                if row >= 0:
                    for b in range(lanes):
                        sums[c, b] += weights.input[row, gate, work.symbols[t, b]]
                add_edges(sums, c, weights.forward, gate, plan.forward, u, now, lanes)
                if t > 0:
                    c = plan.recurrent_channel[gate]
                    add_edges(sums, c, weights.recurrent, gate, plan.recurrent, u, before, lanes)
            activate(plan.cell, work, t, u, lanes)
    for o in range(len(plan.output_unit)):
        u = plan.output_unit[o]
        for b in range(lanes):
            work.last[o, b] = work.hidden[work.lengths[b], u, b]
    for k in range(weights.readout.shape[0]):
        for b in range(lanes):
            work.scores[k, b] = weights.readout_bias[k]
        for o in range(len(plan.output_unit)):
            w = weights.readout[k, o]
            for b in range(lanes):
                work.scores[k, b] += w * work.last[o, b]


@njit(inline="always", fastmath=FAST, error_model="numpy")
def activate(cell, work, t, u, lanes):  # type: ignore[no-untyped-def]
    """From a unit's sums to its new state; gates are kept for the way back."""
    sums, before, now = work.sums, work.hidden[t, u], work.hidden[t + 1, u]
    if cell == TANH:
        for b in range(lanes):
            now[b] = tanh(sums[0, b])
    elif cell == RELU:
        for b in range(lanes):
            now[b] = max(sums[0, b], _ZERO)
    elif cell == GRU:
        gates = work.gates[t, u]
        for b in range(lanes):
            reset, update = sigmoid(sums[0, b]), sigmoid(sums[1, b])
            candidate = tanh(sums[2, b] + reset * sums[3, b])
            gates[0, b], gates[1, b], gates[2, b], gates[3, b] = reset, update, candidate, sums[3, b]
            now[b] = (_ONE - update) * candidate + update * before[b]
    else:
        gates, memory_before, memory = work.gates[t, u], work.memory[t, u], work.memory[t + 1, u]
        for b in range(lanes):
            i, f = sigmoid(sums[0, b]), sigmoid(sums[1, b])
            g, o = tanh(sums[2, b]), sigmoid(sums[3, b])
            gates[0, b], gates[1, b], gates[2, b], gates[3, b] = i, f, g, o
            memory[b] = f * memory_before[b] + i * g
            now[b] = o * tanh(memory[b])


@njit(inline="always", fastmath=FAST, error_model="numpy")
def loss_and_score_gradient(work, num_classes, lanes, count):  # type: ignore[no-untyped-def]
    """Sum of cross-entropies and number of hits; scores become the gradient of the mean loss."""
    loss, hits = 0.0, 0
    scale = _ONE / float32(count)
    for b in range(lanes):
        if work.lengths[b] == 0:
            for k in range(num_classes):
                work.scores[k, b] = _ZERO
            continue
        best = 0
        for k in range(1, num_classes):
            if work.scores[k, b] > work.scores[best, b]:
                best = k
        top, target = work.scores[best, b], work.targets[b]
        own = work.scores[target, b]
        total = _ZERO
        for k in range(num_classes):
            work.scores[k, b] = np.exp(work.scores[k, b] - top)
            total += work.scores[k, b]
        loss += np.log(total) + top - own
        hits += best == target
        for k in range(num_classes):
            work.scores[k, b] *= scale / total
        work.scores[target, b] -= scale
    return loss, hits


@njit(inline="always", fastmath=FAST, error_model="numpy")
def backward_pass(plan, weights, gradients, work, lanes, steps):  # type: ignore[no-untyped-def]
    """Adds to the gradients of all parameters; expects the scores' gradient in ``work.scores``."""
    num_channels, num_units = weights.bias.shape
    num_classes, num_outputs = weights.readout.shape
    work.last_gradient[:, :lanes] = _ZERO
    for k in range(num_classes):
        for b in range(lanes):
            gradients.readout_bias[k] += work.scores[k, b]
        for o in range(num_outputs):
            w, g = weights.readout[k, o], _ZERO
            for b in range(lanes):
                work.last_gradient[o, b] += w * work.scores[k, b]
                g += work.scores[k, b] * work.last[o, b]
            gradients.readout[k, o] += g
    work.carry[:, :lanes] = _ZERO
    gradient = work.hidden_gradient
    for t in range(steps - 1, -1, -1):
        now, later = work.delta[t % 2], work.delta[(t + 1) % 2]
        for u in range(num_units - 1, -1, -1):
            state = work.hidden[t + 1, u]
            for b in range(lanes):
                gradient[b] = _ZERO
            row = plan.output_row[u]
            if row >= 0:
                for b in range(lanes):
                    if work.lengths[b] == t + 1:
                        gradient[b] = work.last_gradient[row, b]
            for gate in range(len(plan.forward_channel)):
                pull_edges(
                    gradient, plan.forward_channel[gate], weights.forward, gradients.forward, gate,
                    plan.forward, u, now, state, lanes,
                )  # fmt: skip
                if t + 1 < steps:
                    pull_edges(
                        gradient, plan.recurrent_channel[gate], weights.recurrent, gradients.recurrent, gate,
                        plan.recurrent, u, later, state, lanes,
                    )  # fmt: skip
            differentiate(plan.cell, work, t, u, now[u], lanes)
            for c in range(num_channels):
                g = _ZERO
                for b in range(lanes):
                    g += now[u, c, b]
                gradients.bias[c, u] += g
            row = plan.input_row[u]
            if row >= 0:
                for gate in range(len(plan.forward_channel)):
                    c = plan.forward_channel[gate]
                    for b in range(lanes):
                        gradients.input[row, gate, work.symbols[t, b]] += now[u, c, b]


@njit(inline="always", fastmath=FAST, error_model="numpy")
def differentiate(cell, work, t, u, delta, lanes):  # type: ignore[no-untyped-def]
    """From the gradient of a unit's state to those of its sums."""
    gradient, carry, now = work.hidden_gradient, work.carry[u], work.hidden[t + 1, u]
    if cell == TANH:
        for b in range(lanes):
            delta[0, b] = gradient[b] * (_ONE - now[b] * now[b])
    elif cell == RELU:
        for b in range(lanes):
            delta[0, b] = gradient[b] if now[b] > _ZERO else _ZERO
    elif cell == GRU:
        gates, before = work.gates[t, u], work.hidden[t, u]
        for b in range(lanes):
            reset, update, candidate = gates[0, b], gates[1, b], gates[2, b]
            total = gradient[b] + carry[b]
            inner = total * (_ONE - update) * (_ONE - candidate * candidate)
            delta[0, b] = inner * gates[3, b] * reset * (_ONE - reset)
            delta[1, b] = total * (before[b] - candidate) * update * (_ONE - update)
            delta[2, b] = inner
            delta[3, b] = inner * reset
            carry[b] = total * update
    else:
        gates, before, memory = work.gates[t, u], work.memory[t, u], work.memory[t + 1, u]
        for b in range(lanes):
            i, f, g, o = gates[0, b], gates[1, b], gates[2, b], gates[3, b]
            squashed = tanh(memory[b])
            inner = carry[b] + gradient[b] * o * (_ONE - squashed * squashed)
            delta[0, b] = inner * g * i * (_ONE - i)
            delta[1, b] = inner * before[b] * f * (_ONE - f)
            delta[2, b] = inner * i * (_ONE - g * g)
            delta[3, b] = gradient[b] * squashed * o * (_ONE - o)
            carry[b] = inner * f


@njit(inline="always", fastmath=FAST, error_model="numpy")
def clear_padding(gradients):  # type: ignore[no-untyped-def]
    """The padding symbol feeds nothing, so its weights stay zero."""
    for row in range(gradients.input.shape[0]):
        for gate in range(gradients.input.shape[1]):
            gradients.input[row, gate, 0] = _ZERO


@njit(cache=True, fastmath=FAST, error_model="numpy")
def train_epoch(plan, weights, gradients, flat, optimiser, work, data, batches, starts, settings):  # type: ignore[no-untyped-def]
    """One epoch; returns the sum of the examples' losses, infinite or NaN as soon as it diverges.

    Parameters
    ----------
    flat : (parameters, gradient, first moment, second moment), each float32 [P]
    optimiser : int64 [1]: steps taken so far
    data : (tokens int32 [n, T], lengths int32 [n], targets int32 [n])
    batches : int64 [n] positions; ``starts`` int64 [batches + 1] cuts them
    settings : (learning rate, clip norm, beta 1, beta 2, epsilon)
    """
    tokens, lengths, targets = data
    total = 0.0
    for i in range(len(starts) - 1):
        batch = batches[starts[i] : starts[i + 1]]
        lanes, steps = load_batch(work, tokens, lengths, targets, batch)
        forward_pass(plan, weights, work, lanes, steps)
        loss, _ = loss_and_score_gradient(work, weights.readout.shape[0], lanes, len(batch))
        total += loss
        if not np.isfinite(total):
            return total
        flat[1][:] = _ZERO
        backward_pass(plan, weights, gradients, work, lanes, steps)
        clear_padding(gradients)
        optimiser[0] += 1
        clipped_adam(flat, optimiser[0], settings)
    return total


@njit(inline="always", fastmath=FAST, error_model="numpy")
def clipped_adam(flat, step, settings):  # type: ignore[no-untyped-def]
    """Clip the gradient's norm, then one step of Adam (Kingma and Ba, 2015) in place."""
    parameters, gradient, first, second = flat
    learning_rate, clip_norm, beta1, beta2, epsilon = settings
    squares = 0.0
    for p in range(len(gradient)):
        squares += gradient[p] * gradient[p]
    factor = float32(min(1.0, clip_norm / (np.sqrt(squares) + 1e-6)))
    rate = float32(learning_rate / (1.0 - beta1**step))
    correction = float32(1.0 / np.sqrt(1.0 - beta2**step))
    b1, b2, eps = float32(beta1), float32(beta2), float32(epsilon)
    for p in range(len(gradient)):
        g = gradient[p] * factor
        m = b1 * first[p] + (_ONE - b1) * g
        v = b2 * second[p] + (_ONE - b2) * g * g
        first[p], second[p] = m, v
        parameters[p] -= rate * m / (np.sqrt(v) * correction + eps)


@njit(cache=True, fastmath=FAST, error_model="numpy")
def evaluate(plan, weights, work, data, batches, starts):  # type: ignore[no-untyped-def]
    """Sum of losses and number of hits over a split."""
    tokens, lengths, targets = data
    loss, hits = 0.0, 0
    for i in range(len(starts) - 1):
        batch = batches[starts[i] : starts[i + 1]]
        lanes, steps = load_batch(work, tokens, lengths, targets, batch)
        forward_pass(plan, weights, work, lanes, steps)
        batch_loss, batch_hits = loss_and_score_gradient(work, weights.readout.shape[0], lanes, len(batch))
        loss += batch_loss
        hits += batch_hits
    return loss, hits
