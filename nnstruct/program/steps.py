"""A program: what a module computes, step by step, in a small set of operations."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from nnstruct.errors import InvalidInputError

# Steps that only move values: they make no units, at any resolution.
MOVEMENTS = frozenset(
    {"reshape", "permute", "select", "slice", "concat", "expand", "tile", "pad", "flip", "roll", "take"}
)
# Steps that act on each unit's own values and can belong to the units that made them.
POINTWISE = frozenset({"activation", "affine", "norm", "pool", "reduce", "resample"})
KINDS = (
    MOVEMENTS
    | POINTWISE
    | {"linear", "conv", "embedding", "bilinear", "rnn", "rnn_cell", "join", "matmul", "attention"}
    | {"constant", "operation", "opaque", "merge"}
)


@dataclass(frozen=True)
class Step:
    """One operation of a program.

    Attributes
    ----------
    kind : str
        One of :data:`KINDS`.
    inputs : tuple of int
        Values that it reads.
    outputs : tuple of int
        Values that it makes.
    shapes : tuple of tuple of int
        Shape of each output for the example input.
    options : mapping
        JSON values: stride, axis, the activation's name.
    tensors : mapping of str to str
        Role (``weight``, ``bias``, ``scale``) to a name among the program's constants.
    name : str
        Path of the submodule, or of the node in an ONNX file.
    repeat : tuple of int
        Of a step that is done again and again: what it has in common with its repetitions (two numbers),
        then for each loop, the outermost first, the loop's number and the turn. Empty for other steps.
    """

    kind: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    shapes: tuple[tuple[int, ...], ...]
    options: Mapping[str, Any] = field(default_factory=dict)
    tensors: Mapping[str, str] = field(default_factory=dict)
    name: str = ""
    repeat: tuple[int, ...] = ()

    @property
    def operator(self) -> str:
        """The name that its units carry: ``linear``, ``conv2d``, ``lstm``, ``add``."""
        return str(self.options.get("operator", self.kind))

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the first output."""
        return self.shapes[0]


@dataclass(frozen=True)
class Program:
    """Steps in the order in which they run, with their constants.

    Attributes
    ----------
    inputs : tuple of int
        Values that the caller gives.
    input_shapes : tuple of tuple of int
    discrete : tuple of bool
        Which inputs hold integers (symbols) and no numbers.
    steps : tuple of Step
    outputs : tuple of int
        Values that the caller gets.
    constants : mapping of str to array
        Weights and other fixed tensors by name.
    """

    inputs: tuple[int, ...]
    input_shapes: tuple[tuple[int, ...], ...]
    discrete: tuple[bool, ...]
    steps: tuple[Step, ...]
    outputs: tuple[int, ...]
    constants: Mapping[str, np.ndarray] = field(default_factory=dict)

    def shapes(self) -> dict[int, tuple[int, ...]]:
        """Shape of each value for the example input."""
        shapes = dict(zip(self.inputs, self.input_shapes, strict=True))
        for step in self.steps:
            shapes.update(zip(step.outputs, step.shapes, strict=True))
        return shapes

    def uses(self) -> dict[int, int]:
        """How often each value is read; being an output counts as one."""
        count = dict.fromkeys(self.shapes(), 0)
        for value in self._reads():
            count[value] += 1
        return count

    def _reads(self) -> Iterator[int]:
        for step in self.steps:
            yield from step.inputs
        yield from self.outputs

    def pruned(self) -> Program:
        """The same program without the steps that no output needs."""
        needed = set(self.outputs)
        kept: list[Step] = []
        for step in reversed(self.steps):
            if needed.intersection(step.outputs):
                needed.update(step.inputs)
                kept.append(step)
        used = {name for step in kept for name in step.tensors.values()}
        constants = {name: value for name, value in self.constants.items() if name in used}
        return replace(self, steps=tuple(kept[::-1]), constants=constants)

    def to_json(self) -> dict[str, Any]:
        """JSON values without the weights: of a constant its shape, of whole numbers and flags the values."""
        return {
            "inputs": [
                [value, list(shape), bool(discrete)]
                for value, shape, discrete in zip(self.inputs, self.input_shapes, self.discrete, strict=True)
            ],
            "steps": [_step_to_json(step) for step in self.steps],
            "outputs": list(self.outputs),
            "constants": {
                name: {"shape": list(value.shape)}
                | ({} if value.dtype.kind == "f" else {"values": value.ravel().tolist()})
                | ({} if value.dtype.kind in "fi" else {"dtype": value.dtype.name})
                for name, value in self.constants.items()
            },
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Program:
        """The program that :meth:`to_json` wrote; float constants are zeros of their shape.

        Parameters
        ----------
        data : mapping
            JSON values.

        Returns
        -------
        Program

        Raises
        ------
        InvalidInputError
            If the data holds no program.
        """
        try:
            constants = {
                name: np.array(entry["values"], dtype=entry.get("dtype", "int64")).reshape(entry["shape"])
                if "values" in entry
                else np.zeros(entry["shape"], dtype=np.float32)
                for name, entry in data["constants"].items()
            }
            return cls(
                inputs=tuple(int(value) for value, _, _ in data["inputs"]),
                input_shapes=tuple(tuple(shape) for _, shape, _ in data["inputs"]),
                discrete=tuple(bool(discrete) for _, _, discrete in data["inputs"]),
                steps=tuple(_step_from_json(entry) for entry in data["steps"]),
                outputs=tuple(int(value) for value in data["outputs"]),
                constants=constants,
            )
        except (KeyError, TypeError, ValueError) as error:
            raise InvalidInputError("program", "be what Program.to_json writes", str(error)) from error


def _finite(value: Any) -> Any:
    """A number that JSON has no name for as a mapping that names it."""
    if isinstance(value, float) and not math.isfinite(value):
        return {"number": str(value)}
    return {name: _finite(item) for name, item in value.items()} if isinstance(value, dict) else value


def _any_number(value: Any) -> Any:
    if isinstance(value, dict):
        if set(value) == {"number"} and isinstance(value["number"], str):
            return float(value["number"])
        return {name: _any_number(item) for name, item in value.items()}
    return value


def _step_to_json(step: Step) -> dict[str, Any]:
    return {
        "kind": step.kind,
        "inputs": list(step.inputs),
        "outputs": list(step.outputs),
        "shapes": [list(shape) for shape in step.shapes],
        "options": {name: _finite(value) for name, value in step.options.items()},
        "tensors": dict(step.tensors),
        "name": step.name,
    } | ({"repeat": list(step.repeat)} if step.repeat else {})


def _step_from_json(entry: Mapping[str, Any]) -> Step:
    if entry["kind"] not in KINDS:
        raise ValueError(f"unknown kind {entry['kind']!r}")
    return Step(
        kind=entry["kind"],
        inputs=tuple(entry["inputs"]),
        outputs=tuple(entry["outputs"]),
        shapes=tuple(tuple(shape) for shape in entry["shapes"]),
        options={name: _any_number(value) for name, value in entry["options"].items()},
        tensors=dict(entry["tensors"]),
        name=entry["name"],
        repeat=tuple(entry.get("repeat", ())),
    )


class UnsupportedOperationError(InvalidInputError):
    """A module uses an operation that cannot become units and edges.

    Parameters
    ----------
    operation : str
    submodule : str
        Path of the submodule that uses it; empty for the module itself.
    reason : str, optional
    """

    def __init__(self, operation: str, submodule: str, reason: str = "be supported") -> None:
        self.operation, self.submodule, self.reason = operation, submodule, reason
        where = f"submodule {submodule!r}" if submodule else "the module itself"
        super().__init__(
            f"operation {operation} in {where}", reason, operation, 'Or pass on_unsupported="opaque".'
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self), (self.operation, self.submodule, self.reason))
