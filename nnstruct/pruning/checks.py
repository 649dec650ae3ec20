"""Checks of options that several methods share."""

from __future__ import annotations

import math
from typing import Any

from nnstruct.errors import InvalidInputError


def positive(field: str, value: Any) -> None:
    """Raise :class:`InvalidInputError` unless a value is a positive integer."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise InvalidInputError(field, "be a positive integer", value)


def above_zero(field: str, value: Any) -> None:
    """Raise :class:`InvalidInputError` unless a value is a positive, finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise InvalidInputError(field, "be a positive number", value)


def not_negative(field: str, value: Any) -> None:
    """Raise :class:`InvalidInputError` unless a value is a finite number, at least 0."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise InvalidInputError(field, "be at least 0", value)


def share(field: str, value: Any) -> None:
    """Raise :class:`InvalidInputError` unless a value is in (0, 1]."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 1:
        raise InvalidInputError(field, "be a share in (0, 1]", value)


def among(field: str, value: Any, choices: tuple[str, ...]) -> None:
    """Raise :class:`InvalidInputError` unless a value is one of some."""
    if value not in choices:
        raise InvalidInputError(field, f"be one of {', '.join(choices)}", value)
