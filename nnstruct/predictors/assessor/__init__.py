"""A predictor that learns from structures with and without a label, through a graph of similar ones."""

from nnstruct.predictors.assessor.predictor import SemiSupervisedAssessor

__all__ = ["SemiSupervisedAssessor"]
