"""The contract that every predictor keeps."""

from __future__ import annotations

import hashlib
import math
import warnings
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import NormalDist
from typing import Any, ClassVar, Self

import numpy as np

from nnstruct.checks import check_share, is_number
from nnstruct.errors import InvalidInputError, NotFittedError, OutsideRangeWarning
from nnstruct.estimators import BaseEstimator, RegressorMixin
from nnstruct.network import Network
from nnstruct.predictors.checks import check_deviations, check_labels, check_weights, noise_weights
from nnstruct.predictors.fitted_range import FittedRange, no_range_warnings, with_features
from nnstruct.predictors.homes import HOMES
from nnstruct.predictors.named_options import NamedOptions
from nnstruct.random import check_seed, derive_seed
from nnstruct.registry import Registry
from nnstruct.structure import Structure
from nnstruct.structure.checks import check_structures

PREDICTORS: Registry[type[Predictor]] = Registry("predictor", homes=HOMES)
DEFAULT_COVERAGE = 0.9


@dataclass(frozen=True)
class FittedState:
    """What ``fit`` learned, in forms that can be stored without pickle.

    Attributes
    ----------
    values : JSON values by name
    arrays : numpy arrays by name
    estimator : a fitted scikit-learn object, or None
    """

    values: Mapping[str, Any] = field(default_factory=dict)
    arrays: Mapping[str, np.ndarray] = field(default_factory=dict)
    estimator: Any = None


class Predictor(NamedOptions, RegressorMixin, BaseEstimator):
    """Base of all predictors: a scikit-learn regressor whose rows are Structures.

    The constructor of a subclass only stores its parameters. A subclass writes ``_fit``,
    ``_predict``, ``_get_state`` and ``_set_state``; registering it in ``PREDICTORS`` makes it
    known to the contract tests, to :func:`nnstruct.predictors.evaluate` and to storage.

    A subclass names in ``_takes`` what else its ``_fit`` wants as keywords: ``"y_std"``, the standard
    deviation of each label's noise (float64 [n] or None), and ``"unlabelled"``, further structures without
    a label (a list or None). Where ``y_std`` is not among them, it becomes part of the weights. A subclass
    that learns from trained weights sets ``reads_weights``; it is handed Networks as they are.

    Attributes
    ----------
    num_structures_ : int
        Structures seen in ``fit``.
    training_digest_ : str
        32 hexadecimal digits that tell the multiset of structures seen in ``fit``.
    bounds_ : (float, float) or None
        What :meth:`set_bounds` was told.
    range_ : FittedRange or None
        Families and sizes of the structures seen in ``fit``; None where an older file does not tell.
    """

    name: ClassVar[str] = ""
    reads_weights: ClassVar[bool] = False
    _takes: ClassVar[frozenset[str]] = frozenset()
    bounds_: tuple[float, float] | None = None
    range_: FittedRange | None = None
    random_state: int = 0

    def fit(
        self,
        structures: Sequence[Structure | Network],
        y: Sequence[float] | np.ndarray,
        sample_weight: Sequence[float] | np.ndarray | None = None,
        *,
        y_std: Sequence[float] | np.ndarray | None = None,
        unlabelled: Sequence[Structure | Network] | None = None,
    ) -> Self:
        """Learn to predict ``y`` from structures.

        Parameters
        ----------
        structures : sequence of Structure or Network, length n
            At least 2.
        y : array-like of float, shape [n]
            Finite.
        sample_weight : array-like of float, shape [n], optional
            None negative, not all zero.
        y_std : array-like of float, shape [n], optional
            Standard deviation of the noise in each label, in units of ``y``; of the mean over seeds
            where the label is one. None negative.
        unlabelled : sequence of Structure or Network, optional
            Structures without a label, for predictors that learn from them too.

        Returns
        -------
        self

        Raises
        ------
        InvalidInputError
            If a structure, label, weight, deviation or parameter breaks its rule, or ``unlabelled`` is
            given to a predictor that learns from labels alone.

        Warns
        -----
        UserWarning
            If Networks are given to a predictor that does not read their weights.
        """
        checked = self._checked(structures)
        if len(checked) < 2:
            raise InvalidInputError("structures", "hold at least 2", len(checked))
        labels = check_labels(y, len(checked))
        weights = check_weights(sample_weight, len(checked))
        noise = check_deviations(y_std, len(checked))
        check_seed(self.random_state, "random_state")
        extra: dict[str, Any] = {}
        if "unlabelled" in self._takes:
            extra["unlabelled"] = None if unlabelled is None else self._checked(unlabelled, "unlabelled")
        elif unlabelled is not None:
            rule = f"be left out for {type(self).__name__}, which learns from labelled structures alone"
            raise InvalidInputError("unlabelled", rule, f"{len(list(unlabelled))} structures")
        if "y_std" in self._takes:
            extra["y_std"] = noise
        elif noise is not None:
            weights = noise_weights(labels, noise, weights)
        with no_range_warnings():
            self._fit(checked, labels, weights, **extra)
        self.num_structures_ = len(checked)
        self.range_ = FittedRange.of(check_structures(checked))
        self.training_digest_ = digest(checked)
        return self

    def predict(
        self, structures: Sequence[Structure | Network], return_std: bool = False
    ) -> np.ndarray | tuple[np.ndarray, np.ndarray]:
        """Predict the label of each structure.

        Parameters
        ----------
        structures : sequence of Structure or Network, length n
        return_std : bool
            Whether to return also the standard deviation of a new label around its prediction:
            what the predictor does not know and the noise of the label, together.

        Returns
        -------
        mean : float64 [n]
        std : float64 [n], only with ``return_std``

        Raises
        ------
        NotFittedError
            Before ``fit``.
        InvalidInputError
            If ``structures`` is not a list of Structure.

        Warns
        -----
        OutsideRangeWarning
            Once, if any lies outside what was fitted; :meth:`outside` says which and in what.
        """
        self._check_fitted()
        checked = self._checked(structures)
        if not checked:
            return (np.zeros(0), np.zeros(0)) if return_std else np.zeros(0)
        with no_range_warnings() as silent:
            mean, std = self._predict(checked, return_std)
        if not silent:
            self._warn_outside(checked)
        mean = self._within(mean)
        return (mean, std) if return_std else mean  # type: ignore[return-value]

    def predict_interval(
        self, structures: Sequence[Structure | Network], coverage: float | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Intervals that should hold the label of each structure with a given probability.

        They are those of the normal distribution that :meth:`predict` gives, unless the predictor has a
        better way; see :class:`nnstruct.predictors.Conformal`.

        Parameters
        ----------
        structures : sequence of Structure or Network, length n
        coverage : float, optional
            In (0, 1); 0.9 by default.

        Returns
        -------
        low, high : float64 [n]
            Within the bounds, where there are some.

        Raises
        ------
        NotFittedError
            Before ``fit``.
        InvalidInputError
            If ``structures`` is not a list of Structure, or ``coverage`` is no such share.
        """
        share = check_share(DEFAULT_COVERAGE if coverage is None else coverage, "coverage")
        self._check_fitted()
        checked = self._checked(structures)
        if not checked:
            return np.zeros(0), np.zeros(0)
        with no_range_warnings() as silent:
            low, high = self._interval(checked, share)
        if not silent:
            self._warn_outside(checked)
        return self._within(low), self._within(high)

    def outside(self, structures: Sequence[Structure | Network]) -> list[str]:
        """In what each structure lies outside what the predictor was fitted to.

        Parameters
        ----------
        structures : sequence of Structure or Network, length n

        Returns
        -------
        list of str, length n
            As :meth:`nnstruct.predictors.fitted_range.FittedRange.outside`, and ``features`` where a column
            lies beyond all that was seen by more than their span; empty where the structure lies inside,
            and where the predictor does not know its range.

        Raises
        ------
        NotFittedError
            Before ``fit``.
        InvalidInputError
            If ``structures`` is not a list of Structure.
        """
        self._check_fitted()
        given = check_structures(structures)
        if self.range_ is None:
            return [""] * len(given)
        found, table = self.range_.outside(given), self._own_table()
        return found if table is None or not given else with_features(found, table.beyond(given))

    def _own_table(self) -> Any:
        """The feature table that was learned from, if there is one."""

    def _warn_outside(self, structures: list[Any]) -> None:
        found = self.outside(structures)
        if self.range_ is not None and any(found):
            message = self.range_.sentence(found, type(self).__name__)
            warnings.warn(message, OutsideRangeWarning, stacklevel=3)

    def set_bounds(self, low: float | None = None, high: float | None = None) -> Self:
        """Say between which numbers every label lies: no prediction and no interval then leaves them.

        Before or after ``fit``. The bounds are saved with the predictor; a clone has none, as it has
        nothing else that was learned. :func:`nnstruct.evaluate` and recipes set those of the benchmark's
        label.

        Parameters
        ----------
        low, high : float, optional
            The lowest and the highest label that can be; None or infinite where there is no such bound.

        Returns
        -------
        self

        Raises
        ------
        InvalidInputError
            If a bound is no number, or ``low`` is not below ``high``.

        Examples
        --------
        >>> from nnstruct import Structure
        >>> from nnstruct.predictors import BayesianRidge
        >>> structures = [Structure.from_layers([2, width, 2]) for width in range(1, 11)]
        >>> line = BayesianRidge().fit(structures[:5], [0.5, 0.6, 0.7, 0.8, 0.9]).set_bounds(0, 1)
        >>> float(line.predict(structures[-1:])[0])
        1.0
        """
        least, most = -math.inf if low is None else low, math.inf if high is None else high
        for value, field_name in ((least, "low"), (most, "high")):
            if not is_number(value) or math.isnan(value):
                raise InvalidInputError(field_name, "be a number, or None for no bound", value)
        if not least < most:
            raise InvalidInputError("low", "be below high", [low, high])
        self.bounds_ = (float(least), float(most))
        return self

    def save(
        self, path: str | Path, *, metadata: Mapping[str, Any] | None = None, overwrite: bool = False
    ) -> Path:
        """Write the fitted predictor to a folder; see :func:`nnstruct.predictors.save`.

        Parameters
        ----------
        path : str or Path
            A folder that does not exist yet.
        metadata : mapping, optional
            JSON values to keep beside it, for example the benchmark and the target it was fitted to.
        overwrite : bool
            Whether to replace a folder that an earlier call wrote.

        Returns
        -------
        Path
            The folder.

        Raises
        ------
        NotFittedError
            Before ``fit``.
        InvalidInputError
            If the path exists, the class is not registered, or the metadata are not JSON.
        """
        from nnstruct.predictors.persistence import save

        return save(self, path, metadata=metadata, overwrite=overwrite)

    @abstractmethod
    def _fit(self, structures: list[Structure], y: np.ndarray, weight: np.ndarray | None) -> None:
        """Learn from checked input; what the class names in ``_takes`` comes as further keywords."""

    @abstractmethod
    def _predict(self, structures: list[Structure], return_std: bool) -> tuple[np.ndarray, np.ndarray | None]:
        """Mean and, if asked for, standard deviation, float64 [n] each, n >= 1."""

    def _interval(self, structures: list[Structure], coverage: float) -> tuple[np.ndarray, np.ndarray]:
        """Ends of intervals, float64 [n] each, n >= 1, before they are kept within the bounds."""
        mean, std = self._predict(structures, True)
        half = NormalDist().inv_cdf(0.5 + coverage / 2) * np.asarray(std)
        return mean - half, mean + half

    def _within(self, values: np.ndarray) -> np.ndarray:
        return values if self.bounds_ is None else np.clip(values, *self.bounds_)

    @abstractmethod
    def _get_state(self) -> FittedState:
        """What ``_set_state`` needs to predict as now."""

    @abstractmethod
    def _set_state(self, state: FittedState) -> None:
        """Bring back what ``_get_state`` gave."""

    def _stored_params(self) -> dict[str, Any]:
        """The parameters as JSON values and predictors; what is neither goes into the state."""
        return self.get_params(deep=False)

    def _checked(self, structures: Any, field: str = "structures") -> list[Any]:
        given = list(structures) if isinstance(structures, Iterator) else structures
        checked = check_structures(given, field)
        if not any(isinstance(item, Network) for item in given):
            return checked
        if self.reads_weights:
            return list(given)
        warnings.warn(
            f"{type(self).__name__} predicts from the structure: the weights of the Networks in {field} are "
            "not used. A predictor with reads_weights=True learns from them.",
            UserWarning,
            stacklevel=3,
        )
        return checked

    def _seed(self, *keys: int | str) -> int:
        return derive_seed(check_seed(self.random_state, "random_state"), type(self).name, *keys) % 2**32

    def _check_fitted(self) -> None:
        if not self.__sklearn_is_fitted__():
            raise NotFittedError(f"{type(self).__name__} has not been fitted. Call fit(structures, y) first.")

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "training_digest_")


def digest(structures: Sequence[Structure | Network]) -> str:
    """What tells a multiset of structures: 32 hexadecimal digits of their sorted fingerprints."""
    text = ",".join(sorted(structure.fingerprint for structure in check_structures(structures)))
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
