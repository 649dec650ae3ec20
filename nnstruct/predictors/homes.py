"""Where predictors stand. Each module is imported when its name is first asked for."""

from __future__ import annotations

from collections.abc import Mapping

# The module that registers each name.
HOMES: Mapping[str, str] = {
    "adaboost": "nnstruct.predictors.adaboost",
    "auto": "nnstruct.predictors.ensemble.predictor",
    "bayesian-ridge": "nnstruct.predictors.bayesian_ridge",
    "conformal": "nnstruct.predictors.conformal",
    "extra-trees": "nnstruct.predictors.extra_trees",
    "gaussian-process": "nnstruct.predictors.gaussian_process",
    "gnn": "nnstruct.predictors.gnn.predictor",
    "grouped-gp": "nnstruct.predictors.grouped_gp",
    "hist-gradient-boosting": "nnstruct.predictors.hist_gradient_boosting",
    "mean": "nnstruct.predictors.mean",
    "random-forest": "nnstruct.predictors.random_forest",
    "semi-supervised-assessor": "nnstruct.predictors.assessor.predictor",
    "weight-gnn": "nnstruct.predictors.weights.predictor",
    "weight-statistics": "nnstruct.predictors.weights.statistics",
}
# Those that are read from a file and asked without scikit-learn.
LIGHT = frozenset({"auto", "extra-trees", "grouped-gp", "mean", "random-forest"})

# Benchmarks that a predictor is shipped of, and what it predicts.
FITTED: Mapping[str, str] = {
    "fashion-cnn": "test accuracy of convolutional networks on Fashion-MNIST",
    "mnist-mlp": "test accuracy of perceptrons with skip connections on MNIST",
    "reber-rnn": "test accuracy of recurrent networks on Reber strings",
}
STRUCTURES = "structures"
PRETRAINED = (*FITTED, STRUCTURES)
