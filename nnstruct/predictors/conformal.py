"""Intervals that hold the label as often as they say, whatever the predictor inside."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Any

import numpy as np
from sklearn.base import clone

from nnstruct.checks import check_choice, check_integer, check_share
from nnstruct.errors import InvalidInputError
from nnstruct.predictors.base import PREDICTORS, FittedState, Predictor
from nnstruct.predictors.folds import grouped_folds
from nnstruct.predictors.nested import packed, unpacked
from nnstruct.random import generator
from nnstruct.structure import Structure
from nnstruct.structure.checks import check_structures

CV_PLUS, SPLIT = METHODS = ("cv+", "split")
_CHUNK = 4_000_000  # numbers in one block of ends


@PREDICTORS.register("conformal")
class Conformal(Predictor):
    r"""Another predictor, with conformal intervals (Vovk et al., 2005) that follow its deviations.

    Errors of structures that a fit has not seen are measured in units of the deviation predicted for them,
    ``R = |y - mean(x)| / std(x)``, so that intervals are wide where the predictor knows little (Lei et al.,
    2018). If structures are drawn from one source, learned from or not, an interval for coverage ``c`` holds
    the label with a probability that no assumption on the labels' distribution enters.

    ``split``: a part of the structures is kept from the fit; the interval is ``mean(x) -+ q std(x)``, where q
    is the ``ceil(c (m + 1))``-th smallest R of the m structures kept. It holds the label with probability
    ``c`` or more.

    ``cv+`` (Barber et al., 2021): every fit of a cross-validation tells the errors of its fold, and nothing
    is lost for learning. With n structures the interval reaches from the ``floor((1 - c) (n + 1))``-th
    smallest of ``mean_i(x) - R_i std_i(x)`` to the ``ceil(c (n + 1))``-th smallest of
    ``mean_i(x) + R_i std_i(x)``, where ``mean_i`` comes from the fit that has not seen structure i. It holds
    the label about as often as it says; proven is ``1 - 2 (1 - c)``, up to a small term. Predictions come
    from one more fit, to all structures, and where one lies outside of its interval, the interval is
    stretched to it.

    Copies of a structure are never on both sides. With too few structures for a coverage an interval is
    unbounded, up to :meth:`set_bounds`. Weights count in the fits; they do not in the quantiles.

    Parameters
    ----------
    predictor : str or Predictor
        A name in ``PREDICTORS``, or a predictor, of which clones are fitted.
    coverage : float
        Of the interval that ``predict(return_std=True)`` tells of: its deviation is that of the normal
        distribution whose central interval is as wide. :meth:`predict_interval` takes any other.
    method : {"cv+", "split"}
    folds : int
        Of ``cv+``, at least 2.
    calibration : float
        Share of the structures that ``split`` keeps from the fit.
    random_state : int
        Decides the folds, and the seed of a predictor given by name.

    Attributes
    ----------
    parts_ : list of Predictor
        Fitted: the one that predicts, and with ``cv+`` those of the folds.
    residuals_ : float64 [m]
        R of each structure that counts.
    fold_ : int64 [m]
        Its fold.

    References
    ----------
    V. Vovk, A. Gammerman and G. Shafer. Algorithmic learning in a random world. 2005.
    J. Lei et al. Distribution-free predictive inference for regression. JASA 113 (2018), 1094-1111.
    R. F. Barber et al. Predictive inference with the jackknife+. Annals of Statistics 49 (2021), 486-507.

    Examples
    --------
    >>> import numpy as np
    >>> from nnstruct import Structure
    >>> from nnstruct.predictors import BayesianRidge, Conformal
    >>> structures = [Structure.from_layers([1, a, b, 1]) for a in range(1, 9) for b in range(1, 9)]
    >>> y = np.array([s.num_units for s in structures]) + np.random.default_rng(0).normal(size=64)
    >>> model = Conformal(BayesianRidge()).fit(structures[::2], y[::2])
    >>> low, high = model.predict_interval(structures[1::2], coverage=0.8)
    >>> bool(0.6 < np.mean((low <= y[1::2]) & (y[1::2] <= high)) < 0.95)
    True
    """

    name = "conformal"
    _takes = frozenset({"y_std", "unlabelled"})

    def __init__(
        self,
        predictor: str | Predictor = "extra-trees",
        coverage: float = 0.9,
        method: str = CV_PLUS,
        folds: int = 5,
        calibration: float = 0.25,
        random_state: int = 0,
    ) -> None:
        self.predictor = predictor
        self.coverage = coverage
        self.method = method
        self.folds = folds
        self.calibration = calibration
        self.random_state = random_state

    @property
    def reads_weights(self) -> bool:  # type: ignore[override]
        """Whether the predictor inside reads the weights of Networks.

        Returns
        -------
        bool
        """
        given: Any = self.predictor
        kind = PREDICTORS[given] if isinstance(given, str) else given
        return bool(getattr(kind, "reads_weights", False))

    def _fit(
        self,
        structures: list[Structure],
        y: np.ndarray,
        weight: np.ndarray | None,
        *,
        y_std: np.ndarray | None = None,
        unlabelled: list[Structure] | None = None,
    ) -> None:
        check_share(self.coverage, "coverage")
        method = check_choice(self.method, "method", METHODS)
        if len(y) < 3:
            raise InvalidInputError("structures", "hold at least 3 for a conformal interval", len(y))
        fold = self._dealt(structures)  # [n]; of a split 0 where kept from the fit, else 1
        parts, residuals = [], np.full(len(y), np.nan)
        smallest = 1e-9 * (float(y.std()) or 1.0)
        for held_out in range(int(fold.max()) + 1 if method == CV_PLUS else 1):
            inside, outside = np.flatnonzero(fold != held_out), np.flatnonzero(fold == held_out)
            part = self._fitted(structures, y, weight, y_std, unlabelled, inside)
            mean, std = part.predict([structures[i] for i in outside], return_std=True)
            residuals[outside] = np.abs(y[outside] - mean) / np.maximum(std, smallest)
            parts.append(part)
        counted = np.isfinite(residuals)
        self.residuals_, self.fold_ = residuals[counted], fold[counted]
        if method == CV_PLUS:
            parts.insert(0, self._fitted(structures, y, weight, y_std, unlabelled, np.arange(len(y))))
        self.parts_, self.smallest_ = parts, smallest

    def _dealt(self, structures: list[Structure]) -> np.ndarray:
        folds = check_integer(self.folds, "folds", low=2)
        share = check_share(self.calibration, "calibration")
        names = [structure.fingerprint for structure in check_structures(structures)]
        if len(set(names)) < 2:  # copies of a single structure are told apart by their place
            names = [f"{place:09d}" for place in range(len(names))]
        if self.method == CV_PLUS:
            return grouped_folds(names, min(folds, len(set(names))), self._seed("folds"))
        distinct = sorted(set(names))
        kept = min(max(1, round(share * len(distinct))), len(distinct) - 1)
        order = generator(self._seed("split")).permutation(len(distinct))
        held_out = {distinct[i] for i in order[:kept]}
        return np.array([0 if name in held_out else 1 for name in names])

    def _fitted(
        self,
        structures: list[Structure],
        y: np.ndarray,
        weight: np.ndarray | None,
        y_std: np.ndarray | None,
        unlabelled: list[Structure] | None,
        inside: np.ndarray,
    ) -> Predictor:
        given: Any = self.predictor
        if not isinstance(given, str | Predictor):
            raise InvalidInputError("predictor", "be a Predictor or the name of one", given)
        part = PREDICTORS[given](random_state=self.random_state) if isinstance(given, str) else clone(given)
        own = None if weight is None else weight[inside]
        return part.fit(
            [structures[i] for i in inside],
            y[inside],
            sample_weight=own if own is None or own.sum() > 0 else None,
            y_std=None if y_std is None else y_std[inside],
            unlabelled=unlabelled,
        )

    def _predict(self, structures: list[Structure], return_std: bool) -> tuple[np.ndarray, np.ndarray | None]:
        if not return_std:
            return np.asarray(self.parts_[0].predict(structures)), None
        share = check_share(self.coverage, "coverage")
        mean, low, high = self._ends(structures, share, finite=True)
        return mean, (high - low) / (2 * NormalDist().inv_cdf(0.5 + share / 2))

    def _own_table(self) -> Any:
        return self.parts_[0]._own_table()

    def _interval(self, structures: list[Structure], coverage: float) -> tuple[np.ndarray, np.ndarray]:
        _, low, high = self._ends(structures, coverage, finite=False)
        return low, high

    def _ends(
        self, structures: list[Structure], coverage: float, *, finite: bool
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Predictions and ends; with ``finite`` an unbounded interval is the widest one there is."""
        count = len(self.residuals_)
        place = math.ceil(coverage * (count + 1) - 1e-9)  # counted from 1
        unbounded = place > count
        place = min(place, count)
        mean, std = (np.asarray(each) for each in self.parts_[0].predict(structures, return_std=True))
        std = np.maximum(std, self.smallest_)
        if unbounded and not finite:
            return mean, np.full(len(mean), -np.inf), np.full(len(mean), np.inf)
        if len(self.parts_) == 1:
            half = np.sort(self.residuals_)[place - 1] * std
            return mean, mean - half, mean + half
        means, deviations = (
            np.stack(each)
            for each in zip(
                *(part.predict(structures, return_std=True) for part in self.parts_[1:]), strict=True
            )
        )  # [folds, m]
        deviations = np.maximum(deviations, self.smallest_)
        low, high = np.empty(len(mean)), np.empty(len(mean))
        width = max(1, _CHUNK // count)
        for begin in range(0, len(mean), width):
            block = slice(begin, begin + width)
            centre = means[self.fold_, block]  # [n, width]
            reach = self.residuals_[:, None] * deviations[self.fold_, block]
            low[block] = -np.partition(reach - centre, place - 1, axis=0)[place - 1]
            high[block] = np.partition(centre + reach, place - 1, axis=0)[place - 1]
        return mean, np.minimum(low, mean), np.maximum(high, mean)

    def _get_state(self) -> FittedState:
        inner = packed(self.parts_)
        arrays = {"residuals": self.residuals_, "fold": self.fold_, **inner.arrays}
        return FittedState({**inner.values, "smallest": self.smallest_}, arrays, inner.estimator)

    def _set_state(self, state: FittedState) -> None:
        self.parts_ = unpacked(state)
        self.residuals_, self.fold_ = state.arrays["residuals"], state.arrays["fold"]
        self.smallest_ = float(state.values["smallest"])
        if len(self.parts_) > 1 and not (self.fold_.min() >= 0 and self.fold_.max() < len(self.parts_) - 1):
            raise ValueError("a structure's fold has no predictor")
