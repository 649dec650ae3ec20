"""A finite space: the structures of a benchmark, whose scores are known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from nnstruct.checks import check_choice
from nnstruct.errors import InvalidInputError
from nnstruct.network import Network
from nnstruct.properties import features
from nnstruct.structure import Structure
from nnstruct.structure.checks import check_structures
from nnstruct.structure.twins import twin_families

_NEAREST = 20
_ENOUGH = 6
_CLIP = 6.0


class TableSpace:
    """The structures of a benchmark or of a published table, for searches without training.

    A mutation leads to another structure of the table: one that differs in one attribute of one unit, as
    cells do; where there are few such, also one of those with the most similar measures.

    Parameters
    ----------
    benchmark : Benchmark, or pair (structures, y)
    twins : {"keep", "merge"}
        ``keep``: each structure is one. ``merge``: structures that compute alike are one, whose score is
        the mean of theirs: those with one :meth:`~nnstruct.Structure.trim`, and those of one class where
        the table has classes.

    Attributes
    ----------
    structures : list of Structure
        Each once.
    y : float64 [m]
        Their scores.

    Raises
    ------
    InvalidInputError
        If there are no structures, or scores do not fit them.

    Examples
    --------
    >>> from nnstruct import Search, Structure
    >>> from nnstruct.search import TableSpace
    >>> structures = [Structure.from_layers([a, b]) for a in range(1, 6) for b in range(1, 6)]
    >>> space = TableSpace((structures, [s.num_edges for s in structures]))
    >>> search = Search(space, population=6, initial=4)
    >>> for _ in range(5):
    ...     asked = search.ask(3)
    ...     search.tell(asked, space.score(asked))
    >>> len(search.history), float(space.y.max())
    (15, 25.0)
    """

    def __init__(self, benchmark: Any, *, twins: str = "keep") -> None:
        check_choice(twins, "twins", ("keep", "merge"))
        if isinstance(benchmark, tuple) and len(benchmark) == 2:
            given, y = benchmark
            classes = None
        else:
            given, y = benchmark.structures, benchmark.y
            classes = getattr(benchmark, "groups", None)
        structures = check_structures(given, empty=False)
        scores = np.asarray(y, dtype=np.float64)
        if scores.shape != (len(structures),) or not np.isfinite(scores).all():
            raise InvalidInputError("y", f"be {len(structures)} finite scores", list(scores.shape))
        keys = [s.fingerprint if twins == "keep" else s.trim().fingerprint for s in structures]
        rules = [keys]
        if twins == "merge" and classes is not None:
            rules.append([str(name) for name in classes])
            if len(rules[1]) != len(keys):
                raise InvalidInputError(
                    "groups", f"hold one class for each of {len(keys)} structures", len(rules[1])
                )
        number = twin_families(np.array([np.unique(names, return_inverse=True)[1] for names in rules]))
        counts = np.bincount(number)
        self.twins = twins
        self.y = np.bincount(number, weights=scores) / counts
        first = np.unique(number, return_index=True)[1]
        self.structures: list[Structure] = [structures[i] for i in first]
        self._place = {s.fingerprint: int(n) for s, n in zip(structures, number, strict=True)}
        families = {s.family for s in structures}
        self.family = families.pop() if len(families) == 1 else None
        self._near: dict[int, list[int]] = {}
        self._columns: np.ndarray | None = None
        self._of_attribute: dict[str, tuple[Any, ...]] = {}
        self._given, self._counts_of = structures, dict[str, set[tuple[Any, ...]]]()

    def __len__(self) -> int:
        return len(self.structures)

    def score(self, structures: Sequence[Structure | Network]) -> np.ndarray:
        """What the table says.

        Parameters
        ----------
        structures : sequence of Structure, length n
            Of the table.

        Returns
        -------
        float64 [n]

        Raises
        ------
        InvalidInputError
            If a structure is not in the table.
        """
        checked = check_structures(structures)
        for structure in checked:
            if structure.fingerprint not in self._place:
                raise InvalidInputError("structures", "be of the table", structure.fingerprint)
        return self.y[[self._place[s.fingerprint] for s in checked]]

    def draw(self, n: int, rng: np.random.Generator) -> list[Structure]:
        """Distinct structures, each with the same chance.

        Parameters
        ----------
        n : int
        rng : numpy.random.Generator

        Returns
        -------
        list of Structure, length min(n, len(self))
        """
        chosen = rng.choice(len(self.structures), size=min(n, len(self.structures)), replace=False)
        return [self.structures[i] for i in chosen]

    def mutate(self, structure: Structure, rng: np.random.Generator) -> Structure | None:
        """One of the structures nearest to one of the table.

        Parameters
        ----------
        structure : Structure
        rng : numpy.random.Generator

        Returns
        -------
        Structure or None
            None where the structure is not in the table, or is all of it.
        """
        near = self.neighbours(structure)
        return near[int(rng.integers(len(near)))] if near else None

    def neighbours(self, structure: Structure) -> list[Structure]:
        """The structures that a mutation may lead to.

        Parameters
        ----------
        structure : Structure

        Returns
        -------
        list of Structure
            Empty where the structure is not in the table.
        """
        place = self._place.get(structure.fingerprint)
        if place is None:
            return []
        if place not in self._near:
            found = self._edited(self.structures[place], place)
            if len(found) < _ENOUGH:
                found += [other for other in self._similar(place) if other not in found]
            self._near[place] = found
        return [self.structures[other] for other in self._near[place]]

    def contains(self, structure: Structure) -> bool:
        """Whether a structure is in the table.

        Parameters
        ----------
        structure : Structure

        Returns
        -------
        bool
        """
        return structure.fingerprint in self._place

    def to_dict(self) -> dict[str, Any]:
        """JSON values.

        Returns
        -------
        dict
        """
        return {"table": len(self.structures), "twins": self.twins, "best": float(self.y.max())}

    def __repr__(self) -> str:
        return f"TableSpace({len(self.structures)} structures, twins={self.twins!r})"

    def _edited(self, structure: Structure, place: int) -> list[int]:
        """Rows that differ in one attribute of one unit."""
        found: dict[int, None] = {}
        for name, values in structure.attributes.items():
            for unit, present in enumerate(values):
                for value in self._values(name):
                    edited = (*values[:unit], value, *values[unit + 1 :])
                    if value != present and _counted(edited) in self._counts(name):
                        changed = {**structure.attributes, name: edited}
                        other = Structure(
                            structure.edge_index,
                            structure.num_units,
                            structure.recurrent,
                            family=structure.family,
                            inputs=structure.inputs,
                            outputs=structure.outputs,
                            attributes=changed,
                            residual=structure.residual,
                        )
                        row = self._place.get(other.fingerprint)
                        if row is not None and row != place:
                            found[row] = None
        return list(found)

    def _values(self, name: str) -> tuple[Any, ...]:
        """The values of an attribute in the table, but those of the ports of a cell."""
        if name not in self._of_attribute:
            seen = {value for s in self.structures for value in s.attributes.get(name, ())}
            self._of_attribute[name] = tuple(sorted(seen - {"input", "output"}, key=repr))
        return self._of_attribute[name]

    def _counts(self, name: str) -> set[tuple[Any, ...]]:
        """How often each value of an attribute comes up, for all structures: what else can be no row."""
        if name not in self._counts_of:
            self._counts_of[name] = {
                _counted(s.attributes[name]) for s in self._given if name in s.attributes
            }
        return self._counts_of[name]

    def _similar(self, place: int) -> list[int]:
        if self._columns is None:
            self._columns = _measures(self.structures)
        distance = ((self._columns - self._columns[place]) ** 2).sum(axis=1)
        distance[place] = np.inf
        order = np.argsort(distance, kind="stable")[: min(_NEAREST, len(distance) - 1)]
        return [int(other) for other in order]


def _counted(values: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(sorted(values, key=repr))


def _measures(structures: Sequence[Structure]) -> np.ndarray:
    """Measures of the graphs and counts of attributes, standardised, float64 [m, c]."""
    table = features(structures, ["paper"]).to_numpy(dtype=np.float64)
    names = {(name, value) for s in structures for name, values in s.attributes.items() for value in values}
    counts = np.zeros((len(structures), len(names)))
    column = {key: index for index, key in enumerate(sorted(names, key=repr))}
    for row, structure in enumerate(structures):
        for name, values in structure.attributes.items():
            for value in values:
                counts[row, column[name, value]] += 1
    both = np.concatenate([table, counts], axis=1)
    both = np.where(np.isfinite(both), both, 0.0)
    spread = both.std(axis=0)
    kept = spread > 1e-12
    if not kept.any():
        return np.zeros((len(structures), 1))
    return np.clip((both[:, kept] - both[:, kept].mean(axis=0)) / spread[kept], -_CLIP, _CLIP)
