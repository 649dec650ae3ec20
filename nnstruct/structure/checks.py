"""Whether what a caller hands over is a list of Structures."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from nnstruct.errors import InvalidInputError
from nnstruct.structure.structure import Structure

STRUCTURE_BYTES = 500  # that the smallest takes, with its arrays


def check_structures(structures: Any, field: str = "structures", *, empty: bool = True) -> list[Structure]:
    """The structures as a list; a Network stands for its structure.

    Parameters
    ----------
    structures : iterable of Structure or Network
    field : str
        What they are called where the caller wrote them.
    empty : bool
        Whether there may be none.

    Returns
    -------
    list of Structure

    Raises
    ------
    InvalidInputError
        If a single structure is given, an item is none, or there is none where one is wanted.

    Examples
    --------
    >>> from nnstruct import Structure
    >>> from nnstruct.structure.checks import check_structures
    >>> check_structures(Structure.from_layers([1, 1]))
    Traceback (most recent call last):
    ...
    nnstruct.errors.InvalidInputError: structures must be a list of Structures, got Structure(...)...
    """
    if isinstance(_structure_of(structures), Structure):
        hint = "Wrap a single one in a list: [structure]."
        raise InvalidInputError(field, "be a list of Structures", structures, hint)
    if isinstance(structures, str | bytes) or not isinstance(structures, Iterable):
        raise InvalidInputError(field, "be a list of Structures", structures)
    checked = [_structure_of(item) for item in structures]
    if not checked and not empty:
        raise InvalidInputError(field, "hold at least one Structure", checked)
    for place, item in enumerate(checked):
        if not isinstance(item, Structure):
            hint = "Structure.from_networkx takes a graph."
            raise InvalidInputError(f"{field}[{place}]", "be a Structure", item, hint)
    return checked


def _structure_of(item: Any) -> Any:
    return getattr(item, "structure", item)
