"""Linear layers, convolutions, embeddings, normalisations and recurrent layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from torch import Tensor

from nnstruct.extract.lowering import Lowering, Ref, handles
from nnstruct.extract.products import by_matrix
from nnstruct.extract.recurrent import Layer, layers, run_cell, run_layers

Named = tuple[str, np.ndarray]


def many(value: Any, count: int) -> list[int]:
    """A stride, padding or size, one number for each axis."""
    values = list(value) if isinstance(value, list | tuple) else [value]
    return [int(v) for v in (values * count if len(values) == 1 else values)]


@handles("aten.linear")
def _linear(low: Lowering, x: Any, weight: Any, bias: Any = None) -> Ref:
    if isinstance(weight, Ref) or isinstance(bias, Ref) or not isinstance(x, Ref):
        raise low.unsupported("have constant weights")
    named = low.array(weight, "weight"), low.maybe(bias, "bias")
    return Ref(linear(low, x.value, *named, low.quantised(weight)))


def linear(
    low: Lowering, value: int, weight: Named, bias: Named | None, options: dict[str, Any] | None = None
) -> int:
    shape = (*low.builder.shape[value][:-1], weight[1].shape[0])
    return low.builder.one(
        "linear", [value], shape, options=options, tensors={"weight": weight, "bias": bias}
    )


@handles("aten.addmm")
def _addmm(low: Lowering, bias: Any, x: Any, weight: Any, *, beta: float = 1, alpha: float = 1) -> Ref:
    if isinstance(bias, Ref) or (beta, alpha) != (1, 1):
        raise low.unsupported("have a constant bias and no scale")
    product = _matmul(low, x, weight)
    value = low.builder.steps[-1]
    if value.kind == "linear" and not value.tensors.get("bias"):
        low.builder.steps.pop()
        source, name = value.inputs[0], value.tensors["weight"]
        width = low.builder.constants[name].shape[0]
        named = low.array(
            bias.expand(width).contiguous() if bias.numel() != width else bias.reshape(-1), "bias"
        )
        return Ref(
            linear(
                low,
                source,
                (name, low.builder.constants[name]),
                (low.names.get(id(bias)) or "bias", named[1]),
            )
        )
    return Ref(low.builder.affine(product.value, shift=low.array(bias, "bias"), operator="bias"))


@handles("aten.baddbmm")
def _baddbmm(low: Lowering, bias: Any, left: Any, right: Any, *, beta: float = 1, alpha: float = 1) -> Ref:
    return _plus(low, _matmul(low, left, right), bias, beta, alpha)


def _plus(low: Lowering, product: Ref, bias: Any, beta: float, alpha: float) -> Ref:
    if alpha != 1:
        product = Ref(low.builder.affine(product.value, scale=float(alpha), operator="scale"))
    if beta == 0:
        return product
    if isinstance(bias, Ref):
        shape, options = low.out_shape, {"function": "add"} | ({} if beta == 1 else {"alpha": float(beta)})
        return Ref(low.builder.one("join", [product.value, bias.value], shape, options=options))
    return Ref(low.builder.affine(product.value, shift=low.array(bias * beta, "bias"), operator="shift"))


@handles("aten.addbmm")
def _addbmm(low: Lowering, bias: Any, left: Any, right: Any, *, beta: float = 1, alpha: float = 1) -> Ref:
    """The sum of all products of two matrices is one product of their rows and columns side by side."""
    b, (count, rows, inner) = low.builder, low.shape(left)
    wide = b.reshape(b.permute(low.ref(left), [1, 0, 2]), (rows, count * inner))
    tall = b.reshape(low.ref(right), (count * inner, low.shape(right)[2]))
    return _plus(low, Ref(b.one("matmul", [wide, tall], low.out_shape)), bias, beta, alpha)


@handles("aten._sparse_addmm")
def _sparse_addmm(low: Lowering, x: Any, left: Any, right: Any, *, beta: float = 1, alpha: float = 1) -> Ref:
    return _baddbmm(low, x, left, right, beta=beta, alpha=alpha)


@handles("aten.matmul", "aten.mm", "aten.bmm", "aten.mv", "aten._sparse_mm")
def _matmul(low: Lowering, left: Any, right: Any) -> Ref:
    b = low.builder
    before = low.shape(left), low.shape(right)
    left, right = _one_matrix(low, left), _one_matrix(low, right)
    if (low.shape(left), low.shape(right)) != before and min(map(len, before)) >= 2:
        # An axis of one matrix is an axis of the product, too.
        shape = (*np.broadcast_shapes(before[0][:-2], before[1][:-2]), before[0][-2], before[1][-1])
        made = _matmul(low, left, right)
        return Ref(b.reshape(made.value, shape)) if b.shape[made.value] != shape else made
    if isinstance(left, Ref) and isinstance(right, Tensor) and right.dim() <= 2:
        matrix = right[:, None] if right.dim() == 1 else right
        value = linear(low, left.value, _turned(low, matrix, right), None)
        return Ref(b.reshape(value, b.shape[value][:-1]) if right.dim() == 1 else value)
    if isinstance(right, Ref) and isinstance(left, Tensor) and left.dim() == 2:
        named = low.array(left, "weight")
        if len(b.shape[right.value]) == 1:
            return Ref(linear(low, right.value, named, None))
        last = len(b.shape[right.value]) - 1
        turned = b.swap(right.value, last - 1, last)
        return Ref(b.swap(linear(low, turned, named, None), last - 1, last))
    shapes = low.shape(left), low.shape(right)
    if min(len(shape) for shape in shapes) < 2:
        raise low.unsupported("have two axes or more on both sides")
    made = None
    if isinstance(left, Ref) and isinstance(right, Tensor):
        name, values = low.array(right, "weight")
        made = by_matrix(b, left.value, name or "weight", values)
    elif isinstance(right, Ref) and isinstance(left, Tensor):
        name, values = low.array(left, "weight")
        last = len(b.shape[right.value]) - 1
        turned = b.swap(right.value, last - 1, last)
        made = by_matrix(b, turned, name or "weight", np.swapaxes(values, -1, -2))
        made = None if made is None else b.swap(made, len(b.shape[made]) - 2, len(b.shape[made]) - 1)
    if made is not None:
        return Ref(b.reshape(made, low.out_shape))
    return Ref(b.one("matmul", [low.ref(left), low.ref(right)], low.out_shape))


def _one_matrix(low: Lowering, value: Any) -> Any:
    """A constant that holds one matrix again and again as that matrix."""
    if not isinstance(value, Tensor) or value.dim() < 3 or not value.numel():
        return value
    lead = value.shape[:-2]
    if any(step for step, size in zip(value.stride()[:-2], lead, strict=True) if size > 1):
        return value
    return low.hold(value[(0,) * len(lead)], low.names.get(id(value), ""))


def _turned(low: Lowering, matrix: Tensor, original: Tensor) -> Named:
    name, values = low.array(matrix.mT, low.names.get(id(original)) or "weight")
    return name or low.names.get(id(original), "weight"), values


@handles("aten.conv1d", "aten.conv2d", "aten.conv3d")
def _conv(
    low: Lowering, x: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0,
    dilation: Any = 1, groups: int = 1,
) -> Ref:  # fmt: skip
    return convolution(low, x, weight, bias, stride, padding, dilation, groups)


@handles("aten.conv_transpose1d", "aten.conv_transpose2d", "aten.conv_transpose3d")
def _conv_transpose(
    low: Lowering, x: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0,
    output_padding: Any = 0, groups: int = 1, dilation: Any = 1,
) -> Ref:  # fmt: skip
    return convolution(low, x, weight, bias, stride, padding, dilation, groups, True, output_padding)


@handles("aten.convolution")
def _convolution(
    low: Lowering, x: Any, weight: Any, bias: Any, stride: Any, padding: Any, dilation: Any, transposed: bool,
    output_padding: Any, groups: int,
) -> Ref:  # fmt: skip
    return convolution(low, x, weight, bias, stride, padding, dilation, groups, transposed, output_padding)


def convolution(
    low: Lowering, x: Any, weight: Any, bias: Any, stride: Any, padding: Any, dilation: Any, groups: int,
    transposed: bool = False, output_padding: Any = 0,
) -> Ref:  # fmt: skip
    nd = len(low.shape(weight)) - 2
    kernel, dilations = list(low.shape(weight)[2:]), many(dilation, nd)
    value = low.ref(x)
    if padding == "valid":
        padding = 0
    elif padding == "same":
        totals = [d * (k - 1) for d, k in zip(dilations, kernel, strict=True)]
        padding = [total // 2 for total in totals]
        if any(total % 2 for total in totals):
            value = pad(
                low, value, [(0, 0)] * (len(low.builder.shape[value]) - nd) + [(0, t % 2) for t in totals]
            )
    options = {
        "operator": f"conv_transpose{nd}d" if transposed else f"conv{nd}d",
        "nd": nd,
        "kernel": [int(k) for k in kernel],
        "stride": many(stride, nd),
        "padding": many(padding, nd),
        "dilation": dilations,
        "groups": int(groups),
        "transposed": bool(transposed),
        **low.quantised(weight),
    }
    if transposed:
        options["output_padding"] = many(output_padding, nd)
    if isinstance(weight, Ref) or isinstance(bias, Ref) or not isinstance(x, Ref):  # the kernel is computed
        if len(low.builder.shape[value]) != nd + 2:
            raise low.unsupported("have an axis of examples where its kernel is computed")
        parts = [value, low.ref(weight), *([] if bias is None else [low.ref(bias)])]
        options |= {"function": "conv", "kept": [[0, 0]], "fresh": [1]}
        return Ref(low.builder.one("operation", parts, low.out_shape, options=options))
    tensors = {"weight": low.array(weight, "weight"), "bias": low.maybe(bias, "bias")}
    return Ref(low.builder.one("conv", [value], low.out_shape, options=options, tensors=tensors))


def pad(low: Lowering, value: int, widths: Sequence[tuple[int, int]], fill: float = 0.0) -> int:
    for axis, (lo, hi) in enumerate(widths):  # negative widths cut off
        value = low.builder.cut(value, axis, max(-lo, 0), low.builder.shape[value][axis] + min(hi, 0))
    widths = [(max(lo, 0), max(hi, 0)) for lo, hi in widths]
    if not any(lo or hi for lo, hi in widths):
        return value
    shape = [size + lo + hi for size, (lo, hi) in zip(low.builder.shape[value], widths, strict=True)]
    options = {"widths": [list(width) for width in widths], "value": fill}
    return low.builder.one("pad", [value], shape, options=options)


@handles("aten.embedding")
def _embedding(low: Lowering, weight: Any, indices: Any, *_: Any) -> Ref:
    if isinstance(weight, Ref):
        raise low.unsupported("have constant weights")
    named, options = low.array(weight, "weight"), low.quantised(weight)
    shape = (*low.shape(indices), named[1].shape[1])
    tensors = {"weight": named}
    return Ref(low.builder.one("embedding", [low.ref(indices)], shape, options=options, tensors=tensors))


@handles("aten.bilinear")
def _bilinear(low: Lowering, left: Any, right: Any, weight: Any, bias: Any = None) -> Ref:
    tensors = {"weight": low.array(weight, "weight"), "bias": low.maybe(bias, "bias")}
    return Ref(low.builder.one("bilinear", [low.ref(left), low.ref(right)], low.out_shape, tensors=tensors))


@handles("aten.batch_norm", "aten._native_batch_norm_legit_no_training", "aten.native_batch_norm")
def _batch_norm(low: Lowering, x: Any, weight: Any, bias: Any, mean: Any, variance: Any, *rest: Any) -> Any:
    numbers = [value for value in rest if isinstance(value, float)]
    eps = numbers[-1]
    if mean is None or variance is None:
        return norm(low, x, "batch_statistics", weight, bias, eps)
    scale = (variance.double() + eps).rsqrt()
    if weight is not None:
        scale = scale * weight.double()
    shift = -mean.double() * scale + (0 if bias is None else bias.double())
    sizes = [1, -1] + [1] * (len(low.shape(x)) - 2)
    name = low.names.get(id(weight)) or low.names.get(id(mean)) or "batch_norm.weight"
    stem = name.rpartition(".")[0]
    named = {
        role: (f"{stem}.{role}" if stem else role, values.reshape(sizes).float().cpu().numpy())
        for role, values in (("scale", scale), ("shift", shift))
    }
    result = Ref(
        low.builder.affine(x.value, scale=named["scale"], shift=named["shift"], operator="batch_norm")
    )
    return result if str(low.node.target).startswith("aten.batch_norm") else [result, None, None]


def norm(low: Lowering, x: Any, name: str, weight: Any, bias: Any, eps: float, **options: Any) -> Ref:
    tensors = {"scale": low.maybe(weight, "weight"), "shift": low.maybe(bias, "bias")}
    options = {"norm": name, "eps": float(eps), **options}
    return Ref(low.builder.one("norm", [x.value], low.shape(x), options=options, tensors=tensors))


@handles("aten.layer_norm")
def _layer_norm(
    low: Lowering, x: Any, sizes: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5, *_: Any
) -> Ref:
    return norm(low, x, "layer_norm", weight, bias, eps, axes=len(sizes))


@handles("aten.rms_norm")
def _rms_norm(low: Lowering, x: Any, sizes: Any, weight: Any = None, eps: float | None = None) -> Ref:
    return norm(
        low,
        x,
        "rms_norm",
        weight,
        None,
        float(np.finfo(np.float32).eps) if eps is None else eps,
        axes=len(sizes),
    )


@handles("aten.group_norm")
def _group_norm(
    low: Lowering, x: Any, groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5, *_: Any
) -> Ref:
    return norm(low, x, "group_norm", weight, bias, eps, groups=int(groups))


@handles("aten.instance_norm")
def _instance_norm(
    low: Lowering, x: Any, weight: Any, bias: Any, mean: Any, variance: Any, use_input: bool, momentum: float,
    eps: float, *_: Any,
) -> Any:  # fmt: skip
    if not use_input:
        return Ref(_batch_norm(low, x, weight, bias, mean, variance, eps).value)
    return norm(low, x, "instance_norm", weight, bias, eps)


@handles("aten.lstm.input")
def _lstm(
    low: Lowering, x: Any, state: Any, params: Any, has_biases: bool, num_layers: int, dropout: float,
    train: bool, bidirectional: bool, batch_first: bool,
) -> Any:  # fmt: skip
    return recurrent_layers(
        low, "lstm", x, list(state), params, has_biases, num_layers, bidirectional, batch_first
    )


@handles("aten.gru.input", "aten.rnn_tanh.input", "aten.rnn_relu.input")
def _rnn(
    low: Lowering, x: Any, state: Any, params: Any, has_biases: bool, num_layers: int, dropout: float,
    train: bool, bidirectional: bool, batch_first: bool,
) -> Any:  # fmt: skip
    cell = low.operation
    return recurrent_layers(low, cell, x, [state], params, has_biases, num_layers, bidirectional, batch_first)


def recurrent_layers(
    low: Lowering, cell: str, x: Any, states: list[Any], params: Any, has_biases: bool, num_layers: int,
    bidirectional: bool, batch_first: bool, extra: dict[str, Any] | None = None,
) -> list[Ref]:  # fmt: skip
    named = [low.array(value, "weight") for value in params]
    stack = layers(cell, named, has_biases, num_layers * (2 if bidirectional else 1))
    given = [_state(low, state) for state in states]
    extra = {**(extra or {}), **low.quantised(params[0])}
    made = run_layers(low.builder, cell, low.ref(x), stack, given, bidirectional, batch_first, extra)
    return [Ref(value) for value in made]


def _state(low: Lowering, state: Any) -> int | None:
    """An initial state; none where it is zero, as without one."""
    if isinstance(state, Tensor) and not state.any():
        return None
    return low.ref(state)


@handles("aten.lstm_cell", "aten.gru_cell", "aten.rnn_tanh_cell", "aten.rnn_relu_cell")
def _cell(low: Lowering, x: Any, state: Any, w_ih: Any, w_hh: Any, b_ih: Any = None, b_hh: Any = None) -> Any:
    cell = low.operation.removesuffix("_cell")
    key = tuple(id(value) for value in (w_ih, w_hh, b_ih, b_hh))
    if key not in low.cells:
        # Once for all time steps, so that their constants are the same ones.
        named = [low.array(value, "weight") for value in (w_ih, w_hh, b_ih, b_hh) if value is not None]
        low.cells[key] = layers(cell, named, b_ih is not None, 1)[0]
    layer: Layer = low.cells[key]
    states = list(state) if isinstance(state, list | tuple) else [state]
    made = run_cell(low.builder, cell, low.ref(x), layer, [_state(low, value) for value in states])
    return [Ref(value) for value in made] if cell == "lstm" else Ref(made[0])
