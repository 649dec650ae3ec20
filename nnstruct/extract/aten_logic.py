"""Comparisons, choices and rounding: what a network decides by its values."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from nnstruct.extract.aten_math import activation, combined
from nnstruct.extract.lowering import Lowering, Ref, handles, shape_of

_COMPARED = {
    "gt": "gt", "lt": "lt", "ge": "ge", "le": "le", "eq": "eq", "ne": "ne", "logical_and": "logical_and",
    "logical_or": "logical_or", "logical_xor": "logical_xor", "bitwise_and": "bitwise_and",
    "bitwise_or": "bitwise_or", "bitwise_xor": "bitwise_xor", "remainder": "remainder", "fmod": "fmod",
    "__and__": "bitwise_and", "__or__": "bitwise_or", "atan2": "atan2",
    **{
        name: name
        for name in (
            "hypot", "copysign", "fmax", "fmin", "logaddexp", "logaddexp2", "xlogy", "special_xlog1py",
            "special_zeta", "igamma", "igammac", "nextafter",
        )
    },
    "special_gammainc": "igamma", "special_gammaincc": "igammac", "special_xlogy": "xlogy",
    "__xor__": "bitwise_xor",
}  # fmt: skip


@handles(*(f"aten.{name}" for name in _COMPARED))
def _compared(low: Lowering, left: Any, right: Any) -> Ref:
    return combined(low, _COMPARED[low.operation], left, right)


@handles("aten.floor_divide")
def _floor_divide(low: Lowering, left: Any, right: Any) -> Ref:
    return activation(low, combined(low, "div", left, right), "floor")


_PLAIN = (
    "logical_not", "bitwise_not", "isnan", "ceil", "trunc", "tan", "asin", "acos", "atan", "sinh", "cosh",
    "asinh", "acosh", "atanh", "log10", "exp2", "erfc", "erfinv", "lgamma", "digamma", "i0", "isfinite",
    "signbit", "isneginf", "isposinf", "angle", "special_erfcx", "special_i0e", "special_i1", "special_i1e",
    "special_log_ndtr", "special_ndtri", "special_bessel_j0", "special_bessel_j1",
)  # fmt: skip


@handles(*(f"aten.{name}" for name in _PLAIN))
def _plain(low: Lowering, x: Any) -> Ref:
    return activation(low, x, low.operation)


@handles("aten.polygamma", "aten.special_polygamma")
def _polygamma(low: Lowering, order: Any, x: Any) -> Ref:
    order, x = (x, order) if isinstance(order, Ref) else (order, x)
    return activation(low, x, "polygamma", order=int(order))


@handles("aten.isinf")
def _is_infinite(low: Lowering, x: Any) -> Ref:
    return activation(low, x, "isinf", negative=True, positive=True)


@handles("aten.nan_to_num")
def _nan_to_num(low: Lowering, x: Any, nan: Any = None, posinf: Any = None, neginf: Any = None) -> Ref:
    limit = float(np.finfo(np.float32).max)
    given = {"nan": (nan, 0.0), "posinf": (posinf, limit), "neginf": (neginf, -limit)}
    options = {name: float(own if value is None else value) for name, (value, own) in given.items()}
    return activation(low, x, "nan_to_num", **options)


@handles("aten.round.decimals")
def _rounded(low: Lowering, x: Any, *, decimals: int) -> Ref:
    larger = low.builder.affine(x.value, scale=10.0**decimals, operator="scale")
    whole = activation(low, Ref(larger), "round")
    return Ref(low.builder.affine(whole.value, scale=10.0**-decimals, operator="scale"))


@handles("aten.clamp.Tensor", "aten.clamp_min.Tensor", "aten.clamp_max.Tensor")
def _between(low: Lowering, x: Any, least: Any = None, most: Any = None, **named: Any) -> Ref:
    if low.operation == "clamp_max":
        least, most = None, least
    for name, end in (("maximum", named.get("min", least)), ("minimum", named.get("max", most))):
        x = x if end is None else combined(low, name, x, end)
    return x


@handles("aten.where", "aten.masked_fill")
def _where(low: Lowering, *operands: Any) -> Ref:
    condition, left, right = operands
    if "masked_fill" in str(low.node.target):
        left, condition, right = operands[0], operands[1], operands[2]
        left, right = right, left
    if isinstance(condition, Tensor):
        for value, fill, mask in ((left, right, ~condition.bool()), (right, left, condition.bool())):
            number = fill.item() if isinstance(fill, Tensor) and fill.numel() == 1 else fill
            if isinstance(value, Ref) and isinstance(number, int | float):
                return masked(low, value, mask, float(number))
    values = [_as_value(low, operand) for operand in (condition, left, right)]
    return Ref(low.builder.one("join", values, low.out_shape, options={"function": "where"}))


@handles("aten.tril", "aten.triu")
def _triangle(low: Lowering, x: Any, diagonal: int = 0) -> Ref:
    kept = getattr(torch, low.operation)(torch.ones(low.shape(x)[-2:]), diagonal) != 0
    return masked(low, x, low.hold((~kept).expand(low.shape(x)).contiguous()), 0.0)


def masked(low: Lowering, value: Ref, mask: Tensor, number: float) -> Ref:
    """A value with a number where a constant mask is true.

    Parameters
    ----------
    low : Lowering
    value : Ref
    mask : bool Tensor
    number : float
        Held as a finite one.

    Returns
    -------
    Ref
    """
    # A Network holds finite numbers only.
    number = float(np.clip(number, np.finfo(np.float32).min, np.finfo(np.float32).max))
    shape = np.broadcast_shapes(low.shape(value), tuple(mask.shape))
    own = low.builder.expand(value.value, shape)
    options = {"function": "masked_fill", "value": number}
    tensors = {"mask": (low.names.get(id(mask)) or "mask", mask.cpu().numpy())}
    return Ref(low.builder.one("activation", [own], shape, options=options, tensors=tensors))


def _as_value(low: Lowering, operand: Any) -> int:
    if isinstance(operand, Ref):
        return operand.value
    held = operand if isinstance(operand, Tensor) else torch.tensor(operand)
    if held.is_floating_point() and not bool(torch.isfinite(held).all()):
        limit = torch.finfo(torch.float32).max
        held = low.hold(torch.nan_to_num(held.float(), 0.0, limit, -limit))
    return low.ref(held)


def _kind(dtype: torch.dtype) -> str:
    if dtype.is_floating_point or dtype.is_complex:
        return "float32"
    return "bool" if dtype == torch.bool else "int64"


@handles("aten.to", "aten._to_copy", "aten.type_as", "aten.float")
def _cast(low: Lowering, x: Any, *_: Any, **__: Any) -> Any:
    source = low.node.args[0]
    if not isinstance(source, torch.fx.Node) or not isinstance(source.meta.get("val"), Tensor):
        return x
    own, wanted = _kind(shape_of(source)[1]), _kind(shape_of(low.node)[1])
    return x if own == wanted else activation(low, x, "cast", to=wanted)
