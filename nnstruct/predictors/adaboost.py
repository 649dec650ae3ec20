"""Boosted regression trees on the feature table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn import ensemble
from sklearn.tree import DecisionTreeRegressor

from nnstruct.checks import check_choice, check_integer, check_number
from nnstruct.predictors.base import PREDICTORS
from nnstruct.predictors.forest import TREE_BYTES
from nnstruct.predictors.tabular import EnsemblePredictor


@PREDICTORS.register("adaboost")
class AdaBoost(EnsemblePredictor):
    """AdaBoost.R2 on regression trees (Drucker, 1997).

    One of the three predictors of Stier et al. (2021). ``return_std`` combines the weighted
    variance between the boosted trees with the error on structures left out in an inner
    five-fold cross-validation; see :class:`nnstruct.predictors.tabular.EnsemblePredictor`.

    Parameters
    ----------
    families : "auto" or sequence of str
        What the table holds: all that applies, or families of measures; see
        :class:`nnstruct.encode.FeatureTable`.
    n_estimators : int
        Most trees.
    learning_rate : float
    loss : {"linear", "square", "exponential"}
    max_depth : int
        Of each tree.
    random_state : int

    Examples
    --------
    >>> from nnstruct import Structure
    >>> from nnstruct.predictors import AdaBoost
    >>> structures = [Structure.from_layers([2, width, 2]) for width in range(1, 11)]
    >>> model = AdaBoost().fit(structures, [float(s.num_units) for s in structures])
    >>> bool(model.predict(structures[-1:])[0] > model.predict(structures[:1])[0])
    True
    """

    name = "adaboost"

    def __init__(
        self,
        families: str | Sequence[str] = "auto",
        n_estimators: int = 50,
        learning_rate: float = 1.0,
        loss: str = "linear",
        max_depth: int = 3,
        random_state: int = 0,
    ) -> None:
        self.families = families
        self.n_estimators = n_estimators
        self.learning_rate = learning_rate
        self.loss = loss
        self.max_depth = max_depth
        self.random_state = random_state

    def _regressor(self) -> Any:
        return ensemble.AdaBoostRegressor(
            DecisionTreeRegressor(max_depth=check_integer(self.max_depth, "max_depth")),
            n_estimators=check_integer(self.n_estimators, "n_estimators", each=TREE_BYTES),
            learning_rate=check_number(self.learning_rate, "learning_rate", low=0.0, open_low=True),
            loss=check_choice(self.loss, "loss", ("linear", "square", "exponential")),
            random_state=self._seed("trees"),
        )

    def _member_predictions(self, regressor: Any, table: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        members = regressor.estimators_
        predictions = np.stack([member.predict(table) for member in members])  # [members, n]
        share = np.maximum(regressor.estimator_weights_[: len(members)], 0.0)
        share = share if share.sum() > 0 else np.ones(len(members))
        return predictions, share / share.sum()
