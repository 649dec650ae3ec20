"""A Space says which Structures may be drawn and searched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nnstruct.errors import InvalidInputError
from nnstruct.families import FAMILIES
from nnstruct.recurrence import RECURRENCES
from nnstruct.structure import Structure


@dataclass(frozen=True)
class Space:
    """Bounds on a family's structures.

    Parameters
    ----------
    family : str
    units : (int, int)
        Fewest and most units, both included.
    max_edges : int, optional
        Most forward edges; no bound by default.
    recurrence : str
        Recurrent edges given to each structure of a recurrent family; see
        :mod:`nnstruct.recurrence`.

    Examples
    --------
    >>> from nnstruct import Space, Structure
    >>> space = Space("rnn_tanh", units=(10, 50))
    >>> space.contains(Structure.from_layers([5, 5], family="rnn_tanh"))
    True
    """

    family: str
    units: tuple[int, int] = (10, 50)
    max_edges: int | None = None
    recurrence: str = "layer"

    def __post_init__(self) -> None:
        FAMILIES[self.family]
        RECURRENCES[self.recurrence]
        if not isinstance(self.units, Sequence) or len(self.units) != 2:
            raise InvalidInputError("units", "be a pair (fewest, most)", self.units)
        fewest, most = self.units
        if not (isinstance(fewest, int) and isinstance(most, int) and 2 <= fewest <= most):
            raise InvalidInputError("units", "be integers with 2 <= fewest <= most", self.units)
        if self.max_edges is not None and not (
            isinstance(self.max_edges, int) and self.max_edges >= fewest - 1
        ):
            raise InvalidInputError("max_edges", f"be an integer, at least {fewest - 1}", self.max_edges)
        object.__setattr__(self, "units", (fewest, most))

    def violation(self, structure: Structure) -> str | None:
        """The first bound that a structure breaks, in words; None where it breaks none."""
        if structure.family != self.family:
            return f"its family is {structure.family!r}, not {self.family!r}"
        if not self.units[0] <= structure.num_units <= self.units[1]:
            return f"it has {structure.num_units} units, not {self.units[0]} to {self.units[1]}"
        forward = structure.forward_edges.shape[1]
        if self.max_edges is not None and forward > self.max_edges:
            return f"it has {forward} forward edges, more than {self.max_edges}"
        if len(structure.dead_units):
            return f"unit {structure.dead_units[0]} is on no path from an input to an output"
        return None

    def contains(self, structure: Structure) -> bool:
        """Whether a structure keeps every bound and has no dead unit."""
        return self.violation(structure) is None
