"""Steps of a differential equation in a program: the flow blocks of the family ``cnn``, by what they do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from nnstruct.program import Program, Step
from nnstruct.structure.units import CONTRACTION, EXPANSION, GRADIENT_FLOW, HAMILTONIAN, UNIT_ACTIVATIONS

# As :func:`nnstruct.modules.cnn.operators.hamiltonian` steps.
_HAMILTONIAN_STEP = 0.5
# As :func:`nnstruct.modules.cnn.operators.contraction` keeps of the state, and moves it.
_KEPT, _MOVED = 0.5, 0.5
_SQUARINGS = 4
_CLOSE = 1e-3


@dataclass(frozen=True)
class Flow:
    """A flow block.

    Attributes
    ----------
    source : int
        The value that it reads.
    operator : str
        One of :data:`nnstruct.structure.units.FLOWS`.
    activation : str
    kernel : float array [w, w, 3, 3]
    bias : float64 [c]
    steps : frozenset of int
        The first outputs of all its steps; the last one's is the block's.
    """

    source: int
    operator: str
    activation: str
    kernel: np.ndarray
    bias: np.ndarray
    steps: frozenset[int]


@dataclass(frozen=True)
class _Force:
    """``factor * K^T act(K x + b)``, and the values between."""

    source: int
    factor: float
    activation: str
    kernel: np.ndarray
    bias: np.ndarray
    values: tuple[int, ...]


def find_flows(program: Program) -> dict[int, Flow]:
    """The flow blocks of a program.

    Parameters
    ----------
    program : Program

    Returns
    -------
    dict of int to Flow
        By the value that a block makes.
    """
    return dict(_Search(program).flows())


class _Search:
    def __init__(self, program: Program) -> None:
        self.program, self.uses, self.shapes = program, program.uses(), program.shapes()
        self.made_by = {step.outputs[0]: step for step in program.steps}

    def flows(self) -> Iterator[tuple[int, Flow]]:
        for step in self.program.steps:
            flow = self._flow_of_one_force(step) or self._hamiltonian(step)
            if flow is not None:
                yield step.outputs[0], flow

    def _flow_of_one_force(self, step: Step) -> Flow | None:
        for operator, function, size in (
            (GRADIENT_FLOW, "sub", 2.0), (EXPANSION, "add", 1.0), (CONTRACTION, "sub", _MOVED),
        ):  # fmt: skip
            found = self._stepped(step, function)
            if found is None:
                continue
            state, force = found
            values: set[int] = {step.outputs[0]}
            if operator == CONTRACTION and state != force.source:
                shrunk = self.made_by.get(state)
                if shrunk is None or self._scaled(shrunk) != _KEPT or self.uses[state] != 1:
                    continue
                state, values = shrunk.inputs[0], values | {state}
            right = abs(force.factor * norm_bound(force.kernel) ** 2 - size) <= size * _CLOSE
            if right and state == force.source and len(values) == 1 + (operator == CONTRACTION):
                values |= set(force.values)
                return Flow(state, operator, force.activation, force.kernel, force.bias, frozenset(values))
        return None

    def _scaled(self, step: Step) -> float | None:
        """The factor of a step that does nothing but multiply by one number."""
        if step.kind != "affine" or "shift" in {*step.tensors, *step.options}:
            return None
        name = step.tensors.get("scale")
        scale = np.asarray(step.options.get("scale") if name is None else self.program.constants[name])
        return None if (scale != scale.flat[0]).any() else float(scale.flat[0])

    def _hamiltonian(self, step: Step) -> Flow | None:
        if step.kind != "concat" or len(step.inputs) != 2 or step.options["axis"] != 1:
            return None
        ends = [self.made_by.get(value) for value in step.inputs]
        if ends[0] is None or ends[1] is None:
            return None
        moved, pushed = self._stepped(ends[0], "add"), self._stepped(ends[1], "sub")
        if moved is None or pushed is None:
            return None
        (place, speed), (momentum, force) = moved, pushed
        if speed.source != step.inputs[1] or force.source != place:
            return None
        halves = [self.made_by.get(place), self.made_by.get(momentum)]
        source = self._halves(halves[0], halves[1])
        alike = speed.kernel.shape == force.kernel.shape and (speed.kernel == force.kernel).all()
        steps = max(abs(one.factor - _HAMILTONIAN_STEP) for one in (speed, force))
        if source is None or not alike or speed.activation != force.activation or steps > _CLOSE:
            return None
        counts = {place: 2, momentum: 1, step.inputs[0]: 1, step.inputs[1]: 2}
        if any(self.uses[value] != count for value, count in counts.items()):
            return None
        values = frozenset({*counts, *speed.values, *force.values, step.outputs[0]})
        bias = np.concatenate([speed.bias, force.bias])
        return Flow(source, HAMILTONIAN, speed.activation, speed.kernel, bias, values)

    def _halves(self, first: Step | None, second: Step | None) -> int | None:
        """The value whose first half of channels one step reads, and whose second half the other."""
        if first is None or second is None or first.kind != "slice" or second.kind != "slice":
            return None
        if first.inputs != second.inputs:
            return None
        channels = self.shapes[first.inputs[0]][1]
        spans = [
            tuple(one.options[name] for name in ("axis", "start", "stop", "step")) for one in (first, second)
        ]
        fits = spans == [(1, 0, channels // 2, 1), (1, channels // 2, channels, 1)]
        return first.inputs[0] if fits else None

    def _stepped(self, step: Step, function: str) -> tuple[int, _Force] | None:
        """What a step adds a force to, or takes it from, and the force."""
        if step.kind != "join" or step.options["function"] != function or len(step.inputs) != 2:
            return None
        if step.options.get("alpha", 1.0) != 1.0:
            return None
        force = self._force(step.inputs[1])
        return None if force is None else (step.inputs[0], force)

    def _force(self, value: int) -> _Force | None:
        values: list[int] = []
        factor, step = 1.0, self.made_by.get(value)
        while step is not None and (scale := self._scaled(step)) is not None:
            factor, values = factor * scale, [*values, step.outputs[0]]
            step = self.made_by.get(step.inputs[0])
        back = self._kernel(step, transposed=True)
        middle = None if step is None or back is None else self.made_by.get(step.inputs[0])
        if (
            middle is None
            or middle.kind != "activation"
            or middle.options["function"] not in UNIT_ACTIVATIONS
        ):
            return None
        inner = self.made_by.get(middle.inputs[0])
        kernel = self._kernel(inner, transposed=False)
        if step is None or inner is None or back is None or kernel is None or back.shape != kernel.shape:
            return None
        ratio = float((back * kernel).sum() / max(float((kernel**2).sum()), 1e-30))
        if not np.allclose(back, ratio * kernel, rtol=1e-5, atol=1e-7) or "bias" in step.tensors:
            return None
        values += [step.outputs[0], middle.outputs[0], inner.outputs[0]]
        if any(self.uses[one] != 1 for one in values):
            return None
        name = inner.tensors.get("bias")
        bias = np.zeros(len(kernel)) if name is None else self.program.constants[name].astype(np.float64)
        function = middle.options["function"]
        return _Force(inner.inputs[0], factor * ratio, function, kernel, bias, tuple(values))

    def _kernel(self, step: Step | None, *, transposed: bool) -> np.ndarray | None:
        """The kernel of a 3 x 3 convolution that keeps the number and size of maps."""
        if step is None or step.kind != "conv" or len(step.inputs) != 1 or "weight" not in step.tensors:
            return None
        o = step.options
        plain = (o["nd"], *o["kernel"], *o["stride"], *o["padding"], *o["dilation"], o["groups"])
        if plain != (2, 3, 3, 1, 1, 1, 1, 1, 1, 1) or o["transposed"] != transposed:
            return None
        if any(o.get("output_padding", ())):
            return None
        weight = self.program.constants[step.tensors["weight"]].astype(np.float64)
        return weight if weight.shape[0] == weight.shape[1] else None


def norm_bound(kernel: np.ndarray) -> float:
    """An upper bound on the spectral norm of a 3 x 3 convolution, by which a gradient flow chooses its step.

    Three times the norm of the kernel as a matrix of (output, row) by (input, column) (Singla and Feizi,
    2021, arXiv:1911.10258), bounded by the Frobenius norm of a high power of its Gram matrix (Delattre et
    al., 2023, arXiv:2305.16173).

    Parameters
    ----------
    kernel : float array [d, c, 3, 3]

    Returns
    -------
    float

    Examples
    --------
    >>> import numpy as np
    >>> kernel = np.zeros((1, 1, 3, 3))
    >>> kernel[0, 0, 1, 1] = 2.0
    >>> round(norm_bound(kernel), 3)
    6.001
    """
    outputs, inputs = kernel.shape[:2]
    matrix = kernel.astype(np.float64).transpose(0, 2, 1, 3).reshape(3 * outputs, 3 * inputs)
    gram, bound, share = matrix.T @ matrix, 0.0, 0.5
    for _ in range(_SQUARINGS):
        size = max(float(np.linalg.norm(gram)), 1e-30)
        bound += share * np.log(size)
        gram = (gram / size) @ (gram / size)
        share /= 2
    bound += share * np.log(max(float(np.linalg.norm(gram)), 1e-30))
    return 3.0 * float(np.exp(bound)) * 1.0001
