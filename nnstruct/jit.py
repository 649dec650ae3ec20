"""Compiled functions that are kept on disk until something that they are made of changes.

numba looks at the file and the bytecode of the function that it compiles to tell whether what it has kept
is stale. A loop that is put together from functions of several files would go on with old ones. Here
the key of what is kept is also made of all functions that are reached from the compiled one, of the
globals that they read, and of the fields of the named tuples that they are given. It is taken from what
Python has loaded, so that no source file need be there. Importing this module imports numba.
"""

from __future__ import annotations

import hashlib
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cached_property
from types import CodeType, FunctionType, ModuleType
from typing import Any

import numpy as np
from numba import njit, types
from numba.core.caching import FunctionCache
from numba.core.dispatcher import Dispatcher
from numba.core.sigutils import normalize_signature

_CODE = (
    "co_code", "co_consts", "co_names", "co_varnames", "co_freevars", "co_cellvars", "co_argcount",
    "co_kwonlyargcount", "co_flags", "co_exceptiontable",
)  # fmt: skip
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


def cached_njit(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """``numba.njit`` with a cache on disk that is never stale, for functions that Python calls.

    What such a function calls is compiled with it and takes ``numba.njit``, without a cache.

    Parameters
    ----------
    **options
        As for ``numba.njit``, but for ``cache``.

    Returns
    -------
    callable
        The decorator. Where nothing can be kept, because there is no source file or no folder to write
        to, it warns and the function is compiled anew in each process.

    Examples
    --------
    >>> from nnstruct.properties.kernel import paper_rows  # compiled by it, once calls are long
    >>> paper_rows.stats.cache_path is not None
    True
    """

    def decorate(function: Callable[..., Any]) -> Any:
        compiled: Any = njit(**options)(function)
        if compiled is not function:  # NUMBA_DISABLE_JIT leaves it as it is
            try:
                compiled._cache = _WholeCache(compiled)
            except RuntimeError as error:
                warnings.warn(f"{error}; each process compiles it anew", RuntimeWarning, stacklevel=2)
        return compiled

    return decorate


class _WholeCache(FunctionCache):
    """numba's cache, with a key that follows from all that is compiled."""

    def __init__(self, compiled: Any) -> None:
        super().__init__(compiled.py_func)
        self._compiled = compiled

    @cached_property
    def digest(self) -> str:
        """SHA-256 of what the function is made of; taken at the first call, when all modules are loaded."""
        text = "\n".join(text for _, text in _walk(self._compiled))
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """What is kept for a signature; None where nothing is, or what is there cannot be read."""
        try:
            return super().load_overload(sig, target_context)
        except Exception:  # a file cut short makes pickle raise whatever it stumbles over
            with suppress(Exception):
                self._cache_file.flush()
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep what was compiled; where that fails, on a full disk say, it is only not kept."""
        try:
            super().save_overload(sig, data)
        except OSError as error:
            warnings.warn(
                f"{self._name} is compiled anew in each process: it cannot be kept ({error})",
                RuntimeWarning,
                stacklevel=2,
            )

    def _index_key(self, sig: Any, codegen: Any) -> tuple[Any, ...]:
        fields = [_fields(given) for given in normalize_signature(sig)[0]]
        return (*super()._index_key(sig, codegen), self.digest, repr(fields))


def _fields(given: Any) -> Any:
    """The names in a named tuple and in what it holds: to numba, tuples with the same types are the same."""
    if not isinstance(given, types.BaseTuple):
        return None
    inner: Any = given
    return getattr(inner, "fields", None), [_fields(one) for one in inner.types]


def _walk(compiled: Any) -> Iterator[tuple[Any, str]]:
    """Each function that is reached, and a text that changes with whatever its code depends on."""
    waiting, seen = [compiled], set()
    while waiting:
        function = waiting.pop()
        plain = getattr(function, "py_func", function)
        if plain in seen:
            continue
        seen.add(plain)
        parts = [_name(plain), _text(getattr(function, "targetoptions", None)), _text(plain.__code__)]
        for name, value in _values(plain):
            if isinstance(value, Dispatcher) or (isinstance(value, FunctionType) and _kin(value, plain)):
                waiting.append(value)
            parts.append(f"{name}: {_text(value)}")
        yield function, "\n".join(parts)


def _values(function: Any) -> Iterator[tuple[str, Any]]:
    """What a function reads from outside by name, also through a module or a class."""
    yield "defaults", (function.__defaults__, function.__kwdefaults__)
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        yield name, cell.cell_contents
    names = sorted(_names(function.__code__))
    spaces, seen = [("", function.__globals__)], set()
    while spaces:
        prefix, space = spaces.pop()
        for name in names:
            if name not in space:
                continue
            value = space[name]
            yield prefix + name, value
            if isinstance(value, (ModuleType, type)) and _kin(value, function) and value not in seen:
                seen.add(value)
                spaces.append((f"{prefix}{name}.", vars(value)))


def _names(code: CodeType) -> set[str]:
    inner = (constant for constant in code.co_consts if isinstance(constant, CodeType))
    return set(code.co_names).union(*map(_names, inner))


def _kin(value: Any, function: Any) -> bool:
    """Whether a function, class or module is of the package that a function is of."""
    home = value.__name__ if isinstance(value, ModuleType) else value.__module__
    return str(home).partition(".")[0] == str(function.__module__).partition(".")[0]


def _name(value: Any) -> str:
    return f"{value.__module__}.{value.__qualname__}"


def _text(value: Any) -> str:
    """A text that is equal in all processes for equal values, and for no others that numba can compile."""
    if isinstance(value, CodeType):
        return " ".join(_text(getattr(value, name)) for name in _CODE)
    if isinstance(value, (tuple, list)):
        return f"{type(value).__name__}({', '.join(map(_text, value))})"
    if isinstance(value, (set, frozenset)):
        return f"set({', '.join(sorted(map(_text, value)))})"
    if isinstance(value, dict):
        return f"dict({', '.join(sorted(f'{_text(key)}: {_text(one)}' for key, one in value.items()))})"
    if isinstance(value, np.ndarray):
        return f"array {value.dtype} {value.shape} {value.tobytes()!r}"
    if isinstance(value, ModuleType):
        return f"module {value.__name__}"
    if isinstance(value, type):
        return f"class {_name(value)} {getattr(value, '_fields', '')}"
    if isinstance(value, (FunctionType, Dispatcher)):
        return f"function {_name(getattr(value, 'py_func', value))}"
    return f"{_name(type(value))} {_ADDRESS.sub('', repr(value))}"
