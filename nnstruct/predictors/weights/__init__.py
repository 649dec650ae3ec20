"""Predictors that read the trained weights of Networks."""

from nnstruct.predictors.weights.predictor import WeightGraphNetwork
from nnstruct.predictors.weights.statistics import WeightStatistics

__all__ = ["WeightGraphNetwork", "WeightStatistics"]
