"""Structures and their scores in rows, as somebody gave them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from nnstruct.checks import is_integer
from nnstruct.errors import InvalidInputError
from nnstruct.structure import Structure

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("row", "task", "target", "value", "std", "seeds")


@dataclass(frozen=True)
class Rows:
    """Rows of a table of scores.

    Attributes
    ----------
    structures : list of Structure, length n
        Copies of one among them, perhaps.
    scores : pandas.DataFrame
        ``row`` (from 0 to n - 1), ``task``, ``target``, ``value`` (NaN where there is none), ``std`` (of one
        training; NaN where unknown) and ``seeds`` (trainings of which the value is the mean).
    costs : pandas.DataFrame
        n rows, a column a cost.
    source : list of str, length n
        The table that each row comes from.
    index : list of int, length n
        Its place there.
    given_groups : list of str, length n, optional
        Which rows are twins; by default those of one fingerprint.
    bounds : mapping of (str, str) to (float, float)
        By task and target: the lowest and the highest score that can be, infinite where there is no such end.
    """

    structures: list[Structure]
    scores: pd.DataFrame
    costs: pd.DataFrame
    source: list[str]
    index: list[int]
    given_groups: list[str] | None = None
    bounds: Mapping[tuple[str, str], tuple[float, float]] = field(default_factory=dict)
    _cache: dict[str, list[str]] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of(
        cls,
        structures: Sequence[Structure],
        y: Mapping[str, Any],
        y_std: Mapping[str, Any] | None = None,
        seeds: Mapping[str, Any] | None = None,
        *,
        costs: Mapping[str, Any] | pd.DataFrame | None = None,
        source: str = "scores",
        target: str = "test",
        groups: Sequence[str] | None = None,
    ) -> Rows:
        """Rows with one target, checked.

        Parameters
        ----------
        structures : sequence of Structure, length n
        y : mapping of str to float [n]
            By task.
        y_std : mapping of str to float [n], optional
        seeds : mapping of str to int or int [n], optional
        costs : mapping of str to float [n], optional
        source, target : str
        groups : sequence of str, length n, optional

        Returns
        -------
        Rows

        Raises
        ------
        InvalidInputError
            If lengths differ, a score is infinite, a spread is negative or a count is no positive integer.
        """
        labels = {
            (task, target): (values, (y_std or {}).get(task), (seeds or {}).get(task))
            for task, values in y.items()
        }
        return cls.of_labels(structures, labels, costs=costs, source=source, groups=groups)

    @classmethod
    def of_labels(
        cls,
        structures: Sequence[Structure],
        labels: Mapping[tuple[str, str], tuple[Any, Any, Any]],
        *,
        costs: Mapping[str, Any] | pd.DataFrame | None = None,
        source: str,
        groups: Sequence[str] | None = None,
    ) -> Rows:
        """Rows with any labels, checked.

        Parameters
        ----------
        structures : sequence of Structure, length n
        labels : mapping of (str, str) to (float [n], float [n] or None, int [n] or int or None)
            By task and target: scores, spreads, counts.
        costs : mapping of str to float [n], optional
        source : str
        groups : sequence of str, length n, optional

        Returns
        -------
        Rows

        Raises
        ------
        InvalidInputError
            As for :meth:`of`.
        """
        import pandas as pd

        given = list(structures)
        n = len(given)
        parts = []
        for (task, target), (values, std, seeds) in labels.items():
            value = _numbers(values, n, f"y[{task!r}]" if len(labels) > 1 else "y")
            spread = np.full(n, np.nan) if std is None else _numbers(std, n, "y_std")
            if (spread < 0).any():
                raise InvalidInputError("y_std", "not be negative", float(np.nanmin(spread)))
            columns = (np.arange(n), task, target, value, spread, _counts(seeds, n))
            parts.append(pd.DataFrame(dict(zip(COLUMNS, columns, strict=True))))
        table = pd.DataFrame(
            {} if costs is None else {str(k): _numbers(v, n, f"costs[{k!r}]") for k, v in costs.items()}
        )
        if groups is not None and len(groups) != n:
            raise InvalidInputError("groups", f"hold {n} names", len(groups))
        return cls(
            given,
            pd.concat(parts, ignore_index=True) if parts else pd.DataFrame({name: [] for name in COLUMNS}),
            table.reindex(range(n)),
            [source] * n,
            list(range(n)),
            None if groups is None else list(groups),
        )

    @property
    def groups(self) -> list[str]:
        """The group of twins that each row is of."""
        if self.given_groups is not None:
            return self.given_groups
        if "groups" not in self._cache:
            self._cache["groups"] = [structure.fingerprint for structure in self.structures]
        return self._cache["groups"]

    def take(self, rows: np.ndarray) -> Rows:
        """Some of the rows, in the given order.

        Parameters
        ----------
        rows : int [k]
            Each once.

        Returns
        -------
        Rows
        """
        place = np.full(len(self.structures), -1, dtype=np.int64)
        place[rows] = np.arange(len(rows))
        moved = place[self.scores["row"].to_numpy(np.int64)]
        scores = self.scores.assign(row=moved)[moved >= 0].sort_values(
            "row", kind="stable", ignore_index=True
        )
        chosen = rows.tolist()
        return Rows(
            [self.structures[i] for i in chosen],
            scores,
            self.costs.iloc[chosen].reset_index(drop=True),
            [self.source[i] for i in chosen],
            [self.index[i] for i in chosen],
            None if self.given_groups is None else [self.given_groups[i] for i in chosen],
            self.bounds,
        )

    def within(self, bounds: Any) -> Rows:
        """The same rows, with what is known of how low and how high a score can be.

        Parameters
        ----------
        bounds : (float, float), or mapping of str to them
            The lowest and the highest score, None or infinite where there is no such end; of several tasks a
            mapping from their names.

        Returns
        -------
        Rows

        Raises
        ------
        InvalidInputError
            If they are no such pair, or a score lies outside.
        """
        labels = self.scores[["task", "target"]].drop_duplicates().itertuples(index=False, name=None)
        known = {
            (task, target): _ends(bounds.get(task, (None, None)) if isinstance(bounds, Mapping) else bounds)
            for task, target in labels
        }
        unknown = set(bounds) - {task for task, _ in known} if isinstance(bounds, Mapping) else set()
        if unknown:
            raise InvalidInputError("bounds", "name tasks that have scores", min(map(str, unknown)))
        for (task, target), (low, high) in known.items():
            values = self.scores["value"][(self.scores["task"] == task) & (self.scores["target"] == target)]
            for value in values[(values < low) | (values > high)].tolist():
                raise InvalidInputError("bounds", f"hold every score of {task!r}", [low, high, value])
        return replace(self, bounds={**self.bounds, **known}, _cache={})

    @classmethod
    def joined(cls, parts: Sequence[Rows]) -> Rows:
        """All rows of all parts; of one that comes up again, with its scores, the first stays.

        Parameters
        ----------
        parts : sequence of Rows

        Returns
        -------
        Rows
        """
        import pandas as pd

        known: dict[Any, None] = {}
        kept = []
        for part in parts:
            keys = part._keys()
            new = [i for i, key in enumerate(keys) if key not in known]
            known |= dict.fromkeys(keys)
            kept.append(part if len(new) == len(keys) else part.take(np.array(new, dtype=np.int64)))
        starts = np.cumsum([0, *(len(part.structures) for part in kept)])
        scores = [
            part.scores.assign(row=part.scores["row"] + start)
            for part, start in zip(kept, starts, strict=False)
        ]
        scores = [part for part in scores if len(part)] or scores[:1]
        named = any(part.given_groups is not None for part in kept)
        return cls(
            [s for part in kept for s in part.structures],
            pd.concat(scores, ignore_index=True),
            pd.concat([part.costs for part in kept], ignore_index=True),
            [name for part in kept for name in part.source],
            [place for part in kept for place in part.index],
            _joined_groups(kept) if named else None,
            _joined_bounds(parts),
        )

    def without_groups(self) -> Rows:
        """The same rows, twins by fingerprint alone.

        Returns
        -------
        Rows
        """
        return replace(self, given_groups=None, _cache={})

    def _keys(self) -> list[Any]:
        """What makes a row the same row: source, place, structure and scores."""
        scores: dict[int, list[Any]] = {}
        for row, *rest in self.scores[list(COLUMNS)].itertuples(False):
            scores.setdefault(row, []).append(tuple("nan" if x != x else x for x in rest))
        return [
            (*place, structure, tuple(sorted(scores.get(row, []), key=repr)))
            for row, (place, structure) in enumerate(
                zip(zip(self.source, self.index, strict=True), self.structures, strict=True)
            )
        ]


def _joined_groups(parts: Sequence[Rows]) -> list[str]:
    """The groups of all parts; a row without one of its own takes that of a row with its fingerprint."""
    if all(part.given_groups is not None for part in parts):
        return [name for part in parts for name in part.groups]
    named = {
        structure.fingerprint: name
        for part in parts
        if part.given_groups is not None
        for structure, name in zip(part.structures, part.given_groups, strict=True)
    }
    return [
        name if part.given_groups is not None else named.get(name, name)
        for part in parts
        for name in part.groups
    ]


def _joined_bounds(parts: Sequence[Rows]) -> dict[tuple[str, str], tuple[float, float]]:
    """Of each label that has bounds in all parts that score it, the widest."""
    found: dict[tuple[str, str], list[tuple[float, float] | None]] = {}
    for part in parts:
        for label in {*part.scores[["task", "target"]].itertuples(index=False, name=None), *part.bounds}:
            found.setdefault(label, []).append(part.bounds.get(label))
    whole = {label: [pair for pair in pairs if pair] for label, pairs in found.items() if None not in pairs}
    return {
        label: (min(low for low, _ in pairs), max(high for _, high in pairs))
        for label, pairs in whole.items()
    }


def _ends(pair: Any) -> tuple[float, float]:
    """Two ends, infinite where there is none."""
    try:
        low, high = pair
        low = -math.inf if low is None else float(low)
        high = math.inf if high is None else float(high)
    except (TypeError, ValueError) as error:
        raise InvalidInputError(
            "bounds", "be the lowest and the highest score, or None for one", pair
        ) from error
    if not low < high:
        raise InvalidInputError("bounds", "be the lowest and the highest score, in this order", pair)
    return low, high


def _numbers(values: Any, n: int, name: str) -> np.ndarray:
    try:
        numbers = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidInputError(name, f"hold {n} numbers", values) from error
    if numbers.shape != (n,):
        raise InvalidInputError(name, f"hold {n} numbers, one a structure", list(numbers.shape))
    if np.isinf(numbers).any():
        raise InvalidInputError(
            name, "be finite, or NaN where there is none", float(numbers[np.isinf(numbers)][0])
        )
    return numbers


def _counts(seeds: Any, n: int) -> np.ndarray:
    if seeds is None:
        return np.ones(n, dtype=np.int64)
    if is_integer(seeds):
        seeds = np.full(n, seeds)
    counts = np.asarray(seeds)
    if counts.shape != (n,) or not np.issubdtype(counts.dtype, np.integer) or (counts < 1).any():
        raise InvalidInputError("seeds", f"be a positive integer, or {n} of them", seeds)
    return counts.astype(np.int64)
