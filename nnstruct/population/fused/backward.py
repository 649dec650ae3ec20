"""From the scores' gradient to the parameters' gradients, compiled."""

from __future__ import annotations

from numba import njit

from nnstruct.population.fused.arithmetic import FAST, ONE, ZERO, tanh
from nnstruct.population.fused.workspace import GRU, INPUT_SUMS, RELU, TANH


@njit(inline="always", fastmath=FAST, error_model="numpy")
def backward_pass(plan, weights, gradients, work, lanes, steps):  # type: ignore[no-untyped-def]
    """Adds to the gradients of all parameters; expects the scores' gradient in ``work.scores``."""
    hidden, memory, gates, symbols, lengths = work.hidden, work.memory, work.gates, work.symbols, work.lengths
    delta, carry, gradient, inner = work.delta, work.carry, work.hidden_gradient, work.inner
    added, last_gradient, input_sums = work.added, work.last_gradient, work.input_sums
    step_gradient = work.step_gradient
    forward, recurrent, bias = weights.forward, weights.recurrent, weights.bias
    g_forward, g_recurrent, g_bias, g_input = (
        gradients.forward, gradients.recurrent, gradients.bias, gradients.input,
    )  # fmt: skip
    f_start, f_target = plan.forward.out_start, plan.forward.out_target
    r_start, r_target = plan.recurrent.out_start, plan.recurrent.out_target
    forward_channel, recurrent_channel = plan.forward_channel, plan.recurrent_channel
    input_row, output_row, cell = plan.input_row, plan.output_row, plan.cell
    num_channels, num_units = bias.shape
    num_gates = len(forward_channel)
    sum_start, sum_source, computes = plan.sum_start, plan.sum_source, plan.computes
    last_row = len(f_start) - 1
    pull_readout(weights, gradients, work, lanes)
    carry[:, :lanes] = ZERO
    input_sums[:] = ZERO
    shortest = steps
    for b in range(lanes):
        shortest = min(shortest, lengths[b])
    for t in range(steps - 1, -1, -1):
        now, later = t % 2, (t + 1) % 2
        for u in range(num_units - 1, -1, -1):
            for b in range(lanes):
                gradient[b] = ZERO
            row = output_row[u]
            if row >= 0 and t + 1 >= shortest:
                for b in range(lanes):
                    gradient[b] = last_gradient[row, b] if lengths[b] == t + 1 else ZERO
            if row >= 0 and len(step_gradient) > 0:
                for b in range(lanes):
                    gradient[b] += step_gradient[t, row, b]
            if len(added) > 0:
                for b in range(lanes):
                    gradient[b] += added[u, b]
                    added[u, b] = ZERO
            for gate in range(num_gates):
                c = forward_channel[gate]
                pull_edges(
                    gradient, c, forward, g_forward, gate, f_start, f_target, min(gate, last_row), u, delta,
                    now, hidden, t + 1, lanes,
                )  # fmt: skip
                if t + 1 < steps:
                    c = recurrent_channel[gate]
                    pull_edges(
                        gradient, c, recurrent, g_recurrent, gate, r_start, r_target, 0, u, delta, later,
                        hidden, t + 1, lanes,
                    )  # fmt: skip
            sums = sum_start[u + 1] > sum_start[u]
            if sums:
                if cell == GRU:  # the state of the next step reads the sum too
                    for b in range(lanes):
                        gradient[b] += carry[u, b]
                        carry[u, b] = ZERO
                hand_on(gradient, sum_start, sum_source, u, added, lanes)
            if computes[u] != 1:
                continue
            differentiate(cell, gradient, inner, carry, hidden, memory, gates, delta, now, t, u, sums, lanes)
            for c in range(num_channels):
                g = ZERO
                for b in range(lanes):
                    g += delta[now, u, c, b]
                g_bias[c, u] += g
            row = input_row[u]
            if row >= 0:
                # Neighbouring lanes often hold the same symbol: separate sums do not wait for each other.
                for gate in range(num_gates):
                    c = forward_channel[gate]
                    for b in range(0, lanes, INPUT_SUMS):
                        for i in range(INPUT_SUMS):
                            input_sums[row, gate, i, symbols[t, b + i]] += delta[now, u, c, b + i]
    for row in range(g_input.shape[0]):
        for gate in range(num_gates):
            for i in range(INPUT_SUMS):
                for symbol in range(plan.first_symbol, g_input.shape[2]):
                    g_input[row, gate, symbol] += input_sums[row, gate, i, symbol]


@njit(inline="always", fastmath=FAST, error_model="numpy")
def pull_readout(weights, gradients, work, lanes):  # type: ignore[no-untyped-def]
    """Gradients of the read-out, and of the states that it saw."""
    last, last_gradient, scores = work.last, work.last_gradient, work.scores
    readout, g_readout, g_readout_bias = weights.readout, gradients.readout, gradients.readout_bias
    num_classes, num_outputs = readout.shape
    last_gradient[:, :lanes] = ZERO
    for k in range(num_classes):
        for b in range(lanes):
            g_readout_bias[k] += scores[k, b]
        for o in range(num_outputs):
            w, g = readout[k, o], ZERO
            for b in range(lanes):
                last_gradient[o, b] += w * scores[k, b]
                g += scores[k, b] * last[o, b]
            g_readout[k, o] += g


@njit(inline="always", fastmath=FAST, error_model="numpy")
def pull_edges(  # type: ignore[no-untyped-def]
    gradient, channel, weight, weight_gradient, gate, start, target, row, unit, delta, side, hidden, t, lanes
):
    """Gradients through the edges that leave a unit: of its state ``hidden[t]`` and of their weights."""
    e, end = start[row, unit], start[row, unit + 1]
    while e + 3 < end:
        t0, t1, t2, t3 = target[row, e], target[row, e + 1], target[row, e + 2], target[row, e + 3]
        w0, w1, w2, w3 = weight[gate, e], weight[gate, e + 1], weight[gate, e + 2], weight[gate, e + 3]
        g0, g1, g2, g3 = ZERO, ZERO, ZERO, ZERO
        for b in range(lanes):
            d0, d1 = delta[side, t0, channel, b], delta[side, t1, channel, b]
            d2, d3 = delta[side, t2, channel, b], delta[side, t3, channel, b]
            gradient[b] += w0 * d0 + w1 * d1 + w2 * d2 + w3 * d3
            h = hidden[t, unit, b]
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
        t0, w0 = target[row, e], weight[gate, e]
        g0 = ZERO
        for b in range(lanes):
            d0 = delta[side, t0, channel, b]
            gradient[b] += w0 * d0
            g0 += d0 * hidden[t, unit, b]
        weight_gradient[gate, e] += g0
        e += 1


@njit(inline="always", fastmath=FAST, error_model="numpy")
def hand_on(gradient, start, source, unit, added, lanes):  # type: ignore[no-untyped-def]
    """A state's gradient is also that of the states that are added to it."""
    for e in range(start[unit], start[unit + 1]):
        s = source[e]
        for b in range(lanes):
            added[s, b] += gradient[b]


@njit(inline="always", fastmath=FAST, error_model="numpy")
def differentiate(cell, gradient, inner, carry, hidden, memory, gates, delta, now, t, u, sums, lanes):  # type: ignore[no-untyped-def]
    """From the gradient of a unit's state to those of its sums; ``sums`` says if others are in its state."""
    if cell == TANH:
        if sums:
            for b in range(lanes):
                delta[now, u, 0, b] = gradient[b] * (ONE - memory[t + 1, u, b] * memory[t + 1, u, b])
        else:
            for b in range(lanes):
                delta[now, u, 0, b] = gradient[b] * (ONE - hidden[t + 1, u, b] * hidden[t + 1, u, b])
    elif cell == RELU:
        if sums:
            for b in range(lanes):
                delta[now, u, 0, b] = gradient[b] if memory[t + 1, u, b] > ZERO else ZERO
        else:
            for b in range(lanes):
                delta[now, u, 0, b] = gradient[b] if hidden[t + 1, u, b] > ZERO else ZERO
    elif cell == GRU:
        for b in range(lanes):
            inner[0, b] = gradient[b] + carry[u, b]
        for b in range(lanes):
            update = gates[t, u, 1, b]
            delta[now, u, 1, b] = (
                inner[0, b] * (hidden[t, u, b] - gates[t, u, 2, b]) * update * (ONE - update)
            )
        for b in range(lanes):
            carry[u, b] = inner[0, b] * gates[t, u, 1, b]
        for b in range(lanes):
            candidate = gates[t, u, 2, b]
            delta[now, u, 2, b] = inner[0, b] * (ONE - gates[t, u, 1, b]) * (ONE - candidate * candidate)
        for b in range(lanes):
            delta[now, u, 3, b] = delta[now, u, 2, b] * gates[t, u, 0, b]
        for b in range(lanes):
            delta[now, u, 0, b] = delta[now, u, 3, b] * gates[t, u, 3, b] * (ONE - gates[t, u, 0, b])
    else:
        for b in range(lanes):
            inner[1, b] = tanh(memory[t + 1, u, b])
        for b in range(lanes):
            slope = ONE - inner[1, b] * inner[1, b]
            inner[0, b] = carry[u, b] + gradient[b] * gates[t, u, 3, b] * slope
        for b in range(lanes):
            gate = gates[t, u, 0, b]
            delta[now, u, 0, b] = inner[0, b] * gates[t, u, 2, b] * gate * (ONE - gate)
        for b in range(lanes):
            gate = gates[t, u, 1, b]
            delta[now, u, 1, b] = inner[0, b] * memory[t, u, b] * gate * (ONE - gate)
        for b in range(lanes):
            gate = gates[t, u, 2, b]
            delta[now, u, 2, b] = inner[0, b] * gates[t, u, 0, b] * (ONE - gate * gate)
        for b in range(lanes):
            gate = gates[t, u, 3, b]
            delta[now, u, 3, b] = gradient[b] * inner[1, b] * gate * (ONE - gate)
        for b in range(lanes):
            carry[u, b] = inner[0, b] * gates[t, u, 1, b]
