"""Guided evolution: which structures to train next, by mutation, crossover and a predictor."""

from __future__ import annotations

from nnstruct.search.acquisition import ACQUISITIONS
from nnstruct.search.breeding import Candidate, breed
from nnstruct.search.genome import Genome
from nnstruct.search.guide import CorrectedGuide
from nnstruct.search.operators import OPERATORS, Operator
from nnstruct.search.search import Search
from nnstruct.search.selection import SELECTIONS, Selection, Tournament, Truncation, survivors

__all__ = [
    "ACQUISITIONS",
    "OPERATORS",
    "SELECTIONS",
    "Candidate",
    "CorrectedGuide",
    "Genome",
    "Operator",
    "Search",
    "Selection",
    "Tournament",
    "Truncation",
    "breed",
    "survivors",
]
