"""Sums of maps in the family ``cnn``: residual edges, and units that only pass on what they read."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from nnstruct.extract.family_flows import Flow
from nnstruct.extract.family_state import Held, Made, WalkState
from nnstruct.extract.forms import PLACE, Form, NoFamilyError, Term, added, taken
from nnstruct.program import Step


def halving(step: Step, length: int) -> int:
    """How often a slice of positions halves them: every second one once, every fourth one twice.

    Parameters
    ----------
    step : Step
        A slice.
    length : int
        Of the axis that is sliced.

    Returns
    -------
    int

    Raises
    ------
    NoFamilyError
        If it leaves out more, or is no power of two.
    """
    options = step.options
    every = int(options["step"])
    if options["start"] != 0 or options["stop"] < length or every < 2 or every & (every - 1):
        raise NoFamilyError("a part of the positions is read")
    return int(math.log2(every))


def is_maps(form: Form, num_inputs: int) -> bool:
    """Whether a form is the maps of units as they are.

    Parameters
    ----------
    form : Form
    num_inputs : int
        Channels of the image.

    Returns
    -------
    bool
    """
    if form.atom is None or form.reduced:
        return False
    return bool((form.atom >= num_inputs).all() and (form.scale == 1).all() and not form.shift.any())


def is_open(form: Form, roles: tuple[str, ...]) -> bool:
    """Whether a form is sums of maps, with factors at most, which no activation follows.

    Parameters
    ----------
    form : Form
    roles : tuple of str

    Returns
    -------
    bool
    """
    plain = form.atom is None and form.kernel == 1 and form.norm is None and bool(form.terms)
    plain = plain and form.own is None
    return plain and PLACE in roles and not form.reduced and not form.shift.any()


def own_kernel(form: Form, kernel: np.ndarray, bias: np.ndarray | None, size: int) -> Form:
    """A kernel that acts on the sum of maps.

    Parameters
    ----------
    form : Form
        Of maps, or sums of maps.
    kernel : float array [R, R, k]
    bias : float array [R], optional
    size : int
        The kernel's side.

    Returns
    -------
    Form
    """
    shift = np.zeros(form.rows) if bias is None else bias.astype(np.float64)
    return replace(as_sum(form), own=kernel.astype(np.float64), shift=shift, kernel=size)


def as_sum(form: Form) -> Form:
    """Maps as sums of one each; sums as they are.

    Parameters
    ----------
    form : Form

    Returns
    -------
    Form
    """
    if form.atom is None:
        return form
    terms = tuple(
        Term(np.array([row]), form.atom[row : row + 1], np.ones((1, 1, 1))) for row in range(form.rows)
    )
    return replace(form, atom=None, terms=terms, kernel=1)


def atoms_read(form: Form) -> set[int]:
    """The units and inputs that a form reads.

    Parameters
    ----------
    form : Form

    Returns
    -------
    set of int
    """
    if form.atom is not None:
        return set(form.atom.tolist())
    return {atom for term in form.terms for atom in term.atoms.tolist()}


def passes_on(form: Form) -> np.ndarray:
    """The rows of sums that add up several maps, each with a factor of one.

    Parameters
    ----------
    form : Form
        Of sums.

    Returns
    -------
    bool [R]
    """
    count, plain = np.zeros(form.rows, dtype=int), np.ones(form.rows, dtype=bool)
    for term in form.terms:
        count[term.rows] += (term.weight != 0).any(axis=2).sum(axis=1)
        plain[term.rows] &= ((term.weight == 0) | (term.weight == 1)).all(axis=(1, 2))
    return plain & (count > 1)


def divided(made: Sequence[Made]) -> list[Made]:
    """Convolutions as several cells where others pass a part of their maps on as it is.

    Parameters
    ----------
    made : sequence of Made

    Returns
    -------
    list of Made
    """
    parts = [
        atoms
        for reader in made
        for terms in ((reader.form.terms if reader.join == "sum" else ()), reader.shortcuts)
        if len(atoms := sorted({int(atom) for term in terms for atom in term.atoms}))
    ]
    cuts_of: list[list[int]] = []
    for one in made:
        first, stop = one.first, one.first + one.form.rows
        inner = [[atom for atom in part if first <= atom < stop] for part in parts]
        cuts = {first, stop, *(cut for part in inner if part for cut in (part[0], part[-1] + 1))}
        cuts_of.append([first, stop] if one.join == "sum" or one.form.atom is not None else sorted(cuts))
    # Where all cells that show their width have the same, the others that it divides have it too.
    shown = {
        stop - start
        for one, cuts in zip(made, cuts_of, strict=True)
        for start, stop in pairwise(cuts)
        if len(cuts) > 2 or one.join == "sum"
    }
    if any(len(cuts) > 2 for cuts in cuts_of) and len(shown) == 1:
        (width,) = shown
        cuts_of = [
            list(range(cuts[0], cuts[1] + 1, width))
            if len(cuts) == 2 and one.form.atom is None and (cuts[1] - cuts[0]) % width == 0
            else cuts
            for one, cuts in zip(made, cuts_of, strict=True)
        ]
    return [part for one, cuts in zip(made, cuts_of, strict=True) for part in _parts(one, cuts)]


def _parts(one: Made, ends: Sequence[int]) -> list[Made]:
    if len(ends) == 2:
        return [one]
    beside, found = replace(one.form, atom=None, terms=one.shortcuts), []
    for start, end in pairwise(ends):
        rows = np.arange(start, end) - one.first
        own = replace(one, first=start, form=taken(one.form, rows))
        found.append(replace(own, shortcuts=taken(beside, rows).terms))
    return found


class MapSums(WalkState):
    """Steps that add maps, and those that leave out positions."""

    def _halved(self, step: Step, held: Held, length: int) -> Held:
        axis, times = step.options["axis"], halving(step, length)
        before = self.halved.get(step.inputs[0])
        if before is None:
            readers = self.read_by.get(step.outputs[0], [])
            if not readers or any(reader.kind != "slice" for reader in readers):
                raise NoFamilyError("one axis of a map is halved")
            self.halved[step.outputs[0]] = (axis, times)
            return held
        if before != (axis - 1, times) or held.form.stage is None:
            raise NoFamilyError("the axes of a map are halved in different ways")
        return Held(held.roles, replace(held.form, stage=held.form.stage + times))

    def _sum_of_maps(self, step: Step, left: Held, right: Held) -> Held | None:
        """Maps and what stands beside them: a residual edge, or sums that units of their own pass on."""
        fits = [
            is_maps(side.form, self.num_inputs) or is_open(side.form, side.roles) for side in (left, right)
        ]
        mixed = left.form.atom is not None or right.form.atom is not None
        if not (all(fits) and mixed) or left.form.stage != right.form.stage:
            return None
        if self.summing:
            return Held(left.roles, added(as_sum(left.form), as_sum(right.form)))
        for main, other in ((step.inputs[0], right), (step.inputs[1], left)):
            place = self.made_by.get(main)
            once = len(self.read_by.get(main, ())) == 1 and main not in self.program.outputs
            if place is None or not once or (other is left and step.inputs[0] not in self.made_by):
                continue
            if atoms_read(other.form) <= self._before(place):
                own = self.made[place]
                terms = (*own.shortcuts, *as_sum(other.form).terms)
                self.made[place] = replace(own, shortcuts=terms)
                self.made_by[step.outputs[0]] = place
                return self.held[main]
        one, two = as_sum(left.form), as_sum(right.form)
        return Held(left.roles, added(one, two))

    def _before(self, place: int) -> set[int]:
        """The units and inputs from which a path leads to what was made."""
        found: set[int] = set()
        todo = list(self._sources(place))
        while todo:
            atom = todo.pop()
            if atom in found:
                continue
            found.add(atom)
            if atom >= self.num_inputs:
                home = max(at for at, made in enumerate(self.made) if made.first <= atom)
                todo += self._sources(home)
        return found

    def _sources(self, place: int) -> set[int]:
        made = self.made[place]
        return atoms_read(made.form) | {atom for term in made.shortcuts for atom in term.atoms.tolist()}

    def _sums_itself(self, step: Step) -> bool:
        """Whether a convolution's own kernel acts on the sum of its inputs, in a network where some do."""
        held = self.held.get(step.inputs[0])
        if not self.summing or step.kind != "conv" or held is None or set(step.options["stride"]) != {1}:
            return False
        form, outputs = held.form, self.program.constants[step.tensors["weight"]].shape[0]
        if form.rows != outputs or not (self.by_cell or outputs == 1) or step.options["groups"] != 1:
            return False
        if form.atom is not None and is_maps(form, self.num_inputs):
            places = [made.first + np.arange(made.form.rows) for made in self.made]
            return any(np.array_equal(form.atom, own) for own in places)
        return is_open(form, held.roles) and len(self.read_by[step.inputs[0]]) == 1

    def _flow(self, flow: Flow) -> Held:
        """The unit of a flow block."""
        alone = sum(reader.outputs[0] not in flow.steps for reader in self.read_by[flow.source]) == 0
        alone = alone and flow.source not in self.program.outputs
        if not alone:
            self._close((flow.source,))
        held = self.held.get(flow.source)
        if held is None or not (is_maps(held.form, self.num_inputs) or is_open(held.form, held.roles)):
            raise NoFamilyError("a step of an equation reads no maps")
        form = replace(as_sum(held.form), own=flow.kernel, shift=flow.bias)
        return Held(held.roles, self._units(form, flow.operator, flow.activation, form.stage))

    def _close(self, values: tuple[int, ...]) -> None:
        """Units that pass sums of maps on, where a step reads units."""
        for value in values:
            held = self.held.get(value)
            if held is None or not is_open(held.form, held.roles):
                continue
            form, alone = held.form, passes_on(held.form)
            if alone.any() and not alone.all():
                raise NoFamilyError("some maps are summed with factors and others without")
            residual = bool(alone.all()) and not self.summing
            atoms = self._units(replace(form, terms=()) if residual else form, "identity", "relu", form.stage)
            if alone.all():
                shortcuts = form.terms if residual else ()
                self.made[-1] = replace(self.made[-1], shortcuts=shortcuts, join="sum")
            self.held[value] = Held(held.roles, atoms)
