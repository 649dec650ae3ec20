"""What the forests share: their options, and the predictions of their trees."""

from __future__ import annotations

from typing import Any

import numpy as np

from nnstruct.checks import check_integer, is_integer, is_number
from nnstruct.errors import InvalidInputError
from nnstruct.predictors.base import FittedState
from nnstruct.predictors.forest_arrays import ForestArrays
from nnstruct.predictors.tabular import EnsemblePredictor
from nnstruct.structure import Structure


class ForestPredictor(EnsemblePredictor):
    """A forest that is asked by the arrays of its trees, which need no scikit-learn.

    Attributes
    ----------
    forest_ : ForestArrays
    """

    def _fit_pipeline(self, structures: list[Structure], y: np.ndarray, weight: np.ndarray | None) -> None:
        super()._fit_pipeline(structures, y, weight)
        self.forest_ = ForestArrays.of(self.pipeline_[-1])

    def _predict_pipeline(
        self, structures: list[Structure], return_std: bool
    ) -> tuple[np.ndarray, np.ndarray | None]:
        mean, spread = self.forest_.predict(self.pipeline_[0].transform(structures))
        return mean, np.sqrt(self.offset_ + self.slope_ * spread) if return_std else None

    def _set_state(self, state: FittedState) -> None:
        super()._set_state(state)
        trees = self.pipeline_[-1]
        self.forest_ = trees if isinstance(trees, ForestArrays) else ForestArrays.of(trees)


TREE_BYTES = 1000  # of the smallest, with its arrays


def forest_options(forest: Any) -> dict[str, Any]:
    """Checked keywords for a forest of scikit-learn.

    Parameters
    ----------
    forest : RandomForest or ExtraTrees

    Returns
    -------
    dict

    Raises
    ------
    InvalidInputError
        If an option breaks its rule.
    """
    return {
        "n_estimators": check_integer(forest.n_estimators, "n_estimators", each=TREE_BYTES),
        "max_features": _check_max_features(forest.max_features),
        "min_samples_leaf": check_integer(forest.min_samples_leaf, "min_samples_leaf"),
        "max_depth": None if forest.max_depth is None else check_integer(forest.max_depth, "max_depth"),
        "n_jobs": check_integer(forest.n_jobs, "n_jobs"),
        "random_state": forest._seed("trees"),
    }


def tree_predictions(regressor: Any, table: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What each tree of a fitted forest predicts, and its share of the forest's prediction.

    Parameters
    ----------
    regressor : sklearn.ensemble.RandomForestRegressor or ExtraTreesRegressor
    table : float [n, features]

    Returns
    -------
    (float64 [trees, n], float64 [trees])
    """
    # The trees' own predict would check and convert the table once for each of them.
    rows = np.ascontiguousarray(table, dtype=np.float32)
    predictions = np.stack([tree.tree_.predict(rows)[:, 0] for tree in regressor.estimators_])
    return predictions, np.full(len(predictions), 1.0 / len(predictions))


def _check_max_features(value: Any) -> Any:
    if value in ("sqrt", "log2"):
        return value
    if is_integer(value) and value >= 1:
        return int(value)
    if is_number(value) and not is_integer(value) and 0.0 < value <= 1.0:
        return float(value)
    raise InvalidInputError(
        "max_features", "be a share in (0, 1], a positive integer, 'sqrt' or 'log2'", value
    )
