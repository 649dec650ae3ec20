"""Recurrent networks that are stepped over time by hand, read as of the family of their cells.

Each number of the unrolled program is followed (:mod:`nnstruct.extract.family_scalars`). A unit is what a
cell's equation makes of sums over units of the same time step (forward edges), of the one before (recurrent
edges) and over the input; every time step has to be the same but for the first, before which all states
are zero.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from nnstruct.extract.family_numbers import Scalar
from nnstruct.extract.family_rows import Row, Sums
from nnstruct.extract.family_scalars import (
    ACTIVATION,
    CHOICE,
    EQUAL,
    INPUT,
    PRODUCT,
    Scalars,
    scalars_of,
)
from nnstruct.extract.forms import NoFamilyError
from nnstruct.network import Network
from nnstruct.program import Program
from nnstruct.structure.families import FAMILIES


def is_stepped(program: Program) -> bool:
    """Whether a program may be a loop over time that is written by hand.

    Parameters
    ----------
    program : Program

    Returns
    -------
    bool
    """
    kinds = {step.kind for step in program.steps}
    sequences = any(
        len(shape) == 2 + (not d) for shape, d in zip(program.input_shapes, program.discrete, strict=True)
    )
    return sequences and not kinds & {"rnn", "conv", "attention", "norm", "pool"}


def stepped_network(program: Program, family: str, threshold: float, origin: dict[str, Any]) -> Network:
    """The Network of a recurrent network that is written as a loop over time.

    Parameters
    ----------
    program : Program
        Of symbols [B, T] or a series [B, T, D], and lengths [B] if it reads out at each sequence's own end,
        with two time steps or more.
    family : str
        ``auto``, or the family that it has to be.
    threshold : float
        Weights up to this magnitude are no edges.
    origin : dict
        Of the structure.

    Returns
    -------
    Network

    Raises
    ------
    NoFamilyError
        If it is of no recurrent family.
    """
    found = scalars_of(program)
    if found.steps < 2:
        raise NoFamilyError("one time step shows no recurrent edge")
    reading = _Reading(found)
    name = reading.family
    if family not in ("auto", name):
        raise NoFamilyError(f"it is of the family {name}")
    rows = [reading.row(example) for example in range(len(found.output))]
    if not all(rows[0].same(row) for row in rows[1:]):
        raise NoFamilyError("examples are treated in different ways")
    return rows[0].network(name, threshold, origin)


class _Reading:
    """Finds cells among the atoms of a program.

    A unit is known by its main atom: the activation, the product of LSTM's output gate, or GRU's product of
    the new candidate, to which the product of the kept state belongs.
    """

    def __init__(self, found: Scalars) -> None:
        self.found, self.atoms = found, found.atoms
        self.seen = self._times()
        self.family = self._family()
        self.full: dict[int, Scalar] = {}  # of units, their whole output
        self.partner: dict[int, int] = {}  # of GRU's second products, the unit

    def _times(self) -> list[tuple[frozenset[int], int]]:
        """The examples and the last time step that each atom has to do with."""
        seen: list[tuple[frozenset[int], int]] = []
        for what in self.atoms:
            if what[0] == INPUT:
                seen.append((frozenset({what[1]}), what[2]))
                continue
            inner = [seen[a] for part in what if isinstance(part, Scalar) for a in part.terms]
            seen.append(
                (frozenset().union(*(one for one, _ in inner)), max((time for _, time in inner), default=-1))
            )
        return seen

    def _family(self) -> str:
        kinds = {kind for atom in range(len(self.atoms)) if (kind := self._kind(atom))}
        for name in ("lstm", "gru"):  # whose gates have a tanh too
            if name in kinds:
                return name
        if len(kinds) != 1:
            raise NoFamilyError("there are no units of one recurrent family")
        return kinds.pop()

    def _kind(self, atom: int) -> str | None:
        """The family whose unit an atom may be."""
        what = self.atoms[atom]
        if what[0] == ACTIVATION and what[1] in ("tanh", "relu"):
            return f"rnn_{what[1]}"
        if what[0] == PRODUCT:
            if self._lstm(atom) is not None:
                return "lstm"
            if self._candidate(atom) is not None:
                return "gru"
        return None

    def _gate(self, one: Scalar, function: str) -> Scalar | None:
        """What an activation acts on, if a number is one."""
        atom = one.alone()
        what = None if atom is None else self.atoms[atom]
        return what[2] if what is not None and what[:2] == (ACTIVATION, function) else None

    def _sides(self, atom: int) -> tuple[tuple[Scalar, Scalar], ...]:
        what = self.atoms[atom]
        return ((what[1], what[2]), (what[2], what[1])) if what[0] == PRODUCT else ()

    # ---- cells

    def _lstm(self, atom: int) -> tuple[Scalar, Scalar] | None:
        """Output gate and cell state: o * tanh(c)."""
        for one, other in self._sides(atom):
            gate, cell = self._gate(one, "sigmoid"), self._gate(other, "tanh")
            if gate is not None and cell is not None and self._cell(cell) is not None:
                return gate, cell
        return None

    def _cell(self, cell: Scalar) -> tuple[Scalar, Scalar, Scalar | None, Scalar | None] | None:
        """Input gate, candidate, forget gate and the cell before, if any: c = i * g + f * c'."""
        if cell.constant or set(cell.terms.values()) != {1.0} or len(cell.terms) > 2:
            return None
        new: tuple[Scalar, Scalar] | None = None
        kept: tuple[Scalar | None, Scalar | None] = (None, None)
        for atom in cell.terms:
            for one, other in self._sides(atom):
                gate, candidate = self._gate(one, "sigmoid"), self._gate(other, "tanh")
                if gate is not None and candidate is not None and self._cell(candidate) is None:
                    new = (gate, candidate)
                elif gate is not None and candidate is None and self._cell(other) is not None:
                    kept = (gate, other)
        if new is None or len(cell.terms) != 1 + (kept[0] is not None):
            return None
        return (*new, *kept)

    def _candidate(self, atom: int) -> tuple[Scalar, Scalar] | None:
        """Update gate and candidate: (1 - z) * n."""
        for one, other in self._sides(atom):
            update = self._gate(Scalar({}, 1.0).plus(one, -1.0), "sigmoid")
            candidate = self._gate(other, "tanh")
            if update is not None and candidate is not None:
                return update, candidate
        return None

    def _pair(self, units: list[int], before: list[int] | None) -> None:
        """Note the whole output of units: of GRU, with what is kept of the state before."""
        for place, unit in enumerate(units):
            self.full[unit] = Scalar({unit: 1.0})
            if self.family != "gru" or before is None:
                continue
            update, _ = self._candidate(unit) or (None, None)
            assert update is not None
            state = self.full[before[place]].key()
            kept = [
                atom
                for atom in range(len(self.atoms))
                for one, other in self._sides(atom)
                if other.key() == state
                and (gate := self._gate(one, "sigmoid")) is not None
                and gate.key() == update.key()
            ]
            if not kept:
                raise NoFamilyError("a unit keeps another state than its own")
            self.full[unit] = Scalar({unit: 1.0, kept[0]: 1.0})
            self.partner[kept[0]] = unit

    # ---- one example

    def row(self, example: int) -> Row:
        """The network that one example shows."""
        steps: dict[int, list[int]] = {}
        for atom, (examples, time) in enumerate(self.seen):
            if examples == {example} and self._kind(atom) == self.family:
                steps.setdefault(time, []).append(atom)
        last = max(steps, default=-1)
        if last < 1 or sorted(steps) != list(range(last + 1)) or len({len(u) for u in steps.values()}) > 1:
            raise NoFamilyError("time steps have different units")
        self._pair(steps[0], None)
        for time in range(1, last + 1):
            self._pair(steps[time], steps[time - 1])
        start = self._sums(example, 0, steps[0], [])
        sums = [self._sums(example, time, steps[time], steps[time - 1]) for time in range(1, last + 1)]
        alike = all(sums[0].same(one) for one in sums[1:])
        # Before the first step there is no state, so that some gates do not show.
        hidden = {"lstm": (1,), "gru": (0, 3)}.get(self.family, ())
        if not alike or not start.same(sums[0], first=True, hidden=hidden):
            raise NoFamilyError("time steps compute different things")
        readout = np.zeros((self.found.output.shape[1], len(steps[0])))
        bias = np.zeros(len(readout))
        for place, one in enumerate(self.found.output[example]):
            bias[place] = one.constant
            for unit, weight in self._read(one, example, [steps[t] for t in range(last + 1)]).items():
                readout[place, unit] = weight
        return Row(sums[0], readout, bias)

    def _sums(self, example: int, time: int, units: list[int], before: list[int]) -> Sums:
        family = FAMILIES[self.family]
        count, inputs = len(units), self.found.num_inputs
        forward, recurrent = (np.zeros((count, count, family.gates)) for _ in range(2))
        entering, bias = np.zeros((count, inputs, family.gates)), np.zeros((count, family.biases))
        now = {unit: place for place, unit in enumerate(units)}
        then = {unit: place for place, unit in enumerate(before)}

        def add(unit: int, gate: int, one: Scalar, *, only: str = "", place: int | None = None) -> None:
            bias[unit, gate if place is None else place] += one.constant
            for atom, weight in one.terms.items():
                what, main = self.atoms[atom], self.partner.get(atom, atom)
                if main in now and only != "recurrent":
                    forward[unit, now[main], gate] = weight
                elif main in then and only != "forward":
                    recurrent[unit, then[main], gate] = weight
                elif what[:3] == (INPUT, example, time) and only != "recurrent":
                    entering[unit, what[3], gate] = weight
                else:
                    raise NoFamilyError(
                        "a unit reads what is neither input nor unit of this step or the last"
                    )
                if main in self.full and any(one.terms.get(part) != weight for part in self.full[main].terms):
                    raise NoFamilyError("a part of a unit is read")

        for place, unit in enumerate(units):
            if self.family == "lstm":
                output, cell = self._lstm(unit) or (Scalar({}), Scalar({}))
                gate, candidate, forget, kept = self._cell(cell) or (Scalar({}), Scalar({}), None, None)
                for number, one in enumerate((gate, forget, candidate, output)):
                    if one is not None:
                        add(place, number, one)
                own = self._lstm(before[place]) if before else None
                if (kept is None) == bool(before) or (own and kept and own[1].key() != kept.key()):
                    raise NoFamilyError("a unit keeps another cell than its own")
            elif self.family == "gru":
                update, candidate = self._candidate(unit) or (Scalar({}), Scalar({}))
                add(place, 1, update)
                plain = Scalar(dict(candidate.terms), candidate.constant)
                for atom in candidate.terms:
                    what, reset = self.atoms[atom], self._gate(Scalar({atom: 1.0}), "sigmoid")
                    if reset is not None:  # times a constant
                        bias[place, 3] = plain.terms.pop(atom)
                        add(place, 0, reset)
                    elif what[0] == PRODUCT and candidate.terms[atom] == 1.0 and self._reset(atom, now, then):
                        reset, inner = self._reset(atom, now, then)  # type: ignore[misc]
                        plain.terms.pop(atom)
                        add(place, 0, reset)
                        add(place, 2, inner, only="recurrent", place=3)
                add(place, 2, plain, only="forward")
            else:
                add(place, 0, self.atoms[unit][2])
        return Sums(forward, recurrent, entering, bias)

    def _reset(self, atom: int, now: dict[int, int], then: dict[int, int]) -> tuple[Scalar, Scalar] | None:
        """Reset gate and what it scales, where a product is no unit."""
        if self.partner.get(atom, atom) in now or self.partner.get(atom, atom) in then:
            return None
        for one, other in self._sides(atom):
            gate = self._gate(one, "sigmoid")
            if gate is not None:
                return gate, other
        return None

    def _read(self, one: Scalar, example: int, steps: list[list[int]]) -> dict[int, float]:
        """The units that a score reads, by their place, with the weights."""
        found: dict[int, float] = {}
        ends = {unit: place for place, unit in enumerate(steps[-1])}
        for atom, weight in one.terms.items():
            main = self.partner.get(atom, atom)
            if self.atoms[atom][0] == CHOICE:
                found[self._chosen(atom, example, steps)] = weight
            elif (
                main in ends
                and len(steps) == self.found.steps
                and all(one.terms.get(part) == weight for part in self.full[main].terms)
            ):
                found[ends[main]] = weight
            else:
                raise NoFamilyError("the read-out sees other values than units of the last time step")
        return found

    def _chosen(self, atom: int, example: int, steps: list[list[int]]) -> int:
        """The unit that is read at each sequence's own end."""
        places = []
        for time in range(len(steps), 0, -1):
            kind, condition, value, rest = self.atoms[atom] if atom >= 0 else ("", 0, None, None)
            if kind != CHOICE or self.atoms[condition] != (EQUAL, example, time):
                raise NoFamilyError("the read-out does not see each sequence's own end")
            keys = [self.full[unit].key() for unit in steps[time - 1]]
            if value.key() not in keys:
                raise NoFamilyError("the read-out sees other values than units")
            places.append(keys.index(value.key()))
            following = rest.alone()
            atom = -1 if following is None else following
        if len({*places}) != 1:
            raise NoFamilyError("the read-out sees several units by turns")
        return places[0]
