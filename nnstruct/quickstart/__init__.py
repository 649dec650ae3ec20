"""The whole way in two minutes: structures, trainings, predictors, a guided search, a report."""

from nnstruct.quickstart.settings import Settings
from nnstruct.quickstart.whole import Summary, next_commands, run

__all__ = ["Settings", "Summary", "next_commands", "run"]
