"""The predictor that screens offspring: fitted on a clone, corrected by what was told."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from sklearn.base import clone

from nnstruct.errors import InvalidInputError, OutsideRangeWarning
from nnstruct.structure import Structure

# With fewer scores than this a guide is not fitted: it would steer by chance.
FEWEST_SCORES = 10


@runtime_checkable
class Guide(Protocol):
    """What a search asks of its guide; every :class:`~nnstruct.predictors.Predictor` is one."""

    def fit(self, structures: Any, y: Any) -> Any:
        """Learn scores.

        Parameters
        ----------
        structures : sequence of Structure, length n
        y : float [n]

        Returns
        -------
        Guide
            Itself, fitted.
        """

    def predict(self, structures: Any, return_std: bool = False) -> Any:
        """Predict scores.

        Parameters
        ----------
        structures : sequence of Structure, length n
        return_std : bool

        Returns
        -------
        float [n]
            With ``return_std`` a pair of such arrays: the scores and their standard deviations.
        """


@runtime_checkable
class JointGuide(Protocol):
    """A guide that knows how its errors hang together, and takes new scores without a new fit."""

    def condition(self, structures: Any, y: Any) -> Any:
        """Rest predictions on other scores, with whatever ``fit`` chose.

        Parameters
        ----------
        structures : sequence of Structure, length n
        y : float [n]

        Returns
        -------
        JointGuide
            Itself.
        """

    def joint(self, structures: Any) -> tuple[np.ndarray, np.ndarray, float]:
        """The joint distribution of true scores, on any scale that rises with the score.

        Parameters
        ----------
        structures : sequence of Structure, length m

        Returns
        -------
        mean : float64 [m]
        covariance : float64 [m, m]
        noise : float
            Variance of the noise of a measurement.
        """


@runtime_checkable
class MeanGuide(Protocol):
    """A guide that tells the mean score of a structure from that of one training."""

    def expected(self, structures: Any) -> tuple[np.ndarray, np.ndarray]:
        """The mean score of many trainings, and how far it may be off.

        Parameters
        ----------
        structures : sequence of Structure, length m

        Returns
        -------
        mean, std : float64 [m]
        """


@dataclass(frozen=True)
class CorrectedGuide:
    """A fitted guide on the scale of what is told, plus a second one that was fitted on its errors.

    Parameters
    ----------
    base : Guide
        Fitted before the search began, on rows that the search does not know.
    correction : Guide
        Fitted on ``score - scale * base.predict(structure)`` of all that was told.
    scale : float
        By which another task's scores are brought to the scale of these: an accuracy to an R2.

    Examples
    --------
    >>> from nnstruct import Structure
    >>> from nnstruct.predictors import Mean
    >>> structures = [Structure.from_layers([n, 2]) for n in (2, 3, 4)]
    >>> base = Mean().fit(structures, [0.5, 0.5, 0.5])
    >>> correction = Mean().fit(structures, [0.1, 0.2, 0.3])
    >>> CorrectedGuide(base, correction).predict(structures).round(2).tolist()
    [0.7, 0.7, 0.7]
    """

    base: Guide
    correction: Guide
    scale: float = 1.0

    def predict(
        self, structures: Sequence[Structure], return_std: bool = False
    ) -> np.ndarray | tuple[np.ndarray, np.ndarray]:
        """Sum of both predictions; the standard deviation is the correction's.

        Parameters
        ----------
        structures : sequence of Structure, length n
        return_std : bool

        Returns
        -------
        float64 [n]
            With ``return_std`` a pair of such arrays: the sums and the standard deviations.
        """
        mean, std = self._sum(structures, *_asked(self.correction, structures))
        return (mean, std) if return_std else mean

    def expected(self, structures: Sequence[Structure]) -> tuple[np.ndarray, np.ndarray]:
        """As :meth:`predict`, with the correction's deviation of a mean.

        Parameters
        ----------
        structures : sequence of Structure, length n

        Returns
        -------
        mean, std : float64 [n]
        """
        return self._sum(structures, *expected(self.correction, structures))

    def _sum(self, structures: Sequence[Structure], more: Any, std: Any) -> tuple[np.ndarray, np.ndarray]:
        mean = self.scale * np.asarray(self.base.predict(structures), dtype=np.float64)
        return mean + np.asarray(more, dtype=np.float64), np.asarray(std, dtype=np.float64)


def is_fitted(guide: Any) -> bool:
    """Whether a guide came fitted, by scikit-learn's rule.

    Parameters
    ----------
    guide : Guide

    Returns
    -------
    bool
        What its ``__sklearn_is_fitted__`` says; without that, whether it has an attribute whose name
        ends with an underscore.
    """
    if hasattr(guide, "__sklearn_is_fitted__"):
        return bool(guide.__sklearn_is_fitted__())
    return any(name.endswith("_") and not name.startswith("_") for name in vars(guide))


def fit_guide(guide: Guide, structures: Sequence[Structure], scores: np.ndarray, *, correct: bool) -> Any:
    """A guide that knows the scores told; the one given is left as it is.

    Parameters
    ----------
    guide : Guide
    structures : sequence of Structure, length n
    scores : float [n]
    correct : bool
        Keep a fitted ``guide`` and learn its errors only; otherwise learn the scores anew.

    Returns
    -------
    Guide, CorrectedGuide or None
        None where there is nothing to predict with yet.
    """
    enough = len(structures) >= FEWEST_SCORES
    if not correct:
        return _fresh(guide).fit(structures, scores) if enough else None
    if not enough:
        return guide
    known = np.asarray(_asked(guide, structures)[0], dtype=np.float64)
    scale = _slope(known, scores)
    return CorrectedGuide(guide, _fresh(guide).fit(structures, scores - scale * known), scale)


def _slope(known: np.ndarray, scores: np.ndarray) -> float:
    """Of the least-squares line from a guide's predictions to scores; 0 where they run against each other."""
    centred = known - known.mean()
    spread = float(centred @ centred)
    return max(0.0, float(centred @ scores) / spread) if spread > 0 else 0.0


def predict(guide: Any, structures: Sequence[Structure]) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of each structure's score, float64 [n] each, checked.

    Parameters
    ----------
    guide : Guide
        Fitted.
    structures : sequence of Structure, length n

    Returns
    -------
    mean, std : float64 [n]

    Raises
    ------
    InvalidInputError
        If the guide returns another shape, or a value that is not finite.
    """
    return _checked(_asked(guide, structures), structures)


def expected(guide: Any, structures: Sequence[Structure]) -> tuple[np.ndarray, np.ndarray]:
    """What a guide makes of the mean score of many trainings, and its standard deviation, checked.

    Parameters
    ----------
    guide : Guide
        Fitted.
    structures : sequence of Structure, length n

    Returns
    -------
    mean, std : float64 [n]
        Of a guide without ``expected``, as :class:`MeanGuide` has it, the deviation is that of a new score,
        which holds the noise of one training too.

    Raises
    ------
    InvalidInputError
        As for :func:`predict`.
    """
    if not isinstance(guide, MeanGuide):
        return predict(guide, structures)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", OutsideRangeWarning)
        return _checked(guide.expected(structures), structures)


def _checked(pair: Any, structures: Sequence[Structure]) -> tuple[np.ndarray, np.ndarray]:
    if not isinstance(pair, tuple) or len(pair) != 2:
        raise InvalidInputError("guide", "return (mean, std) from predict(..., return_std=True)", type(pair))
    mean, std = (np.asarray(part, dtype=np.float64) for part in pair)
    for name, part in (("mean", mean), ("std", std)):
        if part.shape != (len(structures),):
            raise InvalidInputError(f"guide's {name}", f"have shape [{len(structures)}]", list(part.shape))
        if not np.isfinite(part).all():
            raise InvalidInputError(f"guide's {name}", "be finite", float(part[~np.isfinite(part)][0]))
    return mean, std


def _asked(guide: Any, structures: Sequence[Structure]) -> Any:
    """What a guide says; one that has no standard deviation is taken to be sure of itself."""
    if "return_std" not in inspect.signature(guide.predict).parameters:
        mean = np.asarray(guide.predict(structures), dtype=np.float64)
        return mean, np.zeros_like(mean)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", OutsideRangeWarning)  # a search leads away from what is known
        pair = guide.predict(structures, return_std=True)
    if isinstance(pair, tuple) and len(pair) == 2 and pair[1] is None:
        return pair[0], np.zeros(len(structures))
    return pair


def _fresh(guide: Guide) -> Any:
    return clone(guide, safe=False)
