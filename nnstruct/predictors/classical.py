"""Predictors on the feature table: linear, Gaussian process, boosting."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn import ensemble, linear_model
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel
from sklearn.tree import DecisionTreeRegressor

from nnstruct.checks import check_integer, check_number
from nnstruct.errors import InvalidInputError
from nnstruct.predictors.base import PREDICTORS
from nnstruct.predictors.tabular import BaggedPredictor, EnsemblePredictor, TabularPredictor
from nnstruct.structure import Structure


@PREDICTORS.register("bayesian-ridge")
class BayesianRidge(TabularPredictor):
    """Linear regression with a Gaussian prior whose width is learned (MacKay, 1992).

    One of the three predictors of Stier et al. (2021). ``return_std`` is that of the posterior
    predictive distribution.

    Parameters
    ----------
    families : sequence of str
        Families of measures; see :func:`nnstruct.properties.features`.
    max_iter : int
    tol : float
        Largest change of the coefficients at which the iteration ends.
    random_state : int
        Without effect; there for the sake of the contract.

    Examples
    --------
    >>> from nnstruct import Structure
    >>> from nnstruct.predictors import BayesianRidge
    >>> structures = [Structure.from_layers([2, width, 2]) for width in range(1, 11)]
    >>> model = BayesianRidge().fit(structures, [float(s.num_units) for s in structures])
    >>> model.predict(structures[:2]).round(1).tolist()
    [5.0, 6.0]
    """

    name = "bayesian-ridge"

    def __init__(
        self,
        families: Sequence[str] = ("paper", "layered"),
        max_iter: int = 300,
        tol: float = 1e-3,
        random_state: int = 0,
    ) -> None:
        self.families = families
        self.max_iter = max_iter
        self.tol = tol
        self.random_state = random_state

    def _regressor(self) -> Any:
        return linear_model.BayesianRidge(
            max_iter=check_integer(self.max_iter, "max_iter"),
            tol=check_number(self.tol, "tol", low=0.0, open_low=True),
        )


@PREDICTORS.register("gaussian-process")
class GaussianProcess(TabularPredictor):
    """Gaussian process with a Matern kernel (nu 5/2) and learned noise (Rasmussen and Williams, 2006).

    ``return_std`` is that of the posterior predictive distribution. A ``sample_weight`` divides
    the noise of its structure; the noise of a new label is that of a structure with the largest
    weight.

    Parameters
    ----------
    families : sequence of str
        Families of measures; see :func:`nnstruct.properties.features`.
    restarts : int
        Further starts of the search for the kernel's parameters, at random places.
    n_jobs : int
        Processor threads.
    random_state : int

    Examples
    --------
    >>> from nnstruct import Structure
    >>> from nnstruct.predictors import GaussianProcess
    >>> structures = [Structure.from_layers([2, width, 2]) for width in range(1, 11)]
    >>> model = GaussianProcess().fit(structures, [float(s.num_units) for s in structures])
    >>> mean, std = model.predict(structures[:2], return_std=True)
    >>> mean.round().tolist()
    [5.0, 6.0]
    """

    name = "gaussian-process"

    def __init__(
        self,
        families: Sequence[str] = ("paper", "layered"),
        restarts: int = 1,
        n_jobs: int = 1,
        random_state: int = 0,
    ) -> None:
        self.families = families
        self.restarts = restarts
        self.n_jobs = n_jobs
        self.random_state = random_state

    def _regressor(self) -> Any:
        check_number(self.restarts, "restarts", low=0)
        # Wide bounds: labels without noise, or without signal, must not end at a wall.
        kernel = ConstantKernel(1.0, (1e-4, 1e6)) * Matern(10.0, (1e-1, 1e4), nu=2.5) + WhiteKernel(
            0.1, (1e-8, 1e2)
        )
        return GaussianProcessRegressor(
            kernel,
            normalize_y=True,
            n_restarts_optimizer=int(self.restarts),
            random_state=self._seed("restarts"),
        )

    def _fit_pipeline(self, structures: list[Structure], y: np.ndarray, weight: np.ndarray | None) -> None:
        if weight is not None:
            kept = np.flatnonzero(weight > 0)
            structures, y, weight = [structures[i] for i in kept], y[kept], weight[kept]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            super()._fit_pipeline(structures, y, None)
            if weight is not None and np.ptp(weight) > 0:
                noise = self.pipeline_[-1].kernel_.k2.noise_level
                extra = noise * (weight.max() / weight - 1.0)
                pipeline = self._pipeline()
                pipeline[-1].set_params(alpha=extra + 1e-10)
                self.pipeline_ = pipeline.fit(structures, y)


@PREDICTORS.register("adaboost")
class AdaBoost(EnsemblePredictor):
    """AdaBoost.R2 on regression trees (Drucker, 1997).

    One of the three predictors of Stier et al. (2021). ``return_std`` combines the weighted
    variance between the boosted trees with the error on structures left out in an inner
    five-fold cross-validation; see :class:`nnstruct.predictors.tabular.EnsemblePredictor`.

    Parameters
    ----------
    families : sequence of str
        Families of measures; see :func:`nnstruct.properties.features`.
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
        families: Sequence[str] = ("paper", "layered"),
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
        if self.loss not in ("linear", "square", "exponential"):
            raise InvalidInputError("loss", "be one of linear, square, exponential", self.loss)
        return ensemble.AdaBoostRegressor(
            DecisionTreeRegressor(max_depth=check_integer(self.max_depth, "max_depth")),
            n_estimators=check_integer(self.n_estimators, "n_estimators"),
            learning_rate=check_number(self.learning_rate, "learning_rate", low=0.0, open_low=True),
            loss=self.loss,
            random_state=self._seed("trees"),
        )

    def _member_predictions(self, regressor: Any, table: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        members = regressor.estimators_
        predictions = np.stack([member.predict(table) for member in members])  # [members, n]
        share = np.maximum(regressor.estimator_weights_[: len(members)], 0.0)
        share = share if share.sum() > 0 else np.ones(len(members))
        return predictions, share / share.sum()


@PREDICTORS.register("hist-gradient-boosting")
class HistGradientBoosting(BaggedPredictor):
    """A bag of gradient-boosted trees on binned features (Friedman, 2001; Ke et al., 2017).

    Each member is fitted to a bootstrap sample and the prediction is their mean. ``return_std``
    combines the variance between members with their out-of-bag error.

    Parameters
    ----------
    families : sequence of str
        Families of measures; see :func:`nnstruct.properties.features`.
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
        families: Sequence[str] = ("paper", "layered"),
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
        check_number(self.max_leaf_nodes, "max_leaf_nodes", low=2)
        member = ensemble.HistGradientBoostingRegressor(
            max_iter=check_integer(self.max_iter, "max_iter"),
            learning_rate=check_number(self.learning_rate, "learning_rate", low=0.0, open_low=True),
            max_leaf_nodes=int(self.max_leaf_nodes),
            min_samples_leaf=check_integer(self.min_samples_leaf, "min_samples_leaf"),
            l2_regularization=check_number(self.l2_regularization, "l2_regularization", low=0.0),
            early_stopping=False,
        )
        return ensemble.BaggingRegressor(
            member, check_integer(self.members, "members"), random_state=self._seed("bag")
        )
