"""ONNX operators that multiply with weights: Gemm, MatMul, Conv, recurrent layers, normalisations."""

from __future__ import annotations

from typing import Any

import numpy as np

from nnstruct.extract.onnx_graph import OnnxReader, handles
from nnstruct.extract.recurrent import joined_bias, one_layer

# Where PyTorch's gates stand among ONNX's: LSTM (i, o, f, c) to (i, f, c, o); GRU (z, r, h) to (r, z, h).
_GATE_ORDER = {"LSTM": [0, 2, 3, 1], "GRU": [1, 0, 2], "RNN": [0]}


@handles("Gemm")
def _gemm(reader: OnnxReader, node: Any, inputs: list[Any], options: dict[str, Any]) -> int:
    x, weight, bias = (*inputs, None)[:3]
    matrix = reader.constant(weight, "have constant weights")
    if not isinstance(x, int) or options.get("transA") or isinstance(bias, int):
        raise reader.unsupported("have constant weights on the right")
    name, values = reader.named(matrix, "weight")
    values = (values if options.get("transB") else values.T) * np.float32(options.get("alpha", 1.0))
    given = None
    if bias is not None:
        bias_name, constant = reader.named(bias, "bias")
        if constant.size not in (1, len(values)):
            raise reader.unsupported("have one bias for each output")
        constant = np.broadcast_to(constant.ravel(), (len(values),)) * np.float32(options.get("beta", 1.0))
        given = (bias_name, constant)
    return _linear(reader, x, (name, values), given)


def _linear(reader: OnnxReader, x: int, weight: tuple[str, np.ndarray], bias: Any) -> int:
    shape = (*reader.builder.shape[x][:-1], len(weight[1]))
    return reader.builder.one("linear", [x], shape, tensors={"weight": weight, "bias": bias})


@handles("MatMul")
def _matmul(reader: OnnxReader, node: Any, inputs: list[Any], options: dict[str, Any]) -> int:
    left, right = inputs
    b = reader.builder
    if isinstance(left, int) and not isinstance(right, int) and right.ndim == 2:
        name, values = reader.named(right, "weight")
        return _linear(reader, left, (name, values.T), None)
    if isinstance(right, int) and not isinstance(left, int) and left.ndim == 2 and len(b.shape[right]) > 1:
        last = len(b.shape[right]) - 1
        turned = b.swap(right, last - 1, last)
        return b.swap(_linear(reader, turned, reader.named(left, "weight"), None), last - 1, last)
    shapes = reader.shape(left), reader.shape(right)
    if min(len(shape) for shape in shapes) < 2:
        raise reader.unsupported("have two axes or more on both sides")
    lead = np.broadcast_shapes(shapes[0][:-2], shapes[1][:-2])
    return b.one("matmul", [reader.ref(left), reader.ref(right)], (*lead, shapes[0][-2], shapes[1][-1]))


@handles("Conv", "ConvTranspose")
def _conv(reader: OnnxReader, node: Any, inputs: list[Any], options: dict[str, Any]) -> int:
    x, weight, bias = (*inputs, None)[:3]
    matrix = reader.constant(weight, "have constant weights")
    transposed = node.op_type == "ConvTranspose"
    nd = matrix.ndim - 2
    groups = options.get("group", 1)
    stride, dilation = options.get("strides", [1] * nd), options.get("dilations", [1] * nd)
    kernel = list(matrix.shape[2:])
    sizes = reader.builder.shape[x][-nd:]
    low, high = pads(reader, options, sizes, kernel, stride, dilation, transposed)
    if low != high:
        if transposed:
            raise reader.unsupported("pad both ends alike")
        widths = [[0, 0]] * (len(reader.builder.shape[x]) - nd) + [
            list(pair) for pair in zip(low, high, strict=True)
        ]
        x = pad(reader, x, widths, 0.0)
        sizes, low = reader.builder.shape[x][-nd:], [0] * nd
    extra = options.get("output_padding", [0] * nd)
    spans = list(zip(sizes, kernel, stride, low, dilation, extra, strict=True))
    if transposed:
        outputs = [(n - 1) * s - 2 * p + d * (k - 1) + e + 1 for n, k, s, p, d, e in spans]
    else:
        outputs = [(n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, s, p, d, _ in spans]
    channels = matrix.shape[1] * groups if transposed else matrix.shape[0]
    step = {
        "operator": f"conv_transpose{nd}d" if transposed else f"conv{nd}d",
        "nd": nd,
        "kernel": kernel,
        "stride": list(stride),
        "padding": list(low),
        "dilation": list(dilation),
        "groups": int(groups),
        "transposed": transposed,
    }
    if transposed:
        step["output_padding"] = list(extra)
    tensors = {"weight": reader.named(weight, "weight"), "bias": reader.maybe(bias, "bias")}
    shape = (*reader.builder.shape[x][: -nd - 1], channels, *outputs)
    return reader.builder.one("conv", [x], shape, options=step, tensors=tensors)


def pads(
    reader: OnnxReader, options: dict[str, Any], sizes: Any, kernel: Any, stride: Any, dilation: Any,
    transposed: bool = False,
) -> tuple[list[int], list[int]]:  # fmt: skip
    """Padding before and after each axis."""
    nd, mode = len(kernel), options.get("auto_pad", "NOTSET")
    if mode in ("NOTSET", ""):
        both = list(options.get("pads", [0] * (2 * nd)))
        return both[:nd], both[nd:]
    if mode == "VALID":
        return [0] * nd, [0] * nd
    if transposed:
        raise reader.unsupported("state its padding")
    totals = [
        max(0, (-(-n // s) - 1) * s + d * (k - 1) + 1 - n)
        for n, k, s, d in zip(sizes, kernel, stride, dilation, strict=True)
    ]
    small = [total // 2 for total in totals]
    large = [total - half for total, half in zip(totals, small, strict=True)]
    return (small, large) if mode == "SAME_UPPER" else (large, small)


def pad(reader: OnnxReader, value: int, widths: Any, fill: float) -> int:
    shape = [size + lo + hi for size, (lo, hi) in zip(reader.builder.shape[value], widths, strict=True)]
    return reader.builder.one("pad", [value], shape, options={"widths": widths, "value": float(fill)})


@handles("BatchNormalization")
def _batch_norm(reader: OnnxReader, node: Any, inputs: list[Any], options: dict[str, Any]) -> int:
    if options.get("training_mode"):
        raise reader.unsupported("be in evaluation mode")
    x = inputs[0]
    weight, bias, mean, variance = (
        reader.constant(value, "have constant statistics").astype(np.float64) for value in inputs[1:5]
    )
    sizes = [1, -1] + [1] * (len(reader.builder.shape[x]) - 2)
    scale = weight / np.sqrt(variance + options.get("epsilon", 1e-5))
    shift = bias - mean * scale
    stem = reader.names.get(id(inputs[1]), "batch_norm.weight").rpartition(".")[0]
    named = {
        role: (f"{stem}.{role}" if stem else role, values.reshape(sizes).astype(np.float32))
        for role, values in (("scale", scale), ("shift", shift))
    }
    return reader.builder.affine(x, scale=named["scale"], shift=named["shift"], operator="batch_norm")


@handles("LayerNormalization", "GroupNormalization", "InstanceNormalization", "RMSNormalization")
def _norm(reader: OnnxReader, node: Any, inputs: list[Any], options: dict[str, Any]) -> int:
    x, scale, shift = (*inputs, None, None)[:3]
    shape = reader.builder.shape[x]
    name = {"Layer": "layer_norm", "Group": "group_norm", "Insta": "instance_norm", "RMSNo": "rms_norm"}[
        node.op_type[:5]
    ]
    step: dict[str, Any] = {"norm": name, "eps": float(options.get("epsilon", 1e-5))}
    if name in ("layer_norm", "rms_norm"):
        step["axes"] = len(shape) - options.get("axis", -1) % len(shape)
    elif name == "group_norm":
        step["groups"] = int(options["num_groups"])
    tensors = {"scale": reader.maybe(scale, "weight"), "shift": reader.maybe(shift, "bias")}
    return reader.builder.one("norm", [x], shape, options=step, tensors=tensors)


@handles("RNN", "LSTM", "GRU")
def _recurrent(reader: OnnxReader, node: Any, inputs: list[Any], options: dict[str, Any]) -> list[int]:
    x, weight, recurrent, bias, lengths, *states = (*inputs, *[None] * 6)[:7]
    kind = node.op_type
    w, r = (
        reader.constant(value, "have constant weights").astype(np.float32) for value in (weight, recurrent)
    )
    if kind == "GRU" and not options.get("linear_before_reset"):
        raise reader.unsupported("apply the reset gate after the recurrent product (linear_before_reset=1)")
    if lengths is not None and (
        isinstance(lengths, int) or (np.asarray(lengths) != reader.builder.shape[x][0]).any()
    ):
        raise reader.unsupported("read sequences of full length")
    if options.get("layout") or options.get("clip") or (len(inputs) > 7 and inputs[7] is not None):
        raise reader.unsupported("have the time axis first, no clipping and no peepholes")
    cell = _cell(reader, kind, options)
    directions, hidden = w.shape[0], r.shape[2]
    backward = options.get("direction", "forward") == "reverse"
    b = reader.builder
    outs, finals = [], []
    for place in range(directions):
        order = _GATE_ORDER[kind]
        own = [
            part[place].reshape(len(order), hidden, -1)[order].reshape(len(order) * hidden, -1)
            for part in (w, r)
        ]
        name = reader.names.get(id(weight), "weight")
        layer = {
            "weight_ih": (f"{name}.{place}", own[0]),
            "weight_hh": (f"{reader.names.get(id(recurrent), 'recurrence')}.{place}", own[1]),
        }
        if bias is not None:
            both = (
                np.asarray(bias, dtype=np.float32)[place]
                .reshape(2, len(order), hidden)[:, order]
                .reshape(2, -1)
            )
            bias_name = f"{reader.names.get(id(bias), 'bias')}.{place}"
            layer["bias"] = (bias_name, joined_bias(cell, both[0], both[1]))
        given = [
            None
            if state is None or (not isinstance(state, int) and not np.any(state))
            else b.select(reader.ref(state), 0, place)
            for state in states[: 2 if kind == "LSTM" else 1]
        ]
        out, *last = one_layer(b, cell, x, layer, given, reverse=backward or place > 0, batch_first=False)
        time, batch, _ = b.shape[out]
        outs.append(b.reshape(out, (time, 1, batch, hidden)))
        finals.append([b.reshape(state, (1, *b.shape[state])) for state in last])
    joined = [outs[0] if directions == 1 else b.concat(outs, 1)]
    for parts in zip(*finals, strict=True):
        joined.append(parts[0] if directions == 1 else b.concat(list(parts), 0))
    return joined


def _cell(reader: OnnxReader, kind: str, options: dict[str, Any]) -> str:
    given = [a.decode() if isinstance(a, bytes) else a for a in options.get("activations", [])]
    defaults = {"LSTM": ["Sigmoid", "Tanh", "Tanh"], "GRU": ["Sigmoid", "Tanh"], "RNN": ["Tanh"]}[kind]
    unique = given[: len(defaults)] or defaults
    if kind == "RNN" and set(given or defaults) <= {"Tanh"}:
        return "rnn_tanh"
    if kind == "RNN" and set(given) == {"Relu"}:
        return "rnn_relu"
    if unique != defaults:
        raise reader.unsupported("have its usual activations")
    return kind.lower()
