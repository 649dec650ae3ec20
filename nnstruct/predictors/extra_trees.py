"""A forest of extremely randomised trees on the feature table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from nnstruct.predictors.base import PREDICTORS
from nnstruct.predictors.forest import ForestPredictor, forest_options, tree_predictions


@PREDICTORS.register("extra-trees")
class ExtraTrees(ForestPredictor):
    """Extremely randomised trees (Geurts et al., 2006), each fitted to all structures.

    ``return_std`` combines the variance between the trees with the error on structures left out
    in an inner five-fold cross-validation; see
    :class:`nnstruct.predictors.tabular.EnsemblePredictor`.

    Parameters
    ----------
    families : "auto" or sequence of str
        What the table holds: all that applies, or families of measures; see
        :class:`nnstruct.encode.FeatureTable`.
    n_estimators : int
        Trees.
    max_features : float or {"sqrt", "log2"}
        Share (or count) of features tried at each split.
    min_samples_leaf : int
    max_depth : int, optional
    n_jobs : int
        Processor cores for ``fit`` and ``predict``.
    random_state : int

    Examples
    --------
    >>> from nnstruct import Structure
    >>> from nnstruct.predictors import ExtraTrees
    >>> structures = [Structure.from_layers([2, width, 2]) for width in range(1, 11)]
    >>> model = ExtraTrees(n_estimators=20).fit(structures, [float(s.num_units) for s in structures])
    >>> model.predict(structures[:2]).round(1).tolist()
    [5.0, 6.0]
    """

    name = "extra-trees"

    def __init__(
        self,
        families: str | Sequence[str] = "auto",
        n_estimators: int = 100,
        max_features: float | str = 1.0,
        min_samples_leaf: int = 1,
        max_depth: int | None = None,
        n_jobs: int = 1,
        random_state: int = 0,
    ) -> None:
        self.families = families
        self.n_estimators = n_estimators
        self.max_features = max_features
        self.min_samples_leaf = min_samples_leaf
        self.max_depth = max_depth
        self.n_jobs = n_jobs
        self.random_state = random_state

    def _regressor(self) -> Any:
        from sklearn.ensemble import ExtraTreesRegressor

        return ExtraTreesRegressor(**forest_options(self))

    def _member_predictions(self, regressor: Any, table: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return tree_predictions(regressor, table)
