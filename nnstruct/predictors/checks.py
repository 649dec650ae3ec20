"""Which labels and weights ``fit`` accepts."""

from __future__ import annotations

from typing import Any

import numpy as np

from nnstruct.errors import InvalidInputError


def check_labels(y: Any, length: int, field: str = "y") -> np.ndarray:
    """The labels as float64 [length], all finite.

    Examples
    --------
    >>> check_labels([0.5, float("nan")], 2)
    Traceback (most recent call last):
    ...
    nnstruct.errors.InvalidInputError: y[1] must be finite, got nan. Leave out structures without a label.
    """
    labels = _as_vector(y, length, field)
    bad = np.flatnonzero(~np.isfinite(labels))
    if len(bad):
        raise InvalidInputError(
            f"{field}[{bad[0]}]", "be finite", float(labels[bad[0]]), "Leave out structures without a label."
        )
    return labels


def check_weights(weights: Any, length: int, field: str = "sample_weight") -> np.ndarray | None:
    """The weights as float64 [length], none negative and not all zero; None stays None."""
    if weights is None:
        return None
    checked = _as_vector(weights, length, field)
    bad = np.flatnonzero(~np.isfinite(checked) | (checked < 0))
    if len(bad):
        raise InvalidInputError(f"{field}[{bad[0]}]", "be finite and not negative", float(checked[bad[0]]))
    if not checked.sum() > 0:
        raise InvalidInputError(field, "have a positive sum", float(checked.sum()))
    return checked


def check_deviations(y_std: Any, length: int, field: str = "y_std") -> np.ndarray | None:
    """Standard deviations as float64 [length], none negative; None stays None."""
    if y_std is None:
        return None
    checked = _as_vector(y_std, length, field)
    bad = np.flatnonzero(~np.isfinite(checked) | (checked < 0))
    if len(bad):
        raise InvalidInputError(f"{field}[{bad[0]}]", "be finite and not negative", float(checked[bad[0]]))
    return checked


def noise_weights(y: np.ndarray, y_std: np.ndarray, weight: np.ndarray | None) -> np.ndarray:
    """Weights that fall with the noise of a label, for regressors that know no noise of their own.

    A label is worth ``1 / (s2 + y_std^2)``, where ``s2`` is the labels' variance beyond their noise, at
    least a tenth of the mean noise. That is more than a good predictor leaves unexplained, on purpose:
    bad networks are the noisy ones, and a predictor errs on them where they count for little (with a
    tenth of ``s2`` R2 on reber-mini is .61 in place of .67; ranks are the same). Weights have mean 1
    where ``weight`` is None.

    Examples
    --------
    >>> import numpy as np
    >>> noise_weights(np.array([0.0, 1.0]), np.array([0.0, 1.0]), None).round(2).tolist()
    [1.91, 0.09]
    """
    noise = y_std**2
    unexplained = max(float(y.var() - noise.mean()), 0.1 * float(noise.mean()))
    if not unexplained > 0:
        return np.ones(len(y)) if weight is None else weight
    share = 1.0 / (unexplained + noise)
    share /= share.mean()
    return share if weight is None else weight * share


def _as_vector(values: Any, length: int, field: str) -> np.ndarray:
    try:
        vector = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidInputError(field, "hold numbers", values) from error
    if vector.ndim != 1:
        raise InvalidInputError(field, "have one dimension", list(vector.shape))
    if len(vector) != length:
        raise InvalidInputError(field, f"hold one value for each of the {length} structures", len(vector))
    return vector
