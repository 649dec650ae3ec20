"""Elementwise functions that a compiler turns into vector code, in float32."""

from __future__ import annotations

from numba import float32, njit

# Everything but "no NaN" and "no infinity": a diverged loss must stay visible.
FAST = {"contract", "reassoc", "arcp", "nsz", "afn"}

# tanh(x) is near x P(x^2) / Q(x^2) on [-8.9, 8.9]: a weighted least-squares fit to the relative
# error, 7e-9 in exact arithmetic and 3e-7 in float32. math.tanh would be a call for each lane.
_LIMIT = float32(8.9)
_P0, _P1, _P2, _P3 = float32(1.0), float32(0.13084009289741516), float32(0.0031039558816701174), float32(1.11543040475226e-05)  # fmt: skip  # noqa: E501
_P4, _P5, _P6 = float32(-2.0225211727620263e-08), float32(5.277943360137982e-11), float32(-8.488699923103055e-14)  # fmt: skip  # noqa: E501
_Q1, _Q2, _Q3 = float32(0.4641733765602112), float32(0.02449517697095871), float32(0.0002546144532971084)
HALF, ONE, ZERO = float32(0.5), float32(1.0), float32(0.0)


@njit(inline="always", fastmath=FAST)
def tanh(x):  # type: ignore[no-untyped-def]
    """Hyperbolic tangent, to 4e-7."""
    x = min(max(x, -_LIMIT), _LIMIT)
    s = x * x
    p = _P0 + s * (_P1 + s * (_P2 + s * (_P3 + s * (_P4 + s * (_P5 + s * _P6)))))
    q = ONE + s * (_Q1 + s * (_Q2 + s * _Q3))
    return min(max(x * p / q, -ONE), ONE)


@njit(inline="always", fastmath=FAST)
def sigmoid(x):  # type: ignore[no-untyped-def]
    """Logistic function, to 2e-7."""
    return HALF + HALF * tanh(HALF * x)


@njit(inline="always", fastmath=FAST)
def exp_of_negative(x):  # type: ignore[no-untyped-def]
    """The exponential of a number that is not above 0, to 1e-6."""
    half = tanh(HALF * x)
    return (ONE + half) / (ONE - half)
