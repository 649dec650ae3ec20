"""ONNX's normalisations."""

from __future__ import annotations

from typing import Any

import numpy as np

from nnstruct.extract.onnx_graph import OnnxReader, handles

Inputs = list[Any]
Options = dict[str, Any]


@handles("BatchNormalization")
def _batch_norm(reader: OnnxReader, node: Any, inputs: Inputs, options: Options) -> Any:
    if options.get("training_mode") or not options.get("is_test", 1) or len(node.output) > 1:
        raise reader.unsupported("be in evaluation mode")
    x = inputs[0]
    weight, bias, mean, variance = (
        reader.constant(value, "have constant statistics").astype(np.float64) for value in inputs[1:5]
    )
    shape = reader.shape(x)
    sizes = (1, -1) + (1,) * (len(shape) - 2) if options.get("spatial", 1) else (1, *shape[1:])
    scale = weight / np.sqrt(variance + options.get("epsilon", 1e-5))
    shift = bias - mean * scale
    stem = reader.names.get(id(inputs[1]), "batch_norm.weight").rpartition(".")[0]
    named = {
        role: (f"{stem}.{role}" if stem else role, values.reshape(sizes).astype(np.float32))
        for role, values in (("scale", scale), ("shift", shift))
    }
    return reader.builder.affine(x, scale=named["scale"], shift=named["shift"], operator="batch_norm")


@handles("LayerNormalization", "GroupNormalization", "InstanceNormalization", "RMSNormalization")
def _norm(reader: OnnxReader, node: Any, inputs: Inputs, options: Options) -> int:
    x, scale, shift = (*inputs, None, None)[:3]
    if len([name for name in node.output if name]) > 1:
        raise reader.unsupported("make one output")
    shape = reader.shape(x)
    name = {"Layer": "layer_norm", "Group": "group_norm", "Insta": "instance_norm", "RMSNo": "rms_norm"}[
        node.op_type[:5]
    ]
    step: dict[str, Any] = {"norm": name, "eps": float(options.get("epsilon", 1e-5))}
    if name in ("layer_norm", "rms_norm"):
        axis = options.get("axis", -1) % len(shape)
        step["axes"] = len(shape) - axis
        wanted = shape[axis:]
    else:
        wanted = shape[1:2]
        if name == "group_norm":
            step["groups"] = int(options["num_groups"])
    tensors = {}
    for role, value, default in (("scale", scale, "weight"), ("shift", shift, "bias")):
        if value is not None:
            held, array = reader.named(reader.constant(value, "have constant weights"), default)
            tensors[role] = (held, array if array.shape == wanted else np.broadcast_to(array, wanted).copy())
    return reader.emit("norm", [x], shape, "float32", tensors, **step)


@handles("LRN")
def _response_norm(reader: OnnxReader, node: Any, inputs: Inputs, options: Options) -> int:
    return reader.activation(
        inputs[0],
        "response_norm",
        axis=1,
        size=int(options["size"]),
        alpha=float(options.get("alpha", 1e-4)),
        beta=float(options.get("beta", 0.75)),
        k=float(options.get("bias", 1.0)),
    )


@handles("LpNormalization")
def _lp_norm(reader: OnnxReader, node: Any, inputs: Inputs, options: Options) -> int:
    axis = options.get("axis", -1) % len(reader.shape(inputs[0]))
    return reader.activation(inputs[0], "lp_normalize", axis=axis, p=float(options.get("p", 2)))
