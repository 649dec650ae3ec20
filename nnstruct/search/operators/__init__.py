"""Genetic operators: structures in, a new structure out, one operator a file."""

from __future__ import annotations

from nnstruct.search.operators.add_edge import AddEdge
from nnstruct.search.operators.add_unit import AddUnit
from nnstruct.search.operators.base import OPERATORS, Operator
from nnstruct.search.operators.change_attribute import ChangeAttribute
from nnstruct.search.operators.change_channels import ChangeChannels
from nnstruct.search.operators.change_kernel import ChangeKernel
from nnstruct.search.operators.change_recurrence import ChangeRecurrence
from nnstruct.search.operators.change_stage import ChangeStage
from nnstruct.search.operators.change_width import ChangeWidth
from nnstruct.search.operators.crossover import Crossover
from nnstruct.search.operators.remove_edge import RemoveEdge
from nnstruct.search.operators.remove_unit import RemoveUnit
from nnstruct.search.operators.rewire_edge import RewireEdge

__all__ = [
    "OPERATORS",
    "AddEdge",
    "AddUnit",
    "ChangeAttribute",
    "ChangeChannels",
    "ChangeKernel",
    "ChangeRecurrence",
    "ChangeStage",
    "ChangeWidth",
    "Crossover",
    "Operator",
    "RemoveEdge",
    "RemoveUnit",
    "RewireEdge",
]
