"""The loop of multilayer perceptrons for real targets, weights of classes and other metrics.

Plain classes have the loop of :mod:`nnstruct.population.fused_mlp.kernel`, whose parts are inlined here
as there.
"""

from __future__ import annotations

import numpy as np

from nnstruct.jit import cached_njit
from nnstruct.population.fused.arithmetic import FAST, ZERO
from nnstruct.population.fused.goals import last_loss, scale_of
from nnstruct.population.fused.kernel import clipped_adam
from nnstruct.population.fused_mlp.passes import backward_pass, forward_pass, load_batch


@cached_njit(fastmath=FAST, error_model="numpy")
def run_goal_epoch(  # type: ignore[no-untyped-def]
    training, plan, weights, gradients, flat, optimiser, work, inputs, data, batches, starts, rates, settings
):  # fmt: skip
    """One pass over a split, with or without training; one function for both halves the compilation.

    Parameters
    ----------
    training : bool
        Whether to take a step after each batch.
    flat : (parameters, gradient, first moment, second moment), each float32 [P]
    optimiser : int64 [1]: steps taken so far
    inputs : float32 [n, D]
    data : Data
        Of what is asked.
    batches : int64 [n] positions; ``starts`` int64 [batches + 1] cuts them
    rates : float64 [steps of the whole training]: learning rates
    settings : (clip norm, beta 1, beta 2, epsilon)

    Returns
    -------
    (float, int)
        Sum of the examples' losses, infinite or NaN as soon as training diverges, and hits.
    """
    clip_norm, beta1, beta2, epsilon = settings
    total, hits = 0.0, 0
    most = len(work.lengths)
    for i in range(len(starts) - 1):
        size = starts[i + 1] - starts[i]
        scale = scale_of(data, batches, starts[i], starts[i + 1])
        if training:
            flat[1][:] = ZERO
        for begin in range(starts[i], starts[i + 1], most):
            part = batches[begin : min(begin + most, starts[i + 1])]
            lanes = load_batch(work, data.targets, part)
            forward_pass(plan, weights, work, inputs, lanes)
            outputs = weights.readout.shape[0]
            part_loss, part_hits = last_loss(work, data, part, outputs, lanes, size, scale, training)
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
