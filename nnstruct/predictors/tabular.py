"""Predictors that learn from a table of features with a scikit-learn regressor."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nnstruct.checks import check_integer
from nnstruct.encode import FeatureTable
from nnstruct.predictors.base import FittedState, Predictor
from nnstruct.predictors.folds import grouped_folds
from nnstruct.predictors.threads import limited_threads
from nnstruct.structure import Structure
from nnstruct.structure.checks import check_structures

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

CALIBRATION_FOLDS = 5


class TabularPredictor(Predictor):
    """Feature table, standardisation where the regressor needs it, regressor.

    Attributes
    ----------
    pipeline_ : sklearn.pipeline.Pipeline
    """

    families: str | Sequence[str]
    n_jobs: int = 1
    _standardised = True
    _other_table: Any = None  # what stands in the place of the feature table, where something does

    @abstractmethod
    def _regressor(self) -> Any:
        """The scikit-learn regressor, not fitted, with this predictor's parameters."""

    def _pipeline(self) -> Pipeline:
        from sklearn.base import clone
        from sklearn.pipeline import Pipeline
        from sklearn.preprocessing import StandardScaler

        table = FeatureTable(self.families) if self._other_table is None else clone(self._other_table)
        steps: list[tuple[str, Any]] = [("table", table)]
        if self._standardised:
            steps.append(("scale", StandardScaler()))
        return Pipeline([*steps, ("regressor", self._regressor())])

    def _fit(self, structures: list[Structure], y: np.ndarray, weight: np.ndarray | None) -> None:
        with limited_threads(check_integer(self.n_jobs, "n_jobs")):
            self._fit_pipeline(structures, y, weight)

    def _predict(self, structures: list[Structure], return_std: bool) -> tuple[np.ndarray, np.ndarray | None]:
        with limited_threads(check_integer(self.n_jobs, "n_jobs")):
            return self._predict_pipeline(structures, return_std)

    def _fit_pipeline(self, structures: list[Structure], y: np.ndarray, weight: np.ndarray | None) -> None:
        self.pipeline_ = _fitted(self._pipeline(), structures, y, weight)

    def _predict_pipeline(
        self, structures: list[Structure], return_std: bool
    ) -> tuple[np.ndarray, np.ndarray | None]:
        if return_std:
            mean, std = self.pipeline_.predict(structures, return_std=True)
            return mean, std
        return self.pipeline_.predict(structures), None

    def _own_table(self) -> Any:
        table = self.pipeline_[0]
        return table if isinstance(table, FeatureTable) else None

    def _get_state(self) -> FittedState:
        return FittedState(estimator=self.pipeline_)

    def _set_state(self, state: FittedState) -> None:
        self.pipeline_ = state.estimator


class EnsemblePredictor(TabularPredictor):
    """A regressor made of members, whose disagreement tells where it knows little.

    The variance of a new label is ``offset_ + slope_ * spread``, where ``spread`` is the variance
    between the members' predictions. The two numbers are chosen so that, over training
    structures that a prediction has not seen, the variance is on average the squared error:
    the error beyond the spread becomes the offset, and a spread beyond the error is scaled down.

    Attributes
    ----------
    offset_, slope_ : float
    """

    _standardised = False

    @abstractmethod
    def _member_predictions(self, regressor: Any, table: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Predictions [members, n] and the members' weights [members], which sum to 1."""

    def _fit_pipeline(self, structures: list[Structure], y: np.ndarray, weight: np.ndarray | None) -> None:
        super()._fit_pipeline(structures, y, weight)
        error, spread, seen = self._unseen_errors(structures, y, weight)
        share = np.ones(len(y)) if weight is None else weight
        self.offset_, self.slope_ = calibrate(error[seen], spread[seen], share[seen])

    def _predict_pipeline(
        self, structures: list[Structure], return_std: bool
    ) -> tuple[np.ndarray, np.ndarray | None]:
        table = self.pipeline_[:-1].transform(structures)  # [n, c]
        mean = self.pipeline_[-1].predict(table)
        if not return_std:
            return mean, None
        return mean, np.sqrt(self.offset_ + self.slope_ * self._spread(self.pipeline_[-1], table))

    def _spread(self, regressor: Any, table: np.ndarray) -> np.ndarray:
        predictions, share = self._member_predictions(regressor, table)
        centre = share @ predictions  # [n]
        return share @ (predictions - centre) ** 2

    def _unseen_errors(
        self, structures: list[Structure], y: np.ndarray, weight: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Squared error and spread of predictions of unseen structures, and where there is one."""
        from sklearn.base import clone

        fingerprints = [structure.fingerprint for structure in check_structures(structures)]
        folds = min(CALIBRATION_FOLDS, len(set(fingerprints)))
        error, spread = np.zeros(len(y)), np.zeros(len(y))
        if folds < 2:
            return np.full(len(y), y.var()), spread, np.ones(len(y), dtype=bool)
        fold = grouped_folds(fingerprints, folds, self._seed("calibration"))
        seen = np.ones(len(y), dtype=bool)
        for held_out in range(folds):
            inside, outside = np.flatnonzero(fold != held_out), np.flatnonzero(fold == held_out)
            if weight is not None and not weight[inside].sum() > 0:
                seen[outside] = False
                continue
            part = _fitted(
                clone(self.pipeline_), [structures[i] for i in inside], y[inside],
                None if weight is None else weight[inside],
            )  # fmt: skip
            table = part[:-1].transform([structures[i] for i in outside])
            error[outside] = (y[outside] - part[-1].predict(table)) ** 2
            spread[outside] = self._spread(part[-1], table)
        return error, spread, seen

    def _get_state(self) -> FittedState:
        return FittedState({"offset": self.offset_, "slope": self.slope_}, estimator=self.pipeline_)

    def _set_state(self, state: FittedState) -> None:
        super()._set_state(state)
        self.offset_, self.slope_ = float(state.values["offset"]), float(state.values["slope"])


class BaggedPredictor(EnsemblePredictor):
    """An ensemble whose members are fitted to bootstrap samples.

    A structure's error is taken from the members that did not draw it (out of bag; Breiman,
    2001), so that no further fit is needed.
    """

    def _member_predictions(self, regressor: Any, table: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        predictions = np.stack([member.predict(table) for member in regressor.estimators_])
        return predictions, np.full(len(predictions), 1.0 / len(predictions))

    def _unseen_errors(
        self, structures: list[Structure], y: np.ndarray, weight: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        regressor = self.pipeline_[-1]
        predictions, _ = self._member_predictions(regressor, self.pipeline_[:-1].transform(structures))
        outside = np.ones(predictions.shape, dtype=bool)  # [members, n]
        for member, drawn in enumerate(regressor.estimators_samples_):
            outside[member, drawn] = False
        votes = outside.sum(axis=0)
        seen = votes >= 2
        if not seen.any():
            return super()._unseen_errors(structures, y, weight)
        safe = np.maximum(votes, 1)
        mean = (predictions * outside).sum(axis=0) / safe
        spread = ((predictions - mean) ** 2 * outside).sum(axis=0) / safe
        return (y - mean) ** 2, spread, seen


def calibrate(error: np.ndarray, spread: np.ndarray, weight: np.ndarray) -> tuple[float, float]:
    """Offset and slope that make ``offset + slope * spread`` the squared error on average.

    Parameters
    ----------
    error : float64 [n]
        Squared errors.
    spread : float64 [n]
        Variances between members.
    weight : float64 [n]

    Returns
    -------
    offset, slope : float

    Examples
    --------
    >>> import numpy as np
    >>> calibrate(np.array([3.0, 5.0]), np.array([1.0, 1.0]), np.ones(2))
    (3.0, 1.0)
    """
    if not weight.sum() > 0:
        weight = np.ones_like(weight)
    mean_error = float(np.average(error, weights=weight))
    mean_spread = float(np.average(spread, weights=weight))
    if mean_spread <= mean_error:
        return mean_error - mean_spread, 1.0
    return 0.0, mean_error / mean_spread


def _fitted(
    pipeline: Pipeline, structures: list[Structure], y: np.ndarray, weight: np.ndarray | None
) -> Pipeline:
    options = {} if weight is None else {"regressor__sample_weight": weight}
    return pipeline.fit(structures, y, **options)
