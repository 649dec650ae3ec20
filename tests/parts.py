"""The parts that the package defines, so that none is forgotten in its registry."""

from __future__ import annotations

import inspect
import sys
from typing import Any


def defined_parts(base: type) -> list[Any]:
    """Every class of a kind that a file of the package defines and that can be made.

    A class that only helps its subclasses is abstract, begins with an underscore or has no name of its own.
    """
    found, waiting = [], [base]
    while waiting:
        below = waiting.pop().__subclasses__()
        waiting += below
        found += [cls for cls in below if _is_a_part(cls)]
    return sorted(set(found), key=lambda cls: cls.__name__)


def _is_a_part(cls: type) -> bool:
    # Examples in docstrings define classes too, which no file holds.
    held = getattr(sys.modules.get(cls.__module__), cls.__name__, None) is cls
    named = bool(getattr(cls, "name", "")) and not cls.__name__.startswith("_")
    return held and named and cls.__module__.startswith("nnstruct.") and not inspect.isabstract(cls)
