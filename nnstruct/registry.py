"""Named parts (priors, tasks, predictors, operators) are looked up in registries."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from nnstruct.errors import InvalidInputError, UnknownNameError

T = TypeVar("T")


class Registry(Generic[T]):
    """A mapping from name to part, filled by a decorator, with an error that names what is near.

    Parameters
    ----------
    kind : str
        What the parts are, as the error message calls them.

    Examples
    --------
    >>> from nnstruct.registry import Registry
    >>> shapes = Registry("shape")
    >>> @shapes.register("square")
    ... class Square: ...
    >>> shapes["square"] is Square, list(shapes)
    (True, ['square'])
    >>> shapes["squire"]
    Traceback (most recent call last):
    ...
    nnstruct.errors.UnknownNameError: shape must be one of square, got 'squire'. Did you mean 'square'?
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._parts: dict[str, T] = {}

    def register(self, name: str) -> Callable[[T], T]:
        """Decorator that adds a part under a name.

        Parameters
        ----------
        name : str

        Returns
        -------
        callable
            It takes the part, a class, function or value, and gives it back as it is.

        Raises
        ------
        InvalidInputError
            When a part is decorated whose name is taken.
        """

        def add(part: T) -> T:
            if name in self._parts:
                raise InvalidInputError(f"{self.kind} name", "not be registered twice", name)
            self._parts[name] = part
            return part

        return add

    def __getitem__(self, name: str) -> T:
        if name not in self:
            near = difflib.get_close_matches(str(name), self._parts, n=1)
            hint = f"Did you mean {near[0]!r}?" if near else ""
            raise UnknownNameError(self.kind, f"be one of {', '.join(self)}", name, hint)
        return self._parts[name]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name in self._parts

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._parts))

    def __len__(self) -> int:
        return len(self._parts)
