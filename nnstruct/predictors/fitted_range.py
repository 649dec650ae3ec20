"""What a predictor was fitted to, and which structures lie beyond it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from nnstruct.structure import Structure

# A structure may lie beyond either end by this share of the span before it counts as outside.
SLACK = 0.1
_SIZES = ("units", "edges", "layers")
_NAMED = ("operator", "activation", "join")
_inside: ContextVar[bool] = ContextVar("inside a predictor", default=False)


@dataclass(frozen=True)
class FittedRange:
    """Families, sizes and names of the structures that a predictor has learned from.

    Attributes
    ----------
    families : tuple of str
    sizes : dict of str to (int, int)
        The least and the most ``units``, forward ``edges`` and ``layers``.
    names : dict of str to tuple of str
        Values of ``operator``, ``activation`` and ``join``, of those that any structure has.
    """

    families: tuple[str, ...]
    sizes: Mapping[str, tuple[int, int]]
    names: Mapping[str, tuple[str, ...]]

    @classmethod
    def of(cls, structures: Sequence[Structure]) -> Self:
        """The range of some structures.

        Parameters
        ----------
        structures : sequence of Structure
            At least one.

        Returns
        -------
        FittedRange
        """
        counted = [_sizes(structure) for structure in structures]
        named = {name: set[str]() for name in _NAMED}
        for structure in structures:
            for name, values in named.items():
                values.update(map(str, structure.attributes.get(name, ())))
        return cls(
            tuple(sorted({structure.family for structure in structures})),
            {
                name: (min(sizes[name] for sizes in counted), max(sizes[name] for sizes in counted))
                for name in counted[0]
            },
            {name: tuple(sorted(values)) for name, values in named.items() if values},
        )

    def outside(self, structures: Sequence[Structure]) -> list[str]:
        """In what each structure lies outside.

        Parameters
        ----------
        structures : sequence of Structure, length n

        Returns
        -------
        list of str, length n
            Among ``family``, ``units``, ``edges``, ``layers``, ``operator``, ``activation`` and ``join``,
            separated by commas; empty where it lies inside. Sizes count as outside from a tenth of the
            span beyond either end.

        Examples
        --------
        >>> from nnstruct import Structure
        >>> known = FittedRange.of([Structure.from_layers([2, width]) for width in (2, 10)])
        >>> known.outside([Structure.from_layers([2, 9]), Structure.from_layers([2, 30], family="gru")])
        ['', 'family, units, edges']
        """
        ends = {
            name: (low - SLACK * (high - low), high + SLACK * (high - low))
            for name, (low, high) in self.sizes.items()
        }
        known = {name: frozenset(self.names.get(name, ())) for name in _NAMED}
        families = frozenset(self.families)
        return [", ".join(_beyond(structure, families, ends, known)) for structure in structures]

    def as_dict(self) -> dict[str, Any]:
        """JSON values, from which :meth:`from_dict` makes it again."""
        return {
            "families": list(self.families),
            "sizes": {name: list(ends) for name, ends in self.sizes.items()},
            "names": {name: list(values) for name, values in self.names.items()},
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The range that :meth:`as_dict` wrote.

        Parameters
        ----------
        values : mapping

        Returns
        -------
        FittedRange

        Raises
        ------
        ValueError, KeyError, TypeError
            If they are not whole.
        """
        sizes = {name: (int(values["sizes"][name][0]), int(values["sizes"][name][1])) for name in _SIZES}
        if not all(0 <= low <= high < 2**63 for low, high in sizes.values()):
            raise ValueError(f"no structures have the sizes {sizes}")
        return cls(
            tuple(map(str, values["families"])),
            sizes,
            {name: tuple(map(str, known)) for name, known in values["names"].items()},
        )

    def sentence(self, outside: Sequence[str], who: str) -> str:
        """What a warning says of structures that lie outside.

        Parameters
        ----------
        outside : sequence of str
            Of :meth:`outside`.
        who : str
            The predictor's name.

        Returns
        -------
        str
        """
        marked = [mark for mark in outside if mark]
        kinds = dict.fromkeys(kind for mark in marked for kind in mark.split(", "))
        told = "; ".join(self._said(kind) for kind in kinds)
        lie = "lies" if len(marked) == 1 else "lie"
        return (
            f"{len(marked)} of {len(outside)} structures {lie} outside what {who} was fitted to "
            f"({told}): take such predictions as guesses."
        )

    def _said(self, kind: str) -> str:
        if kind == "family":
            return f"family: {', '.join(self.families)}"
        if kind == "features":
            return "features: far from all that was seen"
        if kind in self.sizes:
            return f"{kind}: {self.sizes[kind][0]} to {self.sizes[kind][1]}"
        return f"{kind}: {', '.join(self.names.get(kind, ())) or 'none'}"


def _beyond(
    structure: Structure,
    families: frozenset[str],
    ends: Mapping[str, tuple[float, float]],
    known: Mapping[str, frozenset[str]],
) -> Iterator[str]:
    if structure.family not in families:
        yield "family"
    for name, size in _sizes(structure).items():
        low, high = ends[name]
        if not low <= size <= high:
            yield name
    if structure.attributes:
        for name, values in known.items():
            if not values.issuperset(map(str, structure.attributes.get(name, ()))):
                yield name


def with_features(outside: Sequence[str], far: Sequence[bool] | np.ndarray) -> list[str]:
    """The marks of :meth:`FittedRange.outside`, with ``features`` where a column lies far from all seen.

    Parameters
    ----------
    outside : sequence of str, length n
    far : bool [n]
        Of :meth:`nnstruct.encode.FeatureTable.beyond`.

    Returns
    -------
    list of str, length n

    Examples
    --------
    >>> with_features(["", "units"], [True, True])
    ['features', 'units, features']
    """
    return [
        f"{mark}, features".removeprefix(", ") if marked else mark
        for mark, marked in zip(outside, far, strict=True)
    ]


def _sizes(structure: Structure) -> dict[str, int]:
    return {
        "units": structure.num_units,
        "edges": structure.graph_edges.shape[1],
        "layers": structure.num_layers,
    }


@contextmanager
def no_range_warnings() -> Iterator[bool]:
    """While it lasts, predictors do not warn of structures outside their range.

    Yields
    ------
    bool
        Whether none warned before, either.
    """
    before = _inside.get()
    token = _inside.set(True)
    try:
        yield before
    finally:
        _inside.reset(token)
