"""One label a structure, from the records of its trainings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from nnstruct.benchmark.label_noise import label_noise
from nnstruct.benchmark.manifest import DEFAULT_METRIC
from nnstruct.benchmark.noise import NoiseCeiling, noise_ceiling
from nnstruct.benchmark.record_rows import RecordRows
from nnstruct.benchmark.stored_structures import structures_of
from nnstruct.benchmark.targets import TARGETS, target_bounds, target_columns
from nnstruct.checks import check_share
from nnstruct.errors import InvalidInputError
from nnstruct.network import Network
from nnstruct.random import check_seed, generator
from nnstruct.structure import Structure
from nnstruct.structure.checks import check_structures

if TYPE_CHECKING:
    import pandas as pd


class Labelled:
    """What a :class:`~nnstruct.benchmark.Benchmark` says of its structures and their labels.

    Attributes
    ----------
    target : str
        What the label is: a name in ``TARGETS``.
    metric : str
        What scored the networks on their task, such as ``accuracy`` or ``r2``: the task's ``score_name``.
    """

    _all: Mapping[str, Structure]
    _stored: RecordRows | None = None
    target: str
    metric: str = DEFAULT_METRIC

    @cached_property
    def table(self) -> pd.DataFrame:
        """One row a record; of a benchmark from a folder it is read when it is first asked for."""
        assert self._stored is not None
        return self._stored.frame()

    @cached_property
    def structures(self) -> list[Structure]:
        """Structures with a finite label, in the order in which they were added."""
        return structures_of(self._all, self.fingerprints)

    @cached_property
    def unlabelled(self) -> list[Structure]:
        """Structures of which every training diverged or none has been done."""
        labelled = set(self.fingerprints)
        return structures_of(self._all, [name for name in self._all if name not in labelled])

    @cached_property
    def fingerprints(self) -> list[str]:
        """Fingerprint of each of :attr:`structures`."""
        names, codes = self._words("fingerprint")
        labelled = {names[code] for code in np.unique(codes[np.isfinite(self._values)])}
        return [name for name in self._all if name in labelled]

    def structures_at(self, places: Sequence[int]) -> list[Structure]:
        """Some of :attr:`structures`; of a benchmark from a folder the others are not parsed for it.

        Parameters
        ----------
        places : sequence of int

        Returns
        -------
        list of Structure
        """
        return structures_of(self._all, [self.fingerprints[place] for place in places])

    @property
    def y(self) -> np.ndarray:
        """The label of each of :attr:`structures`: the mean over its seeds, float [m]."""
        return self._label("mean")

    @property
    def y_std(self) -> np.ndarray:
        """Sample standard deviation over the seeds, float [m]; NaN with one seed."""
        return self._label("std")

    @property
    def y_count(self) -> np.ndarray:
        """Seeds with a finite label, int [m]."""
        return self._label("count").astype(np.int64)

    @property
    def label_noise(self) -> np.ndarray | None:
        """Standard deviation of the noise in each label of :attr:`y`, float [m]; None where no seeds tell.

        See :func:`nnstruct.benchmark.label_noise.label_noise`: the spread over seeds, divided by the root of
        their number, and drawn to that of labels like it where seeds are few.
        """
        return label_noise(self.y, self.y_std, self.y_count)

    @property
    def bounds(self) -> tuple[float, float] | None:
        """The lowest and the highest label that can be: 0 and 1 of an accuracy; None where there are none.

        A label beyond them shows that the metric is another one; then there are none either.
        """
        low, high = target_bounds(self.target, self.metric)
        y = self.y
        if not np.isfinite([low, high]).any() or (y < low).any() or (y > high).any():
            return None
        return low, high

    def labels(self, structures: Sequence[Structure | Network]) -> np.ndarray:
        """The label of each given structure.

        Unlike :attr:`y` it follows the given order, repeats and relabelled copies included.

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
            If an item is no Structure, or the records are of several tasks or configurations.
        """
        given = check_structures(structures)
        label = dict(zip(self.fingerprints, self.y.tolist(), strict=True))
        return np.array([label.get(s.fingerprint, np.nan) for s in given], dtype=np.float64)

    @cached_property
    def noise_ceiling(self) -> NoiseCeiling:
        """The largest R2 that any predictor of :attr:`y` can reach given the seeds' spread.

        See :func:`nnstruct.benchmark.noise_ceiling` for the formula and its source.
        """
        self._check_one_label()
        finite = np.isfinite(self._values)
        return noise_ceiling(self._values[finite], self._words("fingerprint")[1][finite])

    @property
    def tasks(self) -> list[str]:
        """Names of the tasks that have a record, sorted."""
        return self._words("task")[0]

    @property
    def config_ids(self) -> list[str]:
        """Configurations that have a record, sorted; scores from elsewhere have none."""
        return self._words("config_id")[0]

    @cached_property
    def costs(self) -> pd.DataFrame:
        """What each of :attr:`structures` costs: ``parameters`` and ``seconds``, means over its records."""
        means = self.table.groupby("fingerprint")[["parameters", "seconds"]].mean()
        return means.reindex(self.fingerprints).reset_index(drop=True)

    # ---- inner parts

    @staticmethod
    def _held_out(names: list[str], test: float, seed: int) -> set[str]:
        """The share of some sorted names that a split holds out."""
        test, seed = check_share(test, "test"), check_seed(seed)
        if len(names) < 2:
            rule = "hold at least 2 labelled structures to split"
            raise InvalidInputError("the benchmark", rule, len(names))
        size = min(max(1, round(test * len(names))), len(names) - 1)
        order = generator(seed, "benchmark split").permutation(len(names))
        return {names[i] for i in order[:size]}

    @cached_property
    def _values(self) -> np.ndarray:
        """The target of each row of the table, float [rows]; NaN where it has none."""
        reads = target_columns(self.target)
        return TARGETS[self.target](self.table if reads is None else self._frame(reads))

    @cached_property
    def _statistics(self) -> pd.DataFrame:
        import pandas as pd

        finite = np.isfinite(self._values)
        names, codes = self._words("fingerprint")
        grouped = pd.Series(self._values[finite]).groupby(codes[finite]).agg(["mean", "std", "count"])
        grouped.index = pd.Index([names[code] for code in grouped.index], dtype=object)
        return grouped.reindex(self.fingerprints)

    @property
    def _num_rows(self) -> int:
        return len(self.table) if self._is_read else len(self._stored or ())

    @property
    def _is_read(self) -> bool:
        """Whether the whole table is in memory."""
        return "table" in self.__dict__

    def _frame(self, columns: Sequence[str]) -> pd.DataFrame:
        """Some columns of the table."""
        if self._is_read or self._stored is None:
            return self.table[list(columns)]
        return self._stored.frame(columns)

    def _words(self, column: str) -> tuple[list[str], np.ndarray]:
        """Sorted values of a column of text, and the place of each row's value among them."""
        known = self.__dict__.setdefault("_known_words", {})
        if column not in known:
            if self._stored is not None:
                known[column] = self._stored.words(column)
            else:
                values, codes = np.unique(self.table[column].to_numpy(dtype=str), return_inverse=True)
                known[column] = (values.tolist(), codes.astype(np.int64))
        return known[column]

    def _label(self, statistic: str) -> np.ndarray:
        self._check_one_label()
        return self._statistics[statistic].to_numpy(dtype=np.float64).copy()

    def _check_one_label(self) -> None:
        for column, method in (("task_fingerprint", "select_task"), ("config_id", "select_config")):
            self._only(column, "have one label a structure", f"Choose one with .{method}(...).")

    def _only(self, column: str, purpose: str, hint: str = "") -> str:
        found = self._words(column)[0]
        if len(found) > 1 or (not found and purpose.startswith("save")):
            raise InvalidInputError("the benchmark", f"hold one {column} to {purpose}", found, hint)
        return found[0] if found else ""
