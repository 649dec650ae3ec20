"""Activations, pools, reductions, sums and products, attention."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nnstruct.extract.aten_affine import many
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
    if not isinstance(x, Ref) or not isinstance(exponent, int | float):
        raise low.unsupported("have a number or a value as its exponent")
    return activation(low, x, "pow", exponent=float(exponent))


@handles("aten.prelu")
def _prelu(low: Lowering, x: Any, slope: Any) -> Ref:
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
    name = str(low.node.target).split(".")[1]
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
        scale = _opposite(_constant(low, right), lambda c: 1.0 / c)
        return Ref(low.builder.affine(left.value, scale=scale, operator="scale"))
    inverse = activation(low, right, "reciprocal")
    return Ref(low.builder.affine(inverse.value, scale=_constant(low, left), operator="scale"))


@handles("aten.maximum", "aten.minimum", "aten.max.other", "aten.min.other")
def _extreme(low: Lowering, left: Any, right: Any) -> Ref:
    name = "maximum" if "max" in str(low.node.target) else "minimum"
    return join(low, name, left, right)


# ---- pools and reductions


def _pool_step(low: Lowering, x: Any, options: dict[str, Any]) -> Ref:
    return Ref(low.builder.one("pool", [x.value], low.out_shape, options=options))


def _axes_of(name: str) -> int:
    return next(int(digit) for digit in name if digit.isdigit())


@handles("aten.max_pool1d", "aten.max_pool2d", "aten.max_pool3d", "aten.max_pool2d_with_indices")
def _max_pool(
    low: Lowering, x: Any, kernel: Any, stride: Any = (), padding: Any = 0, dilation: Any = 1,
    ceil: bool = False,
) -> Any:  # fmt: skip
    nd = _axes_of(str(low.node.target))
    options = {
        "operator": f"max_pool{nd}d",
        "function": "max",
        "nd": nd,
        "kernel": many(kernel, nd),
        "stride": many(stride or kernel, nd),
        "padding": many(padding, nd),
        "dilation": many(dilation, nd),
        "ceil": bool(ceil),
    }
    if "with_indices" in str(low.node.target):
        shape = tuple(low.node.meta["val"][0].shape)
        return [Ref(low.builder.one("pool", [x.value], shape, options=options)), None]
    return _pool_step(low, x, options)


@handles("aten.avg_pool1d", "aten.avg_pool2d", "aten.avg_pool3d")
def _avg_pool(
    low: Lowering, x: Any, kernel: Any, stride: Any = (), padding: Any = 0, ceil: bool = False,
    include_pad: bool = True, divisor: Any = None,
) -> Ref:  # fmt: skip
    nd = _axes_of(str(low.node.target))
    options = {
        "operator": f"avg_pool{nd}d",
        "function": "avg",
        "nd": nd,
        "kernel": many(kernel, nd),
        "stride": many(stride or kernel, nd),
        "padding": many(padding, nd),
        "dilation": [1] * nd,
        "ceil": bool(ceil),
        "include_pad": bool(include_pad),
    }
    if divisor is None:
        return _pool_step(low, x, options)
    options["include_pad"] = True
    window = float(math.prod(many(kernel, nd)))
    return Ref(
        low.builder.affine(_pool_step(low, x, options).value, scale=window / divisor, operator="scale")
    )


@handles(
    "aten.adaptive_avg_pool1d", "aten.adaptive_avg_pool2d", "aten.adaptive_avg_pool3d",
    "aten.adaptive_max_pool1d", "aten.adaptive_max_pool2d", "aten.adaptive_max_pool3d",
    "aten._adaptive_avg_pool2d",
)  # fmt: skip
def _adaptive_pool(low: Lowering, x: Any, size: Any) -> Any:
    name = str(low.node.target).split(".")[1].lstrip("_")
    nd, function = _axes_of(name), "max" if "max" in name else "avg"
    value: Any = low.node.meta.get("val")
    shape = tuple((value[0] if isinstance(value, list | tuple) else value).shape)
    options = {
        "operator": f"adaptive_{function}_pool{nd}d",
        "function": function,
        "nd": nd,
        "adaptive": True,
        "size": [int(s) for s in shape[len(shape) - nd :]],
    }
    made = Ref(low.builder.one("pool", [x.value], shape, options=options))
    return [made, None] if function == "max" else made


@handles(
    "aten.mean", "aten.sum", "aten.amax", "aten.amin", "aten.max", "aten.min", "aten.logsumexp", "aten.prod"
)
def _reduce(low: Lowering, x: Any, axes: Any = None, keepdim: bool = False, **_: Any) -> Any:
    name = (
        str(low.node.target).split(".")[1].removeprefix("a")
        if "ama" in str(low.node.target) or "ami" in str(low.node.target)
        else str(low.node.target).split(".")[1]
    )
    ndim = len(low.shape(x))
    chosen = sorted(a % ndim for a in many(axes, 1)) if axes is not None and axes != [] else list(range(ndim))
    shape = [1 if d in chosen else s for d, s in enumerate(low.shape(x)) if keepdim or d not in chosen]
    options = {"function": name, "axes": chosen, "keepdim": bool(keepdim)}
    made = Ref(low.builder.one("reduce", [x.value], shape, options=options))
    many_out = isinstance(low.node.meta.get("val"), list | tuple)
    return [made, None] if many_out else made


@handles("aten.std", "aten.var", "aten.std_mean", "aten.var_mean")
def _spread(low: Lowering, x: Any, axes: Any = None, *rest: Any, **named: Any) -> Any:
    if isinstance(axes, bool):
        axes, rest = None, (axes, *rest)
    given = dict(zip(("unbiased", "keepdim"), rest, strict=False)) | named
    unbiased = given.get("unbiased", True)
    correction = given.get("correction", 1.0 if unbiased else 0.0)
    ndim, name = len(low.shape(x)), str(low.node.target).split(".")[1]
    chosen = sorted(a % ndim for a in many(axes, 1)) if axes is not None and axes != [] else list(range(ndim))
    keepdim = bool(given.get("keepdim", False))
    shape = [1 if d in chosen else s for d, s in enumerate(low.shape(x)) if keepdim or d not in chosen]
    options = {"axes": chosen, "keepdim": keepdim}
    own = {"function": name[:3], "correction": float(1.0 if correction is None else correction)}
    made = Ref(low.builder.one("reduce", [x.value], shape, options=own | options))
    if not name.endswith("_mean"):
        return made
    return [made, Ref(low.builder.one("reduce", [x.value], shape, options={"function": "mean", **options}))]


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
