"""Collects the steps of a program while a graph is read."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from nnstruct.errors import InvalidInputError
from nnstruct.program import Program, Step
from nnstruct.reading import VARIABLE, max_bytes


class Builder:
    """Values, steps and constants of a program under construction."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.constants: dict[str, np.ndarray] = {}
        self.inputs: list[int] = []
        self.discrete: list[bool] = []
        self.shape: dict[int, tuple[int, ...]] = {}
        self.where = ""  # the submodule that is being read
        self.repeat: tuple[int, tuple[int, ...]] | None = None  # of what is being read: key, loops and turns
        self._repeated: dict[tuple[int, tuple[int, ...]], int] = {}
        self._known: dict[str, np.ndarray] = {}

    def add_input(self, shape: Sequence[int], *, discrete: bool) -> int:
        """Add a value that the caller gives.

        Parameters
        ----------
        shape : sequence of int
        discrete : bool
            Whether it holds integers (symbols) and no numbers.

        Returns
        -------
        int
            The value's number.
        """
        value = self._value(shape)
        self.inputs.append(value)
        self.discrete.append(discrete)
        return value

    def _value(self, shape: Sequence[int]) -> int:
        value = len(self.shape)
        sizes = tuple(int(size) for size in shape)
        # Where each number comes from is held in eight bytes.
        if 8 * math.prod(sizes) > max_bytes():
            hint = f"Is the batch larger than it has to be? {VARIABLE} allows more."
            raise InvalidInputError(
                f"a value in {self.where!r}" if self.where else "a value",
                f"have at most {max_bytes() // 8:,} numbers", sizes, hint,
            )  # fmt: skip
        self.shape[value] = sizes
        return value

    def emit(
        self,
        kind: str,
        inputs: Sequence[int],
        *shapes: Sequence[int],
        options: Mapping[str, Any] | None = None,
        tensors: Mapping[str, tuple[str, np.ndarray] | None] | None = None,
    ) -> tuple[int, ...]:
        """Append a step.

        Parameters
        ----------
        kind : str
            One of :data:`nnstruct.program.steps.KINDS`.
        inputs : sequence of int
            Numbers of the values that it reads.
        *shapes : sequence of int
            The shape of each value that it makes.
        options : mapping, optional
            JSON values, as :class:`nnstruct.program.Step` has them.
        tensors : mapping of str to (str, array) or None, optional
            Name and values of a constant for each role; None for a role that the step does without. Where
            another array has the name already, a number is added to it.

        Returns
        -------
        tuple of int
            Numbers of the values that it makes, one for each shape.
        """
        outputs = tuple(self._value(shape) for shape in shapes)
        names = {role: self._name(*given) for role, given in (tensors or {}).items() if given is not None}
        made = tuple(self.shape[value] for value in outputs)
        repeat: tuple[int, ...] = ()
        if self.repeat is not None:
            key, turns = self.repeat
            same = self._repeated.get((key, turns), 0)
            self._repeated[key, turns] = same + 1
            repeat = (key, same, *turns)
        step = Step(kind, tuple(inputs), outputs, made, dict(options or {}), names, self.where, repeat)
        self.steps.append(step)
        return outputs

    def one(self, kind: str, inputs: Sequence[int], shape: Sequence[int], **given: Any) -> int:
        """Append a step that makes one value.

        Parameters
        ----------
        kind : str
        inputs : sequence of int
        shape : sequence of int
        **given
            ``options`` and ``tensors``, as for :meth:`emit`.

        Returns
        -------
        int
            The value's number.
        """
        return self.emit(kind, inputs, shape, **given)[0]

    def _name(self, name: str, value: np.ndarray) -> str:
        """The constant's name, with a number where another array has that name."""
        wanted, number = name or "constant", 1
        while wanted in self.constants:
            held = self.constants[wanted]
            if held is value or (
                held.shape == value.shape
                and held.dtype == value.dtype
                and held.strides == value.strides
                and held.__array_interface__["data"] == value.__array_interface__["data"]
            ):
                return wanted
            number += 1
            wanted = f"{name or 'constant'}.{number}"
        self.constants[wanted] = value
        return wanted

    def program(self, outputs: Sequence[int]) -> Program:
        """The program of all steps so far.

        Parameters
        ----------
        outputs : sequence of int
            Numbers of the values that the caller gets.

        Returns
        -------
        Program
        """
        return Program(
            inputs=tuple(self.inputs),
            input_shapes=tuple(self.shape[value] for value in self.inputs),
            discrete=tuple(self.discrete),
            steps=tuple(self.steps),
            outputs=tuple(outputs),
            constants=self.constants,
        )

    # ---- movements that both front ends write

    def reshape(self, value: int, shape: Sequence[int]) -> int:
        """Give a value another shape.

        Parameters
        ----------
        value : int
        shape : sequence of int
            With as many elements.

        Returns
        -------
        int
            The new value; the same one where it has the shape already.
        """
        if tuple(shape) == self.shape[value]:
            return value
        return self.one("reshape", [value], shape)

    def permute(self, value: int, dims: Sequence[int]) -> int:
        """Put the axes of a value in another order.

        Parameters
        ----------
        value : int
        dims : sequence of int
            For each new axis the old one, from 0.

        Returns
        -------
        int
            The new value; the same one where the order stays.
        """
        if list(dims) == list(range(len(dims))):
            return value
        old = self.shape[value]
        return self.one("permute", [value], [old[d] for d in dims], options={"dims": [int(d) for d in dims]})

    def swap(self, value: int, first: int, second: int) -> int:
        """Exchange two axes of a value.

        Parameters
        ----------
        value : int
        first, second : int
            From 0.

        Returns
        -------
        int
            The new value.
        """
        dims = list(range(len(self.shape[value])))
        dims[first], dims[second] = dims[second], dims[first]
        return self.permute(value, dims)

    def cut(self, value: int, axis: int, start: int, stop: int, step: int = 1) -> int:
        """A slice of a value along one axis.

        Parameters
        ----------
        value : int
        axis : int
            From 0.
        start, stop, step : int
            As in Python's slices; negative ones count from the end.

        Returns
        -------
        int
            The new value; the same one where nothing is cut off.
        """
        shape = list(self.shape[value])
        start, stop, step = slice(start, stop, step).indices(shape[axis])
        size = len(range(start, stop, step))
        if size == shape[axis]:
            return value
        shape[axis] = size
        options = {"axis": axis, "start": start, "stop": stop, "step": step}
        return self.one("slice", [value], shape, options=options)

    def select(self, value: int, axis: int, index: int) -> int:
        """One place along an axis, which goes.

        Parameters
        ----------
        value : int
        axis : int
            From 0.
        index : int
            Negative ones count from the end.

        Returns
        -------
        int
            The new value, with one axis less.
        """
        shape = list(self.shape[value])
        index = index % shape[axis]
        del shape[axis]
        return self.one("select", [value], shape, options={"axis": axis, "index": index})

    def concat(self, values: Sequence[int], axis: int) -> int:
        """Join values along an axis that they have.

        Parameters
        ----------
        values : sequence of int
            Of equal shapes but for that axis.
        axis : int
            From 0.

        Returns
        -------
        int
            The new value.
        """
        shape = list(self.shape[values[0]])
        shape[axis] = sum(self.shape[value][axis] for value in values)
        return self.one("concat", values, shape, options={"axis": axis})

    def expand(self, value: int, shape: Sequence[int]) -> int:
        """Repeat a value along axes of length 1, and along new axes before the first.

        Parameters
        ----------
        value : int
        shape : sequence of int
            One that the value's shape can be broadcast to.

        Returns
        -------
        int
            The new value; the same one where it has the shape already.
        """
        if tuple(shape) == self.shape[value]:
            return value
        missing = len(shape) - len(self.shape[value])
        value = self.reshape(value, (1,) * missing + self.shape[value])
        return self.one("expand", [value], shape)

    def affine(
        self,
        value: int,
        *,
        scale: tuple[str, np.ndarray] | float | None = None,
        shift: tuple[str, np.ndarray] | float | None = None,
        operator: str,
    ) -> int:
        """Multiply a value by a constant and add one, elementwise with broadcasting.

        Parameters
        ----------
        value : int
        scale, shift : (str, array) or float, optional
            A constant with its name, or a number. None stands for no factor or no summand.
        operator : str
            What the step is called in the ``activation`` of the units that it joins.

        Returns
        -------
        int
            The new value, of the shape that all of them are broadcast to.
        """
        options: dict[str, Any] = {"operator": operator}
        tensors, shape = {}, self.shape[value]
        for role, given in (("scale", scale), ("shift", shift)):
            if isinstance(given, tuple):
                tensors[role] = given
                shape = np.broadcast_shapes(shape, given[1].shape)
            elif given is not None:
                options[role] = float(given)
        return self.one("affine", [self.expand(value, shape)], shape, options=options, tensors=tensors)
