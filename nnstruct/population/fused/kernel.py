"""Both protocols in one compiled loop: forward, backward, clipping and Adam, one network.

Layout: [time, unit, lane], a batch's examples being the lanes, so that the innermost loop always
runs over contiguous lanes and becomes vector code. Edges are taken four at a time: an
accumulator row is loaded and stored once for four multiply-adds. Loops over lanes are kept short:
with more than a few arrays in one loop the compiler gives up proving that they do not overlap.

Everything is inlined into the one function that is called from Python. As separate compiled
functions the parts would be optimised apart, and a process that compiles them could round
differently from one that loads them from the cache.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from nnstruct.jit import cached_njit
from nnstruct.population.fused.arithmetic import FAST, ONE, ZERO, float32
from nnstruct.population.fused.backward import backward_pass
from nnstruct.population.fused.forward import forward_pass, load_batch
from nnstruct.population.fused.tied import collect_gradients, refresh_weights


@njit(inline="always", fastmath=FAST, error_model="numpy")
def loss_and_score_gradient(work, num_classes, lanes, count):  # type: ignore[no-untyped-def]
    """Sum of cross-entropies and number of hits; scores become the gradient of the mean loss."""
    loss, hits = 0.0, 0
    scale = ONE / float32(count)
    for b in range(lanes):
        if work.lengths[b] == 0:
            for k in range(num_classes):
                work.scores[k, b] = ZERO
            continue
        best = 0
        for k in range(1, num_classes):
            if work.scores[k, b] > work.scores[best, b]:
                best = k
        top, target = work.scores[best, b], work.targets[b]
        own = work.scores[target, b]
        total = ZERO
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
        m = b1 * first[p] + (ONE - b1) * g
        v = b2 * second[p] + (ONE - b2) * g * g
        first[p], second[p] = m, v
        parameters[p] -= rate * m / (np.sqrt(v) * correction + eps)


@njit(inline="always", fastmath=FAST, error_model="numpy")
def padded_length(plan, lengths, batches, starts, i):  # type: ignore[no-untyped-def]
    """The longest sequence of a batch where all are read out behind their padding, else 0."""
    longest = 0
    if plan.read_padded:
        for j in range(starts[i], starts[i + 1]):
            longest = max(longest, lengths[batches[j]])
    return longest


@cached_njit(fastmath=FAST, error_model="numpy")
def run_epoch(  # type: ignore[no-untyped-def]
    training, plan, weights, gradients, tied, tied_gradients, flat, optimiser, work, data, batches,
    starts, settings,
):  # fmt: skip
    """One pass over a split, with or without training; one function for both halves the compilation.

    Parameters
    ----------
    training : bool
        Whether to take a step after each batch.
    tied, tied_gradients : TiedWeights
        What the bias and the input table are made of in the faithful protocol; empty otherwise.
    flat : (parameters, gradient, first moment, second moment), each float32 [P]
    optimiser : int64 [1]: steps taken so far
    data : (tokens int32 [n, T], lengths int32 [n], targets int32 [n])
    batches : int64 [n] positions; ``starts`` int64 [batches + 1] cuts them
    settings : (learning rate, clip norm, beta 1, beta 2, epsilon)

    Returns
    -------
    (float, int)
        Sum of the examples' losses, infinite or NaN as soon as training diverges, and hits.
    """
    tokens, lengths, targets = data
    total, hits = 0.0, 0
    most = len(work.lengths)
    refresh_weights(plan, tied, weights)
    for i in range(len(starts) - 1):
        size = starts[i + 1] - starts[i]
        longest = padded_length(plan, lengths, batches, starts, i)
        if training:
            flat[1][:] = ZERO
            gradients.bias[:] = ZERO
            gradients.input[:] = ZERO
        for begin in range(starts[i], starts[i + 1], most):
            part = batches[begin : min(begin + most, starts[i + 1])]
            lanes, steps = load_batch(work, tokens, lengths, targets, part, longest)
            forward_pass(plan, weights, work, lanes, steps)
            part_loss, part_hits = loss_and_score_gradient(work, weights.readout.shape[0], lanes, size)
            total += part_loss
            hits += part_hits
            if training:
                backward_pass(plan, weights, gradients, work, lanes, steps)
        if training:
            if not np.isfinite(total):
                return total, hits
            collect_gradients(plan, tied, tied_gradients, gradients)
            optimiser[0] += 1
            clipped_adam(flat, optimiser[0], settings)
            refresh_weights(plan, tied, weights)
    return total, hits
