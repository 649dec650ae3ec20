"""ONNX's reductions over axes and pools over windows."""

from __future__ import annotations

from typing import Any

from nnstruct.extract.onnx_graph import OnnxReader, handles
from nnstruct.extract.onnx_operators.weights import pads

Inputs = list[Any]
Options = dict[str, Any]

_REDUCTIONS = {
    "ReduceMean": "mean", "ReduceSum": "sum", "ReduceMax": "max", "ReduceMin": "min", "ReduceProd": "prod",
    "ReduceL1": "l1", "ReduceL2": "l2", "ReduceSumSquare": "sum_square", "ReduceLogSum": "log_sum",
    "ReduceLogSumExp": "logsumexp",
}  # fmt: skip
# What a reduction over no axes at all does to each element.
_ALONE = {"l1": "abs", "l2": "abs", "sum_square": "square", "log_sum": "log"}


@handles(*_REDUCTIONS)
def _reduce(reader: OnnxReader, node: Any, inputs: Inputs, options: Options) -> int:
    x, shape = inputs[0], reader.shape(inputs[0])
    function = _REDUCTIONS[node.op_type]
    given = (
        reader.integers(inputs[1], "have constant axes") if len(inputs) > 1 and inputs[1] is not None else []
    )
    if not given and options.get("noop_with_empty_axes"):
        return reader.activation(x, _ALONE[function]) if function in _ALONE else x
    axes = sorted(axis % len(shape) for axis in given) if given else list(range(len(shape)))
    keep = bool(options.get("keepdims", 1))
    sizes = [1 if d in axes else s for d, s in enumerate(shape) if keep or d not in axes]
    return reader.emit("reduce", [x], sizes, function=function, axes=axes, keepdim=keep)


@handles("ArgMax", "ArgMin")
def _place(reader: OnnxReader, node: Any, inputs: Inputs, options: Options) -> int:
    shape = reader.shape(inputs[0])
    axis = options.get("axis", 0) % len(shape)
    keep = bool(options.get("keepdims", 1))
    sizes = [1 if d == axis else s for d, s in enumerate(shape) if keep or d != axis]
    extra: Options = {"last": True} if options.get("select_last_index") else {}
    return reader.emit(
        "reduce",
        inputs[:1],
        sizes,
        "int64",
        function=node.op_type.lower(),
        axes=[axis],
        keepdim=keep,
        **extra,
    )


@handles("MaxPool", "AveragePool", "LpPool")
def _pool(reader: OnnxReader, node: Any, inputs: Inputs, options: Options) -> Any:
    x, kernel = inputs[0], list(options["kernel_shape"])
    nd, shape = len(kernel), reader.shape(inputs[0])
    stride, dilation = list(options.get("strides", [1] * nd)), list(options.get("dilations", [1] * nd))
    low, high = pads(options, shape[-nd:], kernel, stride, dilation)
    function = {"MaxPool": "max", "AveragePool": "avg"}.get(node.op_type, "lp")
    ceil = bool(options.get("ceil_mode", 0)) and options.get("auto_pad", "NOTSET") == "NOTSET"
    sizes = []
    for n, k, s, before, after, d in zip(shape[-nd:], kernel, stride, low, high, dilation, strict=True):
        span = n + before + after - d * (k - 1) - 1
        size = (-(-span // s) if ceil else span // s) + 1
        sizes.append(size - 1 if ceil and (size - 1) * s >= n + before else size)
    step: Options = {
        "operator": f"{function}_pool{nd}d",
        "function": function,
        "nd": nd,
        "kernel": kernel,
        "stride": stride,
        "padding": list(low),
        "dilation": dilation,
        "ceil": ceil,
    }
    if low != high:
        step["padding_after"] = list(high)
    if function == "avg":
        step["include_pad"] = bool(options.get("count_include_pad", 0))
    if function == "lp":
        step["p"] = float(options.get("p", 2))
    made_shape = (*shape[:-nd], *sizes)
    if len(node.output) > 1 and node.output[1]:
        if low != high or function != "max":
            raise reader.unsupported("pad both ends alike where it gives places")
        step |= {
            "operator": "max_pool_places", "function": "max_pool_places",
            "column_major": bool(options.get("storage_order", 0)), "kept": [[0, 0], [1, 1]], "fresh": [],
        }  # fmt: skip
        made = reader.builder.emit("operation", [x], made_shape, made_shape, options=step)
        reader.dtype.update({made[0]: reader.kind(x), made[1]: "int64"})
        return list(made)
    return reader.emit("pool", [x], made_shape, reader.kind(x), **step)


@handles("GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool")
def _global_pool(reader: OnnxReader, node: Any, inputs: Inputs, options: Options) -> int:
    shape = reader.shape(inputs[0])
    nd, function = len(shape) - 2, "max" if "Max" in node.op_type else "avg"
    if "Lp" in node.op_type or not 1 <= nd <= 3:
        axes = list(range(2, len(shape)))
        extra: Options = {"p": float(options.get("p", 2))} if "Lp" in node.op_type else {}
        name = "norm" if extra else {"avg": "mean", "max": "max"}[function]
        return reader.emit(
            "reduce",
            inputs[:1],
            (*shape[:2], *[1] * nd),
            None,
            function=name,
            axes=axes,
            keepdim=True,
            **extra,
        )
    return reader.emit(
        "pool", inputs[:1], (*shape[:2], *[1] * nd), None,
        operator=f"adaptive_{function}_pool{nd}d", function=function, nd=nd, adaptive=True, size=[1] * nd,
    )  # fmt: skip


@handles("CumSum", "CumProd")
def _accumulate(reader: OnnxReader, node: Any, inputs: Inputs, options: Options) -> int:
    axis = reader.integers(inputs[1], "have a constant axis")[0] % len(reader.shape(inputs[0]))
    flags: Options = {name: True for name in ("exclusive", "reverse") if options.get(name)}
    return reader.activation(inputs[0], node.op_type.lower(), axis=axis, **flags)


@handles("Det")
def _determinant(reader: OnnxReader, node: Any, inputs: Inputs, options: Options) -> int:
    shape = reader.shape(inputs[0])[:-2]
    kept = [[axis, axis] for axis in range(len(shape))]
    return reader.emit("operation", inputs, shape, function="det", kept=kept, fresh=[])


@handles("DFT")
def _fourier(reader: OnnxReader, node: Any, inputs: Inputs, options: Options) -> int:
    x, length, axis = (*inputs, None, None)[:3]
    shape = list(reader.shape(x))
    place = (-2 if axis is None else reader.integers(axis, "have a constant axis")[0]) % len(shape)
    inverse, onesided = bool(options.get("inverse")), bool(options.get("onesided"))
    whole = 2 * (shape[place] - 1) if inverse and onesided else shape[place]
    size = whole if length is None else reader.integers(length, "have a constant length")[0]
    shape[place] = size // 2 + 1 if onesided and not inverse else size
    shape[-1] = 1 if onesided and inverse else 2
    kept = [[a, a] for a in range(len(shape) - 1) if a != place]
    return reader.emit(
        "operation", [x], shape, None, function="fourier", axis=place, length=size, inverse=inverse,
        onesided=onesided and not inverse, real=onesided and inverse, kept=kept, fresh=[place],
    )  # fmt: skip
