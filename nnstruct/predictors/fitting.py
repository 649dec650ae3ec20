"""Fitting any regressor on structures, with what a benchmark knows of its labels."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import numpy as np

from nnstruct.predictors.base import Predictor
from nnstruct.predictors.fitted_range import no_range_warnings


def fit_with_noise(
    predictor: Any,
    structures: Sequence,
    y: np.ndarray,
    y_std: np.ndarray | None,
    bounds: tuple[float, float] | None = None,
) -> Any:
    """Fit a predictor, with the noise and the bounds of the labels where it has a place for them.

    Parameters
    ----------
    predictor : Predictor or another regressor on lists of structures
    structures : sequence of Structure or Network, length n
    y : float [n]
    y_std : float [n] or None
        Standard deviation of each label's noise.
    bounds : (float, float), optional
        The lowest and the highest label that can be.

    Returns
    -------
    predictor
        Fitted.

    Examples
    --------
    >>> import numpy as np
    >>> from nnstruct import Structure
    >>> from nnstruct.predictors import Mean
    >>> from nnstruct.predictors.fitting import fit_with_noise
    >>> structures = [Structure.from_layers([1, width]) for width in (1, 2)]
    >>> sure_of_the_first = fit_with_noise(Mean(), structures, np.array([0.0, 1.0]), np.array([0.0, 1.0]))
    >>> round(sure_of_the_first.mean_, 3)
    0.045
    """
    if bounds is not None and hasattr(predictor, "set_bounds"):
        predictor.set_bounds(*bounds)
    if y_std is not None and "y_std" in inspect.signature(predictor.fit).parameters:
        return predictor.fit(structures, y, y_std=y_std)
    return predictor.fit(structures, y)


def predict_with_std(predictor: Any, structures: Sequence) -> tuple[np.ndarray, np.ndarray]:
    """Predictions and their standard deviations; NaN from a regressor that has none.

    Parameters
    ----------
    predictor : Predictor or another regressor on lists of structures
        Fitted.
    structures : sequence of Structure or Network, length n

    Returns
    -------
    mean, std : float64 [n]
    """
    if isinstance(predictor, Predictor):
        with no_range_warnings():
            mean, std = predictor.predict(structures, return_std=True)
        return mean, np.full(len(structures), np.nan) if std is None else std
    return np.asarray(predictor.predict(structures), dtype=np.float64), np.full(len(structures), np.nan)
