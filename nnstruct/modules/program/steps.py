"""The steps of a program on tensors."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from nnstruct.errors import InvalidInputError
from nnstruct.modules.program.functions import BINARY, activated
from nnstruct.modules.program.operations import operated
from nnstruct.modules.program.recurrent import run_cell, run_rnn
from nnstruct.modules.program.reductions import pooled, reduced
from nnstruct.program import Step

Tensors = Mapping[str, Tensor]
Runner = Callable[[Step, list[Tensor], Tensors], Any]


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
    index = torch.tensor(step.options["indices"], dtype=torch.long, device=values[0].device)
    return values[0].index_select(step.options["axis"], index)


def _affine(step: Step, values: list[Tensor], tensors: Tensors) -> Tensor:
    value = values[0]
    for role, function in (("scale", torch.mul), ("shift", torch.add)):
        constant = tensors.get(role, step.options.get(role))
        if constant is not None:
            value = function(value, constant)
    return value


def _activation(step: Step, values: list[Tensor], tensors: Tensors) -> Tensor:
    options = {name: value for name, value in step.options.items() if name not in ("function", "operator")}
    return activated(step.options["function"], values[0], options, tensors)


def _norm(step: Step, values: list[Tensor], tensors: Tensors) -> Tensor:
    value, options = values[0], step.options
    scale, shift, eps = tensors.get("scale"), tensors.get("shift"), options["eps"]
    if options["norm"] == "layer_norm":
        return functional.layer_norm(value, value.shape[value.dim() - options["axes"] :], scale, shift, eps)
    if options["norm"] == "rms_norm":
        return functional.rms_norm(value, value.shape[value.dim() - options["axes"] :], scale, eps)
    if options["norm"] == "batch_statistics":
        return functional.batch_norm(value, None, None, scale, shift, True, 0.0, eps)
    if options["norm"] == "group_norm":
        return functional.group_norm(value, options["groups"], scale, shift, eps)
    return functional.instance_norm(value, weight=scale, bias=shift, eps=eps)


def _resample(step: Step, values: list[Tensor], tensors: Tensors) -> Tensor:
    axis = step.options["axis"]
    return (values[0].movedim(axis, -1) @ tensors["matrix"].T).movedim(-1, axis)


def _conv(step: Step, values: list[Tensor], tensors: Tensors) -> Tensor:
    options = step.options
    weight, bias, nd = tensors["weight"], tensors.get("bias"), options["nd"]
    stride, padding, dilation, groups = (options[key] for key in ("stride", "padding", "dilation", "groups"))
    if options["transposed"]:
        function = getattr(functional, f"conv_transpose{nd}d")
        return function(values[0], weight, bias, stride, padding, options["output_padding"], groups, dilation)
    return getattr(functional, f"conv{nd}d")(values[0], weight, bias, stride, padding, dilation, groups)


def _join(step: Step, values: list[Tensor], tensors: Tensors) -> Tensor:
    if step.options["function"] == "where":
        return torch.where(values[0].bool(), values[1], values[2])
    function = BINARY[step.options["function"]]
    alpha = step.options.get("alpha")
    return function(*values) if alpha is None else function(*values, alpha=alpha)


def _attention(step: Step, values: list[Tensor], tensors: Tensors) -> Tensor:
    query, key, value = values
    return functional.scaled_dot_product_attention(
        query, key, value, tensors.get("mask"), is_causal=step.options["causal"], scale=step.options["scale"]
    )


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
    "pool": lambda step, values, tensors: pooled(step, values[0]),
    "reduce": lambda step, values, tensors: reduced(step, values[0]),
    "resample": _resample,
    "operation": lambda step, values, tensors: operated(step, values),
    "merge": lambda step, values, tensors: values[0],
    "linear": lambda step, values, tensors: functional.linear(
        values[0], tensors["weight"], tensors.get("bias")
    ),
    "conv": _conv,
    "embedding": lambda step, values, tensors: functional.embedding(values[0].long(), tensors["weight"]),
    "bilinear": lambda step, values, tensors: functional.bilinear(
        values[0], values[1], tensors["weight"], tensors.get("bias")
    ),
    "rnn": run_rnn,
    "rnn_cell": run_cell,
    "join": _join,
    "matmul": lambda step, values, tensors: values[0] @ values[1],
    "attention": _attention,
    "constant": lambda step, values, tensors: tensors["value"],
}
