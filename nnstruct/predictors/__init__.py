"""Predict the performance of networks from their structures, with an uncertainty."""

from nnstruct.predictors.base import PREDICTORS, FittedState, Predictor
from nnstruct.predictors.classical import AdaBoost, BayesianRidge, GaussianProcess, HistGradientBoosting
from nnstruct.predictors.evaluation import BenchmarkLike, Evaluation, evaluate
from nnstruct.predictors.folds import grouped_folds
from nnstruct.predictors.forests import ExtraTrees, RandomForest
from nnstruct.predictors.gnn import GNN
from nnstruct.predictors.mean import Mean
from nnstruct.predictors.persistence import load_predictor, save

__all__ = [
    "GNN",
    "PREDICTORS",
    "AdaBoost",
    "BayesianRidge",
    "BenchmarkLike",
    "Evaluation",
    "ExtraTrees",
    "FittedState",
    "GaussianProcess",
    "HistGradientBoosting",
    "Mean",
    "Predictor",
    "RandomForest",
    "evaluate",
    "grouped_folds",
    "load_predictor",
    "save",
]
