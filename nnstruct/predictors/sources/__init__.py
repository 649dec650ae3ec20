"""Models of earlier benchmarks, whose predictions help where a new task has few labels."""

from nnstruct.predictors.sources.models import SourceModels
from nnstruct.predictors.sources.shipped import build_sources, shipped_sources

__all__ = ["SourceModels", "build_sources", "shipped_sources"]
