"""Values and constants of an ONNX graph while it is read, and the steps that are made of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from nnstruct.extract.builder import Builder
from nnstruct.extract.onnx_types import WIDER, held
from nnstruct.program import UnsupportedOperationError
from nnstruct.program.steps import MOVEMENTS

# A value of the program (int), a constant (array), a sequence of them (list), or left out (None).
Operand = Any


class OnnxValues:
    """What the handlers use: the node at hand, its operands, and the program under construction."""

    def __init__(self) -> None:
        self.builder = Builder()
        self.names: dict[int, str] = {}  # id of a constant -> its name in the file
        self.quantised: dict[int, str] = {}  # id of a constant -> the type that it was stored in
        self.dtype: dict[int, str] = {}
        # What is quantised while the network runs: grid points -> (what was rounded, scale, zero point);
        # a scale times a constant -> (scale, constant); a product of grid points with stored integers ->
        # (scale, what makes the real product once it is known by what constant it is multiplied).
        self.grids: dict[int, tuple[int, int, int]] = {}
        self.factors: dict[int, tuple[int, np.ndarray]] = {}
        self.products: dict[int, tuple[int, Callable[[np.ndarray], int]]] = {}
        self.node: Any = None
        self._held: list[Any] = []

    def kept(self, made: list[np.ndarray], sources: list[Any]) -> list[np.ndarray]:
        """Constants that were made of others, and go by the name of the first that has one.

        Parameters
        ----------
        made : list of array
        sources : list of operand

        Returns
        -------
        list of array
        """
        named = [value for value in sources if value is not None and self.names.get(id(value))]
        stored = [self.quantised[id(value)] for value in sources if id(value) in self.quantised]
        kept = [self.keep(value) for value in made]
        for value in kept:
            if named:
                self.names.setdefault(id(value), self.names[id(named[0])])
            if stored:
                self.quantised[id(value)] = stored[0]
        return kept

    def keep(self, value: np.ndarray) -> np.ndarray:
        """A constant that will not be freed, so that nothing else gets its id.

        Parameters
        ----------
        value : array

        Returns
        -------
        array
            In the type in which constants are held.
        """
        value = held(value)
        self._held.append(value)
        return value

    def unsupported(self, reason: str) -> UnsupportedOperationError:
        """An error to raise that names the operator and the node at hand.

        Parameters
        ----------
        reason : str
            What the operator must do, worded to follow "must".

        Returns
        -------
        UnsupportedOperationError
        """
        return UnsupportedOperationError(self.node.op_type, self.node.name, reason)

    def shape(self, value: Any) -> tuple[int, ...]:
        """The shape of a value or constant.

        Parameters
        ----------
        value : int or array
            A value's number, or a constant.

        Returns
        -------
        tuple of int
        """
        return self.builder.shape[value] if isinstance(value, int) else np.shape(value)

    def kind(self, value: Operand) -> str:
        """The name of the type of a value or constant.

        Parameters
        ----------
        value : int or array

        Returns
        -------
        str
            ``float32``, ``int64``, ``bool`` ...
        """
        if not isinstance(value, int):
            return np.asarray(value).dtype.name
        while value not in self.dtype:
            step = next((step for step in reversed(self.builder.steps) if value in step.outputs), None)
            if step is None or step.kind not in MOVEMENTS:
                return "float32"
            value = step.inputs[0]
        return self.dtype[value]

    def emit(
        self, kind: str, inputs: Sequence[int], shape: Sequence[int], dtype: str | None = None,
        tensors: Mapping[str, Any] | None = None, **options: Any,
    ) -> int:  # fmt: skip
        """Append a step that makes one value.

        Parameters
        ----------
        kind : str
        inputs : sequence of int
        shape : sequence of int
        dtype : str, optional
            What the value holds; that of the first input otherwise.
        tensors : mapping of str to (str, array), optional
        **options
            JSON values.

        Returns
        -------
        int
        """
        made = self.builder.one(kind, inputs, shape, options=options, tensors=tensors)
        if dtype is None:
            dtype = self.kind(inputs[0]) if inputs else "float32"
        self.dtype[made] = dtype
        return made

    def activation(
        self, data: int, function: str, dtype: str | None = None, tensors: Any = None, **options: Any
    ) -> int:
        """A function of each element of a value.

        Parameters
        ----------
        data : int
        function : str
        dtype : str, optional
            What it makes; that of the value otherwise.
        tensors : mapping of str to (str, array), optional
        **options
            The function's numbers.

        Returns
        -------
        int
        """
        shape = self.builder.shape[data]
        return self.emit("activation", [data], shape, dtype, tensors, function=function, **options)

    def reshaped(self, value: Operand, shape: Sequence[int]) -> Operand:
        """A value or constant in another shape.

        Parameters
        ----------
        value : int or array
        shape : sequence of int

        Returns
        -------
        int or array
        """
        if isinstance(value, int):
            made = self.builder.reshape(value, shape)
            self.dtype.setdefault(made, self.kind(value))
            return made
        return self.kept([np.reshape(value, shape)], [value])[0]

    def renamed(self, made: np.ndarray, source: Any) -> np.ndarray:
        """A constant that was made of another one and goes by its name.

        Parameters
        ----------
        made : array
        source : array

        Returns
        -------
        array
        """
        return self.kept([np.asarray(made)], [source])[0]

    def quantised_options(self, weight: Any) -> dict[str, str]:
        """The option that marks a step whose weights were stored as integers.

        Parameters
        ----------
        weight : array or None

        Returns
        -------
        dict
            Empty, or ``quantised`` with the stored type.
        """
        stored = self.quantised.get(id(weight))
        return {} if stored is None else {"quantised": stored}

    def named(self, value: Any, default: str = "constant") -> tuple[str, np.ndarray]:
        """Name and values of a constant.

        Parameters
        ----------
        value : array
        default : str
            What to call it where the file has no name for it.

        Returns
        -------
        (str, array)
            Numbers as float32; booleans as they are.
        """
        name = self.names.get(id(value), default)
        array = np.asarray(value)
        return name, array.astype(
            np.float32
        ) if array.dtype.kind in "fiu" and array.dtype != np.float32 else array

    def maybe(self, value: Any, default: str) -> tuple[str, np.ndarray] | None:
        """As :meth:`named`, for an operand that may be left out.

        Parameters
        ----------
        value : array or None
        default : str
            What to call it where the file has no name for it.

        Returns
        -------
        (str, array) or None
        """
        return None if value is None else self.named(value, default)

    def ref(self, value: Operand) -> int:
        """The number of a value; a constant becomes a step of its own.

        Parameters
        ----------
        value : int or array
            A value's number, or a constant.

        Returns
        -------
        int
        """
        if isinstance(value, int):
            return value
        array = np.asarray(value)
        if array.dtype.kind not in "fiub":
            raise self.unsupported("read numbers")
        if array.dtype.name in WIDER:
            array = array.astype(np.int64)
        name = self.names.get(id(value), "constant")
        if array.dtype.kind != "f" or np.isfinite(array).all():
            return self.emit("constant", [], array.shape, array.dtype.name, {"value": (name, array)})
        # A Network holds finite numbers only: the others are filled in.
        made = self.ref(np.nan_to_num(array, nan=0.0, posinf=0.0, neginf=0.0).astype(np.float32))
        return self.filled(made, array)

    def filled(self, value: int, array: np.ndarray) -> int:
        """A value with infinities and not-a-numbers where a constant has them.

        Parameters
        ----------
        value : int
        array : float array
            Of a shape that the value's can be broadcast to.

        Returns
        -------
        int
        """
        for number, where in (
            ("inf", np.isposinf(array)),
            ("-inf", np.isneginf(array)),
            ("nan", np.isnan(array)),
        ):
            if where.any():
                value = self.activation(value, "masked_fill", None, {"mask": ("mask", where)}, value=number)
        return value

    def constant(self, value: Any, reason: str) -> np.ndarray:
        """A constant operand, where the operator needs one.

        Parameters
        ----------
        value : int, array or None
            The operand: a value's number, a constant, or None where it is left out.
        reason : str
            What the operator must do, worded to follow "must"; for the error.

        Returns
        -------
        array

        Raises
        ------
        UnsupportedOperationError
            If the operand is left out or depends on an input of the network.
        """
        if not isinstance(value, np.ndarray | np.generic):
            raise self.unsupported(reason)
        return np.asarray(value)

    def integers(self, value: Any, reason: str = "have constant sizes") -> list[int]:
        """The numbers of a constant operand.

        Parameters
        ----------
        value : operand
        reason : str
            As for :meth:`constant`.

        Returns
        -------
        list of int
        """
        return [int(number) for number in np.ravel(self.constant(value, reason))]


def flat(values: Sequence[Operand]) -> list[Operand]:
    """The operands in nested sequences.

    Parameters
    ----------
    values : sequence of operand

    Returns
    -------
    list of operand
    """
    return [leaf for value in values for leaf in (flat(value) if isinstance(value, list) else [value])]
