"""From examples to class scores and back to the parameters' gradients, compiled."""

from __future__ import annotations

import numpy as np
from numba import njit

from nnstruct.modules.mlp.parameters import NORM_EPSILON, SMALLEST_NORMALIZED_LAYER
from nnstruct.population.fused.arithmetic import FAST, HALF, ONE, ZERO, float32, tanh
from nnstruct.population.fused.backward import hand_on, pull_edges, pull_readout
from nnstruct.population.fused.forward import add_edges, add_states
from nnstruct.population.fused.workspace import LANE_MULTIPLE
from nnstruct.population.fused_mlp.layout import GELU, RELU
from nnstruct.population.fused_mlp.products import multiply_inputs, pull_inputs

_EPSILON = float32(NORM_EPSILON)
# GELU(x) is near x / 2 * (1 + tanh(_OUTER * (x + _INNER * x^3))).
_OUTER, _INNER, _THREE_INNER = float32(0.7978845608028654), float32(0.044715), float32(0.134145)


@njit(inline="always", fastmath=FAST, error_model="numpy")
def load_batch(work, targets, batch):  # type: ignore[no-untyped-def]
    """Fill the workspace's lanes; returns the lanes in use, a multiple of 16."""
    lanes = (len(batch) + LANE_MULTIPLE - 1) // LANE_MULTIPLE * LANE_MULTIPLE
    for b in range(lanes):
        real = b < len(batch)
        work.position[b] = batch[b] if real else batch[0]
        work.targets[b] = targets[batch[b]] if real else 0
        work.lengths[b] = 1 if real else 0
    return lanes


@njit(inline="always", fastmath=FAST, error_model="numpy")
def forward_pass(plan, weights, work, inputs, lanes):  # type: ignore[no-untyped-def]
    """Values of all units, and class scores, of the loaded batch."""
    sums, products, hidden, bias = work.sums, work.products, work.hidden, weights.bias
    start, source, position = plan.edges.in_start, plan.edges.in_source, plan.edges.in_edge
    multiply_inputs(weights.input, inputs, work.position, products, lanes)
    for layer in range(len(plan.layer_start) - 1):
        first, end = plan.layer_start[layer], plan.layer_start[layer + 1]
        for u in range(first, end):
            row, value = plan.input_row[u], bias[u]
            if row >= 0:
                for b in range(lanes):
                    sums[u, b] = products[row, b] + value
            else:
                for b in range(lanes):
                    sums[u, b] = value
            add_edges(sums, u, weights.edges, 0, start, source, position, 0, u, hidden, 0, lanes)
        if len(weights.norm_scale) > 0:
            normalize(weights, work, layer, first, end, lanes)
        for u in range(first, end):
            if plan.computes[u]:
                activate(plan.activation[u], sums, hidden, u, lanes)
            else:
                for b in range(lanes):
                    hidden[0, u, b] = ZERO
            add_states(plan.sum_start, plan.sum_source, u, hidden, 0, lanes)
    read_out(plan.output_unit, weights, work, lanes)


@njit(inline="always", fastmath=FAST, error_model="numpy")
def normalize(weights, work, layer, first, end, lanes):  # type: ignore[no-untyped-def]
    """Layer normalisation of a layer's sums, in place."""
    sums, normal, inverse, mean = work.sums, work.normal, work.inverse, work.gradient
    size = end - first
    for b in range(lanes):
        mean[0, b] = ZERO
        inverse[layer, b] = ONE
    if size >= SMALLEST_NORMALIZED_LAYER:
        share = ONE / float32(size)
        for u in range(first, end):
            for b in range(lanes):
                mean[0, b] += share * sums[u, b]
        for b in range(lanes):
            inverse[layer, b] = _EPSILON
        for u in range(first, end):
            for b in range(lanes):
                inverse[layer, b] += share * (sums[u, b] - mean[0, b]) * (sums[u, b] - mean[0, b])
        for b in range(lanes):
            inverse[layer, b] = ONE / np.sqrt(inverse[layer, b])
    for u in range(first, end):
        scale, shift = weights.norm_scale[u], weights.norm_shift[u]
        for b in range(lanes):
            normal[u, b] = (sums[u, b] - mean[0, b]) * inverse[layer, b]
        for b in range(lanes):
            sums[u, b] = normal[u, b] * scale + shift


@njit(inline="always", fastmath=FAST, error_model="numpy")
def activate(code, sums, hidden, u, lanes):  # type: ignore[no-untyped-def]
    """From a unit's sums to its values."""
    if code == RELU:
        for b in range(lanes):
            hidden[0, u, b] = max(sums[u, b], ZERO)
    elif code == GELU:
        for b in range(lanes):
            x = sums[u, b]
            hidden[0, u, b] = HALF * x * (ONE + tanh(_OUTER * (x + _INNER * x * x * x)))
    else:
        for b in range(lanes):
            sums[u, b] = tanh(sums[u, b])
        for b in range(lanes):
            hidden[0, u, b] = sums[u, b]


@njit(inline="always", fastmath=FAST, error_model="numpy")
def read_out(output_unit, weights, work, lanes):  # type: ignore[no-untyped-def]
    """Class scores from the output units' values, which are kept for the way back."""
    last, scores, hidden = work.last, work.scores, work.hidden
    for o in range(len(output_unit)):
        u = output_unit[o]
        for b in range(lanes):
            last[o, b] = hidden[0, u, b]
    for k in range(len(weights.readout)):
        value = weights.readout_bias[k]
        for b in range(lanes):
            scores[k, b] = value
        for o in range(len(output_unit)):
            w = weights.readout[k, o]
            for b in range(lanes):
                scores[k, b] += w * last[o, b]


@njit(inline="always", fastmath=FAST, error_model="numpy")
def backward_pass(plan, weights, gradients, work, inputs, lanes):  # type: ignore[no-untyped-def]
    """Adds to the gradients of all parameters; expects the scores' gradient in ``work.scores``."""
    products, hidden, delta = work.products, work.hidden, work.delta
    gradient, added, last_gradient = work.gradient[0], work.added, work.last_gradient
    start, target = plan.edges.out_start, plan.edges.out_target
    pull_readout(weights, gradients, work, lanes)
    for layer in range(len(plan.layer_start) - 2, -1, -1):
        first, end = plan.layer_start[layer], plan.layer_start[layer + 1]
        for u in range(first, end):
            row = plan.output_row[u]
            for b in range(lanes):
                gradient[b] = ZERO
            if row >= 0:
                for b in range(lanes):
                    gradient[b] = last_gradient[row, b]
            if len(added) > 0:
                for b in range(lanes):
                    gradient[b] += added[u, b]
                    added[u, b] = ZERO
            pull_edges(
                gradient, 0, weights.edges, gradients.edges, 0, start, target, 0, u, delta, 0, hidden, 0,
                lanes,
            )  # fmt: skip
            hand_on(gradient, plan.sum_start, plan.sum_source, u, added, lanes)
            if plan.computes[u]:
                differentiate(plan.activation[u], gradient, work.sums, delta, u, lanes)
            else:
                for b in range(lanes):
                    delta[0, u, 0, b] = ZERO
        if len(weights.norm_scale) > 0:
            pull_normalization(weights, gradients, work, layer, first, end, lanes)
        for u in range(first, end):
            g = ZERO
            for b in range(lanes):
                g += delta[0, u, 0, b]
            gradients.bias[u] += g
            row = plan.input_row[u]
            if row >= 0:
                for b in range(lanes):
                    products[row, b] = delta[0, u, 0, b]
    pull_inputs(gradients.input, inputs, work.position, products, lanes)


@njit(inline="always", fastmath=FAST, error_model="numpy")
def differentiate(code, gradient, sums, delta, u, lanes):  # type: ignore[no-untyped-def]
    """From the gradient of a unit's values to that of what its activation acts on."""
    if code == RELU:
        for b in range(lanes):
            delta[0, u, 0, b] = gradient[b] if sums[u, b] > ZERO else ZERO
    elif code == GELU:
        for b in range(lanes):
            x = sums[u, b]
            t = tanh(_OUTER * (x + _INNER * x * x * x))
            slope = HALF * (ONE + t) + HALF * x * (ONE - t * t) * _OUTER * (ONE + _THREE_INNER * x * x)
            delta[0, u, 0, b] = gradient[b] * slope
    else:
        for b in range(lanes):
            delta[0, u, 0, b] = gradient[b] * (ONE - sums[u, b] * sums[u, b])


@njit(inline="always", fastmath=FAST, error_model="numpy")
def pull_normalization(weights, gradients, work, layer, first, end, lanes):  # type: ignore[no-untyped-def]
    """From the gradient of a layer's normalised sums, in ``work.delta``, to that of the sums."""
    delta, normal, inverse, means = work.delta, work.normal, work.inverse, work.gradient
    size = end - first
    share = ONE / float32(size) if size >= SMALLEST_NORMALIZED_LAYER else ZERO
    for b in range(lanes):
        means[0, b] = ZERO
        means[1, b] = ZERO
    for u in range(first, end):
        scale, g_scale, g_shift = weights.norm_scale[u], ZERO, ZERO
        for b in range(lanes):
            g_scale += delta[0, u, 0, b] * normal[u, b]
            g_shift += delta[0, u, 0, b]
        gradients.norm_scale[u] += g_scale
        gradients.norm_shift[u] += g_shift
        for b in range(lanes):
            delta[0, u, 0, b] *= scale
        for b in range(lanes):
            means[0, b] += share * delta[0, u, 0, b]
            means[1, b] += share * delta[0, u, 0, b] * normal[u, b]
    for u in range(first, end):
        for b in range(lanes):
            delta[0, u, 0, b] = inverse[layer, b] * (
                delta[0, u, 0, b] - means[0, b] - normal[u, b] * means[1, b]
            )
