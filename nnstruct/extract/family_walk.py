"""A program step by step in the units of a family, as far as a family's networks do what it does."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from nnstruct.extract.family_state import Held, Made
from nnstruct.extract.family_sums import MapSums, own_kernel
from nnstruct.extract.forms import (
    BATCH,
    CONSTANT,
    ONE,
    PLACE,
    TIME,
    UNITS,
    Form,
    NoFamilyError,
    added,
    atoms_of,
    concatenated,
    reduced,
    reshaped_roles,
    scaled,
    shifted,
    taken,
    weighted,
)
from nnstruct.program import Step
from nnstruct.structure.units import UNIT_ACTIVATIONS

_NORM_EPSILON = 1e-5
# Steps that act on units, and on no sums that are still to be finished.
_READING_UNITS = ("conv", "pool", "reduce", "linear", "concat")
_ENDINGS = ("softmax", "log_softmax")


class FamilyWalk(MapSums):
    """Walks a program and collects units.

    Parameters
    ----------
    program : Program
        With one input and one output.

    Attributes
    ----------
    made : list of Made
    num_inputs : int
        Features, channels or symbols; atoms from 0.
    readout : Form
    """

    def run(self) -> None:
        """Walk to the end.

        Raises
        ------
        NoFamilyError
            At the first step that no family has.
        """
        program = self.program
        read = [value for value in program.inputs if program.uses()[value]]
        if len(read) != 1 or len(program.outputs) != 1:
            raise NoFamilyError("one input and one output are wanted")
        self._add_input(read[0], bool(program.discrete[program.inputs.index(read[0])]))
        inside = frozenset[int]().union(*(flow.steps for flow in self.flows.values()))
        for step in program.steps:
            value = step.outputs[0]
            if value in self.flows:
                self.held[value] = self._flow(self.flows[value])
            elif value not in self.held and value not in inside:
                self._step(step)
        ending = self.held[program.outputs[0]]
        if {*ending.roles} - {BATCH, UNITS, ONE} or ending.form.atom is not None:
            raise NoFamilyError("the output is no linear read-out")
        self.readout = ending.form

    def _add_input(self, value: int, discrete: bool) -> None:
        shape, steps = self.shape[value], self.program.steps
        cells = [step for step in steps if step.kind == "rnn"]
        if discrete:
            self._add_symbols(value)
            return
        readers = [step for step in steps if value in step.inputs]
        flat = len(readers) == 1 and readers[0].kind == "reshape" and len(readers[0].shape) == 2
        if flat and readers[0].shape[0] == shape[0]:
            value, shape = readers[0].outputs[0], readers[0].shape
        if cells and len(shape) == 3:
            first = cells[0].options["batch_first"]
            roles: tuple[str, ...] = (BATCH, TIME, UNITS) if first else (TIME, BATCH, UNITS)
        else:
            known: dict[int, tuple[str, ...]] = {
                2: (BATCH, UNITS),
                3: (BATCH, PLACE, PLACE),
                4: (BATCH, UNITS, PLACE, PLACE),
            }
            if len(shape) not in known:
                raise NoFamilyError("the input is neither vectors, images nor sequences")
            roles = known[len(shape)]
        self.num_inputs = self.num_atoms = shape[roles.index(UNITS)] if UNITS in roles else 1
        self.held[value] = Held(roles, atoms_of(np.arange(self.num_inputs)))

    def _add_symbols(self, value: int) -> None:
        tables = [step for step in self.program.steps if value in step.inputs]
        if len(tables) != 1 or tables[0].kind != "embedding" or len(self.shape[value]) != 2:
            raise NoFamilyError("symbols are read by one embedding")
        weight = self.program.constants[tables[0].tensors["weight"]]  # [V, D]
        cells = [step for step in self.program.steps if step.kind == "rnn"]
        roles = (BATCH, TIME, UNITS) if cells and cells[0].options["batch_first"] else (TIME, BATCH, UNITS)
        # Row 0 is the padding of nnstruct's own tables; others get a first symbol of their own.
        start = 0 if weight[0].any() else 1
        self.num_inputs = self.num_atoms = len(weight) - start
        form = weighted(atoms_of(np.arange(self.num_inputs)), weight[start:].T[:, :, None], None)
        self.held[tables[0].outputs[0]] = Held(roles, form)

    # ---- steps

    def _step(self, step: Step) -> None:
        method = getattr(self, f"_do_{step.kind}", None)
        if method is None:
            raise NoFamilyError(f"no family has {step.operator}")
        if any(value not in self.held for value in step.inputs[:1]):
            raise NoFamilyError("a value is read that was not followed")
        if step.kind in _READING_UNITS and not self._sums_itself(step):
            self._close(step.inputs)
        self.held[step.outputs[0]] = method(step, *(self.held.get(value) for value in step.inputs))

    def _constant(self, step: Step, role: str) -> np.ndarray | None:
        name = step.tensors.get(role)
        return None if name is None else self.program.constants[name]

    def _along_units(self, values: Any, held: Held, shape: tuple[int, ...]) -> np.ndarray:
        """A constant beside a value as one number for each row."""
        full = np.broadcast_to(np.asarray(values, dtype=np.float64), shape)
        axis = held.along() if UNITS in held.roles else None
        index = tuple(slice(None) if place == axis else slice(0, 1) for place in range(full.ndim))
        if not (full == full[index]).all():
            raise NoFamilyError("a constant differs between places")
        return full[index].reshape(-1)

    def _do_constant(self, step: Step) -> Held:
        value = np.asarray(self._constant(step, "value"), dtype=np.float64)
        if value.ndim < 2 or not (value == value[:1]).all() or value.ndim > 2:
            raise NoFamilyError("a constant is no row of numbers")
        row = value[0]
        return Held((BATCH, UNITS), Form(np.ones(len(row)), row, np.full(len(row), CONSTANT)))

    def _do_permute(self, step: Step, held: Held) -> Held:
        return Held(tuple(held.roles[d] for d in step.options["dims"]), held.form)

    def _do_reshape(self, step: Step, held: Held) -> Held:
        return Held(reshaped_roles(held.roles, self.shape[step.inputs[0]], step.shape), held.form)

    def _do_select(self, step: Step, held: Held) -> Held:
        axis, index = step.options["axis"], step.options["index"]
        role, length = held.roles[axis], self.shape[step.inputs[0]][axis]
        roles = held.roles[:axis] + held.roles[axis + 1 :]
        if role == TIME and index == length - 1:
            return Held(roles, replace(held.form, reduced=True))
        if role != ONE and not (role == UNITS and length == 1):
            raise NoFamilyError("a part is read that is not the last time step")
        return Held(roles, held.form)

    def _do_slice(self, step: Step, held: Held) -> Held:
        axis, options = step.options["axis"], step.options
        length = self.shape[step.inputs[0]][axis]
        if held.roles[axis] == PLACE:
            return self._halved(step, held, length)
        places = np.arange(length)[slice(options["start"], options["stop"], options["step"])]
        return self._places(held, axis, places, length)

    def _do_take(self, step: Step, held: Held) -> Held:
        axis = step.options["axis"]
        return self._places(held, axis, np.array(step.options["indices"]), self.shape[step.inputs[0]][axis])

    def _places(self, held: Held, axis: int, places: np.ndarray, length: int) -> Held:
        role = held.roles[axis]
        if role == TIME and places.tolist() == [length - 1]:
            roles = tuple(ONE if at == axis else role for at, role in enumerate(held.roles))
            return Held(roles, replace(held.form, reduced=True))
        if role == ONE and length == len(places) == 1:
            return held
        if role != UNITS:
            raise NoFamilyError("a part of the examples, time steps or positions is read")
        return Held(held.roles, taken(held.form, places))

    def _do_concat(self, step: Step, *parts: Held | None) -> Held:
        if any(part is None for part in parts):
            raise NoFamilyError("a value is joined that was not followed")
        sides = [part for part in parts if part is not None]
        main = next((part for part in sides if not part.form.is_constant), sides[0])
        if step.options["axis"] != main.along():
            raise NoFamilyError("values are joined along another axis than the units")
        return Held(main.roles, concatenated([part.form for part in sides]))

    def _do_join(self, step: Step, *parts: Held | None) -> Held:
        function, alpha = step.options["function"], step.options.get("alpha", 1.0)
        if function not in ("add", "sub") or len(parts) != 2:
            raise NoFamilyError(f"no family has {function}")
        left, right = parts
        if left is None or right is None:
            raise NoFamilyError("a value is added that was not followed")
        if left.roles != right.roles or left.form.rows != right.form.rows:
            raise NoFamilyError("values of different shapes are added")
        if function == "add" and alpha == 1.0 and PLACE in left.roles:
            summed = self._sum_of_maps(step, left, right)
            if summed is not None:
                return summed
        return Held(left.roles, added(left.form, right.form, -alpha if function == "sub" else alpha))

    def _do_affine(self, step: Step, held: Held) -> Held:
        form = held.form
        for role, function in (("scale", scaled), ("shift", shifted)):
            values = self._constant(step, role)
            if values is None and role not in step.options:
                continue
            given = step.options.get(role) if values is None else values
            form = function(form, self._along_units(given, held, step.shape))
        return Held(held.roles, form)

    def _do_norm(self, step: Step, held: Held) -> Held:
        options, form = step.options, held.form
        ends = held.along() == len(held.roles) - 1 and options.get("axes") == 1
        if options["norm"] != "layer_norm" or not ends or options["eps"] != _NORM_EPSILON:
            raise NoFamilyError(f"no family has this {options['norm']}")
        if form.atom is not None or form.norm is not None or PLACE in held.roles or TIME in held.roles:
            raise NoFamilyError("a normalisation follows no layer")
        form = replace(form, norm=(np.ones(form.rows), np.zeros(form.rows)))
        for role, function in (("scale", scaled), ("shift", shifted)):
            values = self._constant(step, role)
            form = form if values is None else function(form, values.reshape(-1))
        return Held(held.roles, form)

    def _do_linear(self, step: Step, held: Held) -> Held:
        weight, bias = self.program.constants[step.tensors["weight"]], self._constant(step, "bias")
        if (
            held.roles[-1] in (PLACE, ONE)
            and len(weight) == 1
            and bias is None
            and (weight == weight[0, 0]).all()
        ):
            # A sum over the whole map.
            factor = np.full(held.form.rows, float(weight[0, 0]) * weight.shape[1])
            return Held((*held.roles[:-1], ONE), scaled(reduced(held.form), factor))
        if held.along() != len(held.roles) - 1 or PLACE in held.roles:
            raise NoFamilyError("a linear layer reads positions")
        if TIME in held.roles:
            raise NoFamilyError("a linear layer acts at every time step")
        mean = held.form.reduced
        return Held(held.roles, weighted(held.form, weight[:, :, None], bias, kernel=1, reduced=mean))

    def _do_conv(self, step: Step, held: Held) -> Held:
        o = step.options
        size, stride = o["kernel"][0], o["stride"][0]
        square = all(len({*o[name]}) == 1 for name in ("kernel", "stride", "padding", "dilation"))
        plain = o["nd"] == 2 and square and size in (1, 3) and o["padding"][0] == size // 2
        plain = plain and o["dilation"][0] == 1 and not o["transposed"] and stride & (stride - 1) == 0
        if not plain or held.roles[2:] != (PLACE, PLACE) or held.roles[1] not in (UNITS, ONE):
            raise NoFamilyError("no family has this convolution")
        weight, groups = self.program.constants[step.tensors["weight"]], o["groups"]
        outputs, inner = weight.shape[:2]
        dense = np.zeros((outputs, inner * groups, size * size))
        for group in range(groups):
            rows = slice(group * outputs // groups, (group + 1) * outputs // groups)
            dense[rows, group * inner : (group + 1) * inner] = weight[rows].reshape(-1, inner, size * size)
        stage = held.form.stage + int(math.log2(stride))
        if self._sums_itself(step):
            return Held(held.roles, own_kernel(held.form, dense, self._constant(step, "bias"), size))
        form = weighted(held.form, dense, self._constant(step, "bias"), kernel=size, stage=stage)
        return Held((BATCH, UNITS, PLACE, PLACE), form)

    def _do_pool(self, step: Step, held: Held) -> Held:
        options, form = step.options, held.form
        whole = all(size == 1 for size in options.get("size", (0,)))
        if whole and options["function"] == "avg" and held.roles == (BATCH, UNITS, PLACE, PLACE):
            return Held((BATCH, UNITS, ONE, ONE), reduced(form))
        if options.get("adaptive") or options["nd"] != 2 or form.atom is None or form.shift.any():
            raise NoFamilyError("no family has this pool")
        stride = options["stride"][0]
        average = options["function"] == "avg"
        fits = (
            list(options["kernel"]) == [3, 3]
            and list(options["padding"]) == [1, 1]
            and list(options["stride"]) == [stride] * 2
            and list(options["dilation"]) == [1, 1]
            and not options["ceil"]
            and stride & (stride - 1) == 0
            and not (average and options.get("include_pad", True))
            and bool((form.scale == 1).all() and (form.atom >= self.num_inputs).all())
        )
        if not fits:
            raise NoFamilyError("no family has this pool")
        stage = form.stage + int(math.log2(stride))
        operator = "avgpool3x3" if average else "maxpool3x3"
        return Held(held.roles, self._units(form, operator, "relu", stage))

    def _do_reduce(self, step: Step, held: Held) -> Held:
        axes = list(step.options["axes"])
        places = [axis for axis, role in enumerate(held.roles) if role == PLACE]
        if step.options["function"] != "mean" or axes != places:
            raise NoFamilyError("no family has this reduction")
        roles = tuple(ONE if axis in axes else role for axis, role in enumerate(held.roles))
        if not step.options["keepdim"]:
            roles = tuple(role for axis, role in enumerate(held.roles) if axis not in axes)
        return Held(roles, reduced(held.form))

    def _do_activation(self, step: Step, held: Held) -> Held:
        function, form = step.options["function"], held.form
        if function in _ENDINGS and step.outputs[0] == self.program.outputs[0] and form.atom is None:
            return held  # of scores; the family's read-out gives the scores
        if function not in UNIT_ACTIVATIONS or form.atom is not None or TIME in held.roles or form.reduced:
            raise NoFamilyError(f"no family has {function} here")
        operator = "dense"
        if PLACE in held.roles:
            operator = {1: "conv1x1", 3: "conv3x3"}.get(form.kernel, "conv3x3")
        self.made_by[step.outputs[0]] = len(self.made)
        return Held(held.roles, self._units(form, operator, function, form.stage))

    def _do_rnn(self, step: Step, held: Held, *states: Held | None) -> Held:
        options, cell = step.options, step.options["cell"]
        usual = {"operator", "cell", "reverse", "batch_first"}
        roles = (BATCH, TIME, UNITS) if options["batch_first"] else (TIME, BATCH, UNITS)
        if {*options} - usual or options["reverse"] or states or held.roles != roles:
            raise NoFamilyError("no family has this recurrent layer")
        if {*step.tensors} - {"weight_ih", "weight_hh", "bias"}:
            raise NoFamilyError("no family has projections or peepholes")
        inner, outer = (self.program.constants[step.tensors[n]] for n in ("weight_ih", "weight_hh"))
        hidden = outer.shape[1]
        gates = len(outer) // hidden
        biases = 4 if cell == "gru" else gates
        bias = self._constant(step, "bias")
        bias = np.zeros((biases, hidden)) if bias is None else bias.astype(np.float64)
        form = held.form
        by_gate = inner.reshape(gates, hidden, -1).transpose(1, 2, 0).astype(np.float64)  # [H, F, g]
        if form.atom is None:
            (table,) = form.terms  # of an embedding
            if len(self.made):
                raise NoFamilyError("an embedding is read behind a recurrent layer")
            by_gate = np.einsum("hfg,fa->hag", by_gate, table.weight[:, :, 0])
            form = atoms_of(table.atoms)
        if form.shift.any():
            raise NoFamilyError("a recurrent layer reads shifted values")
        own = weighted(form, by_gate, None)
        first = self.num_atoms
        self.made.append(
            Made(first, own, cell, "", gates=(outer.reshape(gates, hidden, hidden).astype(float), bias))
        )
        self.num_atoms += hidden
        atoms = atoms_of(first + np.arange(hidden))
        self.held[step.outputs[1]] = Held((BATCH, UNITS), replace(atoms, reduced=True))
        return Held(roles, atoms)
