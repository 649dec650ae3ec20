"""Patterns that exporters write for one operation, turned back into it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from nnstruct.program import Program, Step

Maker = Callable[[int], Step | None]


def simplified(program: Program) -> Program:
    """The program with biases inside their linear layers, and GELU and attention as one step each.

    Parameters
    ----------
    program : Program

    Returns
    -------
    Program
        Computes the same.
    """
    return with_attention(_with_gelu(_with_biases(program)))


def _makers(program: Program) -> dict[int, int]:
    return {value: place for place, step in enumerate(program.steps) for value in step.outputs}


def _with_biases(program: Program) -> Program:
    """A product and a sum with a constant for each output are a linear layer with a bias."""
    uses, makers = program.uses(), _makers(program)
    steps: list[Step | None] = list(program.steps)
    constants = dict(program.constants)
    for place, step in enumerate(program.steps):
        if step.kind != "affine" or "shift" not in step.tensors or "scale" in {*step.tensors, *step.options}:
            continue
        before = makers.get(step.inputs[0], -1)
        linear: Step | None = steps[before] if before >= 0 else None
        shift = constants[step.tensors["shift"]]
        if linear is None or linear.kind != "linear" or "bias" in linear.tensors or uses[step.inputs[0]] != 1:
            continue
        if shift.size != linear.shape[-1] or shift.shape[-1] != shift.size or step.shape != linear.shape:
            continue
        name = step.tensors["shift"]
        if shift.ndim > 1:
            name = f"{name}.flat"
            constants[name] = shift.reshape(-1)
        steps[before] = None
        steps[place] = replace(linear, outputs=step.outputs, tensors={**linear.tensors, "bias": name})
    return replace(program, steps=tuple(step for step in steps if step is not None), constants=constants)


def _with_gelu(program: Program) -> Program:
    """``x * (1 + erf(x / sqrt(2))) * 0.5``, in any order, is GELU (Hendrycks and Gimpel, 2016)."""
    makers = _makers(program)
    steps = list(program.steps)

    def made_by(value: int) -> Step | None:
        return steps[makers[value]] if value in makers else None

    for place, step in enumerate(program.steps):
        source, factor = _gelu_source(step, made_by)
        if source is None:
            continue
        if math.isclose(factor, 1.0, rel_tol=1e-5):
            options = {"function": "gelu"}
            steps[place] = Step("activation", (source,), step.outputs, step.shapes, options, {}, step.name)
    return replace(program, steps=tuple(steps)).pruned()


def _gelu_source(step: Step, made_by: Maker) -> tuple[int | None, float]:
    """What a step is GELU of, and times what; nothing where it is not."""
    if step.kind == "affine" and not step.tensors and "shift" not in step.options:
        inner = made_by(step.inputs[0])
        if inner is not None and inner.kind == "join":
            source, factor = _gelu_source(inner, made_by)
            return source, factor * step.options.get("scale", 1.0)
    if step.kind != "join" or step.options["function"] != "mul":
        return None, 0.0
    for left, right in (step.inputs, step.inputs[::-1]):
        factor, base = _scaled(left, made_by)
        gate_factor, gate_value = _scaled(right, made_by)
        gate = made_by(gate_value)
        if gate is None or gate.kind != "affine" or not np.isclose(gate.options.get("shift", 0.0), 1.0):
            continue
        if gate.options.get("scale", 1.0) != 1.0 or gate.tensors:
            continue
        erf = made_by(gate.inputs[0])
        if erf is None or erf.options.get("function") != "erf":
            continue
        inner_factor, root = _scaled(erf.inputs[0], made_by)
        if root == base and math.isclose(inner_factor, math.sqrt(0.5), rel_tol=1e-4):
            return base, 2.0 * factor * gate_factor
    return None, 0.0


def _scaled(value: int, made_by: Maker) -> tuple[float, int]:
    """A value as a number times another value."""
    step = made_by(value)
    if step is not None and step.kind == "affine" and not step.tensors and "shift" not in step.options:
        return float(step.options.get("scale", 1.0)), step.inputs[0]
    return 1.0, value


def with_attention(program: Program) -> Program:
    """The program with ``softmax(q k^T * scale + mask) v`` as one step of attention (Vaswani et al., 2017).

    Parameters
    ----------
    program : Program

    Returns
    -------
    Program
        Computes the same.
    """
    makers, uses = _makers(program), program.uses()
    fresh = max(program.shapes(), default=0) + 1
    steps: list[Step] = []
    constants = dict(program.constants)

    def made_by(value: int, kind: str, function: str | None = None) -> Step | None:
        step = program.steps[makers[value]] if value in makers and uses[value] == 1 else None
        fits = step is not None and step.kind == kind and step.options.get("function") == function
        return step if fits else None

    for step in program.steps:
        softmax = made_by(step.inputs[0], "activation", "softmax") if step.kind == "matmul" else None
        if softmax is None or softmax.options["axis"] != len(softmax.shape) - 1:
            steps.append(step)
            continue
        scores, scale, shift = softmax.inputs[0], 1.0, None
        while (affine := made_by(scores, "affine")) is not None and "scale" not in affine.tensors:
            if "shift" in affine.options or (shift is not None and "shift" in affine.tensors):
                break
            shift = affine.tensors.get("shift", shift)
            scale *= 1.0 if "shift" in affine.tensors else affine.options.get("scale", 1.0)
            scores = affine.inputs[0]
        product = made_by(scores, "matmul")
        if product is None:
            steps.append(step)
            continue
        query, key = product.inputs
        sides = []
        for side in (query, key):
            while (affine := made_by(side, "affine")) is not None and set(affine.options) <= {
                "operator",
                "scale",
            }:
                if affine.tensors:
                    break
                scale *= affine.options.get("scale", 1.0)
                side = affine.inputs[0]
            sides.append(side)
        shape = program.shapes()[sides[1]]
        dims = [*range(len(shape) - 2), len(shape) - 1, len(shape) - 2]
        turned = tuple(shape[d] for d in dims)
        steps.append(Step("permute", (sides[1],), (fresh,), (turned,), {"dims": dims}, {}, step.name))
        tensors = {} if shift is None else {"mask": shift}
        if shift is not None:
            mask = constants[shift]
            if ((mask == 0) | np.isneginf(mask)).all():
                constants[shift] = mask == 0
        options = {"causal": False, "scale": scale}
        inputs = (sides[0], fresh, step.inputs[1])
        steps.append(Step("attention", inputs, step.outputs, step.shapes, options, tensors, step.name))
        fresh += 1
    return replace(program, steps=tuple(steps), constants=constants).pruned()
