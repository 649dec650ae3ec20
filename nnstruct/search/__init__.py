"""Guided evolution: which structures to train next, by mutation, crossover and a predictor."""

from __future__ import annotations

from nnstruct.search.acquisition import ACQUISITIONS
from nnstruct.search.breeding import Candidate, breed
from nnstruct.search.choice import JOINT_ACQUISITIONS
from nnstruct.search.final import Final
from nnstruct.search.genome import Genome
from nnstruct.search.guide import CorrectedGuide, Guide, JointGuide
from nnstruct.search.operators import OPERATORS, Operator
from nnstruct.search.rungs import Rungs
from nnstruct.search.search import Search
from nnstruct.search.selection import SELECTIONS, Selection, Tournament, Truncation, survivors
from nnstruct.search.spaces import CellSpace, SearchSpace, TableSpace
from nnstruct.search.stored import read_history, read_structures

__all__ = [
    "ACQUISITIONS",
    "JOINT_ACQUISITIONS",
    "OPERATORS",
    "SELECTIONS",
    "Candidate",
    "CellSpace",
    "CorrectedGuide",
    "Final",
    "Genome",
    "Guide",
    "JointGuide",
    "Operator",
    "Rungs",
    "Search",
    "SearchSpace",
    "Selection",
    "TableSpace",
    "Tournament",
    "Truncation",
    "breed",
    "read_history",
    "read_structures",
    "survivors",
]
