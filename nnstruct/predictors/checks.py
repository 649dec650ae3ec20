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
