"""A forest on what untrained networks show of a task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Self

import numpy as np

from nnstruct.encode.table import medians_and_spreads
from nnstruct.predictors.ensemble.members import COLUMNS_AT_A_SPLIT, FORESTS, TREES
from nnstruct.predictors.ensemble.task_columns import TaskColumns
from nnstruct.predictors.extra_trees_growth import extra_trees
from nnstruct.predictors.forest_arrays import ForestArrays
from nnstruct.structure import Structure

_KIND = "smooth-trees"


class MeasuresForest:
    """A forest that sees nothing of a structure but what its untrained networks show of the task.

    Parameters
    ----------
    columns : TaskColumns
    seed : int
    """

    def __init__(self, columns: TaskColumns, seed: int) -> None:
        self.columns, self.seed = columns, seed

    def fit(self, structures: Sequence[Structure], y: np.ndarray) -> Self:
        """Learn from labels.

        Parameters
        ----------
        structures : sequence of Structure, length n
        y : float64 [n]

        Returns
        -------
        self
        """
        table = self.columns.relative(structures)
        self.median, _ = medians_and_spreads(table)
        self.forest = extra_trees(
            self._filled(table), y, trees=TREES, least=FORESTS[_KIND],
            columns=COLUMNS_AT_A_SPLIT[_KIND], seed=self.seed,
        )  # fmt: skip
        return self

    def predict(self, structures: Sequence[Structure]) -> np.ndarray:
        """What the label of each would be in the family that was learned.

        Parameters
        ----------
        structures : sequence of Structure, length m

        Returns
        -------
        float64 [m]
        """
        return self.forest.predict(self._filled(self.columns.relative(structures)))[0]

    def _filled(self, table: np.ndarray) -> np.ndarray:
        return np.where(np.isfinite(table), table, self.median)

    def arrays(self) -> dict[str, np.ndarray]:
        """What :meth:`restore` needs.

        Returns
        -------
        dict of str to numpy array
        """
        return {"median": self.median} | self.forest.arrays()

    def restore(self, arrays: Mapping[str, np.ndarray]) -> Self:
        """Bring back what :meth:`arrays` told of.

        Parameters
        ----------
        arrays : mapping

        Returns
        -------
        self

        Raises
        ------
        ValueError, KeyError
            If they are not whole.
        """
        self.median = np.asarray(arrays["median"], dtype=np.float64)
        self.forest = ForestArrays.from_arrays(arrays, len(self.median))
        return self
