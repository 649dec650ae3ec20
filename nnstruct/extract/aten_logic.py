"""Comparisons, choices and rounding: what a network decides by its values."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from nnstruct.extract.aten_math import activation, join
from nnstruct.extract.lowering import Lowering, Ref, handles, shape_of

_COMPARED = {
    "gt": "gt", "lt": "lt", "ge": "ge", "le": "le", "eq": "eq", "ne": "ne", "logical_and": "logical_and",
    "logical_or": "logical_or", "logical_xor": "logical_xor", "bitwise_and": "bitwise_and",
    "bitwise_or": "bitwise_or", "bitwise_xor": "bitwise_xor", "remainder": "remainder", "fmod": "fmod",
    "__and__": "bitwise_and", "__or__": "bitwise_or", "atan2": "atan2",
}  # fmt: skip


def combined(low: Lowering, function: str, left: Any, right: Any) -> Ref:
    """A function of two operands, of which one at least is a value.

    Parameters
    ----------
    low : Lowering
    function : str
        One of those of joins.
    left, right : Ref, Tensor or number

    Returns
    -------
    Ref
    """
    if isinstance(left, Ref) and isinstance(right, Ref):
        return join(low, function, left, right)
    value, constant = (left, right) if isinstance(left, Ref) else (right, left)
    held = constant if isinstance(constant, Tensor) else torch.tensor(constant)
    name, array = low.array(held)
    shape = np.broadcast_shapes(low.shape(value), array.shape)
    own = low.builder.expand(value.value, shape)
    options = {"function": function} | ({"swapped": True} if value is right else {})
    return Ref(low.builder.one("activation", [own], shape, options=options, tensors={"other": (name, array)}))


@handles(*(f"aten.{name}" for name in _COMPARED))
def _compared(low: Lowering, left: Any, right: Any) -> Ref:
    return combined(low, _COMPARED[str(low.node.target).split(".")[1]], left, right)


@handles("aten.floor_divide")
def _floor_divide(low: Lowering, left: Any, right: Any) -> Ref:
    return activation(low, combined(low, "div", left, right), "floor")


_PLAIN = (
    "logical_not", "bitwise_not", "isnan", "ceil", "trunc", "tan", "asin", "acos", "atan", "sinh", "cosh",
    "asinh", "acosh", "atanh",
)  # fmt: skip


@handles(*(f"aten.{name}" for name in _PLAIN))
def _plain(low: Lowering, x: Any) -> Ref:
    return activation(low, x, str(low.node.target).split(".")[1])


@handles("aten.isinf")
def _is_infinite(low: Lowering, x: Any) -> Ref:
    return activation(low, x, "isinf", negative=True, positive=True)


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
    kept = getattr(torch, str(low.node.target).split(".")[1])(torch.ones(low.shape(x)[-2:]), diagonal) != 0
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
