"""A bag of gradient-boosted trees on the feature table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sklearn import ensemble

from nnstruct.checks import check_integer, check_number, check_rounds
from nnstruct.predictors.base import PREDICTORS
from nnstruct.predictors.forest import TREE_BYTES
from nnstruct.predictors.tabular import BaggedPredictor


@PREDICTORS.register("hist-gradient-boosting")
class HistGradientBoosting(BaggedPredictor):
    """A bag of gradient-boosted trees on binned features (Friedman, 2001; Ke et al., 2017).

    Each member is fitted to a bootstrap sample and the prediction is their mean. ``return_std``
    combines the variance between members with their out-of-bag error.

    Parameters
    ----------
    families : "auto" or sequence of str
        What the table holds: all that applies, or families of measures; see
        :class:`nnstruct.encode.FeatureTable`.
    members : int
        Boosted models in the bag.
    max_iter : int
        Trees of each member.
    learning_rate : float
    max_leaf_nodes : int
        At least 2.
    min_samples_leaf : int
    l2_regularization : float
    n_jobs : int
        Processor threads.
    random_state : int

    Examples
    --------
    >>> from nnstruct import Structure
    >>> from nnstruct.predictors import HistGradientBoosting
    >>> structures = [Structure.from_layers([2, width, 2]) for width in range(1, 21)]
    >>> model = HistGradientBoosting(members=3, max_iter=20)
    >>> model = model.fit(structures, [float(s.num_units) for s in structures])
    >>> bool(model.predict(structures[-1:])[0] > model.predict(structures[:1])[0])
    True
    """

    name = "hist-gradient-boosting"

    def __init__(
        self,
        families: str | Sequence[str] = "auto",
        members: int = 8,
        max_iter: int = 80,
        learning_rate: float = 0.1,
        max_leaf_nodes: int = 8,
        min_samples_leaf: int = 5,
        l2_regularization: float = 1.0,
        n_jobs: int = 1,
        random_state: int = 0,
    ) -> None:
        self.families = families
        self.members = members
        self.max_iter = max_iter
        self.learning_rate = learning_rate
        self.max_leaf_nodes = max_leaf_nodes
        self.min_samples_leaf = min_samples_leaf
        self.l2_regularization = l2_regularization
        self.n_jobs = n_jobs
        self.random_state = random_state

    def _regressor(self) -> Any:
        member = ensemble.HistGradientBoostingRegressor(
            max_iter=check_rounds(self.max_iter, "max_iter"),
            learning_rate=check_number(self.learning_rate, "learning_rate", low=0.0, open_low=True),
            max_leaf_nodes=check_integer(self.max_leaf_nodes, "max_leaf_nodes", low=2),
            min_samples_leaf=check_integer(self.min_samples_leaf, "min_samples_leaf"),
            l2_regularization=check_number(self.l2_regularization, "l2_regularization", low=0.0),
            early_stopping=False,
        )
        return ensemble.BaggingRegressor(
            member, check_integer(self.members, "members", each=TREE_BYTES), random_state=self._seed("bag")
        )
