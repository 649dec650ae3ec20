"""The steps of a program on tensors."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from nnstruct.errors import InvalidInputError
from nnstruct.program import Step

Tensors = Mapping[str, Tensor]
Runner = Callable[[Step, list[Tensor], Tensors], Any]

_SIMPLE: dict[str, Callable[..., Tensor]] = {
    **{name: getattr(torch, name) for name in (
        "relu", "tanh", "sigmoid", "selu", "exp", "expm1", "log", "log1p", "log2", "sqrt", "rsqrt", "abs",
        "neg", "reciprocal", "sin", "cos", "erf", "sign", "floor", "round", "square", "celu",
        "threshold", "clamp",
    )},
    **{name: getattr(functional, name) for name in (
        "relu6", "silu", "mish", "hardswish", "hardsigmoid", "gelu", "leaky_relu", "softplus", "hardtanh",
        "hardshrink", "softshrink",
    )},
    "log_sigmoid": functional.logsigmoid,
    "pow": torch.pow,
}  # fmt: skip


def run(step: Step, values: list[Tensor], tensors: Tensors) -> tuple[Tensor, ...]:
    """What a step makes of its inputs.

    Parameters
    ----------
    step : Step
        One that :func:`check_runnable` lets pass.
    values : list of Tensor
        Of ``step.inputs``, in their order.
    tensors : mapping of str to Tensor
        The step's weights and constants by role.

    Returns
    -------
    tuple of Tensor
        Of ``step.outputs``, in their order.
    """
    made = _RUNNERS[step.kind](step, values, tensors)
    return made if isinstance(made, tuple) else (made,)


def check_runnable(step: Step) -> None:
    """Refuse a step that stands for an unknown operation.

    Parameters
    ----------
    step : Step

    Raises
    ------
    InvalidInputError
        If it is opaque: the extraction did not know its operation.
    """
    if step.kind not in _RUNNERS:
        raise InvalidInputError("program", "hold no opaque step to run", step.operator)


def _sizes(step: Step, value: Tensor) -> list[int]:
    """The recorded shape, with the first axis free where the value is of another batch size."""
    shape = list(step.shape)
    if math.prod(shape) == value.numel() or not shape:
        return shape
    return [-1, *shape[1:]]


def _expanded(step: Step, value: Tensor) -> Tensor:
    shape = list(step.shape)
    if len(shape) == value.dim() and value.shape[0] != 1:
        shape[0] = value.shape[0]
    return value.expand(shape)


def _slice(step: Step, values: list[Tensor], tensors: Tensors) -> Tensor:
    options = step.options
    place = [slice(None)] * options["axis"] + [slice(options["start"], options["stop"], options["step"])]
    return values[0][tuple(place)]


def _pad(step: Step, values: list[Tensor], tensors: Tensors) -> Tensor:
    flat = [size for width in reversed(step.options["widths"]) for size in width]
    return functional.pad(values[0], flat, value=step.options["value"])


def _take(step: Step, values: list[Tensor], tensors: Tensors) -> Tensor:
    index = torch.tensor(step.options["indices"], device=values[0].device)
    return values[0].index_select(step.options["axis"], index)


def _affine(step: Step, values: list[Tensor], tensors: Tensors) -> Tensor:
    value = values[0]
    for role, function in (("scale", torch.mul), ("shift", torch.add)):
        constant = tensors.get(role, step.options.get(role))
        if constant is not None:
            value = function(value, constant)
    return value


def _activation(step: Step, values: list[Tensor], tensors: Tensors) -> Tensor:
    options = {name: value for name, value in step.options.items() if name != "function"}
    name, value = step.options["function"], values[0]
    if name in ("softmax", "log_softmax"):
        return getattr(torch, name)(value, options["axis"])
    if name == "prelu":
        return torch.where(value >= 0, value, value * tensors["slope"])
    if name == "masked_fill":
        return value.masked_fill(tensors["mask"].bool(), options["value"])
    if name == "elu":
        scaled = options["alpha"] * torch.expm1(value * options["input_scale"])
        return options["scale"] * torch.where(value > 0, value, scaled)
    return _SIMPLE[name](value, **options)


def _norm(step: Step, values: list[Tensor], tensors: Tensors) -> Tensor:
    value, options = values[0], step.options
    scale, shift, eps = tensors.get("scale"), tensors.get("shift"), options["eps"]
    if options["norm"] == "layer_norm":
        return functional.layer_norm(value, value.shape[value.dim() - options["axes"] :], scale, shift, eps)
    if options["norm"] == "rms_norm":
        return functional.rms_norm(value, value.shape[value.dim() - options["axes"] :], scale, eps)
    if options["norm"] == "group_norm":
        return functional.group_norm(value, options["groups"], scale, shift, eps)
    return functional.instance_norm(value, weight=scale, bias=shift, eps=eps)


def _pool(step: Step, values: list[Tensor], tensors: Tensors) -> Tensor:
    options = step.options
    nd, function = options["nd"], options["function"]
    if options.get("adaptive"):
        return getattr(functional, f"adaptive_{function}_pool{nd}d")(values[0], options["size"])
    kernel, stride, padding = options["kernel"], options["stride"], options["padding"]
    if function == "max":
        return getattr(functional, f"max_pool{nd}d")(
            values[0], kernel, stride, padding, options["dilation"], options["ceil"]
        )
    return getattr(functional, f"avg_pool{nd}d")(
        values[0], kernel, stride, padding, options["ceil"], options["include_pad"]
    )


def _reduce(step: Step, values: list[Tensor], tensors: Tensors) -> Tensor:
    axes, keepdim, name = step.options["axes"], step.options["keepdim"], step.options["function"]
    name = {"max": "amax", "min": "amin"}.get(name, name)
    if name != "prod":
        return getattr(torch, name)(values[0], dim=axes, keepdim=keepdim)
    value = values[0]
    for axis in sorted(axes, reverse=True):
        value = value.prod(axis, keepdim=keepdim)
    return value


def _conv(step: Step, values: list[Tensor], tensors: Tensors) -> Tensor:
    options = step.options
    weight, bias, nd = tensors["weight"], tensors.get("bias"), options["nd"]
    stride, padding, dilation, groups = (options[key] for key in ("stride", "padding", "dilation", "groups"))
    if options["transposed"]:
        function = getattr(functional, f"conv_transpose{nd}d")
        return function(values[0], weight, bias, stride, padding, options["output_padding"], groups, dilation)
    return getattr(functional, f"conv{nd}d")(values[0], weight, bias, stride, padding, dilation, groups)


def _join(step: Step, values: list[Tensor], tensors: Tensors) -> Tensor:
    function = getattr(torch, step.options["function"])
    alpha = step.options.get("alpha")
    return function(*values) if alpha is None else function(*values, alpha=alpha)


def _attention(step: Step, values: list[Tensor], tensors: Tensors) -> Tensor:
    query, key, value = values
    return functional.scaled_dot_product_attention(
        query, key, value, tensors.get("mask"), is_causal=step.options["causal"], scale=step.options["scale"]
    )


def _biases(cell: str, bias: Tensor | None) -> list[Tensor]:
    """The two biases of PyTorch's recurrent layers from one for each gate."""
    if bias is None:
        return []
    if cell == "gru":
        zero = torch.zeros_like(bias[0])
        return [bias[:3].reshape(-1), torch.cat([zero, zero, bias[3]])]
    return [bias.reshape(-1), torch.zeros_like(bias).reshape(-1)]


def _rnn(step: Step, values: list[Tensor], tensors: Tensors) -> tuple[Tensor, ...]:
    options = step.options
    cell, batch_first = options["cell"], options["batch_first"]
    value = values[0]
    time = 1 if batch_first else 0
    if options["reverse"]:
        value = value.flip(time)
    biases = _biases(cell, tensors.get("bias"))
    params = [tensors["weight_ih"], tensors["weight_hh"], *biases]
    if "weight_hr" in tensors:
        params.append(tensors["weight_hr"])
    batch, width = value.shape[1 - time], tensors["weight_hh"].shape[1]
    sizes = [width, tensors["weight_ih"].shape[0] // 4][: 2 if cell == "lstm" else 1]
    states = [s[None].contiguous() for s in values[1:]] or [value.new_zeros(1, batch, size) for size in sizes]
    state: Any = states if cell == "lstm" else states[0]
    out, *last = getattr(torch, cell)(value, state, params, bool(biases), 1, 0.0, False, False, batch_first)
    if options["reverse"]:
        out = out.flip(time)
    return (out, *(final[0] for final in last))


def _rnn_cell(step: Step, values: list[Tensor], tensors: Tensors) -> Any:
    cell, value = step.options["cell"], values[0]
    hidden = tensors["weight_hh"].shape[1]
    count = 2 if cell == "lstm" else 1
    states = values[1:] or [value.new_zeros(*value.shape[:-1], hidden)] * count
    biases = _biases(cell, tensors.get("bias"))
    state: Any = states if cell == "lstm" else states[0]
    made = getattr(torch, f"{cell}_cell")(value, state, tensors["weight_ih"], tensors["weight_hh"], *biases)
    return tuple(made) if cell == "lstm" else made


_RUNNERS: dict[str, Runner] = {
    "reshape": lambda step, values, tensors: values[0].reshape(_sizes(step, values[0])),
    "permute": lambda step, values, tensors: values[0].permute(step.options["dims"]),
    "select": lambda step, values, tensors: values[0].select(step.options["axis"], step.options["index"]),
    "slice": _slice,
    "concat": lambda step, values, tensors: torch.cat(values, step.options["axis"]),
    "expand": lambda step, values, tensors: _expanded(step, values[0]),
    "tile": lambda step, values, tensors: values[0].repeat(step.options["repeats"]),
    "pad": _pad,
    "flip": lambda step, values, tensors: values[0].flip(step.options["axes"]),
    "roll": lambda step, values, tensors: values[0].roll(step.options["shifts"], step.options["axes"]),
    "take": _take,
    "activation": _activation,
    "affine": _affine,
    "norm": _norm,
    "pool": _pool,
    "reduce": _reduce,
    "linear": lambda step, values, tensors: functional.linear(
        values[0], tensors["weight"], tensors.get("bias")
    ),
    "conv": _conv,
    "embedding": lambda step, values, tensors: functional.embedding(values[0], tensors["weight"]),
    "bilinear": lambda step, values, tensors: functional.bilinear(
        values[0], values[1], tensors["weight"], tensors.get("bias")
    ),
    "rnn": _rnn,
    "rnn_cell": _rnn_cell,
    "join": _join,
    "matmul": lambda step, values, tensors: values[0] @ values[1],
    "attention": _attention,
    "constant": lambda step, values, tensors: tensors["value"],
}
