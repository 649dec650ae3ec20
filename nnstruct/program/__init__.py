"""What a module computes as a list of steps, and the rules that number its units and edges."""

from __future__ import annotations

from nnstruct.program.steps import Program, Step, UnsupportedOperationError

__all__ = ["Program", "Step", "UnsupportedOperationError"]
