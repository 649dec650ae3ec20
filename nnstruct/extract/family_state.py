"""What a search for a family knows while it walks through a program."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nnstruct.extract.family_flows import find_flows
from nnstruct.extract.forms import UNITS, Form, NoFamilyError, Term, atoms_of
from nnstruct.program import Program, Step


@dataclass(frozen=True)
class Made:
    """Units that one step made.

    Attributes
    ----------
    first : int
        Number of the first of their atoms.
    form : Form
        What they read.
    operator : str
        ``dense``, an operator of the family ``cnn``, or a recurrent cell.
    activation : str
    stage : int
    gates : (float64 [g, H, H], float64 [b, H]) or None
        Recurrent weights and biases of a cell.
    shortcuts : tuple of Term
        What residual edges bring.
    join : str
        ``sum`` where a unit's own kernel acts on the sum of what it reads, or passes it on; else ``concat``.
    """

    first: int
    form: Form
    operator: str
    activation: str
    stage: int = 0
    gates: tuple[np.ndarray, np.ndarray] | None = None
    shortcuts: tuple[Term, ...] = ()
    join: str = "concat"


@dataclass(frozen=True)
class Held:
    """A value: the role of each axis, and what stands along the axis of units."""

    roles: tuple[str, ...]
    form: Form

    def along(self) -> int:
        """The axis of units.

        Returns
        -------
        int

        Raises
        ------
        NoFamilyError
            If there is none.
        """
        if UNITS not in self.roles:
            raise NoFamilyError("a value has no axis of units")
        return self.roles.index(UNITS)


class WalkState:
    """Values, units and who reads what.

    Parameters
    ----------
    program : Program
    by_cell : bool
        Whether several channels may be one unit.

    Attributes
    ----------
    made : list of Made
    num_inputs : int
        Features, channels or symbols; atoms from 0.
    summing : bool
        Whether units of the family ``cnn`` act on the sum of their inputs, as a factor shows that only one
        convolution reads and that brings the image to a unit's channels.
    """

    def __init__(self, program: Program, *, by_cell: bool = False) -> None:
        self.program, self.shape, self.by_cell = program, program.shapes(), by_cell
        self.held: dict[int, Held] = {}
        self.made: list[Made] = []
        self.num_atoms = self.num_inputs = 0
        self.read_by: dict[int, list[Step]] = {}
        for step in program.steps:
            for value in step.inputs:
                self.read_by.setdefault(value, []).append(step)
        self.flows = find_flows(program)
        self.summing = any(self._is_factor(step) for step in program.steps)
        self.made_by: dict[int, int] = {}  # value -> the place of what made it, for activations
        self.halved: dict[int, tuple[int, int]] = {}  # value -> the one axis that was halved, and how often

    def _is_factor(self, step: Step) -> bool:
        """Whether a step mixes the image's channels for one convolution alone."""
        if step.kind != "conv" or step.inputs[0] not in self.program.inputs or "bias" in step.tensors:
            return False
        readers = self.read_by.get(step.outputs[0], [])
        return set(step.options["kernel"]) == {1} and [reader.kind for reader in readers] == ["conv"]

    def _units(self, form: Form, operator: str, activation: str, stage: int) -> Form:
        join = "concat" if form.own is None else "sum"
        self.made.append(Made(self.num_atoms, form, operator, activation, stage, join=join))
        atoms = self.num_atoms + np.arange(form.rows)
        self.num_atoms += form.rows
        return atoms_of(atoms, stage=stage)
