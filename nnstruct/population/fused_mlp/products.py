"""Products of input weights and examples, compiled.

Four rows of weights meet four examples at a time, so that sixteen sums stay in registers. The
examples are read where they lie in the data: no batch is copied.
"""

from __future__ import annotations

from numba import njit

from nnstruct.population.fused.arithmetic import FAST, ZERO


@njit(inline="always", fastmath=FAST, error_model="numpy")
def multiply_inputs(weight, inputs, position, products, lanes):  # type: ignore[no-untyped-def]
    """products[i, b] = weight[i] . inputs[position[b]]; rows and lanes are multiples of four."""
    width = weight.shape[1]
    for b in range(0, lanes, 4):
        p0, p1, p2, p3 = position[b], position[b + 1], position[b + 2], position[b + 3]
        for i in range(0, len(weight), 4):
            s00, s01, s02, s03 = ZERO, ZERO, ZERO, ZERO
            s10, s11, s12, s13 = ZERO, ZERO, ZERO, ZERO
            s20, s21, s22, s23 = ZERO, ZERO, ZERO, ZERO
            s30, s31, s32, s33 = ZERO, ZERO, ZERO, ZERO
            for k in range(width):
                x0, x1, x2, x3 = inputs[p0, k], inputs[p1, k], inputs[p2, k], inputs[p3, k]
                w0, w1, w2, w3 = weight[i, k], weight[i + 1, k], weight[i + 2, k], weight[i + 3, k]
                s00 += w0 * x0
                s01 += w0 * x1
                s02 += w0 * x2
                s03 += w0 * x3
                s10 += w1 * x0
                s11 += w1 * x1
                s12 += w1 * x2
                s13 += w1 * x3
                s20 += w2 * x0
                s21 += w2 * x1
                s22 += w2 * x2
                s23 += w2 * x3
                s30 += w3 * x0
                s31 += w3 * x1
                s32 += w3 * x2
                s33 += w3 * x3
            products[i, b], products[i, b + 1] = s00, s01
            products[i, b + 2], products[i, b + 3] = s02, s03
            products[i + 1, b], products[i + 1, b + 1] = s10, s11
            products[i + 1, b + 2], products[i + 1, b + 3] = s12, s13
            products[i + 2, b], products[i + 2, b + 1] = s20, s21
            products[i + 2, b + 2], products[i + 2, b + 3] = s22, s23
            products[i + 3, b], products[i + 3, b + 1] = s30, s31
            products[i + 3, b + 2], products[i + 3, b + 3] = s32, s33


@njit(inline="always", fastmath=FAST, error_model="numpy")
def pull_inputs(gradient, inputs, position, products, lanes):  # type: ignore[no-untyped-def]
    """gradient[i] += sum over b of products[i, b] * inputs[position[b]]."""
    width = gradient.shape[1]
    for i in range(0, len(gradient), 4):
        for b in range(0, lanes, 4):
            p0, p1, p2, p3 = position[b], position[b + 1], position[b + 2], position[b + 3]
            d00, d01, d02, d03 = products[i, b], products[i, b + 1], products[i, b + 2], products[i, b + 3]
            d10, d11 = products[i + 1, b], products[i + 1, b + 1]
            d12, d13 = products[i + 1, b + 2], products[i + 1, b + 3]
            d20, d21 = products[i + 2, b], products[i + 2, b + 1]
            d22, d23 = products[i + 2, b + 2], products[i + 2, b + 3]
            d30, d31 = products[i + 3, b], products[i + 3, b + 1]
            d32, d33 = products[i + 3, b + 2], products[i + 3, b + 3]
            for k in range(width):
                x0, x1, x2, x3 = inputs[p0, k], inputs[p1, k], inputs[p2, k], inputs[p3, k]
                gradient[i, k] += d00 * x0 + d01 * x1 + d02 * x2 + d03 * x3
                gradient[i + 1, k] += d10 * x0 + d11 * x1 + d12 * x2 + d13 * x3
                gradient[i + 2, k] += d20 * x0 + d21 * x1 + d22 * x2 + d23 * x3
                gradient[i + 3, k] += d30 * x0 + d31 * x1 + d32 * x2 + d33 * x3
