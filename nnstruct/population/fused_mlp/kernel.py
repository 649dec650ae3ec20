"""Multilayer perceptrons in one compiled loop: forward, backward, clipping and Adam, one network.

Everything is inlined into the one function that is called from Python, as in the loop of recurrent
networks and for the same reasons.
"""

from __future__ import annotations

import numpy as np

from nnstruct.jit import cached_njit
from nnstruct.population.fused.arithmetic import FAST, ZERO
from nnstruct.population.fused.kernel import clipped_adam, loss_and_score_gradient
from nnstruct.population.fused_mlp.passes import backward_pass, forward_pass, load_batch


@cached_njit(fastmath=FAST, error_model="numpy")
def run_epoch(  # type: ignore[no-untyped-def]
    training, plan, weights, gradients, flat, optimiser, work, data, batches, starts, rates, settings
):  # fmt: skip
    """One pass over a split, with or without training; one function for both halves the compilation.

    Parameters
    ----------
    training : bool
        Whether to take a step after each batch.
    flat : (parameters, gradient, first moment, second moment), each float32 [P]
    optimiser : int64 [1]: steps taken so far
    data : (inputs float32 [n, D], targets int32 [n])
    batches : int64 [n] positions; ``starts`` int64 [batches + 1] cuts them
    rates : float64 [steps of the whole training]: learning rates
    settings : (clip norm, beta 1, beta 2, epsilon)

    Returns
    -------
    (float, int)
        Sum of the examples' losses, infinite or NaN as soon as training diverges, and hits.
    """
    inputs, targets = data
    clip_norm, beta1, beta2, epsilon = settings
    total, hits = 0.0, 0
    most = len(work.lengths)
    for i in range(len(starts) - 1):
        size = starts[i + 1] - starts[i]
        if training:
            flat[1][:] = ZERO
        for begin in range(starts[i], starts[i + 1], most):
            part = batches[begin : min(begin + most, starts[i + 1])]
            lanes = load_batch(work, targets, part)
            forward_pass(plan, weights, work, inputs, lanes)
            part_loss, part_hits = loss_and_score_gradient(work, weights.readout.shape[0], lanes, size)
            total += part_loss
            hits += part_hits
            if training:
                backward_pass(plan, weights, gradients, work, inputs, lanes)
        if training:
            if not np.isfinite(total):
                return total, hits
            rate = rates[optimiser[0]]
            optimiser[0] += 1
            clipped_adam(flat, optimiser[0], (rate, clip_norm, beta1, beta2, epsilon))
    return total, hits
