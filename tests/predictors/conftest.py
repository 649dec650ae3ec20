"""A small benchmark of random structures whose label is known."""

from __future__ import annotations

from functools import cache
from types import SimpleNamespace

import numpy as np
import pytest

from nnstruct.predictors import PREDICTORS, Predictor
from nnstruct.structure import Structure
from nnstruct.testing import PredictorCase
from nnstruct.testing.structures import depth_and_edges, draw_structures

SMALL: dict[str, dict] = {
    "gnn": {"hidden": 8, "layers": 2, "members": 2, "max_epochs": 3},
    "weight-gnn": {"hidden": 8, "layers": 2, "members": 2, "max_epochs": 3},
    "random-forest": {"n_estimators": 20},
    "extra-trees": {"n_estimators": 20},
    "adaboost": {"n_estimators": 10},
    "hist-gradient-boosting": {"members": 3, "max_iter": 15},
    "gaussian-process": {"restarts": 0},
    "weight-statistics": {"predictor": "bayesian-ridge"},
    "semi-supervised-assessor": {"hidden": 16, "embedding": 8, "members": 2, "steps": 60},
    "conformal": {"predictor": "bayesian-ridge", "folds": 3},
}
# Float32 sums over units change in the last digits with their order, and learning only comes near a constant.
FLOAT32 = {"tolerance": 1e-5, "constant_tolerance": 0.02}
TOLERANCES: dict[str, dict[str, float]] = {
    "gnn": FLOAT32,
    "weight-gnn": FLOAT32,
    "semi-supervised-assessor": {"constant_tolerance": 0.02},
}


def small_predictor(name: str, **parameters) -> Predictor:
    return PREDICTORS[name](**{**SMALL.get(name, {}), **parameters})


@pytest.fixture(scope="session")
def case():
    """Each predictor with what it is fitted to, by name."""

    @cache
    def get(name: str) -> PredictorCase:
        return PredictorCase(small_predictor(name), **TOLERANCES.get(name, {}))

    return get


@pytest.fixture(scope="session")
def structures(case) -> list[Structure]:
    return case("mean").structures


@pytest.fixture(scope="session")
def labels(case) -> np.ndarray:
    return case("mean").labels


@pytest.fixture(scope="session")
def unseen(case) -> list[Structure]:
    return case("mean").unseen


@pytest.fixture(scope="session")
def bench(structures, labels) -> SimpleNamespace:
    return SimpleNamespace(
        structures=structures,
        y=labels,
        y_std=np.full(len(labels), 0.01),
        y_count=np.full(len(labels), 3),
        fingerprints=[s.fingerprint for s in structures],
        noise_ceiling=SimpleNamespace(value=0.99, low=0.98, high=0.995),
    )


@pytest.fixture(scope="session")
def make():
    return small_predictor


@pytest.fixture(scope="session")
def draw():
    return draw_structures


@pytest.fixture(scope="session")
def label():
    return depth_and_edges


@pytest.fixture(scope="session")
def fitted(case):
    """Each predictor fitted once, by name; tests must not change it."""
    return lambda name: case(name).fitted
