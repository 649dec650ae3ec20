"""What a family of properties is, and the registry of all."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import numpy as np

from nnstruct.errors import InvalidInputError
from nnstruct.registry import Registry


@dataclass(frozen=True, kw_only=True)
class MeasureFamily:
    """Measures that are computed together.

    Parameters
    ----------
    name : str
        Stands before the dot in a column's name.
    measures : mapping of str to str
        Each measure's name, in column order, with its definition in words.
    source : str
        Where the measures come from.
    """

    name: str
    measures: Mapping[str, str]
    source: str

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns' full names, ``family.measure``."""
        return tuple(f"{self.name}.{measure}" for measure in self.measures)

    @property
    def about(self) -> str:
        """How many measures there are and where they come from."""
        number = len(self.measures)
        return f"{number} measure{'s' if number > 1 else ''}; {self.source}"


@dataclass(frozen=True, kw_only=True)
class PropertyFamily(MeasureFamily):
    """A :class:`MeasureFamily` of structures, and the function that computes it.

    Parameters
    ----------
    name, measures, source
        As for :class:`MeasureFamily`.
    compute : callable
        From a sequence of S structures (Networks, for a family of
        :data:`nnstruct.properties.NETWORK_FAMILIES`) to float64 [S, len(measures)]. It must release the
        interpreter lock in its heavy part for threads to help, and a row must depend on its own
        structure alone.
    cost : {"linear", "units x edges", "cubic"}
        How the time for one structure grows.
    large : callable, optional
        For structures of more than :data:`nnstruct.properties.large.LARGE_UNITS` units, in place of
        ``compute``: from one of them, and a function that is told what share is done, to float64
        [len(measures)].
    undirected : sequence of str
        Measures that need no direction of the edges; ``compute`` takes them of ``Structure.graph_edges``, so
        that they are the same for every order of the units. The others are NaN for structures without
        directions, and a family without any is refused for them.

    Examples
    --------
    >>> from nnstruct.properties import PROPERTY_FAMILIES
    >>> PROPERTY_FAMILIES["paper"].columns[:3]
    ('paper.layers', 'paper.nodes', 'paper.edges')
    >>> PROPERTY_FAMILIES["paper"].cost
    'units x edges'
    """

    compute: Callable[[Sequence[Any]], np.ndarray]
    cost: Literal["linear", "units x edges", "cubic"]
    undirected: Collection[str] = ()
    large: Callable[[Any, Callable[[float], None]], np.ndarray] | None = None


PROPERTY_FAMILIES: Registry[PropertyFamily] = Registry("property family", about=lambda family: family.about)


F = TypeVar("F", bound=MeasureFamily)


def check_families(families: Sequence[str], registry: Registry[F]) -> list[F]:
    """The families of these names, in the order given; an error for none, unknown or repeated ones."""
    if isinstance(families, str) or not isinstance(families, Sequence):
        hint = f'Write families=("{families}",).' if isinstance(families, str) else ""
        raise InvalidInputError("families", "be a sequence of names", families, hint)
    if not all(isinstance(name, str) for name in families):
        raise InvalidInputError("families", "hold names only", list(families))
    if not families:
        raise InvalidInputError("families", f"name at least one of {', '.join(registry)}", families)
    if len(set(families)) < len(families):
        raise InvalidInputError("families", "name each family once", list(families))
    return [registry[name] for name in families]


def feature_names(families: Sequence[str] = ("paper",)) -> list[str]:
    """The columns of :func:`nnstruct.properties.features`, without computing anything.

    Parameters
    ----------
    families : sequence of str

    Returns
    -------
    list of str

    Raises
    ------
    InvalidInputError
        If ``families`` is empty, names one twice or is a bare string.
    UnknownNameError
        If a family is not registered.

    Examples
    --------
    >>> from nnstruct.properties import feature_names
    >>> len(feature_names(("paper",))), feature_names(("paper", "layered"))[23]
    (23, 'layered.width_first')
    """
    return [column for family in check_families(families, PROPERTY_FAMILIES) for column in family.columns]
