"""Spaces to search in: bounds on a family, cells, a table, or an own one."""

from __future__ import annotations

from nnstruct.search.spaces.base import SearchSpace, as_search_space, family_of, settings_of
from nnstruct.search.spaces.cells import CellSpace
from nnstruct.search.spaces.drawn import DrawnSpace
from nnstruct.search.spaces.limited import LimitedSpace
from nnstruct.search.spaces.table import TableSpace

__all__ = [
    "CellSpace",
    "DrawnSpace",
    "LimitedSpace",
    "SearchSpace",
    "TableSpace",
    "as_search_space",
    "family_of",
    "settings_of",
]
