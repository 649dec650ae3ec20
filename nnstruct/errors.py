"""All errors that nnstruct raises on purpose share one root, and each also inherits the standard one."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any


class NnstructError(Exception):
    """Root of every error that nnstruct raises on purpose."""


class InvalidInputError(NnstructError, ValueError):
    """A value breaks a rule. The message names the field, the rule and the value found.

    Parameters
    ----------
    field : str
        What the value is called where the caller wrote it.
    rule : str
        What must hold, worded to follow "must" (for example ``"be a positive integer"``).
    value : Any
        What was found.
    hint : str, optional
        What to do next.

    Examples
    --------
    >>> from nnstruct.errors import InvalidInputError
    >>> raise InvalidInputError("num_units", "be at least 1", 0)
    Traceback (most recent call last):
    ...
    nnstruct.errors.InvalidInputError: num_units must be at least 1, got 0.
    """

    def __init__(self, field: str, rule: str, value: Any, hint: str = "") -> None:
        self.field, self.rule, self.value, self.hint = field, rule, value, hint
        try:
            shown = repr(value)
        except ValueError:  # an integer of thousands of digits, which Python writes only when asked to
            shown = f"a value of type {type(value).__name__}"
        if len(shown) > 200:
            shown = shown[:197] + "..."
        message = f"{field} must {rule}, got {shown}."
        super().__init__(f"{message} {hint}" if hint else message)

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self), (self.field, self.rule, self.value, self.hint))


def nearest(name: object, known: Iterable[str]) -> str:
    """A hint that asks for the known name that is written nearly so; empty where none is.

    Parameters
    ----------
    name : object
        What was given in the place of a name.
    known : iterable of str

    Returns
    -------
    str

    Examples
    --------
    >>> nearest("rebr", ["mnist", "reber"]), nearest(3, ["reber"])
    ("Did you mean 'reber'?", '')
    """
    near = difflib.get_close_matches(name, list(known), n=1) if isinstance(name, str) else []
    return f"Did you mean {near[0]!r}?" if near else ""


class StructureError(InvalidInputError):
    """A graph cannot be a Structure (a cycle, an unreachable output, an edge out of range)."""


class UnknownNameError(InvalidInputError, KeyError):
    """A name is not in its registry."""

    def __str__(self) -> str:
        return str(self.args[0])


class RecipeError(InvalidInputError):
    """A recipe file holds an unknown key or a value that breaks its key's rule."""


class NotFittedError(NnstructError, ValueError, AttributeError):
    """A predictor was asked before ``fit``."""


class MissingDataError(NnstructError, FileNotFoundError):
    """A data file that a task needs is not in the data directory."""


class CorruptFileError(NnstructError, OSError):
    """A stored file is truncated, altered, or of another kind than its name says."""


class FileTooLargeError(CorruptFileError):
    """A file asks for more memory than ``NNSTRUCT_MAX_BYTES`` allows; see :mod:`nnstruct.reading`."""


class FolderBusyError(NnstructError, RuntimeError):
    """Another process is writing to the folder, or to the study."""


class OutsideRangeWarning(UserWarning):
    """A predictor was asked about structures unlike those that it was fitted to."""


class LostClusterError(NnstructError, ConnectionError):
    """The scheduler of a cluster that was at work is gone."""
