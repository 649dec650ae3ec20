"""One label a structure, from the records of its trainings."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from nnstruct.benchmark.label_noise import label_noise
from nnstruct.benchmark.noise import NoiseCeiling, noise_ceiling
from nnstruct.benchmark.targets import TARGETS, target_bounds
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
    table : pandas.DataFrame
        One row a record.
    target : str
        What the label is: a name in ``TARGETS``.
    """

    _all: dict[str, Structure]
    table: pd.DataFrame
    target: str

    @cached_property
    def structures(self) -> list[Structure]:
        """Structures with a finite label, in the order in which they were added."""
        labelled = set(self.table["fingerprint"][np.isfinite(self._values)])
        return [structure for name, structure in self._all.items() if name in labelled]

    @cached_property
    def unlabelled(self) -> list[Structure]:
        """Structures of which every training diverged or none has been done."""
        labelled = set(self.fingerprints)
        return [structure for name, structure in self._all.items() if name not in labelled]

    @cached_property
    def fingerprints(self) -> list[str]:
        """Fingerprint of each of :attr:`structures`."""
        return [structure.fingerprint for structure in self.structures]

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
        low, high = target_bounds(self.target)
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
        return noise_ceiling(self._values[finite], self.table["fingerprint"].to_numpy()[finite])

    @property
    def tasks(self) -> list[str]:
        """Names of the tasks that have a record, sorted."""
        return sorted(set(self.table["task"]))

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
        return TARGETS[self.target](self.table)

    @cached_property
    def _statistics(self) -> pd.DataFrame:
        finite = np.isfinite(self._values)
        rows = self.table.loc[finite, ["fingerprint"]].assign(value=self._values[finite])
        grouped = rows.groupby("fingerprint")["value"].agg(["mean", "std", "count"])
        return grouped.reindex(self.fingerprints)

    def _label(self, statistic: str) -> np.ndarray:
        self._check_one_label()
        return self._statistics[statistic].to_numpy(dtype=np.float64).copy()

    def _check_one_label(self) -> None:
        for column, method in (("task_fingerprint", "select_task"), ("config_id", "select_config")):
            self._only(column, "have one label a structure", f"Choose one with .{method}(...).")

    def _only(self, column: str, purpose: str, hint: str = "") -> str:
        found = sorted(set(self.table[column]))
        if len(found) > 1 or (not found and purpose.startswith("save")):
            raise InvalidInputError("the benchmark", f"hold one {column} to {purpose}", found, hint)
        return found[0] if found else ""
