"""ONNX operators that move values, and those that act on each one: pools, activations, sums."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from nnstruct.extract.onnx_graph import OnnxReader, handles
from nnstruct.extract.onnx_ops import pad, pads

Inputs = list[Any]
Options = dict[str, Any]


@handles("Identity", "Dropout", "Cast", "CastLike")
def _same(reader: OnnxReader, node: Any, inputs: Inputs, options: Options) -> Any:
    return [inputs[0], None]


@handles("Reshape", "Flatten", "Squeeze", "Unsqueeze")
def _reshape(reader: OnnxReader, node: Any, inputs: Inputs, options: Options) -> int:
    x, old = inputs[0], reader.builder.shape[inputs[0]]
    kind = node.op_type
    if kind == "Flatten":
        axis = options.get("axis", 1) % (len(old) + 1)
        return reader.builder.reshape(x, (math.prod(old[:axis]), math.prod(old[axis:])))
    if kind == "Reshape":
        wanted = reader.constant(inputs[1], "have a constant shape").tolist()
        if not options.get("allowzero"):
            wanted = [old[place] if size == 0 else size for place, size in enumerate(wanted)]
        rest = math.prod(size for size in wanted if size != -1)
        return reader.builder.reshape(
            x, [math.prod(old) // max(rest, 1) if size == -1 else size for size in wanted]
        )
    axes: Any = inputs[1] if len(inputs) > 1 and inputs[1] is not None else options.get("axes")
    if kind == "Unsqueeze":
        ndim = len(old) + len(axes)
        places = {int(axis) % ndim for axis in np.ravel(axes)}
        left = iter(old)
        return reader.builder.reshape(x, [1 if place in places else next(left) for place in range(ndim)])
    chosen = range(len(old)) if axes is None else [int(axis) % len(old) for axis in np.ravel(axes)]
    return reader.builder.reshape(
        x, [size for place, size in enumerate(old) if place not in chosen or size != 1]
    )


@handles("Transpose")
def _transpose(reader: OnnxReader, node: Any, inputs: Inputs, options: Options) -> int:
    ndim = len(reader.builder.shape[inputs[0]])
    return reader.builder.permute(inputs[0], options.get("perm", list(range(ndim))[::-1]))


@handles("Concat")
def _concat(reader: OnnxReader, node: Any, inputs: Inputs, options: Options) -> int:
    values = [value for value in inputs if math.prod(reader.shape(value))]
    axis = options["axis"] % len(reader.shape(values[0]))
    return reader.builder.concat([reader.ref(value) for value in values], axis)


@handles("Split")
def _split(reader: OnnxReader, node: Any, inputs: Inputs, options: Options) -> list[int]:
    x, shape = inputs[0], reader.builder.shape[inputs[0]]
    axis = options.get("axis", 0) % len(shape)
    sizes = inputs[1] if len(inputs) > 1 and inputs[1] is not None else options.get("split")
    if sizes is None:
        count = options.get("num_outputs", len(node.output))
        each = -(-shape[axis] // count)
        sizes = [min(each, shape[axis] - start) for start in range(0, shape[axis], each)]
    stops = np.cumsum(sizes).tolist()
    return [
        reader.builder.cut(x, axis, int(stop - size), stop) for size, stop in zip(sizes, stops, strict=True)
    ]


@handles("Slice")
def _slice(reader: OnnxReader, node: Any, inputs: Inputs, options: Options) -> int:
    x = inputs[0]
    parts = [
        reader.constant(value, "have constant ends").tolist() for value in inputs[1:] if value is not None
    ]
    if not parts:
        parts = [options["starts"], options["ends"], *([options["axes"]] if "axes" in options else [])]
    starts, stops = parts[:2]
    axes = parts[2] if len(parts) > 2 else range(len(starts))
    steps = parts[3] if len(parts) > 3 else [1] * len(starts)
    for start, stop, axis, step in zip(starts, stops, axes, steps, strict=True):
        axis %= len(reader.builder.shape[x])
        if step < 0:
            index = list(range(reader.builder.shape[x][axis]))[
                start : None if stop < -(2**31) else stop : step
            ]
            x = _take(reader, x, axis, index)
        else:
            x = reader.builder.cut(x, axis, start, stop, step)
    return x


def _take(reader: OnnxReader, value: int, axis: int, index: list[int]) -> int:
    shape = list(reader.builder.shape[value])
    shape[axis] = len(index)
    return reader.builder.one("take", [value], shape, options={"axis": axis, "indices": index})


@handles("Gather")
def _gather(reader: OnnxReader, node: Any, inputs: Inputs, options: Options) -> int:
    x, index = inputs
    b = reader.builder
    if not isinstance(x, int):
        if options.get("axis", 0) != 0 or x.ndim != 2:
            raise reader.unsupported("look up rows of a table")
        shape = (*b.shape[index], x.shape[1])
        return b.one("embedding", [index], shape, tensors={"weight": reader.named(x, "weight")})
    places = reader.constant(index, "take constant places")
    axis = options.get("axis", 0) % len(b.shape[x])
    if places.ndim == 0:
        return b.select(x, axis, int(places))
    if places.ndim > 1:
        raise reader.unsupported("take places along one axis")
    return _take(reader, x, axis, [int(i) % b.shape[x][axis] for i in places])


@handles("Expand")
def _expand(reader: OnnxReader, node: Any, inputs: Inputs, options: Options) -> int:
    sizes = reader.constant(inputs[1], "have a constant shape").tolist()
    return reader.builder.expand(
        inputs[0], np.broadcast_shapes(reader.builder.shape[inputs[0]], tuple(sizes))
    )


@handles("Pad")
def _pad(reader: OnnxReader, node: Any, inputs: Inputs, options: Options) -> int:
    if options.get("mode", "constant") != "constant":
        raise reader.unsupported("pad with a constant")
    ndim = len(reader.builder.shape[inputs[0]])
    both = reader.constant(inputs[1], "have constant sizes").tolist() if len(inputs) > 1 else options["pads"]
    axes = (
        [int(axis) % ndim for axis in inputs[3]]
        if len(inputs) > 3 and inputs[3] is not None
        else list(range(ndim))
    )
    widths = [[0, 0] for _ in range(ndim)]
    for place, axis in enumerate(axes):
        widths[axis] = [both[place], both[place + len(axes)]]
    fill = inputs[2] if len(inputs) > 2 and inputs[2] is not None else 0.0
    return pad(reader, inputs[0], widths, float(np.ravel(fill)[0]))


@handles("MaxPool", "AveragePool")
def _pool(reader: OnnxReader, node: Any, inputs: Inputs, options: Options) -> Any:
    x, kernel = inputs[0], list(options["kernel_shape"])
    nd, shape = len(kernel), reader.builder.shape[inputs[0]]
    stride, dilation = options.get("strides", [1] * nd), options.get("dilations", [1] * nd)
    low, high = pads(reader, options, shape[-nd:], kernel, stride, dilation)
    if low != high:
        raise reader.unsupported("pad both ends alike")
    function = "max" if node.op_type == "MaxPool" else "avg"
    ceil = bool(options.get("ceil_mode", 0))
    sizes = []
    for n, k, s, p, d in zip(shape[-nd:], kernel, stride, low, dilation, strict=True):
        span = n + 2 * p - d * (k - 1) - 1
        size = (-(-span // s) if ceil else span // s) + 1
        sizes.append(size - 1 if ceil and (size - 1) * s >= n + p else size)
    step = {
        "operator": f"{function}_pool{nd}d",
        "function": function,
        "nd": nd,
        "kernel": kernel,
        "stride": list(stride),
        "padding": list(low),
        "dilation": list(dilation),
        "ceil": ceil,
    }
    if function == "avg":
        step["include_pad"] = bool(options.get("count_include_pad", 0))
    return [reader.builder.one("pool", [x], (*shape[:-nd], *sizes), options=step), None]


@handles("GlobalAveragePool", "GlobalMaxPool")
def _global_pool(reader: OnnxReader, node: Any, inputs: Inputs, options: Options) -> int:
    shape = reader.builder.shape[inputs[0]]
    nd, function = len(shape) - 2, "max" if "Max" in node.op_type else "avg"
    step = {
        "operator": f"adaptive_{function}_pool{nd}d",
        "function": function,
        "nd": nd,
        "adaptive": True,
        "size": [1] * nd,
    }
    return reader.builder.one("pool", inputs, (*shape[:2], *[1] * nd), options=step)


@handles("ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin")
def _reduce(reader: OnnxReader, node: Any, inputs: Inputs, options: Options) -> int:
    shape = reader.builder.shape[inputs[0]]
    given = inputs[1] if len(inputs) > 1 and inputs[1] is not None else options.get("axes")
    axes = (
        sorted(int(a) % len(shape) for a in np.ravel(given)) if given is not None else list(range(len(shape)))
    )
    keep = bool(options.get("keepdims", 1))
    sizes = [1 if d in axes else s for d, s in enumerate(shape) if keep or d not in axes]
    step = {"function": node.op_type.removeprefix("Reduce").lower(), "axes": axes, "keepdim": keep}
    return reader.builder.one("reduce", inputs[:1], sizes, options=step)


_ACTIVATIONS: dict[str, tuple[str, dict[str, tuple[str, float]]]] = {
    **{name: (name.lower(), {}) for name in (
        "Relu", "Tanh", "Sigmoid", "Exp", "Log", "Sqrt", "Abs", "Neg", "Reciprocal", "Erf", "Sin", "Cos",
        "Mish", "Sign", "Floor",
    )},
    "Swish": ("silu", {}),
    "HardSwish": ("hardswish", {}),
    "Selu": ("selu", {}),
    "LeakyRelu": ("leaky_relu", {"negative_slope": ("alpha", 0.01)}),
    "Elu": ("elu", {"alpha": ("alpha", 1.0)}),
    "Celu": ("celu", {"alpha": ("alpha", 1.0)}),
    "Softplus": ("softplus", {}),
}  # fmt: skip
_DEFAULTS = {"elu": {"scale": 1.0, "input_scale": 1.0}, "softplus": {"beta": 1.0, "threshold": 20.0}}


def activation(reader: OnnxReader, x: int, name: str, **options: Any) -> int:
    return reader.builder.one(
        "activation", [x], reader.builder.shape[x], options={"function": name, **options}
    )


@handles(*_ACTIVATIONS)
def _activation(reader: OnnxReader, node: Any, inputs: Inputs, options: Options) -> int:
    name, numbers = _ACTIVATIONS[node.op_type]
    given = {key: float(options.get(theirs, value)) for key, (theirs, value) in numbers.items()}
    return activation(reader, inputs[0], name, **given, **_DEFAULTS.get(name, {}))


@handles("Gelu")
def _gelu(reader: OnnxReader, node: Any, inputs: Inputs, options: Options) -> int:
    extra = {} if options.get("approximate", "none") == "none" else {"approximate": options["approximate"]}
    return activation(reader, inputs[0], "gelu", **extra)


@handles("HardSigmoid")
def _hard_sigmoid(reader: OnnxReader, node: Any, inputs: Inputs, options: Options) -> int:
    if abs(options.get("alpha", 0.2) - 1 / 6) > 1e-6 or options.get("beta", 0.5) != 0.5:
        raise reader.unsupported("have the slope 1/6")
    return activation(reader, inputs[0], "hardsigmoid")


@handles("Softmax", "LogSoftmax")
def _softmax(reader: OnnxReader, node: Any, inputs: Inputs, options: Options) -> int:
    name = "log_softmax" if node.op_type == "LogSoftmax" else "softmax"
    return activation(
        reader, inputs[0], name, axis=options.get("axis", -1) % len(reader.builder.shape[inputs[0]])
    )


@handles("Clip")
def _clip(reader: OnnxReader, node: Any, inputs: Inputs, options: Options) -> int:
    ends = dict(zip(("min", "max"), inputs[1:], strict=False)) | {
        k: v for k, v in options.items() if k in ("min", "max")
    }
    given = {
        key: float(np.ravel(reader.constant(end, "have constant ends"))[0])
        for key, end in ends.items()
        if end is not None
    }
    if given == {"min": 0.0, "max": 6.0}:
        return activation(reader, inputs[0], "relu6")
    return activation(reader, inputs[0], "clamp", **given)


@handles("PRelu")
def _prelu(reader: OnnxReader, node: Any, inputs: Inputs, options: Options) -> int:
    slope = reader.named(reader.constant(inputs[1], "have a constant slope"), "slope")
    x = inputs[0]
    return reader.builder.one(
        "activation", [x], reader.builder.shape[x], options={"function": "prelu"}, tensors={"slope": slope}
    )


@handles("Add", "Sub", "Mul", "Div", "Max", "Min", "Pow")
def _arithmetic(reader: OnnxReader, node: Any, inputs: Inputs, options: Options) -> int:
    if len(inputs) != 2:
        raise reader.unsupported("have two operands")
    left, right = inputs
    b, kind = reader.builder, node.op_type
    if kind == "Pow":
        return activation(
            reader, left, "pow", exponent=float(reader.constant(right, "have a constant exponent").item())
        )
    if isinstance(left, int) and isinstance(right, int):
        name = {"Max": "maximum", "Min": "minimum"}.get(kind, kind.lower())
        return b.one(
            "join", inputs, np.broadcast_shapes(b.shape[left], b.shape[right]), options={"function": name}
        )
    data, other = (left, right) if isinstance(left, int) else (right, left)
    constant = _number(reader, other)
    if kind == "Add":
        return b.affine(data, shift=constant, operator="shift")
    if kind == "Mul":
        return b.affine(data, scale=constant, operator="scale")
    if kind == "Sub":
        if data is left:
            return b.affine(data, shift=_changed(constant, np.negative), operator="shift")
        return b.affine(data, scale=-1.0, shift=constant, operator="shift")
    if kind == "Div":
        if data is left:
            return b.affine(data, scale=_changed(constant, np.reciprocal), operator="scale")
        return b.affine(activation(reader, data, "reciprocal"), scale=constant, operator="scale")
    raise reader.unsupported("compare two values of the network")


def _number(reader: OnnxReader, value: np.ndarray) -> Any:
    return float(value.item()) if value.size == 1 else reader.named(value)


def _changed(constant: Any, function: Any) -> Any:
    return (
        (constant[0], function(constant[1]))
        if isinstance(constant, tuple)
        else float(function(np.float64(constant)))
    )
