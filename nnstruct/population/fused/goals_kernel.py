"""The loop over the batches of a split for tasks of any kind, series among them; in the clean protocol.

Plain classes of symbols have the loop of :mod:`nnstruct.population.fused.kernel`, whose parts are inlined
here as there.
"""

from __future__ import annotations

import numpy as np

from nnstruct.jit import cached_njit
from nnstruct.population.fused.arithmetic import FAST, ZERO
from nnstruct.population.fused.backward import backward_pass
from nnstruct.population.fused.forward import forward_pass, load_batch
from nnstruct.population.fused.goals import last_loss, load_series, scale_of, step_losses
from nnstruct.population.fused.kernel import clipped_adam
from nnstruct.population.loop.data import STEPS


@cached_njit(fastmath=FAST, error_model="numpy")
def run_goal_epoch(  # type: ignore[no-untyped-def]
    training, plan, weights, gradients, flat, optimiser, work, data, batches, starts, settings
):
    """One pass over a split, with or without training.

    Parameters
    ----------
    training : bool
        Whether to take a step after each batch.
    flat : (parameters, gradient, first moment, second moment), each float32 [P]
    optimiser : int64 [1]: steps taken so far
    data : Data
    batches : int64 [n] positions; ``starts`` int64 [batches + 1] cuts them
    settings : (learning rate, clip norm, beta 1, beta 2, epsilon)

    Returns
    -------
    (float, int)
        Sum of the losses of what is asked, infinite or NaN as soon as training diverges, and hits.
    """
    total, hits = 0.0, 0
    most = len(work.lengths)
    for i in range(len(starts) - 1):
        size = starts[i + 1] - starts[i]
        scale = scale_of(data, batches, starts[i], starts[i + 1])
        if training:
            flat[1][:] = ZERO
            gradients.bias[:] = ZERO
            gradients.input[:] = ZERO
        for begin in range(starts[i], starts[i + 1], most):
            part = batches[begin : min(begin + most, starts[i + 1])]
            if len(data.series) > 0:
                lanes, steps = load_series(work, data, part)
            else:
                lanes, steps = load_batch(work, data.tokens, data.lengths, data.targets, part, 0)
            forward_pass(plan, weights, work, lanes, steps)
            if data.goal == STEPS:
                part_loss, part_hits = step_losses(
                    plan.output_unit, weights, gradients, work, data, part, lanes, steps, scale, training
                )
            else:
                outputs = weights.readout.shape[0]
                part_loss, part_hits = last_loss(work, data, part, outputs, lanes, size, scale, training)
            total += part_loss
            hits += part_hits
            if training:
                backward_pass(plan, weights, gradients, work, lanes, steps)
        if training:
            if not np.isfinite(total):
                return total, hits
            optimiser[0] += 1
            clipped_adam(flat, optimiser[0], settings)
    return total, hits
