"""Predict the performance of networks from their structure, with an uncertainty."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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
    from nnstruct.predictors.homes import PRETRAINED
    from nnstruct.predictors.leaderboards import leaderboard, leaderboard_page
    from nnstruct.predictors.mean import Mean
    from nnstruct.predictors.persistence import load_predictor, save
    from nnstruct.predictors.pretrained import build_pretrained, load_pretrained, pretrained_cards
    from nnstruct.predictors.random_forest import RandomForest
    from nnstruct.predictors.sources import SourceModels, build_sources
    from nnstruct.predictors.task_transfer import task_transfer
    from nnstruct.predictors.weights import WeightGraphNetwork, WeightStatistics
    from nnstruct.structure.twins import twin_groups

# Reading one predictor needs few of these, and none of what an evaluation imports.
_LAZY = {
    "GNN": "nnstruct.predictors.gnn",
    "PREDICTORS": "nnstruct.predictors.base",
    "PRETRAINED": "nnstruct.predictors.homes",
    "AdaBoost": "nnstruct.predictors.adaboost",
    "BayesianRidge": "nnstruct.predictors.bayesian_ridge",
    "BenchmarkLike": "nnstruct.predictors.given",
    "Conformal": "nnstruct.predictors.conformal",
    "Ensemble": "nnstruct.predictors.ensemble",
    "Evaluation": "nnstruct.predictors.evaluation",
    "ExtraTrees": "nnstruct.predictors.extra_trees",
    "FittedState": "nnstruct.predictors.base",
    "GaussianProcess": "nnstruct.predictors.gaussian_process",
    "GroupedGaussianProcess": "nnstruct.predictors.grouped_gp",
    "HistGradientBoosting": "nnstruct.predictors.hist_gradient_boosting",
    "Mean": "nnstruct.predictors.mean",
    "Predictor": "nnstruct.predictors.base",
    "RandomForest": "nnstruct.predictors.random_forest",
    "SemiSupervisedAssessor": "nnstruct.predictors.assessor",
    "SourceModels": "nnstruct.predictors.sources",
    "WeightGraphNetwork": "nnstruct.predictors.weights",
    "WeightStatistics": "nnstruct.predictors.weights",
    "build_pretrained": "nnstruct.predictors.pretrained",
    "build_sources": "nnstruct.predictors.sources",
    "evaluate": "nnstruct.predictors.evaluation",
    "grouped_folds": "nnstruct.predictors.folds",
    "leaderboard": "nnstruct.predictors.leaderboards",
    "leaderboard_page": "nnstruct.predictors.leaderboards",
    "load_predictor": "nnstruct.predictors.persistence",
    "load_pretrained": "nnstruct.predictors.pretrained",
    "pretrained_cards": "nnstruct.predictors.pretrained",
    "save": "nnstruct.predictors.persistence",
    "task_transfer": "nnstruct.predictors.task_transfer",
    "twin_groups": "nnstruct.structure.twins",
}

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
    "task_transfer",
    "twin_groups",
]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        value = getattr(importlib.import_module(_LAZY[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'nnstruct.predictors' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
