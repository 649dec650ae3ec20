"""A program of a small recurrent network number by number: each one as a sum of what it is made from."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from nnstruct.extract.family_numbers import Scalar
from nnstruct.extract.forms import NoFamilyError
from nnstruct.program import Program, Step

# Numbers of all values of a program, and products of all sums, up to which it is read so.
MOST_NUMBERS, MOST_PRODUCTS = 300_000, 4_000_000
INPUT, ACTIVATION, PRODUCT, CHOICE, LENGTH, EQUAL = (
    "input",
    "activation",
    "product",
    "choice",
    "length",
    "equal",
)
_FUNCTIONS: Mapping[str, Callable[[float], float]] = {
    "tanh": math.tanh,
    "relu": lambda x: max(x, 0.0),
    "sigmoid": lambda x: 1 / (1 + math.exp(-x)) if x > -700 else 0.0,
}


@dataclass
class Scalars:
    """All atoms of a program, and its output.

    Attributes
    ----------
    atoms : list of tuple
        What each is: ``("input", example, time, channel)``, ``("activation", function, Scalar)``,
        ``("product", Scalar, Scalar)``, ``("choice", atom, Scalar, Scalar)``, ``("equal", example, number)``.
    output : object array of Scalar [B, C]
    num_inputs : int
        Symbols or channels.
    steps : int
        Of the sequences.
    """

    atoms: list[tuple[Any, ...]] = field(default_factory=list)
    output: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), dtype=object))
    num_inputs: int = 0
    steps: int = 0


def scalars_of(program: Program) -> Scalars:
    """Follow a program of sequences number by number.

    Parameters
    ----------
    program : Program
        Of a few thousand numbers: symbols [B, T] or series [B, T, D], and lengths [B] if it reads any.

    Returns
    -------
    Scalars

    Raises
    ------
    NoFamilyError
        At a step that no recurrent network of a family takes, and where there are too many numbers.
    """
    numbers = sum(math.prod(shape) for step in program.steps for shape in step.shapes)
    if numbers > MOST_NUMBERS:
        raise NoFamilyError("there are too many numbers to follow each")
    reader = _Reader(program)
    for step in program.steps:
        reader.take(step)
    found = reader.found
    found.output = reader.whole(program.outputs[0])
    return found


class _Reader:
    def __init__(self, program: Program) -> None:
        self.program, self.found = program, Scalars()
        self.values: dict[int, np.ndarray] = {}  # float, or object arrays of Scalar
        self.symbols: dict[int, np.ndarray] = {}  # [..., 2]: example and time
        self.number_of: dict[tuple[Any, ...], int] = {}
        self.products = 0
        kinds = zip(program.inputs, program.input_shapes, program.discrete, strict=True)
        wide = 0
        for value, shape, discrete in kinds:
            if len(shape) == 1 and discrete:
                self.values[value] = self._each(shape, lambda at: self.atom((LENGTH, at[0])))
            elif len(shape) == 2 + (not discrete) and not wide:
                wide, self.found.steps = 1, shape[1]
                if discrete:
                    self.symbols[value] = np.moveaxis(np.indices(shape), 0, -1)
                else:
                    self.found.num_inputs = shape[2]
                    self.values[value] = self._each(shape, lambda at: self.atom((INPUT, *at)))
            else:
                raise NoFamilyError("sequences and their lengths are wanted")
        if len(program.outputs) != 1:
            raise NoFamilyError("one output is wanted")

    def _each(self, shape: tuple[int, ...], make: Callable[[tuple[int, ...]], int]) -> np.ndarray:
        found = np.empty(shape, dtype=object)
        for at in np.ndindex(*shape):
            found[at] = Scalar({make(at): 1.0})
        return found

    def atom(self, what: tuple[Any, ...]) -> int:
        key = tuple(part.key() if isinstance(part, Scalar) else part for part in what)
        if key not in self.number_of:
            self.number_of[key] = len(self.found.atoms)
            self.found.atoms.append(what)
        return self.number_of[key]

    def whole(self, value: int) -> np.ndarray:
        """A value as an array of Scalar."""
        if value not in self.values:
            raise NoFamilyError("a value is read that was not followed")
        return _whole(self.values[value])

    def take(self, step: Step) -> None:
        method = getattr(self, f"_do_{step.kind}", None)
        if method is None:
            raise NoFamilyError(f"no family has {step.operator} of every time step")
        self.values[step.outputs[0]] = method(step)
        if step.inputs and step.inputs[0] in self.symbols and step.kind in ("select", "slice"):
            self.symbols[step.outputs[0]] = self._moved(step, self.symbols[step.inputs[0]])

    def _given(self, step: Step, place: int = 0) -> np.ndarray:
        value = step.inputs[place]
        if value in self.symbols:
            return np.zeros(self.symbols[value].shape[:-1])
        if value not in self.values:
            raise NoFamilyError("a value is read that was not followed")
        return self.values[value]

    def _constant(self, step: Step, role: str) -> np.ndarray | None:
        name = step.tensors.get(role)
        if name is not None:
            return self.program.constants[name].astype(np.float64)
        return np.asarray(step.options[role], dtype=np.float64) if role in step.options else None

    # ---- movements

    def _moved(self, step: Step, value: np.ndarray) -> np.ndarray:
        o = step.options
        if step.kind == "select":
            return np.take(value, o["index"], axis=o["axis"])
        return value[(slice(None),) * o["axis"] + (slice(o["start"], o["stop"], o["step"]),)]

    def _do_constant(self, step: Step) -> np.ndarray:
        value = self._constant(step, "value")
        assert value is not None
        return value

    def _do_select(self, step: Step) -> np.ndarray:
        return self._moved(step, self._given(step))

    _do_slice = _do_select

    def _do_take(self, step: Step) -> np.ndarray:
        return np.take(self._given(step), step.options["indices"], axis=step.options["axis"])

    def _do_reshape(self, step: Step) -> np.ndarray:
        return self._given(step).reshape(step.shape)

    def _do_permute(self, step: Step) -> np.ndarray:
        return self._given(step).transpose(step.options["dims"])

    def _do_expand(self, step: Step) -> np.ndarray:
        return np.broadcast_to(self._given(step), step.shape)

    def _do_concat(self, step: Step) -> np.ndarray:
        parts = [self._given(step, place) for place in range(len(step.inputs))]
        if any(part.dtype == object for part in parts):
            parts = [_whole(part) for part in parts]
        return np.concatenate(parts, axis=step.options["axis"])

    # ---- symbols

    def _do_embedding(self, step: Step) -> np.ndarray:
        return self._looked_up(step.inputs[0], self.program.constants[step.tensors["weight"]])

    def _do_operation(self, step: Step) -> np.ndarray:
        o = step.options
        if o["function"] != "gather" or o["axis"] != 0 or o.get("fresh"):
            raise NoFamilyError(f"no family has {step.operator} of every time step")
        table = self._given(step)
        if table.dtype == object:
            raise NoFamilyError("symbols choose between values")
        return self._looked_up(step.inputs[1], table)

    def _looked_up(self, value: int, table: np.ndarray) -> np.ndarray:
        if value not in self.symbols:
            raise NoFamilyError("a table is read with other numbers than symbols")
        places, table = self.symbols[value], table.astype(np.float64)
        # Row 0 is the padding of nnstruct's own tables; others get a first symbol of their own.
        start = 0 if table[0].any() else 1
        if self.found.num_inputs not in (0, len(table) - start):
            raise NoFamilyError("tables of several sizes are read")
        self.found.num_inputs = len(table) - start
        found = np.empty((*places.shape[:-1], *table.shape[1:]), dtype=object)
        for at in np.ndindex(*places.shape[:-1]):
            atoms = [self.atom((INPUT, *places[at].tolist(), s)) for s in range(len(table) - start)]
            for inner in np.ndindex(*table.shape[1:]):
                column = table[(slice(start, None), *inner)].tolist()
                terms = {atom: w for atom, w in zip(atoms, column, strict=True) if w}
                found[(*at, *inner)] = Scalar(terms)
        return found

    # ---- arithmetic

    def _do_affine(self, step: Step) -> np.ndarray:
        value = self._given(step)
        for role in ("scale", "shift"):
            amount = self._constant(step, role)
            if amount is None:
                continue
            if value.dtype != object:
                value = value * amount if role == "scale" else value + amount
                continue
            one, other = np.broadcast_arrays(value, amount)
            found = np.empty(one.shape, dtype=object)
            for at in np.ndindex(*one.shape):
                now: Any = one[at]
                number = float(other[at])
                found[at] = now.times(number) if role == "scale" else now.plus(Scalar({}, number))
            value = found
        return value

    def _do_activation(self, step: Step) -> np.ndarray:
        function, value = step.options["function"], self.whole(step.inputs[0])
        found = np.empty(value.shape, dtype=object)
        other = self._constant(step, "other")
        for at in np.ndindex(*value.shape):
            one: Any = value[at]
            if function == "eq" and other is not None and other.size == 1:
                length = one.alone()
                if length is None or self.found.atoms[length][0] != LENGTH:
                    raise NoFamilyError("other numbers than lengths are compared")
                found[at] = Scalar({self.atom((EQUAL, self.found.atoms[length][1], int(other.flat[0]))): 1.0})
            elif function not in _FUNCTIONS:
                raise NoFamilyError(f"no family has {function} of every time step")
            elif one.terms:
                found[at] = Scalar({self.atom((ACTIVATION, function, one)): 1.0})
            else:
                found[at] = Scalar({}, _FUNCTIONS[function](one.constant))
        return found

    def _do_join(self, step: Step) -> np.ndarray:
        function, o = step.options["function"], step.options
        parts: list[Any] = list(np.broadcast_arrays(*(self.whole(value) for value in step.inputs)))
        if function not in ("add", "sub", "mul", "where") or len(parts) != 2 + (function == "where"):
            raise NoFamilyError(f"no family has {function} of every time step")
        factor = o.get("alpha", 1.0) * (-1.0 if function == "sub" else 1.0)
        found = np.empty(parts[0].shape, dtype=object)
        for at in np.ndindex(*parts[0].shape):
            one, other = parts[0][at], parts[1][at]
            if function == "where":
                found[at] = self._chosen(one, other, parts[2][at])
            elif function == "mul":
                found[at] = self._product(one, other)
            else:
                found[at] = one.plus(other, factor)
        return found

    def _chosen(self, condition: Scalar, yes: Scalar, no: Scalar) -> Scalar:
        atom = condition.alone()
        if atom is None or self.found.atoms[atom][0] != EQUAL:
            raise NoFamilyError("values are chosen by other values")
        return Scalar({self.atom((CHOICE, atom, yes, no)): 1.0})

    def _product(self, one: Scalar, other: Scalar) -> Scalar:
        if not one.terms:
            return other.times(one.constant)
        if not other.terms:
            return one.times(other.constant)
        return Scalar({self.atom((PRODUCT, one, other)): 1.0})

    def _do_linear(self, step: Step) -> np.ndarray:
        weight, bias = self._constant(step, "weight"), self._constant(step, "bias")
        assert weight is not None
        found = self._multiplied(self._given(step), weight.T)
        if bias is None:
            return found
        return np.vectorize(lambda one, b: one.plus(Scalar({}, float(b))), otypes=[object])(
            _whole(found), bias
        )

    def _do_matmul(self, step: Step) -> np.ndarray:
        left, right = self._given(step), self._given(step, 1)
        if set(step.options) - {"operator"}:
            raise NoFamilyError("no family has this product of every time step")
        if left.dtype == object and right.dtype == object:
            raise NoFamilyError("values are multiplied with values")
        if right.dtype == object:
            turned = self._multiplied(np.swapaxes(right, -1, -2), np.swapaxes(left, -1, -2))
            return np.swapaxes(turned, -1, -2)
        return self._multiplied(left, right)

    def _multiplied(self, value: np.ndarray, weight: np.ndarray) -> np.ndarray:
        """Sums [..., M, N] of rows [..., M, K] with weights [..., K, N]."""
        if value.dtype != object:
            return np.matmul(value, weight)
        rows = value[None] if value.ndim == 1 else value
        lead = np.broadcast_shapes(rows.shape[:-2], weight.shape[:-2])
        rows = np.broadcast_to(rows, (*lead, *rows.shape[-2:]))
        weight = np.broadcast_to(weight, (*lead, *weight.shape[-2:]))
        self.products += rows.size * weight.shape[-1]
        if self.products > MOST_PRODUCTS:
            raise NoFamilyError("there are too many numbers to follow each")
        found = np.empty((*rows.shape[:-1], weight.shape[-1]), dtype=object)
        for at in np.ndindex(*rows.shape[:-1]):
            row, columns = rows[at], weight[at[:-1]]
            for target in range(columns.shape[1]):
                found[(*at, target)] = _weighted(row, columns[:, target].tolist())
        return found[0] if value.ndim == 1 else found


def _weighted(row: np.ndarray, weights: list[float]) -> Scalar:
    terms: dict[int, float] = {}
    constant = 0.0
    for one, weight in zip(row, weights, strict=True):
        if weight:
            constant += weight * one.constant
            for atom, own in one.terms.items():
                terms[atom] = terms.get(atom, 0.0) + weight * own
    return Scalar({atom: w for atom, w in terms.items() if w}, constant)


def _whole(value: np.ndarray) -> np.ndarray:
    if value.dtype == object:
        return value
    found = np.empty(value.shape, dtype=object)
    for at in np.ndindex(*value.shape):
        found[at] = Scalar({}, float(value[at]))
    return found
