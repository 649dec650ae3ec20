"""Named parts (priors, tasks, predictors, operators) are looked up in registries."""

from __future__ import annotations

import html
import importlib
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Generic, TypeVar, overload

from nnstruct.checks import is_number
from nnstruct.errors import InvalidInputError, UnknownNameError, nearest

T = TypeVar("T")
P = TypeVar("P")


class Registry(Generic[T]):
    """A mapping from name to part, filled by a decorator, with an error that names what is near.

    Where a name is not known, installed packages that bring parts (:func:`nnstruct.plugins.load_plugins`) are
    imported and asked too. ``print(registry)`` shows the parts as a table, as a notebook does.

    Parameters
    ----------
    kind : str
        What the parts are, as the error message calls them.
    adopt : callable, optional
        Makes of what is registered the part that is kept, for example an instance of a class.
    about : callable, optional
        Says in one line what a part is; by default the first sentence of its docstring.
    homes : mapping of str to str, optional
        The module that registers a name, imported when the name is first asked for; all of them where parts
        are counted or listed.

    Examples
    --------
    >>> from nnstruct.registry import Registry
    >>> shapes = Registry("shape")
    >>> @shapes.register("square")
    ... class Square:
    ...     "Four equal sides."
    >>> shapes["square"] is Square, list(shapes)
    (True, ['square'])
    >>> print(shapes)
    square  Four equal sides.
    >>> shapes["squire"]
    Traceback (most recent call last):
    ...
    nnstruct.errors.UnknownNameError: shape must be one of square, got 'squire'. Did you mean 'square'?
    """

    def __init__(
        self,
        kind: str,
        *,
        adopt: Callable[[Any], Any] | None = None,
        about: Callable[[Any], str] | None = None,
        homes: Mapping[str, str] | None = None,
    ) -> None:
        self.kind = kind
        self._homes = dict(homes or {})
        self._adopt, self._about = adopt, about
        self._parts: dict[str, T] = {}
        self._places: dict[str, tuple[str, str] | None] = {}

    @overload
    def register(self, name: str) -> Callable[[P], P]: ...
    @overload
    def register(self, name: P) -> P: ...
    def register(self, name: Any) -> Any:
        """Add a part: ``@registry.register("name")`` above it, or ``registry.register(part)``.

        Registered again from the same place, as when a cell of a notebook runs twice, a part takes the place
        of the one before.

        Parameters
        ----------
        name : str, or the part itself
            A part without a name here is called by its attribute ``name``, or by that of the function.

        Returns
        -------
        callable, or the part
            With a name a decorator, which takes a class, function or value and gives it back as it is.

        Raises
        ------
        InvalidInputError
            When a name is taken by a part from elsewhere, or a part has none.
        """
        caller = sys._getframe(1).f_globals.get("__name__", "")
        if not isinstance(name, str):
            return self._add(_own_name(name, self.kind), name, caller)
        return lambda part: self._add(name, part, caller)

    def _add(self, name: str, part: P, caller: str) -> P:
        place = _place(part, caller)
        if name in self._parts and (place is None or self._places[name] != place):
            raise InvalidInputError(f"{self.kind} name", "not be registered twice", name)
        self._parts[name] = part if self._adopt is None else self._adopt(part)  # type: ignore[assignment]
        self._places[name] = place
        return part

    def __getitem__(self, name: str) -> T:
        if name not in self:
            self._import_all()
            rule = f"be one of {', '.join(self)}"
            raise UnknownNameError(self.kind, rule, name, nearest(name, self._parts))
        return self._parts[name]

    def __contains__(self, name: object) -> bool:
        if not isinstance(name, str):
            return False
        if name in self._homes:
            importlib.import_module(self._homes[name])
        if name not in self._parts:
            from nnstruct.plugins import load_plugins

            load_plugins()
        return name in self._parts

    def __iter__(self) -> Iterator[str]:
        self._import_all()
        return iter(sorted(self._parts))

    def __len__(self) -> int:
        self._import_all()
        return len(self._parts)

    def _import_all(self) -> None:
        for module in self._homes.values():
            importlib.import_module(module)

    def about(self, name: str) -> str:
        """What a part is, in one line.

        Parameters
        ----------
        name : str

        Returns
        -------
        str
            Empty where the part says nothing of itself.

        Raises
        ------
        UnknownNameError
            If there is no such part.
        """
        part = self[name]
        if self._about is not None:
            return " ".join(self._about(part).split())
        kinds = {type(other) for other in self._parts.values()}
        plain = inspect.isroutine(part) or inspect.isclass(part)
        told = part if plain else type(part) if len(kinds) == len(self._parts) else None
        text = inspect.getdoc(told) if told is not None and type(told) is not str else None
        line = " ".join((text or "").split("\n\n")[0].split())
        return line.replace("``", "")

    def __repr__(self) -> str:
        width = max(map(len, self), default=0)
        return "\n".join(f"{name.ljust(width)}  {self.about(name)}".rstrip() for name in self)

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><th scope='row' style='text-align:left'>{html.escape(name)}</th>"
            f"<td style='text-align:left'>{html.escape(self.about(name))}</td></tr>"
            for name in self
        )
        return f"<table><caption>{html.escape(self.kind)}: {len(self)}</caption>{rows}</table>"


def _own_name(part: Any, kind: str) -> str:
    name = getattr(part, "name", None) or (
        part.__name__.strip("_").replace("_", "-") if inspect.isfunction(part) else None
    )
    if not isinstance(name, str) or not name:
        raise InvalidInputError(f"{kind} name", "be given, or be the part's attribute 'name'", part)
    return name


def _place(part: Any, caller: str) -> tuple[str, str] | None:
    """Where a part comes from; None for values, which do not tell."""
    if inspect.isclass(part) or inspect.isfunction(part):
        return part.__module__, part.__qualname__
    if is_number(part) or isinstance(part, str | bytes | tuple | list | dict):
        return None
    return caller, f"{type(part).__module__}.{type(part).__qualname__}"
