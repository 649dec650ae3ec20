"""What ``fit`` and ``predict`` accept, checked in one place."""

from __future__ import annotations

from typing import Any

import numpy as np

from nnstruct.errors import InvalidInputError
from nnstruct.network import Network
from nnstruct.structure import Structure

_WRAP = "Wrap a single one in a list: [structure]."


def check_structures(structures: Any, field: str = "structures") -> list[Structure]:
    """The structures as a list; a Network stands for its structure.

    Raises
    ------
    InvalidInputError
        If a single structure is given, or an item is none.

    Examples
    --------
    >>> from nnstruct import Structure
    >>> check_structures(Structure.from_layers([1, 1]))
    Traceback (most recent call last):
    ...
    nnstruct.errors.InvalidInputError: structures must be a list of Structure, got Structure(...)...
    """
    if isinstance(structures, Structure | Network):
        raise InvalidInputError(field, "be a list of Structure", structures, _WRAP)
    try:
        items = list(structures)
    except TypeError as error:
        raise InvalidInputError(field, "be a list of Structure", structures) from error
    checked = [item.structure if isinstance(item, Network) else item for item in items]
    for position, item in enumerate(checked):
        if not isinstance(item, Structure):
            raise InvalidInputError(f"{field}[{position}]", "be a Structure", item)
    return checked


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


def check_positive_int(value: Any, field: str) -> int:
    """``value`` as an int of at least 1."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
        raise InvalidInputError(field, "be a positive integer", value)
    return int(value)


def check_share(value: Any, field: str) -> float:
    """``value`` as a float between 0 and 1, neither of them."""
    number = isinstance(value, float | np.floating)
    if not number or not 0.0 < value < 1.0:
        raise InvalidInputError(field, "be a share in (0, 1)", value)
    return float(value)


def check_number(
    value: Any, field: str, *, low: float, high: float = np.inf, open_low: bool = False
) -> float:
    """``value`` as a float in [low, high], or in (low, high] with ``open_low``."""
    number = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
    if not number or not (low < value if open_low else low <= value) or not value <= high:
        bracket = "(" if open_low else "["
        raise InvalidInputError(field, f"be in {bracket}{low:g}, {high:g}]", value)
    return float(value)


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
