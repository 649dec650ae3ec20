"""What a step says of its units beside their operator: width, kernel, stride, dilation, groups."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from nnstruct.program.inputs import default_axis, number_inputs
from nnstruct.program.steps import MOVEMENTS, Program, Step
from nnstruct.program.wiring import Wiring


def step_sizes(step: Step) -> dict[str, Any]:
    """Kernel, stride, dilation and groups of a step, those alone that are not 1.

    Parameters
    ----------
    step : Step

    Returns
    -------
    dict of str to int or str
        An integer where all axes agree, otherwise text as ``1x7``. ``groups`` are those of a convolution or
        a normalisation, and the heads of an attention.

    Examples
    --------
    >>> from nnstruct.program import Step
    >>> options = {"kernel": [1, 7], "stride": [2, 2], "groups": 4}
    >>> step_sizes(Step("conv", (0,), (1,), ((1, 4, 8, 8),), options))
    {'kernel': '1x7', 'stride': 2, 'groups': 4}
    """
    found: dict[str, Any] = {}
    if step.kind in ("conv", "pool"):
        for name in ("kernel", "stride", "dilation"):
            found[name] = joined(step.options.get(name, ()))
    if step.kind in ("conv", "norm"):
        found["groups"] = int(step.options.get("groups", 1))
    if step.kind == "attention" and len(step.shape) > 3:
        found["groups"] = math.prod(step.shape[1:-2])
    return {name: value for name, value in found.items() if value != 1}


def joined(sizes: Sequence[int]) -> int | str:
    """Sizes along axes as one value.

    Parameters
    ----------
    sizes : sequence of int

    Returns
    -------
    int or str
        1 for none; the size that all axes have; otherwise text.

    Examples
    --------
    >>> joined([3, 3]), joined([1, 7])
    (3, '1x7')
    """
    different = set(sizes)
    if len(different) < 2:
        return int(different.pop()) if different else 1
    return "x".join(str(size) for size in sizes)


def with_window(name: str, step: Step) -> str:
    """The name of a pool with its window and stride, as ``max_pool2d_3_s2``; other names as they are.

    Parameters
    ----------
    name : str
    step : Step

    Returns
    -------
    str
    """
    if step.kind != "pool" or "kernel" not in step.options:
        return name
    kernel, stride = joined(step.options["kernel"]), joined(step.options["stride"])
    return f"{name}_{kernel}" + (f"_s{stride}" if stride != 1 else "")


def widths(program: Program) -> dict[int, int]:
    """How many neurons or channels each value has.

    Parameters
    ----------
    program : Program

    Returns
    -------
    dict of int to int
        By the value's number.
    """
    wiring = Wiring(program, "unit")
    number_inputs(wiring)
    found = {value: len({*wiring.ids[value].ravel().tolist()}) for value in program.inputs}
    shapes = program.shapes()
    for step in program.steps:
        for value, shape in zip(step.outputs, step.shapes, strict=True):
            found[value] = _width(step, shape, found, shapes, program.constants)
    return found


def _width(
    step: Step,
    shape: tuple[int, ...],
    found: Mapping[int, int],
    shapes: Mapping[int, tuple[int, ...]],
    constants: Mapping[str, Any],
) -> int:
    read = [found[value] for value in step.inputs]
    if step.kind in ("linear", "bilinear"):
        return len(constants[step.tensors["weight"]])
    if step.kind == "embedding":
        return int(constants[step.tensors["weight"]].shape[1])
    if step.kind == "conv":
        weight = constants[step.tensors["weight"]]
        return int(weight.shape[1] * step.options["groups"] if step.options["transposed"] else len(weight))
    if step.kind in ("rnn", "rnn_cell", "matmul"):
        return shape[-1]
    if step.kind == "merge":
        return shape[-step.options["nd"] - 1]
    if step.kind == "attention":
        return math.prod(shape[1:-2]) * shape[-1]
    if step.kind in ("constant", "operation", "opaque") or not read:
        return shape[default_axis(shape)] if shape else 1
    if step.kind == "concat":
        axis = step.options["axis"]
        along = all(shapes[value][axis] == width for value, width in zip(step.inputs, read, strict=True))
        return sum(read) if along else max(read)
    if step.kind in ("slice", "take") and shapes[step.inputs[0]][step.options["axis"]] == read[0]:
        return shape[step.options["axis"]]
    return read[0] if step.kind in MOVEMENTS else max(read)
