"""Options of a constructor by name: one that is misspelt is told the nearest."""

from __future__ import annotations

import inspect
from typing import Any, Self

from nnstruct.errors import InvalidInputError, nearest


class NamedOptions:
    """A class whose constructor refuses an option that it has not in one sentence."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        # Help and completion would show the arguments of ``__new__``.
        signature = inspect.signature(cls.__init__)
        shown = signature.replace(parameters=list(signature.parameters.values())[1:])
        cls.__signature__ = shown.replace(return_annotation=signature.empty)  # type: ignore[attr-defined]

    def __new__(cls, *args: Any, **params: Any) -> Self:
        """Name an option that the class has not, and what it has."""
        known = [name for name in inspect.signature(cls.__init__).parameters if name != "self"]
        for name in params:
            if name not in known and known != ["args", "kwargs"]:
                rule = f"be one of {', '.join(known)}"
                raise InvalidInputError(f"option of {cls.__name__}", rule, name, nearest(name, known))
        return super().__new__(cls)
