"""Loops that Python runs while they are short, and numba compiles when they are not.

To import numba and to load what it keeps of a few functions takes longer than to go through a small
structure in plain Python. So a loop is compiled, or what is kept of it loaded, once a process has asked for
more than :data:`STEPS` in all; what came before was run as it is written. Both ways do the same operations
in the same order, on the C library's functions, and give the same bits.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from functools import update_wrapper
from types import CodeType, FunctionType
from typing import Any

import numpy as np

# Some tenths of a second of Python; to load numba and what it keeps takes a second and more.
STEPS = 300_000


class _Plain:
    """numpy, but for functions that it has its own versions of, where compiled code asks the C library."""

    def __getattr__(self, name: str) -> Any:
        return getattr(np, name)

    @staticmethod
    def exp(x: float) -> float:
        return math.exp(x) if x < 709.0 else float(np.exp(x))

    @staticmethod
    def log(x: float) -> float:
        return math.log(x) if x > 0.0 else -math.inf if x == 0.0 else math.nan

    @staticmethod
    def log1p(x: float) -> float:
        return math.log1p(x) if x > -1.0 else float(np.log1p(x))


_PLAIN = _Plain()
_lock = threading.Lock()
_taken = 0


def _take(steps: int) -> bool:
    """Whether so many steps are still to be run as they are written."""
    global _taken
    if _taken + steps > STEPS:
        return False
    _taken += steps
    return True


class NumberLoop:
    """A function that :func:`loop` made: called as it is written or compiled.

    Parameters
    ----------
    function : callable
    steps : callable, optional
        How many steps a call takes; None: always compiled.
    keep : bool
        Keep on disk what is compiled.
    options : dict
        Of ``numba.njit``.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        steps: Callable[..., int] | None,
        keep: bool,
        options: dict[str, Any],
    ) -> None:
        update_wrapper(self, function)
        self._function, self._steps, self._keep, self._options = function, steps, keep, options
        self._plain: Any = None
        self._compiled: Any = None

    def __call__(self, *given: Any) -> Any:
        """Run it, by whichever way is the shorter."""
        if self._compiled is None and self._steps is not None and _take(self._steps(*given)):
            with np.errstate(all="ignore"):
                return self.plain(*given)
        return self.compiled(*given)

    @property
    def plain(self) -> Any:
        """The function as it is written, and so all that it calls."""
        if self._plain is None:
            self._plain = _bound(self._function, {"np": _PLAIN}, lambda inner: inner.plain)
        return self._plain

    @property
    def compiled(self) -> Any:
        """What numba makes of it; the first call imports numba."""
        if self._compiled is None:
            from numba import njit

            from nnstruct.jit import cached_njit

            with _lock:
                decorate = (cached_njit if self._keep else njit)(**self._options)
            made = decorate(_bound(self._function, {}, lambda inner: inner.compiled))
            self._compiled = self._compiled or made
        return self._compiled

    def __getattr__(self, name: str) -> Any:
        """Whatever else a compiled function has."""
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self.compiled, name)


def loop(
    steps: Callable[..., int] | None = None, *, keep: bool = True, **options: Any
) -> Callable[[Callable[..., Any]], Any]:
    """Decorate a loop over numbers: Python runs short calls of it, and numba compiles it for long ones.

    What it calls must be decorated too, with ``keep=False``.

    Parameters
    ----------
    steps : callable, optional
        Of the same arguments: about how many turns of the innermost loop a call takes. None: the function
        is always compiled, as for all that is called by compiled ones only.
    keep : bool
        Keep what is compiled on disk, as :func:`nnstruct.jit.cached_njit` does.
    **options
        As for ``numba.njit``, but for ``cache``.

    Returns
    -------
    callable
        The decorator, which gives a :class:`NumberLoop`.

    Examples
    --------
    >>> import numpy as np
    >>> @loop(lambda values: values.size, keep=False)
    ... def total(values):
    ...     found = 0.0
    ...     for value in values:
    ...         found += value
    ...     return found
    >>> bool(total.plain(np.array([0.1, 0.2, 0.3])) == total.compiled(np.array([0.1, 0.2, 0.3])))
    True
    """
    return lambda function: NumberLoop(function, steps, keep, options)


def _bound(
    function: Callable[..., Any], others: dict[str, Any], inner: Callable[[NumberLoop], Any]
) -> FunctionType:
    """A copy of a function that finds other values under some names of its module."""
    space: dict[str, Any] = getattr(function, "__globals__")  # noqa: B009
    code: CodeType = getattr(function, "__code__")  # noqa: B009
    loops = {name: inner(value) for name in _names(code) if isinstance(value := space.get(name), NumberLoop)}
    made = FunctionType(code, {**space, **others, **loops}, function.__name__, None, None)
    made.__module__, made.__qualname__, made.__doc__ = (
        function.__module__,
        function.__qualname__,
        function.__doc__,
    )
    return made


def _names(code: CodeType) -> set[str]:
    inner = (constant for constant in code.co_consts if isinstance(constant, CodeType))
    return set(code.co_names).union(*map(_names, inner))
