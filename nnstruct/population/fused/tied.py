"""The faithful protocol's two biases and its embedding, compiled.

The loop works with one bias a channel and one input weight a symbol. In the faithful protocol these
are made of two biases each, and of an embedding times the first layer's input weights.
"""

from __future__ import annotations

from numba import njit

from nnstruct.population.fused.arithmetic import FAST, ZERO


@njit(inline="always", fastmath=FAST, error_model="numpy")
def refresh_weights(plan, tied, weights):  # type: ignore[no-untyped-def]
    """Bias and input table from what they are made of."""
    if len(tied.embedding) > 0:
        weights.bias[:] = ZERO
        for gate in range(len(plan.forward_channel)):
            c, d = plan.forward_channel[gate], plan.recurrent_channel[gate]
            for u in range(weights.bias.shape[1]):
                weights.bias[c, u] += tied.bias_ih[gate, u]
                weights.bias[d, u] += tied.bias_hh[gate, u]
            for h in range(tied.input_weight.shape[1]):
                for symbol in range(len(tied.embedding)):
                    total = ZERO
                    for j in range(tied.embedding.shape[1]):
                        total += tied.input_weight[gate, h, j] * tied.embedding[symbol, j]
                    weights.input[h, gate, symbol] = total


@njit(inline="always", fastmath=FAST, error_model="numpy")
def collect_gradients(plan, tied, tied_gradients, gradients):  # type: ignore[no-untyped-def]
    """Gradients of what bias and input table are made of, added to the flat gradient."""
    if len(tied.embedding) > 0:
        for gate in range(len(plan.forward_channel)):
            c, d = plan.forward_channel[gate], plan.recurrent_channel[gate]
            for u in range(gradients.bias.shape[1]):
                tied_gradients.bias_ih[gate, u] += gradients.bias[c, u]
                tied_gradients.bias_hh[gate, u] += gradients.bias[d, u]
            for h in range(tied.input_weight.shape[1]):
                for symbol in range(len(tied.embedding)):
                    g = gradients.input[h, gate, symbol]
                    for j in range(tied.embedding.shape[1]):
                        tied_gradients.input_weight[gate, h, j] += g * tied.embedding[symbol, j]
                        tied_gradients.embedding[symbol, j] += g * tied.input_weight[gate, h, j]
