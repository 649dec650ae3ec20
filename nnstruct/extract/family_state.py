"""What a search for a family knows while it walks through a program."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

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
    """

    first: int
    form: Form
    operator: str
    activation: str
    stage: int = 0
    gates: tuple[np.ndarray, np.ndarray] | None = None
    shortcuts: tuple[Term, ...] = ()


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

    Attributes
    ----------
    made : list of Made
    num_inputs : int
        Features, channels or symbols; atoms from 0.
    """

    def __init__(self, program: Program) -> None:
        self.program, self.shape = program, program.shapes()
        self.held: dict[int, Held] = {}
        self.made: list[Made] = []
        self.num_atoms = self.num_inputs = 0
        self.read_by: dict[int, list[Step]] = {}
        for step in program.steps:
            for value in step.inputs:
                self.read_by.setdefault(value, []).append(step)
        self.made_by: dict[int, int] = {}  # value -> the place of what made it, for activations
        self.halved: dict[int, tuple[int, int]] = {}  # value -> the one axis that was halved, and how often

    def _units(self, form: Form, operator: str, activation: str, stage: int) -> Form:
        self.made.append(Made(self.num_atoms, form, operator, activation, stage))
        atoms = self.num_atoms + np.arange(form.rows)
        self.num_atoms += form.rows
        return atoms_of(atoms, stage=stage)
