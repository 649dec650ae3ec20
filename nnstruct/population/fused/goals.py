"""Losses of the tasks that are no plain classification, and the gradients of the scores, compiled."""

from __future__ import annotations

import numpy as np
from numba import njit

from nnstruct.population.fused.arithmetic import FAST, ONE, ZERO, exp_of_negative, float32
from nnstruct.population.fused.kernel import loss_and_score_gradient
from nnstruct.population.loop.data import PLAIN, REAL


@njit(inline="always", fastmath=FAST, error_model="numpy")
def last_loss(work, data, part, num_outputs, lanes, size, scale, training):  # type: ignore[no-untyped-def]
    """Sum of the losses of what is asked at the end, and hits; scores become the mean loss's gradient."""
    if data.goal == PLAIN:
        loss, hits = loss_and_score_gradient(work, num_outputs, lanes, size)
    elif data.goal == REAL:
        loss, hits = squared_errors(work, data, part, num_outputs, lanes, size, training), 0
    else:
        for b in range(lanes):
            if work.lengths[b] == 0:
                work.targets[b] = -1
        loss, hits = class_losses(work, data, num_outputs, lanes, scale, training)
    return loss, hits


@njit(inline="always", fastmath=FAST, error_model="numpy")
def class_losses(work, data, num_classes, lanes, scale, training):  # type: ignore[no-untyped-def]
    """Sum of weighted cross-entropies, and hits, of ``work.targets``, where they are not negative."""
    scores = work.scores
    top, own = np.empty(lanes, np.float32), np.empty(lanes, np.float32)
    total, share, rate = np.zeros(lanes, np.float32), np.zeros(lanes, np.float32), np.empty(lanes, np.float32)
    top[:] = scores[0, :lanes]
    for k in range(1, num_classes):
        for b in range(lanes):
            top[b] = max(top[b], scores[k, b])
    loss, hits = 0.0, 0
    for b in range(lanes):
        target = work.targets[b]
        own[b] = scores[max(target, 0), b]
        if target >= 0 and not training:
            best = 0
            while scores[best, b] < top[b]:
                best += 1
            hits += best == target
            data.counts[1 + target] += best == target
    for k in range(num_classes):
        for b in range(lanes):
            power = exp_of_negative(scores[k, b] - top[b])
            scores[k, b] = power
            total[b] += power
    for b in range(lanes):
        target = work.targets[b]
        if target >= 0:
            each, weight = np.log(total[b]) + top[b] - own[b], data.class_weights[target]
            loss += weight * each
            share[b] = weight * scale
            if not training:
                data.counts[0] += each
        rate[b] = share[b] / total[b]
    for k in range(num_classes):
        for b in range(lanes):
            scores[k, b] = scores[k, b] * rate[b] if share[b] != ZERO else ZERO
    for b in range(lanes):
        if work.targets[b] >= 0:
            scores[work.targets[b], b] -= share[b]
    return loss, hits


@njit(inline="always", fastmath=FAST, error_model="numpy")
def squared_errors(work, data, part, num_outputs, lanes, size, training):  # type: ignore[no-untyped-def]
    """Sum over examples of the mean squared error."""
    scale = float32(2.0) / (float32(size) * float32(num_outputs))
    total = 0.0
    for k in range(num_outputs):
        squares, absolute = 0.0, 0.0
        for b in range(lanes):
            error = ZERO
            if b < len(part):
                error = work.scores[k, b] - data.real[part[b], k]
            squares += float(error * error)
            absolute += float(abs(error))
            work.scores[k, b] = scale * error
        total += squares
        if not training:
            data.counts[k] += squares
            data.counts[num_outputs + k] += absolute
    return total / num_outputs


@njit(inline="always", fastmath=FAST, error_model="numpy")
def scale_of(data, batches, begin, end):  # type: ignore[no-untyped-def]
    """One over the weight of all that a batch asks, where examples have weights."""
    asked = 0.0
    if len(data.weights) > 0:
        for j in range(begin, end):
            asked += data.weights[batches[j]]
    return float32(1.0 / asked) if asked > 0.0 else ONE


@njit(inline="always", fastmath=FAST, error_model="numpy")
def load_series(work, data, batch):  # type: ignore[no-untyped-def]
    """Fill the lanes; the first units' states are the series."""
    lanes = (len(batch) + 15) // 16 * 16
    steps = 0
    for b in range(lanes):
        real = b < len(batch)
        work.lengths[b] = data.lengths[batch[b]] if real else 0
        work.targets[b] = data.targets[batch[b]] if real else 0
        steps = max(steps, work.lengths[b])
    for t in range(steps):
        for c in range(data.series.shape[2]):
            for b in range(lanes):
                work.hidden[t + 1, c, b] = data.series[batch[b], t, c] if b < len(batch) else ZERO
    return lanes, steps


@njit(inline="always", fastmath=FAST, error_model="numpy")
def step_losses(output_unit, weights, gradients, work, data, part, lanes, steps, scale, training):  # type: ignore[no-untyped-def]
    """Reads out every step; its losses, hits, gradients of the read-out and of the states that it saw."""
    hidden, scores, readout = work.hidden, work.scores, weights.readout
    num_classes, num_outputs = readout.shape
    loss, hits = 0.0, 0
    for t in range(steps):
        asked = 0
        for b in range(lanes):
            work.targets[b] = data.steps[part[b], t] if b < len(part) else -1
            asked += work.targets[b] >= 0
        for o in range(num_outputs):
            for b in range(lanes):
                work.step_gradient[t, o, b] = ZERO
        if asked == 0:
            continue
        for k in range(num_classes):
            value = weights.readout_bias[k]
            for b in range(lanes):
                scores[k, b] = value
            for o in range(num_outputs):
                w, u = readout[k, o], output_unit[o]
                for b in range(lanes):
                    scores[k, b] += w * hidden[t + 1, u, b]
        step_loss, step_hits = class_losses(work, data, num_classes, lanes, scale, training)
        loss += step_loss
        hits += step_hits
        if training:
            for k in range(num_classes):
                added = ZERO
                for b in range(lanes):
                    added += scores[k, b]
                gradients.readout_bias[k] += added
                for o in range(num_outputs):
                    w, g, u = readout[k, o], ZERO, output_unit[o]
                    for b in range(lanes):
                        work.step_gradient[t, o, b] += w * scores[k, b]
                        g += scores[k, b] * hidden[t + 1, u, b]
                    gradients.readout[k, o] += g
    # Nothing is left for the read-out of the last step.
    for k in range(num_classes):
        for b in range(lanes):
            scores[k, b] = ZERO
    return loss, hits
