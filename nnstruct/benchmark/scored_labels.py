"""One label a structure, from scores that were given."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from nnstruct.benchmark.noise import NoiseCeiling
from nnstruct.benchmark.pooled import Pooled, ceiling_of_labels, pooled
from nnstruct.benchmark.scores import Rows
from nnstruct.benchmark.targets import target_bounds
from nnstruct.errors import InvalidInputError
from nnstruct.network import Network
from nnstruct.structure import Structure
from nnstruct.structure.checks import check_structures

if TYPE_CHECKING:
    import pandas as pd


class ScoredLabels:
    """What a :class:`~nnstruct.benchmark.ScoredBenchmark` says of its structures and their labels.

    Attributes
    ----------
    task : str
        Empty where there are several and none has been chosen.
    target : str
    twins : str
    """

    _rows: Rows
    task: str
    target: str
    twins: str

    @property
    def tasks(self) -> list[str]:
        """Names of the tasks that have a score, in the order of the table."""
        return list(dict.fromkeys(self._rows.scores["task"]))

    @property
    def targets(self) -> list[str]:
        """Names of the labels that the chosen task has; those of all tasks where none is chosen."""
        scores = self._rows.scores
        return list(
            dict.fromkeys(scores["target"][scores["task"] == self.task] if self.task else scores["target"])
        )

    @cached_property
    def table(self) -> pd.DataFrame:
        """One row a score: ``source``, ``row``, ``fingerprint``, ``family``, ``task``, ``target``, ``value``,
        ``std``, ``seeds``."""
        rows, scores = self._rows, self._rows.scores
        place = scores["row"].to_numpy()
        columns: dict[str, Any] = {
            "source": np.array(rows.source, dtype=object)[place],
            "row": np.array(rows.index)[place],
            "fingerprint": np.array([s.fingerprint for s in rows.structures], dtype=object)[place],
            "family": np.array([s.family for s in rows.structures], dtype=object)[place],
        }
        return scores.drop(columns="row").assign(**columns)[[*columns, *scores.columns[1:]]]

    @cached_property
    def structures(self) -> list[Structure]:
        """A structure a label, in the order of the rows; copies among them where twins are kept."""
        return [self._rows.structures[i] for i in self._members]

    def structures_at(self, places: Sequence[int]) -> list[Structure]:
        """Some of :attr:`structures`.

        Parameters
        ----------
        places : sequence of int

        Returns
        -------
        list of Structure
        """
        return [self.structures[place] for place in places]

    @cached_property
    def fingerprints(self) -> list[str]:
        """Fingerprint of each of :attr:`structures`."""
        return [structure.fingerprint for structure in self.structures]

    @cached_property
    def unlabelled(self) -> list[Structure]:
        """Structures without a score for the chosen task and target."""
        labelled = set(self._codes[self._values_of_rows[0]].tolist())
        first: dict[int, int] = {}
        for row, code in enumerate(self._codes.tolist()):
            if code not in labelled:
                first.setdefault(row if self.twins == "keep" else code, row)
        return [self._rows.structures[i] for i in first.values()]

    @cached_property
    def groups(self) -> list[str]:
        """What each of :attr:`structures` shares with its twins: a fingerprint, or what the table says."""
        names = self._rows.groups
        return [names[i] for i in self._members]

    @property
    def y(self) -> np.ndarray:
        """The label of each of :attr:`structures`, float [m]."""
        self._check_one_label()
        return self._labels.mean.copy()

    @property
    def y_std(self) -> np.ndarray:
        """Standard deviation of one training of each, float [m]; NaN where nothing shows it.

        The label's own is ``y_std / sqrt(y_count)``.
        """
        self._check_one_label()
        return self._labels.std

    @property
    def y_count(self) -> np.ndarray:
        """Trainings of which each label is the mean, int [m]."""
        self._check_one_label()
        return self._labels.count.copy()

    @property
    def bounds(self) -> tuple[float, float] | None:
        """The lowest and the highest score that can be, as ``from_scores(bounds=...)`` was told.

        Where it was not, those of the target, if all scores keep them; None where there are none.
        """
        low, high = self._rows.bounds.get((self.task, self.target)) or self._usual_bounds()
        return (low, high) if np.isfinite([low, high]).any() else None

    def _usual_bounds(self) -> tuple[float, float]:
        low, high = target_bounds(self.target)
        y = self.y
        return (-np.inf, np.inf) if (y < low).any() or (y > high).any() else (low, high)

    @property
    def config_ids(self) -> list[str]:
        """None: nobody here trained."""
        return []

    @cached_property
    def costs(self) -> pd.DataFrame:
        """What each of :attr:`structures` costs, as far as the table says: a row each, a column a cost."""
        costs = self._rows.costs
        if self.twins == "keep":
            return costs.iloc[self._members].reset_index(drop=True)
        means = costs.groupby(self._codes).mean()
        return means.loc[self._codes[self._members]].reset_index(drop=True)

    def labels(self, structures: Sequence[Structure | Network]) -> np.ndarray:
        """The label of each given structure; where twins are kept, the mean over those of one fingerprint.

        Parameters
        ----------
        structures : sequence of Structure or Network, length n

        Returns
        -------
        float [n]
            NaN where a structure has no label.

        Raises
        ------
        InvalidInputError
            If an item is no Structure, or no task of several is chosen.
        """
        self._check_one_label()
        row, value, std, seeds = self._values_of_rows
        names = np.array([self._rows.structures[i].fingerprint for i in row], dtype=object)
        if self.twins == "merge":
            by_group = dict(zip(self._codes[self._members].tolist(), self._labels.mean.tolist(), strict=True))
            label = dict(zip(names, (by_group[code] for code in self._codes[row].tolist()), strict=True))
        else:
            found, place = np.unique(names.astype(str), return_inverse=True)
            label = (
                dict(zip(found, pooled(value, std, seeds, place).mean.tolist(), strict=True))
                if len(row)
                else {}
            )
        return np.array(
            [label.get(s.fingerprint, np.nan) for s in check_structures(structures)], dtype=np.float64
        )

    @cached_property
    def noise_ceiling(self) -> NoiseCeiling:
        """The largest R2 that any predictor of :attr:`y` can reach, from repeats, copies and ``y_std``.

        See :func:`nnstruct.benchmark.pooled.ceiling_of_labels`; where nothing shows the noise it is 1 and
        its note says that it is unknown.
        """
        self._check_one_label()
        row, value, std, seeds = self._values_of_rows
        _, code = np.unique(self._codes[row], return_inverse=True)
        groups = pooled(value, std, seeds, code)
        if self.twins == "keep":
            return ceiling_of_labels(value, seeds, code, groups)
        return ceiling_of_labels(groups.mean, groups.count, np.arange(len(groups.count)), groups)

    # ---- inner parts

    @cached_property
    def _codes(self) -> np.ndarray:
        """A number for each row's group, int [rows], by first appearance."""
        number: dict[str, int] = {}
        return np.array([number.setdefault(name, len(number)) for name in self._rows.groups], dtype=np.int64)

    @cached_property
    def _values_of_rows(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Row, value, spread and seeds of each finite score of the task and target, by row."""
        scores = self._rows.scores
        wanted = (scores["target"] == self.target) & np.isfinite(scores["value"])
        if self.task:
            wanted &= scores["task"] == self.task
        found = scores[wanted].sort_values("row", kind="stable")
        return (
            found["row"].to_numpy(np.int64),
            found["value"].to_numpy(np.float64),
            found["std"].to_numpy(np.float64),
            found["seeds"].to_numpy(np.int64),
        )

    @cached_property
    def _members(self) -> np.ndarray:
        """The row that stands for each label, int [m]."""
        row = self._values_of_rows[0]
        if self.twins == "keep":
            return np.unique(row)
        first = np.unique(self._codes, return_index=True)[1]  # by code, so by first appearance
        return first[np.unique(self._codes[row])]

    @cached_property
    def _labels(self) -> Pooled:
        row, value, std, seeds = self._values_of_rows
        keys = row if self.twins == "keep" else self._codes[row]
        return pooled(value, std, seeds, np.unique(keys, return_inverse=True)[1])

    def _check_one_label(self) -> None:
        if not self.task and len(self.tasks) > 1:
            hint = "Choose one with .select_task(...)."
            raise InvalidInputError("the benchmark", "have one task to have one label", self.tasks, hint)
