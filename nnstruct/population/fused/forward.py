"""From symbols to class scores, compiled."""

from __future__ import annotations

from numba import njit

from nnstruct.population.fused.arithmetic import FAST, ZERO, sigmoid, tanh
from nnstruct.population.fused.workspace import GRU, LANE_MULTIPLE, RELU, TANH
from nnstruct.population.loop.plan import GIVEN


@njit(inline="always", fastmath=FAST, error_model="numpy")
def load_batch(work, tokens, lengths, targets, batch, longest):  # type: ignore[no-untyped-def]
    """Fill the workspace's lanes; returns the lanes in use (a multiple of 16) and the steps to run.

    With ``longest`` above zero every sequence is padded to it and read out there; otherwise each is
    read out at its own last symbol.
    """
    lanes = (len(batch) + LANE_MULTIPLE - 1) // LANE_MULTIPLE * LANE_MULTIPLE
    steps = longest
    for b in range(lanes):
        if b < len(batch):
            work.lengths[b] = longest if longest > 0 else lengths[batch[b]]
            work.targets[b] = targets[batch[b]]
            steps = max(steps, work.lengths[b])
        else:
            work.lengths[b] = 0
    for t in range(steps):
        for b in range(lanes):
            work.symbols[t, b] = tokens[batch[b], t] if b < len(batch) else 0
    return lanes, steps


@njit(inline="always", fastmath=FAST, error_model="numpy")
def forward_pass(plan, weights, work, lanes, steps):  # type: ignore[no-untyped-def]
    """States, gates and class scores of the loaded batch."""
    sums, hidden, memory, gates, symbols = work.sums, work.hidden, work.memory, work.gates, work.symbols
    forward, recurrent, bias, table = weights.forward, weights.recurrent, weights.bias, weights.input
    f_start, f_source, f_position = plan.forward.in_start, plan.forward.in_source, plan.forward.in_edge
    r_start, r_source, r_position = plan.recurrent.in_start, plan.recurrent.in_source, plan.recurrent.in_edge
    forward_channel, recurrent_channel = plan.forward_channel, plan.recurrent_channel
    input_row, output_unit, cell = plan.input_row, plan.output_unit, plan.cell
    sum_start, sum_source, computes = plan.sum_start, plan.sum_source, plan.computes
    last_row = len(f_start) - 1
    num_channels, num_units = bias.shape
    num_gates = len(forward_channel)
    for t in range(steps):
        for u in range(num_units):
            if computes[u] == GIVEN:
                continue
            if not computes[u]:
                for b in range(lanes):
                    hidden[t + 1, u, b] = ZERO
                add_states(sum_start, sum_source, u, hidden, t + 1, lanes)
                continue
            for c in range(num_channels):
                value = bias[c, u]
                for b in range(lanes):
                    sums[c, b] = value
            place = input_row[u]
            for gate in range(num_gates):
                c = forward_channel[gate]
                if place >= 0:
                    for b in range(lanes):
                        sums[c, b] += table[place, gate, symbols[t, b]]
                row = min(gate, last_row)
                add_edges(sums, c, forward, gate, f_start, f_source, f_position, row, u, hidden, t + 1, lanes)
                if t > 0:
                    c = recurrent_channel[gate]
                    add_edges(sums, c, recurrent, gate, r_start, r_source, r_position, 0, u, hidden, t, lanes)
            activate(cell, sums, hidden, memory, gates, t, u, lanes)
            if sum_start[u + 1] > sum_start[u]:
                if cell in (TANH, RELU):
                    for b in range(lanes):
                        memory[t + 1, u, b] = hidden[t + 1, u, b]
                add_states(sum_start, sum_source, u, hidden, t + 1, lanes)
    read_out(output_unit, weights, work, lanes)


@njit(inline="always", fastmath=FAST, error_model="numpy")
def add_edges(sums, channel, weight, gate, start, source, position, row, unit, hidden, t, lanes):  # type: ignore[no-untyped-def]
    """sums[channel] += weight[gate, e] * hidden[t, source of e] over the edges that enter a unit."""
    e, end = start[row, unit], start[row, unit + 1]
    while e + 3 < end:
        s0, s1, s2, s3 = source[row, e], source[row, e + 1], source[row, e + 2], source[row, e + 3]
        w0, w1 = weight[gate, position[row, e]], weight[gate, position[row, e + 1]]
        w2, w3 = weight[gate, position[row, e + 2]], weight[gate, position[row, e + 3]]
        for b in range(lanes):
            sums[channel, b] += (
                w0 * hidden[t, s0, b] + w1 * hidden[t, s1, b] + w2 * hidden[t, s2, b] + w3 * hidden[t, s3, b]
            )
        e += 4
    while e < end:
        s0, w0 = source[row, e], weight[gate, position[row, e]]
        for b in range(lanes):
            sums[channel, b] += w0 * hidden[t, s0, b]
        e += 1


@njit(inline="always", fastmath=FAST, error_model="numpy")
def add_states(start, source, unit, hidden, t, lanes):  # type: ignore[no-untyped-def]
    """Add to a unit's state those of others at the same step."""
    e, end = start[unit], start[unit + 1]
    while e + 3 < end:
        s0, s1, s2, s3 = source[e], source[e + 1], source[e + 2], source[e + 3]
        for b in range(lanes):
            hidden[t, unit, b] += (hidden[t, s0, b] + hidden[t, s1, b]) + (
                hidden[t, s2, b] + hidden[t, s3, b]
            )
        e += 4
    while e < end:
        s0 = source[e]
        for b in range(lanes):
            hidden[t, unit, b] += hidden[t, s0, b]
        e += 1


@njit(inline="always", fastmath=FAST, error_model="numpy")
def activate(cell, sums, hidden, memory, gates, t, u, lanes):  # type: ignore[no-untyped-def]
    """From a unit's sums to its new state; gates are kept for the way back."""
    if cell == TANH:
        for b in range(lanes):
            hidden[t + 1, u, b] = tanh(sums[0, b])
    elif cell == RELU:
        for b in range(lanes):
            hidden[t + 1, u, b] = max(sums[0, b], ZERO)
    elif cell == GRU:
        for c in range(2):
            for b in range(lanes):
                gates[t, u, c, b] = sigmoid(sums[c, b])
        for b in range(lanes):
            gates[t, u, 3, b] = sums[3, b]
        for b in range(lanes):
            gates[t, u, 2, b] = tanh(sums[2, b] + gates[t, u, 0, b] * sums[3, b])
        for b in range(lanes):
            candidate = gates[t, u, 2, b]
            hidden[t + 1, u, b] = candidate + gates[t, u, 1, b] * (hidden[t, u, b] - candidate)
    else:
        for c in range(4):
            if c == 2:
                for b in range(lanes):
                    gates[t, u, c, b] = tanh(sums[c, b])
            else:
                for b in range(lanes):
                    gates[t, u, c, b] = sigmoid(sums[c, b])
        for b in range(lanes):
            memory[t + 1, u, b] = gates[t, u, 1, b] * memory[t, u, b] + gates[t, u, 0, b] * gates[t, u, 2, b]
        for b in range(lanes):
            hidden[t + 1, u, b] = gates[t, u, 3, b] * tanh(memory[t + 1, u, b])


@njit(inline="always", fastmath=FAST, error_model="numpy")
def read_out(output_unit, weights, work, lanes):  # type: ignore[no-untyped-def]
    """Class scores from the output units' states at each lane's own last symbol."""
    last, scores, hidden, lengths = work.last, work.scores, work.hidden, work.lengths
    readout, readout_bias = weights.readout, weights.readout_bias
    for o in range(len(output_unit)):
        u = output_unit[o]
        for b in range(lanes):
            last[o, b] = hidden[lengths[b], u, b]
    for k in range(readout.shape[0]):
        value = readout_bias[k]
        for b in range(lanes):
            scores[k, b] = value
        for o in range(len(output_unit)):
            w = readout[k, o]
            for b in range(lanes):
                scores[k, b] += w * last[o, b]
