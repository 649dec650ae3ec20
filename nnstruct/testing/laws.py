"""What a suite of checks is made of: laws in order, and one sentence for each that is broken."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

import numpy as np

from nnstruct.registry import Registry

T = TypeVar("T")
E = TypeVar("E", bound=Exception)


class Suite(Generic[T]):
    """The laws of one kind of part, in the order in which they are written down.

    Examples
    --------
    >>> from nnstruct.testing.laws import Suite, hold
    >>> laws = Suite()
    >>> @laws.law
    ... def it_is_even(number):
    ...     hold(number % 2 == 0, "The number", "be even", str(number))
    >>> [name for name, check in laws.checks()]
    ['it_is_even']
    >>> laws.run(3)
    Traceback (most recent call last):
    ...
    AssertionError: The number must be even, got 3.
    """

    def __init__(self) -> None:
        self._checks: list[Callable[[T], None]] = []

    def law(self, check: Callable[[T], None]) -> Callable[[T], None]:
        """Decorator that adds a check.

        Parameters
        ----------
        check : callable
            Takes the part, raises an AssertionError where the law is broken.

        Returns
        -------
        callable
            The check itself.
        """
        self._checks.append(check)
        return check

    def checks(self) -> list[tuple[str, Callable[[T], None]]]:
        """Name and function of each check."""
        return [(check.__name__, check) for check in self._checks]

    def run(self, part: T) -> None:
        """Hold a part to every law, one after the other.

        Parameters
        ----------
        part : Any
            What the checks take.

        Raises
        ------
        AssertionError
            At the first law that is broken. Another error that a part raises in the middle of a check is
            handed on, with a note that names the check.
        """
        for name, check in self.checks():
            try:
                check(part)
            except AssertionError:
                raise
            except Exception as error:
                error.add_note(f"Raised by the check {name}.")
                raise


def hold(fact: object, part: str, rule: str, found: str = "") -> None:
    """Raise an AssertionError unless a fact holds.

    Parameters
    ----------
    fact : bool
    part : str
        What is held to the law, as the sentence begins.
    rule : str
        What must hold, worded to follow "must".
    found : str, optional
        What was found instead.

    Raises
    ------
    AssertionError
        ``part must rule, got found.``
    """
    if not fact:
        raise AssertionError(f"{part} must {rule}{f', got {_short(found)}' if found else ''}.")


def refused(
    call: Callable[[], Any],
    part: str,
    given: str,
    error: type[E],
    says: str = "",
    *,
    passing: tuple[type[Exception], ...] = (),
) -> E:
    """The error with which a call refuses what it is given; an AssertionError where it does not.

    Parameters
    ----------
    call : callable
    part : str
        What is held to the law, as the sentence begins.
    given : str
        What the call is given, in words.
    error : type
    says : str
        Pattern that the error's message must hold.
    passing : tuple of types
        Errors that are handed on.

    Raises
    ------
    AssertionError
        If the call returns, or raises another error.
    """
    rule = f"refuse {given} with a {error.__name__}{f' that says {says!r}' if says else ''}"
    try:
        result = call()
    except passing:
        raise
    except error as caught:
        hold(re.search(says, str(caught)), part, rule, repr(str(caught)))
        return caught
    except Exception as other:
        raise AssertionError(f"{part} must {rule}, got {_short(repr(other))}.") from other
    raise AssertionError(f"{part} must {rule}, got {_short(repr(result))}.")


def close(found: np.ndarray, expected: np.ndarray | float, part: str, rule: str, tolerance: float) -> None:
    """Raise an AssertionError where two arrays differ by more than a tolerance anywhere.

    Parameters
    ----------
    found : float [...]
    expected : float [...]
        Of the same shape, or one number.
    part, rule : str
        As for :func:`hold`.
    tolerance : float
        The largest difference allowed.

    Raises
    ------
    AssertionError
        If they differ, or a value is not finite.
    """
    expected = np.broadcast_to(expected, found.shape) if np.ndim(expected) == 0 else np.asarray(expected)
    hold(found.shape == expected.shape, part, rule, f"the shapes {expected.shape} and {found.shape}")
    if found.size:
        difference = float(np.abs(found - expected).max())
        hold(difference <= tolerance, part, rule, f"a difference of {difference:.3g} beyond {tolerance:.3g}")


def registered_once(registry: Registry[Any], part: Any, name: str, label: str) -> None:
    """Raise an AssertionError unless a part is registered under its own name and no other.

    Parameters
    ----------
    registry : Registry
    part : Any
        What the registry should hold.
    name : str
        The part's own name.
    label : str
        The part as the sentence begins.

    Raises
    ------
    AssertionError
        Which says under which names it is registered.
    """
    names = [known for known in registry if registry[known] is part]
    hold(
        names == [name],
        label,
        f"be registered under its own name {name!r} and no other",
        ", ".join(map(repr, names)) or "no registration",
    )


@contextmanager
def other_global_state(seed: int) -> Iterator[None]:
    """The global generators of Python and numpy in another state, and back as they were afterwards.

    Parameters
    ----------
    seed : int
    """
    before = random.getstate(), np.random.get_state()  # noqa: NPY002
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002
    try:
        yield
    finally:
        random.setstate(before[0])
        np.random.set_state(before[1])  # noqa: NPY002


def global_state() -> tuple[Any, ...]:
    """What the global generators of Python and numpy stand at, to be compared with ``==``.

    Returns
    -------
    tuple
    """
    kind, keys, *rest = np.random.get_state(legacy=True)  # noqa: NPY002
    return random.getstate(), kind, np.asarray(keys).tobytes(), *rest


def _short(text: str) -> str:
    return text if len(text) <= 300 else text[:297] + "..."
