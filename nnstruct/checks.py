"""One rule for every option: what is an integer, a number, a share, a choice.

Integers of numpy are integers, floats of numpy are numbers, and a bool is neither. Each check returns the
value as a plain Python value, or raises one error that names the field, the rule and the value.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, TypeGuard

import numpy as np

from nnstruct.errors import InvalidInputError, nearest
from nnstruct.reading import VARIABLE, max_bytes

# Epochs, repeats and the like: a round takes milliseconds at least, so that more would take days and weeks.
MOST_ROUNDS = 1_000_000


def is_integer(value: Any) -> TypeGuard[int]:
    """Whether a value is an integer, numpy's included; a bool is none.

    Examples
    --------
    >>> import numpy as np
    >>> from nnstruct.checks import is_integer
    >>> [is_integer(value) for value in (3, np.int64(3), True, np.bool_(True), 3.0, "3")]
    [True, True, False, False, False, False]
    """
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def is_number(value: Any) -> TypeGuard[float]:
    """Whether a value is a real number, numpy's included; a bool is none, NaN and infinities are.

    Examples
    --------
    >>> import numpy as np
    >>> from nnstruct.checks import is_number
    >>> [is_number(value) for value in (3, np.float32(0.5), float("nan"), True, "3")]
    [True, True, True, False, False]
    """
    return is_integer(value) or isinstance(value, float | np.floating)


def plain(value: Any) -> Any:
    """Scalars and arrays of numpy, in lists and tuples too, as Python's own values; the rest as it is.

    What is stored, hashed or written as JSON is then the same, whichever kind a caller had at hand.

    Examples
    --------
    >>> import numpy as np
    >>> from nnstruct.checks import plain
    >>> plain(np.float32(0.5)), plain((np.int64(3), "gru")), plain(np.arange(2))
    (0.5, (3, 'gru'), [0, 1])
    """
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if type(value) in (list, tuple):
        return type(value)(plain(item) for item in value)
    return value


def check_integer(
    value: Any,
    field: str,
    *,
    low: int | None = 1,
    high: int | None = None,
    each: int = 0,
    rule: str = "",
    hint: str = "",
    error: type[InvalidInputError] = InvalidInputError,
) -> int:
    """A value as a plain int.

    Parameters
    ----------
    value : Any
    field : str
        What the value is called where the caller wrote it.
    low, high : int or None
        The bounds, themselves allowed; None for no bound.
    each : int
        Bytes of memory that one of so many takes, at least; more than is allowed are refused.
    rule, hint : str, optional
        What the message says must hold, worded to follow "must", and what to do next.
    error : type, optional
        What is raised.

    Returns
    -------
    int

    Raises
    ------
    InvalidInputError
        If the value is no integer, out of bounds, or asks for too much memory.

    Examples
    --------
    >>> import numpy as np
    >>> from nnstruct.checks import check_integer
    >>> check_integer(np.int64(3), "workers")
    3
    >>> check_integer(True, "workers")
    Traceback (most recent call last):
    ...
    nnstruct.errors.InvalidInputError: workers must be a positive integer, got True.
    """
    fits = is_integer(value) and (low is None or value >= low) and (high is None or value <= high)
    if not fits:
        raise error(field, rule or _integer_rule(low, high), value, hint)
    if each:
        check_room(value, field, each * int(value))
    return int(value)


def check_rounds(
    value: Any, field: str, *, low: int = 1, each: int = 0, error: type[InvalidInputError] = InvalidInputError
) -> int:
    """How often something is done again, as a plain int: epochs, repeats, generations, draws.

    More than :data:`MOST_ROUNDS` would not end, and are refused at the door.

    Parameters
    ----------
    value : Any
    field : str
        What the value is called where the caller wrote it.
    low : int
        The least, itself allowed.
    each : int
        Bytes of memory that a round leaves behind.
    error : type, optional
        What is raised.

    Returns
    -------
    int

    Raises
    ------
    InvalidInputError
        If the value is no integer, out of bounds, or asks for too much memory.

    Examples
    --------
    >>> from nnstruct.checks import check_rounds
    >>> check_rounds(3, "repeats")
    3
    >>> check_rounds(10**9, "repeats")
    Traceback (most recent call last):
    ...
    nnstruct.errors.InvalidInputError: repeats must be an integer in 1..1000000, got 1000000000.
    """
    check_integer(value, field, low=low, error=error)
    return check_integer(value, field, low=low, high=MOST_ROUNDS, each=each, error=error)


def check_number(
    value: Any,
    field: str,
    *,
    low: float = -math.inf,
    high: float = math.inf,
    open_low: bool = False,
    open_high: bool = False,
    rule: str = "",
    error: type[InvalidInputError] = InvalidInputError,
) -> float:
    """A value as a plain, finite float.

    Parameters
    ----------
    value : Any
    field : str
        What the value is called where the caller wrote it.
    low, high : float
        The bounds, themselves allowed unless ``open_low`` or ``open_high``.
    open_low, open_high : bool
    rule : str, optional
        What the message says must hold, worded to follow "must".
    error : type, optional
        What is raised.

    Returns
    -------
    float

    Raises
    ------
    InvalidInputError
        If the value is no number, not finite, or out of bounds.

    Examples
    --------
    >>> import numpy as np
    >>> from nnstruct.checks import check_number
    >>> check_number(np.float32(0.5), "dropout", low=0, high=0.9)
    0.5
    >>> check_number(1, "dropout", low=0, high=0.9)
    Traceback (most recent call last):
    ...
    nnstruct.errors.InvalidInputError: dropout must be in [0, 0.9], got 1.
    """
    fits = (
        is_number(value)
        and math.isfinite(value)
        and (low < value if open_low else low <= value)
        and (value < high if open_high else value <= high)
    )
    if not fits:
        raise error(field, rule or _number_rule(low, high, open_low, open_high), value)
    return float(value)


def check_share(value: Any, field: str, *, ends: str = "()") -> float:
    """A value as a plain float between 0 and 1.

    Parameters
    ----------
    value : Any
    field : str
        What the value is called where the caller wrote it.
    ends : {"()", "(]", "[)", "[]"}
        Whether 0 and 1 themselves are allowed.

    Returns
    -------
    float

    Raises
    ------
    InvalidInputError
        If the value is no number between 0 and 1.

    Examples
    --------
    >>> from nnstruct.checks import check_share
    >>> check_share(1, "density", ends="(]")
    1.0
    >>> check_share(1, "confidence")
    Traceback (most recent call last):
    ...
    nnstruct.errors.InvalidInputError: confidence must be a share in (0, 1), got 1.
    """
    low, high = ends[0], ends[1]
    rule = f"be a share in {low}0, 1{high}"
    return check_number(
        value, field, low=0.0, high=1.0, open_low=low == "(", open_high=high == ")", rule=rule
    )


def check_choice(value: Any, field: str, choices: Iterable[str]) -> str:
    """A value that is one of some names.

    Raises
    ------
    InvalidInputError
        If the value is none of them.

    Examples
    --------
    >>> from nnstruct.checks import check_choice
    >>> check_choice("norm", "criterion", ("norm", "taylor"))
    'norm'
    """
    names = tuple(choices)
    if not isinstance(value, str) or value not in names:
        raise InvalidInputError(field, f"be one of {', '.join(names)}", value, nearest(value, names))
    return value


def check_room(value: Any, field: str, size: float) -> None:
    """Refuse a number that asks for more memory than is allowed, before any of it is taken.

    Parameters
    ----------
    value : Any
        What was given.
    field : str
        What it is called where the caller wrote it.
    size : float
        Bytes that it asks for, at least.

    Raises
    ------
    InvalidInputError
        If they are more than :func:`nnstruct.reading.max_bytes`.

    Examples
    --------
    >>> from nnstruct.checks import check_room
    >>> check_room(10**9, "seeds", 1e11)
    Traceback (most recent call last):
    ...
    nnstruct.errors.InvalidInputError: seeds must fit into 1,073,741,824 bytes of memory, got 1000000000. Set
    NNSTRUCT_MAX_BYTES to allow more.
    """
    if not size <= max_bytes():
        raise InvalidInputError(
            field, f"fit into {max_bytes():,} bytes of memory", value, f"Set {VARIABLE} to allow more."
        )


def _integer_rule(low: int | None, high: int | None) -> str:
    if low is None and high is None:
        return "be an integer"
    if high is not None:
        return f"be an integer in {-math.inf if low is None else low}..{high}"
    known = {0: "be a non-negative integer", 1: "be a positive integer"}
    return known.get(low or 0, f"be an integer of at least {low}")


def _number_rule(low: float, high: float, open_low: bool, open_high: bool) -> str:
    if math.isinf(low) and math.isinf(high):
        return "be a finite number"
    if math.isinf(high):
        return (
            "be a positive number" if open_low and low == 0
            else f"be a finite number {'above' if open_low else 'of at least'} {low:g}"
        )  # fmt: skip
    if math.isinf(low):
        return f"be a finite number {'below' if open_high else 'of at most'} {high:g}"
    return f"be in {'(' if open_low else '['}{low:g}, {high:g}{')' if open_high else ']'}"
