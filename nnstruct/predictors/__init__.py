"""Predict the performance of networks from their structures, with an uncertainty."""

from nnstruct.predictors.adaboost import AdaBoost
from nnstruct.predictors.assessor import SemiSupervisedAssessor
from nnstruct.predictors.base import PREDICTORS, FittedState, Predictor
from nnstruct.predictors.bayesian_ridge import BayesianRidge
from nnstruct.predictors.conformal import Conformal
from nnstruct.predictors.ensemble import Ensemble
from nnstruct.predictors.evaluation import Evaluation, evaluate
from nnstruct.predictors.extra_trees import ExtraTrees
from nnstruct.predictors.folds import grouped_folds
from nnstruct.predictors.gaussian_process import GaussianProcess
from nnstruct.predictors.given import BenchmarkLike
from nnstruct.predictors.gnn import GNN
from nnstruct.predictors.grouped_gp import GroupedGaussianProcess
from nnstruct.predictors.hist_gradient_boosting import HistGradientBoosting
from nnstruct.predictors.leaderboard import leaderboard, leaderboard_page
from nnstruct.predictors.mean import Mean
from nnstruct.predictors.persistence import load_predictor, save
from nnstruct.predictors.pretrained import PRETRAINED, build_pretrained, load_pretrained, pretrained_cards
from nnstruct.predictors.random_forest import RandomForest
from nnstruct.predictors.sources import SourceModels, build_sources
from nnstruct.predictors.weights import WeightGraphNetwork, WeightStatistics
from nnstruct.structure.twins import twin_groups

__all__ = [
    "GNN",
    "PREDICTORS",
    "PRETRAINED",
    "AdaBoost",
    "BayesianRidge",
    "BenchmarkLike",
    "Conformal",
    "Ensemble",
    "Evaluation",
    "ExtraTrees",
    "FittedState",
    "GaussianProcess",
    "GroupedGaussianProcess",
    "HistGradientBoosting",
    "Mean",
    "Predictor",
    "RandomForest",
    "SemiSupervisedAssessor",
    "SourceModels",
    "WeightGraphNetwork",
    "WeightStatistics",
    "build_pretrained",
    "build_sources",
    "evaluate",
    "grouped_folds",
    "leaderboard",
    "leaderboard_page",
    "load_predictor",
    "load_pretrained",
    "pretrained_cards",
    "save",
    "twin_groups",
]
