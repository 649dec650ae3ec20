"""Classes made at run time, which add something to a module's own class and can be pickled all the same."""

from __future__ import annotations

from typing import Any

_MADE: dict[tuple[type, type], type] = {}


class Mixin:
    """What is added to a module's class; pickle could not find the class made of both by its name."""

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        """The two classes and the module's state; torch gives none while a tensor has a mask."""
        state = self.__getstate__()
        added, kind = type(self).__bases__
        return _empty, (added, kind), state


def mixed(added: type[Mixin], kind: type) -> type:
    """The class of a module with something added, under the module's own name.

    Parameters
    ----------
    added : type
    kind : type
        Of the module.

    Returns
    -------
    type
        The same one whenever it is asked for the same two.
    """
    pair = (added, kind)
    if pair not in _MADE:
        _MADE[pair] = type(kind.__name__, pair, {"__module__": kind.__module__})
    return _MADE[pair]


def _empty(added: type[Mixin], kind: type) -> Any:
    both: Any = mixed(added, kind)
    return both.__new__(both)
