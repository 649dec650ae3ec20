"""A forest of regression trees on the feature table, each grown on a bootstrap sample."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from nnstruct.predictors.base import PREDICTORS
from nnstruct.predictors.forest import ForestPredictor, forest_options, tree_predictions
from nnstruct.predictors.tabular import BaggedPredictor


@PREDICTORS.register("random-forest")
class RandomForest(ForestPredictor, BaggedPredictor):
    """Random forest (Breiman, 2001).

    One of the three predictors of Stier et al. (2021). ``return_std`` combines the variance
    between the trees with their out-of-bag error; see
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
    >>> from nnstruct.predictors import RandomForest
    >>> structures = [Structure.from_layers([2, width, 2]) for width in range(1, 11)]
    >>> model = RandomForest(n_estimators=20).fit(structures, [float(s.num_units) for s in structures])
    >>> mean, std = model.predict(structures, return_std=True)
    >>> bool(mean[-1] > mean[0]), bool((std > 0).all())
    (True, True)
    """

    name = "random-forest"

    def __init__(
        self,
        families: str | Sequence[str] = "auto",
        n_estimators: int = 200,
        max_features: float | str = 1 / 3,
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
        from sklearn.ensemble import RandomForestRegressor

        return RandomForestRegressor(**forest_options(self))

    def _member_predictions(self, regressor: Any, table: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return tree_predictions(regressor, table)
