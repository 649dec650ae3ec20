"""Pools and reductions."""

from __future__ import annotations

import math
from typing import Any

import torch

from nnstruct.extract.aten_affine import many
from nnstruct.extract.lowering import Lowering, Ref, handles


def _pool_step(low: Lowering, x: Any, options: dict[str, Any]) -> Ref:
    return Ref(low.builder.one("pool", [x.value], low.out_shape, options=options))


def _axes_of(name: str) -> int:
    return next(int(digit) for digit in name if digit.isdigit())


def _window(
    function: str, nd: int, kernel: Any, stride: Any, padding: Any, dilation: Any, ceil: bool
) -> dict[str, Any]:
    """What a pool does, where a stride that is not given is the kernel's size."""
    return {
        "operator": f"{function}_pool{nd}d",
        "function": function,
        "nd": nd,
        "kernel": many(kernel, nd),
        "stride": many(stride or kernel, nd),
        "padding": many(padding, nd),
        "dilation": many(dilation, nd),
        "ceil": bool(ceil),
    }


@handles(
    "aten.max_pool1d", "aten.max_pool2d", "aten.max_pool3d", "aten.max_pool2d_with_indices",
    "aten.max_pool3d_with_indices",
)  # fmt: skip
def _max_pool(
    low: Lowering, x: Any, kernel: Any, stride: Any = (), padding: Any = 0, dilation: Any = 1,
    ceil: bool = False,
) -> Any:  # fmt: skip
    nd = _axes_of(str(low.node.target))
    options = _window("max", nd, kernel, stride, padding, dilation, ceil)
    if "with_indices" in str(low.node.target):
        shape = tuple(low.node.meta["val"][0].shape)
        if not _second_is_read(low.node):
            return [Ref(low.builder.one("pool", [x.value], shape, options=options)), None]
        if len(shape) != nd + 2:
            raise low.unsupported("have an axis of examples where it gives places")
        own = {
            "operator": "max_pool_places", "function": "max_pool_places", "column_major": False,
            "by_channel": True, "kept": [[0, 0], [1, 1]], "fresh": [],
        }  # fmt: skip
        return [Ref(v) for v in low.builder.emit("operation", [x.value], shape, shape, options=options | own)]
    return _pool_step(low, x, options)


def _second_is_read(node: torch.fx.Node) -> bool:
    return any(user.args[1:] == (1,) for user in node.users)


@handles("aten.max_unpool2d", "aten.max_unpool3d")
def _max_unpool(low: Lowering, x: Any, index: Any, *_: Any) -> Ref:
    options = {"function": "max_unpool", "kept": [[0, 0], [1, 1]], "fresh": []}
    return Ref(low.builder.one("operation", [x.value, low.ref(index)], low.out_shape, options=options))


@handles("aten.avg_pool1d", "aten.avg_pool2d", "aten.avg_pool3d")
def _avg_pool(
    low: Lowering, x: Any, kernel: Any, stride: Any = (), padding: Any = 0, ceil: bool = False,
    include_pad: bool = True, divisor: Any = None,
) -> Ref:  # fmt: skip
    nd = _axes_of(str(low.node.target))
    options = _window("avg", nd, kernel, stride, padding, 1, ceil) | {"include_pad": bool(include_pad)}
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
    name = low.operation.lstrip("_")
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
        low.operation.removeprefix("a")
        if "ama" in str(low.node.target) or "ami" in str(low.node.target)
        else low.operation
    )
    ndim = len(low.shape(x))
    chosen = sorted(a % ndim for a in many(axes, 1)) if axes is not None and axes != [] else list(range(ndim))
    shape = [1 if d in chosen else s for d, s in enumerate(low.shape(x)) if keepdim or d not in chosen]
    options = {"function": name, "axes": chosen, "keepdim": bool(keepdim)}
    made = Ref(low.builder.one("reduce", [x.value], shape, options=options))
    if not isinstance(low.node.meta.get("val"), list | tuple):
        return made
    places = {**options, "function": f"arg{name}"}
    return [made, Ref(low.builder.one("reduce", [x.value], shape, options=places))]


@handles("aten.std", "aten.var", "aten.std_mean", "aten.var_mean")
def _spread(low: Lowering, x: Any, axes: Any = None, *rest: Any, **named: Any) -> Any:
    if isinstance(axes, bool):
        axes, rest = None, (axes, *rest)
    given = dict(zip(("unbiased", "keepdim"), rest, strict=False)) | named
    unbiased = given.get("unbiased", True)
    correction = given.get("correction", 1.0 if unbiased else 0.0)
    ndim, name = len(low.shape(x)), low.operation
    chosen = sorted(a % ndim for a in many(axes, 1)) if axes is not None and axes != [] else list(range(ndim))
    keepdim = bool(given.get("keepdim", False))
    shape = [1 if d in chosen else s for d, s in enumerate(low.shape(x)) if keepdim or d not in chosen]
    options = {"axes": chosen, "keepdim": keepdim}
    own = {"function": name[:3], "correction": float(1.0 if correction is None else correction)}
    made = Ref(low.builder.one("reduce", [x.value], shape, options=own | options))
    if not name.endswith("_mean"):
        return made
    return [made, Ref(low.builder.one("reduce", [x.value], shape, options={"function": "mean", **options}))]
