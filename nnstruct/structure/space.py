"""A Space says which Structures may be drawn and searched."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from nnstruct.checks import check_integer, is_integer
from nnstruct.errors import InvalidInputError, UnknownNameError
from nnstruct.structure.families import DIRECTED_FAMILIES, FAMILIES
from nnstruct.structure.recurrence import RECURRENCES
from nnstruct.structure.recurrence_rule import rule_of
from nnstruct.structure.structure import Structure
from nnstruct.structure.units import (
    ATTRIBUTES_OF,
    HAMILTONIAN,
    JOINS,
    UNIT_ACTIVATIONS,
    UNIT_OPERATORS,
    operator_fits,
    unit_values,
)

_LISTS = {"operators": UNIT_OPERATORS, "activations": UNIT_ACTIVATIONS, "joins": JOINS}
_MOST = 2**31 - 1  # units, and channels of one
# Fields of a Space, and the attribute of a unit that each is about.
SPACE_ATTRIBUTES = {
    "operators": "operator",
    "activations": "activation",
    "channels": "channels",
    "stages": "stage",
    "joins": "join",
}


@dataclass(frozen=True, repr=False)
class Space:
    """Bounds on a family's structures.

    Attributes of units are left out, and not looked at, where the space says nothing of them.

    Parameters
    ----------
    family : str
    units : (int, int)
        Fewest and most units, both included.
    max_edges : int, optional
        Most forward edges; no bound by default.
    recurrence : str
        Recurrent edges given to each structure of a recurrent family; see
        :mod:`nnstruct.structure.recurrence`.
    operators : sequence of str
        What a unit of the family ``cnn`` may compute; see :mod:`nnstruct.structure.units`.
    activations : sequence of str
        Activations of the units, in the families ``mlp`` and ``cnn``.
    channels : (int, int), optional
        Least and greatest width of a unit of the first stage; twice that in each further stage.
    stages : int
        Most stages of a structure of the family ``cnn``; 1 by default.
    joins : sequence of str
        How a unit of the family ``cnn`` may join its inputs.
    recurrences : sequence of str
        Recurrent edges that a structure of a recurrent family may have, in place of ``recurrence``; draws
        have each with the same chance.

    Raises
    ------
    InvalidInputError
        If a bound breaks its rule, or the family's units have no such attribute.

    Examples
    --------
    >>> from nnstruct import Space, Structure
    >>> space = Space("rnn_tanh", units=(10, 50))
    >>> space.contains(Structure.from_layers([5, 5], family="rnn_tanh"))
    True
    >>> cells = Space("cnn", units=(3, 9), operators=["conv1x1", "sepconv3x3"])
    >>> cells.violation(Structure.from_layers([2, 2], family="cnn"))
    "the operator of unit 0 is 'conv3x3', none of conv1x1, sepconv3x3"
    """

    family: str
    units: tuple[int, int] = (10, 50)
    max_edges: int | None = None
    recurrence: str = "layer"
    operators: tuple[str, ...] = ()
    activations: tuple[str, ...] = ()
    channels: tuple[int, int] | None = None
    stages: int = 1
    joins: tuple[str, ...] = ()
    recurrences: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _check_family(self.family)
        if FAMILIES[self.family].undirected:
            hint = "A prior draws one: prior.sample(seed, family=...)."
            raise InvalidInputError("family", "have directions to make a space", self.family, hint)
        if FAMILIES[self.family].name == "module":
            hint = 'Read such networks with extract(..., family="auto") to learn which family they are of.'
            raise InvalidInputError("family", "be one whose structures can be built", self.family, hint)
        RECURRENCES[self.recurrence]
        units = _as_range("units", self.units, 2, ("fewest", "most"))
        object.__setattr__(self, "units", units)
        if self.max_edges is not None:
            least = units[0] - 1
            rule = f"be an integer, at least {least}"
            object.__setattr__(
                self, "max_edges", check_integer(self.max_edges, "max_edges", low=least, rule=rule)
            )
        for name, known in {**_LISTS, "recurrences": tuple(RECURRENCES)}.items():
            object.__setattr__(self, name, _as_names(name, getattr(self, name), known))
        if self.recurrences and not FAMILIES[self.family].keeps_state:
            rule = f"be left out for the family {self.family!r}, which keeps no state"
            raise InvalidInputError("recurrences", rule, list(self.recurrences))
        if self.channels is not None:
            channels = _as_range("channels", self.channels, 1, ("least", "greatest"))
            object.__setattr__(self, "channels", channels)
        stages = check_integer(self.stages, "stages", rule="be an integer, at least 1")
        if stages > 1 and (stages > 31 or (self.channels or (1, 1))[1] << stages > _MOST):
            raise InvalidInputError("stages", f"leave units at most {_MOST} channels wide", stages)
        object.__setattr__(self, "stages", stages)
        self._check_attributes()

    def _check_attributes(self) -> None:
        for name in self.set_attributes:
            if not has_attribute(self.family, name):
                raise InvalidInputError(
                    name, f"be left out for the family {self.family!r}", getattr(self, name)
                )
        if self.operators == (HAMILTONIAN,) and not self.even_channels:
            raise InvalidInputError("channels", f"hold an even number for {HAMILTONIAN!r}", self.channels)

    @property
    def set_attributes(self) -> tuple[str, ...]:
        """The fields on units' attributes that say something."""
        return tuple(name for name in SPACE_ATTRIBUTES if getattr(self, name) != _field_default(name))

    @property
    def even_channels(self) -> bool:
        """Whether the range of the channels holds an even number, as Hamiltonian blocks need."""
        return self.channels is not None and (self.channels[0] % 2 == 0 or len(set(self.channels)) == 2)

    def recurrence_at(self, number: int) -> str:
        """The recurrent edges that a draw gets.

        Parameters
        ----------
        number : int
            Any; those of one remainder get the same of ``recurrences``.

        Returns
        -------
        str
            ``recurrence``, or one of ``recurrences``.
        """
        return self.recurrences[number % len(self.recurrences)] if self.recurrences else self.recurrence

    @property
    def _told(self) -> tuple[str, ...]:
        several = ("recurrences",) if self.recurrences else ()
        return ("family", "units", "max_edges", "recurrence", *several, *self.set_attributes)

    def to_dict(self) -> dict[str, Any]:
        """JSON values; fields on units' attributes only where they say something."""
        names = self._told
        values = {name: getattr(self, name) for name in names}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}

    def __repr__(self) -> str:
        names = self._told
        return f"Space({', '.join(f'{name}={getattr(self, name)!r}' for name in names)})"

    def violation(self, structure: Structure) -> str | None:
        """The first bound that a structure breaks, in words.

        Parameters
        ----------
        structure : Structure

        Returns
        -------
        str or None
            The rest of a sentence about the structure, as "it has 3 units, not 5 to 9"; None where it
            keeps every bound and has no dead unit.
        """
        if structure.family != self.family:
            return f"its family is {structure.family!r}, not {self.family!r}"
        if not self.units[0] <= structure.num_units <= self.units[1]:
            return f"it has {structure.num_units} units, not {self.units[0]} to {self.units[1]}"
        forward = structure.forward_edges.shape[1]
        if self.max_edges is not None and forward > self.max_edges:
            return f"it has {forward} forward edges, more than {self.max_edges}"
        if len(structure.dead_units):
            return f"unit {structure.dead_units[0]} is on no path from an input to an output"
        if self.recurrences and rule_of(structure, self.recurrences) is None:
            return f"its recurrent edges are those of none of {', '.join(self.recurrences)}"
        return self.attribute_violation(structure)

    def attribute_violation(self, structure: Structure) -> str | None:
        """The first bound on units' attributes that a structure breaks, in words.

        Parameters
        ----------
        structure : Structure

        Returns
        -------
        str or None
            As for :meth:`violation`; the number of units and edges is not looked at.
        """
        for name in _LISTS:
            allowed = getattr(self, name)
            for unit, value in enumerate(unit_values(structure, SPACE_ATTRIBUTES[name]) if allowed else ()):
                if value not in allowed:
                    attribute, names = SPACE_ATTRIBUTES[name], ", ".join(allowed)
                    return f"the {attribute} of unit {unit} is {value!r}, none of {names}"
        return self._cell_violation(structure) if self.family == "cnn" else None

    def _cell_violation(self, structure: Structure) -> str | None:
        stage, channels = unit_values(structure, "stage"), unit_values(structure, "channels")
        for unit, (number, width) in enumerate(zip(stage, channels, strict=True)):
            if not (is_integer(number) and 0 <= number < self.stages):
                return f"the stage of unit {unit} is {number!r}, not 0 to {self.stages - 1}"
            low, high = (bound << number for bound in self.channels) if self.channels else (1, None)
            if not is_integer(width) or width < low or (high is not None and width > high):
                bounds = f"{low} or more" if high is None else f"{low} to {high}"
                return f"unit {unit} of stage {number} has {width!r} channels, not {bounds}"
        for source, target in structure.forward_edges.T.tolist() if self.stages > 1 else ():
            if stage[source] > stage[target]:
                return f"an edge leads back from stage {stage[source]} to stage {stage[target]}"
        for unit, operator in enumerate(unit_values(structure, "operator")):
            if not operator_fits(str(operator), channels[unit]):
                return f"unit {unit} is a {operator} with {channels[unit]} channels, not an even number"
        return None

    def contains(self, structure: Structure) -> bool:
        """Whether a structure keeps every bound and has no dead unit.

        Parameters
        ----------
        structure : Structure

        Returns
        -------
        bool
        """
        return self.violation(structure) is None


def _check_family(family: Any) -> None:
    """Refuse a name that no family has, with those that a space can be of."""
    if family in FAMILIES:
        return
    able = [name for name in DIRECTED_FAMILIES if name != "module"]
    near = [name for name in able if str(family) and str(family).lower() in name]
    near = near or difflib.get_close_matches(str(family), able, n=1)
    hint = f"Did you mean {' or '.join(map(repr, near))}?" if near else ""
    raise UnknownNameError("family", f"be one of {', '.join(able)}", family, hint)


def has_attribute(family: str, field: str) -> bool:
    """Whether a family's units have the attribute that a field of a Space is about.

    Parameters
    ----------
    family : str
    field : str
        A key of ``SPACE_ATTRIBUTES``, for example ``operators``.

    Returns
    -------
    bool

    Examples
    --------
    >>> from nnstruct.structure.space import has_attribute
    >>> has_attribute("cnn", "operators"), has_attribute("gru", "activations")
    (True, False)
    """
    return SPACE_ATTRIBUTES[field] in ATTRIBUTES_OF.get(family, ())


def _field_default(name: str) -> Any:
    return Space.__dataclass_fields__[name].default


def _as_names(field: str, names: Any, known: tuple[str, ...]) -> tuple[str, ...]:
    if isinstance(names, str) or not isinstance(names, Sequence):
        raise InvalidInputError(field, "be a sequence of names", names)
    for name in names:
        if name not in known:
            raise InvalidInputError(field, f"be among {', '.join(known)}", name)
    if len(set(names)) < len(names):
        raise InvalidInputError(field, "name each once", list(names))
    return tuple(names)


def _as_range(field: str, given: Any, lowest: int, names: tuple[str, str]) -> tuple[int, int]:
    """A pair of integers, the first at least ``lowest`` and at most the second."""
    if not isinstance(given, Sequence) or isinstance(given, str) or len(given) != 2:
        raise InvalidInputError(field, f"be a pair ({', '.join(names)})", given)
    low, high = given
    if not (is_integer(low) and is_integer(high) and lowest <= low <= high <= _MOST):
        most = f" <= {_MOST}" if is_integer(high) and high > _MOST else ""
        raise InvalidInputError(field, f"be integers with {lowest} <= {' <= '.join(names)}{most}", given)
    return int(low), int(high)
