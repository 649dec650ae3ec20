"""ATen operations for integers, read as the real numbers that they stand for."""

from __future__ import annotations

from typing import Any

import torch

from nnstruct.extract.aten_affine import linear
from nnstruct.extract.aten_math import activation
from nnstruct.extract.lowering import Lowering, Ref, handles


@handles(
    "quantized.linear_dynamic", "quantized.linear_relu_dynamic",
    "quantized.linear_dynamic_fp16", "quantized.linear_relu_dynamic_fp16",
)  # fmt: skip
def _linear_dynamic(low: Lowering, x: Any, packed: Any, *_: Any) -> Ref:
    weight, bias = packed.unpack()
    stored = "int8" if weight.is_quantized else "float16"
    real = weight.dequantize() if weight.is_quantized else weight.float()
    named = low.array(real, "weight"), low.maybe(bias, "bias")
    made = linear(low, x.value, *named, {"quantised": stored})
    return activation(low, Ref(made), "relu") if "relu" in str(low.node.target) else Ref(made)


@handles("aten.fake_quantize_per_tensor_affine")
def _rounded(low: Lowering, x: Any, scale: Any, zero_point: Any, quant_min: int, quant_max: int) -> Ref:
    return _fake_quantize(low, x, scale, zero_point, None, quant_min, quant_max)


@handles("aten.fake_quantize_per_channel_affine")
def _rounded_by_channel(
    low: Lowering, x: Any, scale: Any, zero_point: Any, axis: int, quant_min: int, quant_max: int
) -> Ref:
    return _fake_quantize(low, x, scale, zero_point, axis, quant_min, quant_max)


@handles("aten._fake_quantize_learnable_per_tensor_affine")
def _learned(
    low: Lowering, x: Any, scale: Any, zero_point: Any, quant_min: int, quant_max: int, *_: Any
) -> Ref:
    return _fake_quantize(low, x, scale, zero_point, None, quant_min, quant_max)


@handles("aten._fake_quantize_learnable_per_channel_affine")
def _learned_by_channel(
    low: Lowering, x: Any, scale: Any, zero_point: Any, axis: int, quant_min: int, quant_max: int, *_: Any
) -> Ref:
    return _fake_quantize(low, x, scale, zero_point, axis, quant_min, quant_max)


def _fake_quantize(
    low: Lowering, x: Any, scale: Any, zero_point: Any, axis: int | None, quant_min: int, quant_max: int
) -> Ref:
    if isinstance(scale, Ref) or isinstance(zero_point, Ref):
        raise low.unsupported("have a constant scale")
    options: dict[str, Any] = {"function": "fake_quantize", "low": quant_min, "high": quant_max}
    tensors = {}
    scale, zero_point = (torch.as_tensor(value).detach().float() for value in (scale, zero_point))
    if axis is None:
        options |= {"scale": float(scale), "zero": float(zero_point.round())}
    else:
        sizes = [-1 if place == axis % len(low.shape(x)) else 1 for place in range(len(low.shape(x)))]
        for role, name, value in (("scale", "scale", scale), ("zero", "zero_point", zero_point)):
            tensors[role] = low.array(value.reshape(sizes).clone(), name)
    return Ref(low.builder.one("activation", [x.value], low.shape(x), options=options, tensors=tensors))
