"""Activations, pools, reductions, sums and products, attention."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from nnstruct.extract.aten_graph import shape_of
from nnstruct.extract.lowering import Lowering, Ref, handles

# Activation -> names of its numbers, with their defaults.
ATEN_ACTIVATIONS: dict[str, dict[str, float]] = {
    **{
        name: {}
        for name in (
            "relu", "relu6", "tanh", "sigmoid", "silu", "mish", "selu", "hardswish", "hardsigmoid",
            "log_sigmoid", "exp", "expm1", "log", "log1p", "log2", "sqrt", "rsqrt", "abs", "neg",
            "reciprocal", "sin", "cos", "erf",
            "sign", "floor", "round", "square",
        )
    },
    "leaky_relu": {"negative_slope": 0.01},
    "elu": {"alpha": 1.0, "scale": 1.0, "input_scale": 1.0},
    "celu": {"alpha": 1.0},
    "softplus": {"beta": 1.0, "threshold": 20.0},
    "hardshrink": {"lambd": 0.5},
    "softshrink": {"lambd": 0.5},
    "threshold": {"threshold": 0.0, "value": 0.0},
}  # fmt: skip


def activation(low: Lowering, x: Any, name: str, **options: Any) -> Ref:
    return Ref(low.builder.one("activation", [x.value], low.shape(x), options={"function": name, **options}))


def _hardtanh(low: Lowering, x: Any, min_val: float = -1.0, max_val: float = 1.0) -> Ref:
    if (min_val, max_val) == (0.0, 6.0):
        return activation(low, x, "relu6")
    return activation(low, x, "hardtanh", min_val=float(min_val), max_val=float(max_val))


def _named(name: str, defaults: dict[str, float]) -> Any:
    def handler(low: Lowering, x: Any, *numbers: Any, **named: Any) -> Ref:
        given = dict(zip(defaults, numbers, strict=False)) | named
        return activation(
            low, x, name, **{key: float(given.get(key, value)) for key, value in defaults.items()}
        )

    return handler


for _name, _defaults in ATEN_ACTIVATIONS.items():
    handles(f"aten.{_name}")(_named(_name, _defaults))


handles("aten.hardtanh")(_hardtanh)


@handles("aten.gelu")
def _gelu(low: Lowering, x: Any, *, approximate: str = "none") -> Ref:
    return activation(low, x, "gelu", **({} if approximate == "none" else {"approximate": approximate}))


@handles("aten.softmax", "aten.log_softmax", "aten._softmax", "aten._log_softmax")
def _softmax(low: Lowering, x: Any, axis: int, *_: Any) -> Ref:
    name = "log_softmax" if "log" in str(low.node.target) else "softmax"
    return activation(low, x, name, axis=axis % len(low.shape(x)))


@handles("aten.clamp", "aten.clamp_min", "aten.clamp_max")
def _clamp(low: Lowering, x: Any, low_end: Any = None, high_end: Any = None, **named: Any) -> Ref:
    if "clamp_max" in str(low.node.target):
        low_end, high_end = None, low_end
    ends = {"min": named.get("min", low_end), "max": named.get("max", high_end)}
    return activation(low, x, "clamp", **{key: float(end) for key, end in ends.items() if end is not None})


@handles("aten.pow")
def _pow(low: Lowering, x: Any, exponent: Any) -> Ref:
    if isinstance(x, Ref) and isinstance(exponent, Ref):
        return join(low, "pow", x, exponent)
    if isinstance(x, Ref) and isinstance(exponent, Tensor) and exponent.numel() == 1:
        exponent = float(exponent)
    if not isinstance(x, Ref) or not isinstance(exponent, int | float):
        return combined(low, "pow", float(x) if _is_number(x) else x, exponent)
    return activation(low, x, "pow", exponent=float(exponent))


@handles("aten.prelu")
def _prelu(low: Lowering, x: Any, slope: Any) -> Ref:
    if isinstance(slope, Ref):
        shape = low.shape(slope)
        sizes = [-1] + [1] * (len(low.shape(x)) - 2) if shape and shape[0] > 1 else [1]
        own = Ref(low.builder.reshape(slope.value, [abs(s) * (shape[0] if s < 0 else 1) for s in sizes]))
        below = join(low, "mul", activation(low, x, "clamp", max=0.0), own)
        return join(low, "add", activation(low, x, "relu"), below)
    named = low.array(
        slope.reshape([-1] + [1] * (len(low.shape(x)) - 2)) if slope.numel() > 1 else slope, "slope"
    )
    options = {"function": "prelu"}
    return Ref(
        low.builder.one("activation", [x.value], low.shape(x), options=options, tensors={"slope": named})
    )


@handles("aten.rrelu")
def _rrelu(low: Lowering, x: Any, lower: float = 0.125, upper: float = 1 / 3, *_: Any) -> Ref:
    return activation(low, x, "leaky_relu", negative_slope=(lower + upper) / 2)


@handles("aten.glu")
def _glu(low: Lowering, x: Any, axis: int = -1) -> Ref:
    axis %= len(low.shape(x))
    half = low.shape(x)[axis] // 2
    values, gates = (Ref(low.builder.cut(x.value, axis, at, at + half)) for at in (0, half))
    return join(low, "mul", values, activation(low, gates, "sigmoid"))


# ---- sums and products


def join(low: Lowering, name: str, left: Any, right: Any, **options: Any) -> Ref:
    shape = np.broadcast_shapes(low.shape(left), low.shape(right))
    made = low.builder.one(
        "join", [low.ref(left), low.ref(right)], shape, options={"function": name, **options}
    )
    return Ref(made)


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


def _constant(low: Lowering, value: Any) -> Any:
    """A number where the constant is one, else its name and values."""
    if isinstance(value, Tensor) and value.numel() == 1 and not low.names.get(id(value)):
        return float(value)
    return low.array(value) if isinstance(value, Tensor) else float(value)


def _opposite(constant: Any, function: Any) -> Any:
    return (constant[0], function(constant[1])) if isinstance(constant, tuple) else float(function(constant))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float)


@handles("aten.add", "aten.sub", "aten.rsub", "aten.subtract")
def add(low: Lowering, left: Any, right: Any, *, alpha: float = 1) -> Ref:
    name = low.operation
    if name == "rsub":
        left, right, name = right, left, "sub"
    sign = -alpha if name.startswith("sub") else alpha
    if isinstance(left, Ref) and isinstance(right, Ref):
        extra = {} if alpha == 1 else {"alpha": float(alpha)}
        return join(low, "sub" if name.startswith("sub") else "add", left, right, **extra)
    if isinstance(left, Ref):
        shift = _opposite(_constant(low, right), lambda c: c * sign) if sign != 1 else _constant(low, right)
        return Ref(low.builder.affine(left.value, shift=shift, operator="shift"))
    scale = None if sign == 1 else float(sign)
    return Ref(low.builder.affine(right.value, scale=scale, shift=_constant(low, left), operator="shift"))


@handles("aten.mul", "aten.multiply")
def _mul(low: Lowering, left: Any, right: Any) -> Ref:
    if isinstance(left, Ref) and isinstance(right, Ref):
        return join(low, "mul", left, right)
    data, constant = (left, right) if isinstance(left, Ref) else (right, left)
    return Ref(low.builder.affine(data.value, scale=_constant(low, constant), operator="scale"))


@handles("aten.div", "aten.true_divide")
def _div(low: Lowering, left: Any, right: Any, **rounding: Any) -> Ref:
    mode = rounding.get("rounding_mode")
    if mode is not None:
        plain = _div(low, left, right)
        return activation(low, plain, mode)
    if isinstance(left, Ref) and isinstance(right, Ref):
        return join(low, "div", left, right)
    if isinstance(left, Ref):
        constant = _constant(low, right)
        if not np.all(constant[1] if isinstance(constant, tuple) else constant):
            return combined(low, "div", left, right)  # by 0
        scale = _opposite(constant, lambda c: 1.0 / c)
        return Ref(low.builder.affine(left.value, scale=scale, operator="scale"))
    inverse = activation(low, right, "reciprocal")
    return Ref(low.builder.affine(inverse.value, scale=_constant(low, left), operator="scale"))


@handles("aten.maximum", "aten.minimum", "aten.max.other", "aten.min.other")
def _extreme(low: Lowering, left: Any, right: Any) -> Ref:
    name = "maximum" if "max" in str(low.node.target) else "minimum"
    return join(low, name, left, right)


# ---- attention


@handles("aten.scaled_dot_product_attention")
def _attention(
    low: Lowering, query: Any, key: Any, value: Any, mask: Any = None, dropout: float = 0.0,
    causal: bool = False, *, scale: Any = None, enable_gqa: bool = False,
) -> Ref:  # fmt: skip
    if enable_gqa:  # a head of keys and values for several heads of queries
        heads = low.shape(query)[-3]
        key, value = (_shared_heads(low, part, heads) for part in (key, value))
    if isinstance(mask, Ref):
        return _with_computed_mask(low, query, key, value, mask, scale)
    tensors = {} if mask is None else {"mask": _finite_mask(low, mask)}
    options = {"causal": bool(causal), "scale": None if scale is None else float(scale)}
    inputs = [low.ref(part) for part in (query, key, value)]
    return Ref(low.builder.one("attention", inputs, low.out_shape, options=options, tensors=tensors))


def _with_computed_mask(low: Lowering, query: Any, key: Any, value: Any, mask: Ref, scale: Any) -> Ref:
    """Attention step by step, where the network itself makes the mask."""
    b = low.builder
    q, k, v = (low.ref(part) for part in (query, key, value))
    ndim, width = len(b.shape[q]), b.shape[q][-1]
    shape = (*b.shape[q][:-1], b.shape[k][-2])
    scores = b.one("matmul", [q, b.swap(k, ndim - 2, ndim - 1)], shape)
    factor = float(scale) if scale is not None else width**-0.5
    scores = b.affine(scores, scale=factor, operator="scale")
    other = b.expand(mask.value, shape)
    source = low.node.args[3] if len(low.node.args) > 3 else low.node.kwargs["attn_mask"]
    if isinstance(source, torch.fx.Node) and shape_of(source)[1] == torch.bool:
        least = low.hold(torch.full(shape, torch.finfo(torch.float32).min))
        scores = b.one("join", [other, scores, low.ref(least)], shape, options={"function": "where"})
    else:
        scores = b.one("join", [scores, other], shape, options={"function": "add"})
    options = {"function": "softmax", "axis": len(shape) - 1}
    weights = b.one("activation", [scores], shape, options=options)
    return Ref(b.one("matmul", [weights, v], low.out_shape))


def _shared_heads(low: Lowering, x: Any, heads: int) -> Ref:
    shape = list(low.shape(x))
    own = shape[-3]
    shape[-3] = heads
    options = {"axis": len(shape) - 3, "indices": np.repeat(np.arange(own), heads // own).tolist()}
    return Ref(low.builder.one("take", [low.ref(x)], shape, options=options))


def _finite_mask(low: Lowering, mask: Tensor) -> tuple[str, np.ndarray]:
    """A mask of zeros and minus infinities says which pairs see each other, as a boolean one does."""
    if mask.is_floating_point() and bool(((mask == 0) | torch.isinf(mask)).all()):
        mask = mask == 0
    return low.array(mask, "mask")
