"""The functions that act on each element of a value, or along one of its axes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

Function = Callable[..., Tensor]


def _elu(value: Tensor, alpha: float = 1.0, scale: float = 1.0, input_scale: float = 1.0) -> Tensor:
    return scale * torch.where(value > 0, value, alpha * torch.expm1(value * input_scale))


def _cast(value: Tensor, to: str) -> Tensor:
    kind: torch.dtype = getattr(torch, to)
    if value.is_floating_point() and not kind.is_floating_point and kind != torch.bool:
        value = torch.trunc(value).to(torch.int64)
    return value.to(kind)


def _hard_sigmoid(value: Tensor, alpha: float, beta: float) -> Tensor:
    return torch.clamp(alpha * value + beta, 0.0, 1.0)


def _shrink(value: Tensor, lambd: float, bias: float) -> Tensor:
    low = torch.where(value < -lambd, value + bias, torch.zeros_like(value))
    return torch.where(value > lambd, value - bias, low)


def _is_infinite(value: Tensor, negative: bool, positive: bool) -> Tensor:
    return (torch.isneginf(value) & negative) | (torch.isposinf(value) & positive)


def _accumulated(function: Function, neutral: float) -> Function:
    def run(value: Tensor, axis: int, exclusive: bool = False, reverse: bool = False) -> Tensor:
        value = value.flip(axis) if reverse else value
        made = function(value, axis).to(value.dtype)
        if exclusive:
            length = value.shape[axis]
            first = torch.full_like(value.narrow(axis, 0, 1), neutral)
            made = torch.cat([first, made.narrow(axis, 0, length - 1)], axis)
        return made.flip(axis) if reverse else made

    return run


def _hardmax(value: Tensor, axis: int) -> Tensor:
    index = value.argmax(axis, keepdim=True)
    return torch.zeros_like(value).scatter(axis, index, 1)


def _lp_normalize(value: Tensor, axis: int, p: float) -> Tensor:
    norm = torch.linalg.vector_norm(value, p, dim=axis, keepdim=True)
    return value / torch.where(norm == 0, torch.ones_like(norm), norm)


def _response_norm(value: Tensor, axis: int, size: int, alpha: float, beta: float, k: float) -> Tensor:
    """Local response normalisation over neighbouring channels (Krizhevsky et al., 2012)."""
    square = value.square().movedim(axis, -1)
    before = (size - 1) // 2
    around = functional.pad(square, (before, size - 1 - before)).unfold(-1, size, 1).sum(-1)
    return value / (k + alpha / size * around.movedim(-1, axis)) ** beta


def _fake_quantize(
    value: Tensor, scale: Any, zero: Any, low: float, high: float, real: bool = True
) -> Tensor:
    """Rounded to a grid: as the number of the grid point, or as the real number that it stands for."""
    point = torch.clamp(torch.round(value / scale) + zero, low, high)
    return (point - zero) * scale if real else point


def _dynamic_quantize(value: Tensor, real: bool = True) -> Tensor:
    """Rounded to 256 steps over the range of the values themselves, which holds 0."""
    low, high = torch.clamp(value.min(), max=0.0), torch.clamp(value.max(), min=0.0)
    scale = (high - low) / 255.0
    scale = torch.where(scale == 0, torch.ones_like(scale), scale)
    zero = torch.clamp(torch.round(-low / scale), 0, 255)
    return _fake_quantize(value, scale, zero, 0, 255, real)


def _softplus(value: Tensor, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    return functional.softplus(value, beta, threshold)


UNARY: dict[str, Function] = {
    **{name: getattr(torch, name) for name in (
        "relu", "tanh", "sigmoid", "selu", "exp", "expm1", "log", "log1p", "log2", "sqrt", "rsqrt", "abs",
        "neg", "reciprocal", "sin", "cos", "erf", "sign", "floor", "round", "square", "celu",
        "threshold", "clamp", "ceil", "trunc", "tan", "asin", "acos", "atan", "sinh", "cosh", "asinh",
        "acosh", "atanh", "isnan", "logical_not", "bitwise_not", "log10", "exp2", "erfc", "erfinv", "lgamma",
        "digamma", "i0", "isfinite", "signbit", "isneginf", "isposinf", "nan_to_num",
    )},
    **{name: getattr(functional, name) for name in (
        "relu6", "silu", "mish", "hardswish", "hardsigmoid", "gelu", "leaky_relu", "hardtanh",
        "hardshrink", "softshrink", "softsign",
    )},
    **{f"special_{name}": getattr(torch.special, name) for name in (
        "erfcx", "i0e", "i1", "i1e", "log_ndtr", "ndtri", "bessel_j0", "bessel_j1",
    )},
    "angle": torch.angle,
    "polygamma": lambda value, order: torch.polygamma(order, value),
    "softplus": _softplus,
    "log_sigmoid": functional.logsigmoid,
    "elu": _elu,
    "cast": _cast,
    "hard_sigmoid": _hard_sigmoid,
    "shrink": _shrink,
    "swish": lambda value, alpha: value * torch.sigmoid(alpha * value),
    "thresholded_relu": lambda value, alpha: torch.where(value > alpha, value, torch.zeros_like(value)),
    "affine": lambda value, alpha, beta: alpha * value + beta,
    "scaled_tanh": lambda value, alpha, beta: alpha * torch.tanh(beta * value),
    "isinf": _is_infinite,
    "bits": lambda value, mask: value & mask,
    "pow": lambda value, exponent: torch.pow(value, exponent).to(value.dtype),
    "softmax": lambda value, axis: torch.softmax(value, axis),
    "log_softmax": lambda value, axis: torch.log_softmax(value, axis),
    "hardmax": _hardmax,
    "cumsum": _accumulated(torch.cumsum, 0.0),
    "cumprod": _accumulated(torch.cumprod, 1.0),
    "logcumsumexp": lambda value, axis: torch.logcumsumexp(value, axis),
    "lp_normalize": _lp_normalize,
    "response_norm": _response_norm,
    "fake_quantize": _fake_quantize,
    "dynamic_quantize": _dynamic_quantize,
}  # fmt: skip


def _divided(left: Tensor, right: Tensor) -> Tensor:
    return torch.div(left, right, rounding_mode="trunc")


def _to_power(left: Tensor, right: Tensor) -> Tensor:
    if not left.is_floating_point() and right.is_floating_point():
        return torch.pow(left.double(), right).to(left.dtype)
    return torch.pow(left, right).to(left.dtype)


BINARY: dict[str, Function] = {
    **{name: getattr(torch, name) for name in (
        "add", "sub", "mul", "div", "maximum", "minimum", "lt", "le", "gt", "ge", "eq", "ne", "logical_and",
        "logical_or", "logical_xor", "remainder", "fmod", "bitwise_and", "bitwise_or", "bitwise_xor",
        "bitwise_left_shift", "bitwise_right_shift", "atan2", "hypot", "copysign", "fmax", "fmin",
        "logaddexp", "logaddexp2", "xlogy", "igamma", "igammac", "nextafter",
    )},
    "special_xlog1py": torch.special.xlog1py,
    "special_zeta": torch.special.zeta,
    "div_trunc": _divided,
    "pow": _to_power,
}  # fmt: skip


def activated(function: str, value: Tensor, options: dict[str, Any], tensors: Any) -> Tensor:
    """What a step of the kind ``activation`` makes.

    Parameters
    ----------
    function : str
    value : Tensor
    options : dict
        Numbers by name.
    tensors : mapping of str to Tensor
        ``slope``, ``mask``, ``other`` or ``exponent``, where the function takes one.

    Returns
    -------
    Tensor
    """
    if function == "prelu":
        return torch.where(value >= 0, value, value * tensors["slope"])
    if function == "masked_fill":
        return value.masked_fill(tensors["mask"].bool(), float(options["value"]))
    if "other" in tensors:
        sides = (tensors["other"], value) if options.get("swapped") else (value, tensors["other"])
        return BINARY[function](*sides)
    if function == "fake_quantize" and tensors:
        options = {**options, **tensors}
    return UNARY[function](value, **options)
