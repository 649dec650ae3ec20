"""Predictors on the feature table: forests of regression trees."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn import ensemble

from nnstruct.checks import check_integer
from nnstruct.errors import InvalidInputError
from nnstruct.predictors.base import PREDICTORS
from nnstruct.predictors.tabular import BaggedPredictor, EnsemblePredictor


@PREDICTORS.register("random-forest")
class RandomForest(BaggedPredictor):
    """Random forest (Breiman, 2001).

    One of the three predictors of Stier et al. (2021). ``return_std`` combines the variance
    between the trees with their out-of-bag error; see
    :class:`nnstruct.predictors.tabular.EnsemblePredictor`.

    Parameters
    ----------
    families : sequence of str
        Families of measures; see :func:`nnstruct.properties.features`.
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
        families: Sequence[str] = ("paper", "layered"),
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
        return ensemble.RandomForestRegressor(**_forest_options(self))

    def _member_predictions(self, regressor: Any, table: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return _tree_predictions(regressor, table)


@PREDICTORS.register("extra-trees")
class ExtraTrees(EnsemblePredictor):
    """Extremely randomised trees (Geurts et al., 2006), each fitted to all structures.

    ``return_std`` combines the variance between the trees with the error on structures left out
    in an inner five-fold cross-validation; see
    :class:`nnstruct.predictors.tabular.EnsemblePredictor`.

    Parameters
    ----------
    families : sequence of str
        Families of measures; see :func:`nnstruct.properties.features`.
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
        families: Sequence[str] = ("paper", "layered"),
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
        return ensemble.ExtraTreesRegressor(**_forest_options(self))

    def _member_predictions(self, regressor: Any, table: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return _tree_predictions(regressor, table)


def _forest_options(forest: RandomForest | ExtraTrees) -> dict[str, Any]:
    return {
        "n_estimators": check_integer(forest.n_estimators, "n_estimators"),
        "max_features": _check_max_features(forest.max_features),
        "min_samples_leaf": check_integer(forest.min_samples_leaf, "min_samples_leaf"),
        "max_depth": None if forest.max_depth is None else check_integer(forest.max_depth, "max_depth"),
        "n_jobs": check_integer(forest.n_jobs, "n_jobs"),
        "random_state": forest._seed("trees"),
    }


def _check_max_features(value: Any) -> Any:
    if value in ("sqrt", "log2") or (isinstance(value, int) and not isinstance(value, bool) and value >= 1):
        return value
    if isinstance(value, float) and 0.0 < value <= 1.0:
        return value
    raise InvalidInputError(
        "max_features", "be a share in (0, 1], a positive integer, 'sqrt' or 'log2'", value
    )


def _tree_predictions(regressor: Any, table: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    # The trees' own predict would check and convert the table once for each of them.
    rows = np.ascontiguousarray(table, dtype=np.float32)
    predictions = np.stack([tree.tree_.predict(rows)[:, 0] for tree in regressor.estimators_])
    return predictions, np.full(len(predictions), 1.0 / len(predictions))
