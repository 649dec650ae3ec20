"""The members that learn from columns: two forests and a Gaussian process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from nnstruct.predictors.base import FittedState
from nnstruct.predictors.ensemble.parts import arrays_below, arrays_under
from nnstruct.predictors.extra_trees_growth import extra_trees
from nnstruct.predictors.forest_arrays import ForestArrays
from nnstruct.predictors.grouped_gp import GroupedGaussianProcess
from nnstruct.random import derive_seed

# Fewest structures in a leaf, by member; where labels are few, no more than one in so many of them.
FORESTS: Mapping[str, int] = {"trees": 1, "smooth-trees": 5, "wide-trees": 1}
# The share of the columns that a split chooses from. All of them are better where one or two decide (R2 .975
# against .958 on mnist-mlp, .940 against .912 on pruned/mlp), worse where each tells a little (tau .72
# against .77 with 66 labels of NAS-Bench-Macro).
COLUMNS_AT_A_SPLIT: Mapping[str, float] = {"trees": 0.4, "smooth-trees": 0.4, "wide-trees": 1.0}
PROCESS = "gp"
# Those that few labels are enough for.
BASIC = ("trees", "smooth-trees", PROCESS)
LABELS_A_LEAF = 20
TREES, TREES_LEFT_OUT = 200, 50
# Up to so many rows, kernel parameters are fitted anew in every fold.
REFIT_ROWS = 400


class ColumnMembers:
    """Forests and a Gaussian process on one table, with their predictions of labels they have not seen.

    Parameters
    ----------
    names : sequence of str
        Which members: keys of ``FORESTS``, and ``PROCESS``.
    seed : int
    n_jobs : int
    linear : float64 [groups], optional
        Linear amplitudes that the Gaussian process starts from.

    Attributes
    ----------
    forests : dict of str to ForestArrays
    process : GroupedGaussianProcess or None
    """

    def __init__(
        self, names: Sequence[str], seed: int, n_jobs: int, linear: np.ndarray | None = None
    ) -> None:
        self.names, self.linear = tuple(names), linear
        self.seed, self.n_jobs = seed, n_jobs
        self.forests: dict[str, ForestArrays] = {}
        self.process: GroupedGaussianProcess | None = None

    def fit(
        self,
        table: np.ndarray,
        groups: Sequence[np.ndarray],
        y: np.ndarray,
        weight: np.ndarray,
        noise: np.ndarray | None,
        share: np.ndarray | None,
    ) -> ColumnMembers:
        """Learn from all rows.

        Parameters
        ----------
        table : float64 [n, c]
        groups : sequence of int arrays
            The columns of each group of the Gaussian process.
        y : float64 [n]
        weight : float64 [n]
            What a label weighs in a forest.
        noise, share : float64 [n], optional
            The known deviation of a label and its weight in the Gaussian process.

        Returns
        -------
        ColumnMembers
            Itself.
        """
        self.groups = [np.asarray(group) for group in groups]
        for name in self.names:
            if name in FORESTS:
                self.forests[name] = self._forest(name, table, y, weight, TREES)
        if PROCESS in self.names:
            self.process = self._process()
            self.process.fit_table(table, groups, y, share, noise, linear=self.linear)
        return self

    def unseen(
        self,
        table: np.ndarray,
        y: np.ndarray,
        weight: np.ndarray,
        noise: np.ndarray | None,
        share: np.ndarray | None,
        fold: np.ndarray,
        others: np.ndarray | None = None,
    ) -> tuple[dict[str, np.ndarray], np.ndarray, dict[str, np.ndarray]]:
        """What members say of each fold after learning from the other folds.

        Parameters
        ----------
        table, y, weight, noise, share
            As in :meth:`fit`.
        fold : int64 [n]
        others : float64 [u, c], optional
            Further rows, to be predicted after each fold.

        Returns
        -------
        means : dict of str to float64 [n]
            By member.
        process : float64 [n]
            The variance that the Gaussian process gives a new label; NaN without one.
        elsewhere : dict of str to float64 [folds, u]
            What was said of ``others``, by member.
        """
        folds = int(fold.max()) + 1
        means = {name: np.empty(len(y)) for name in self.names}
        variance = np.full(len(y), np.nan)
        rows = 0 if others is None else len(others)
        elsewhere = {name: np.empty((folds, rows)) for name in self.names}
        for number in range(folds):
            inside, outside = np.flatnonzero(fold != number), np.flatnonzero(fold == number)
            asked = table[outside] if others is None else np.concatenate([table[outside], others])
            for name in self.names:
                if name in FORESTS:
                    forest = self._forest(
                        name, table[inside], y[inside], weight[inside], TREES_LEFT_OUT, number
                    )
                    said = forest.predict(asked)[0]
                elif len(inside) <= REFIT_ROWS or others is not None or self._thinned(len(y)):
                    process = self._process()
                    start = None
                    if len(inside) > REFIT_ROWS and self.process is not None:
                        process.set_params(steps=0)
                        start = self.process.kernel_.log_parameters
                    part = [None if v is None else v[inside] for v in (share, noise)]
                    process.fit_table(
                        table[inside], self.groups, y[inside], *part, start=start, linear=self.linear
                    )
                    said, std = process.predict_table(asked, return_std=True)
                    assert std is not None
                    variance[outside] = std[: len(outside)] ** 2
                else:
                    continue
                means[name][outside] = said[: len(outside)]
                elsewhere[name][number] = said[len(outside) :]
        if PROCESS in self.names and np.isnan(variance).any() and self.process is not None:
            means[PROCESS], std = self.process.out_of_fold(fold)
            variance = std**2
        return means, variance, elsewhere

    def predict(self, table: np.ndarray) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """What each member says of rows.

        Parameters
        ----------
        table : float64 [m, c]

        Returns
        -------
        means : dict of str to float64 [m]
        process : float64 [m]
            The variance that the Gaussian process gives a new label; NaN without one.
        """
        means = {name: forest.predict(table)[0] for name, forest in self.forests.items()}
        variance = np.full(len(table), np.nan)
        if self.process is not None:
            means[PROCESS], std = self.process.predict_table(table, return_std=True)
            assert std is not None
            variance = std**2
        return means, variance

    def state(self) -> FittedState:
        """What :meth:`restore` needs; the table is kept elsewhere.

        Returns
        -------
        FittedState
        """
        arrays: dict[str, np.ndarray] = {}
        values: dict[str, Any] = {}
        for name, forest in self.forests.items():
            arrays |= arrays_under(forest.arrays(), name)
        if self.process is not None:
            state = self.process.without_table()
            values[PROCESS] = dict(state.values)
            arrays |= arrays_under(state.arrays, PROCESS)
        return FittedState(values, arrays)

    def restore(self, values: Mapping[str, Any], arrays: Mapping[str, np.ndarray], columns: int) -> None:
        """Bring back what :meth:`state` told of.

        Parameters
        ----------
        values, arrays : mappings
        columns : int
            Of the table.

        Raises
        ------
        ValueError, KeyError
            If they are not whole.
        """
        for name in self.names:
            part = arrays_below(arrays, name)
            if name in FORESTS:
                self.forests[name] = ForestArrays.from_arrays(part, columns)
            else:
                self.process = self._process()
                self.process.restore(FittedState(values[PROCESS], part))
                self.groups = list(self.process.kernel_.groups)

    def _thinned(self, rows: int) -> bool:
        return self.process is None or len(self.process.kept_) < rows

    def _process(self) -> GroupedGaussianProcess:
        seed = derive_seed(self.seed, PROCESS) % 2**32
        return GroupedGaussianProcess(n_jobs=self.n_jobs, random_state=seed)

    def _forest(
        self, name: str, table: np.ndarray, y: np.ndarray, weight: np.ndarray, trees: int, *keys: int
    ) -> ForestArrays:
        least = min(FORESTS[name], max(1, len(y) // LABELS_A_LEAF))
        return extra_trees(
            table, y, weight, trees=trees, least=least,
            columns=COLUMNS_AT_A_SPLIT[name], seed=derive_seed(self.seed, name, *keys), n_jobs=self.n_jobs,
        )  # fmt: skip


def blended(said: dict[str, np.ndarray]) -> np.ndarray:
    """The mean of the forests' mean and the Gaussian process, or what there is of them.

    Parameters
    ----------
    said : dict of str to float64 array
        By member.

    Returns
    -------
    float64 array
    """
    forests = [one for name, one in said.items() if name in FORESTS]
    halves = [np.mean(forests, axis=0)] if forests else []
    return np.mean([*halves, *(one for name, one in said.items() if name == PROCESS)], axis=0)
