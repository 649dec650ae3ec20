"""What a module computes as a list of steps, and the units and edges that follow from it."""

from __future__ import annotations

from nnstruct.program.assembly import MAX_EDGES, wire
from nnstruct.program.network import EdgeBlock, ModuleNetwork
from nnstruct.program.steps import Program, Step, UnsupportedOperationError

__all__ = ["MAX_EDGES", "EdgeBlock", "ModuleNetwork", "Program", "Step", "UnsupportedOperationError", "wire"]
