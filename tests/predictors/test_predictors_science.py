"""What a structure decides is found by every predictor, with honest uncertainties."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import r2_score

from nnstruct.predictors import PREDICTORS

LEARNERS = [name for name in PREDICTORS if name != "mean"]
SETTINGS = {
    "gnn": {"members": 2, "max_epochs": 25},
    "random-forest": {"n_estimators": 60},
    "extra-trees": {"n_estimators": 40},
    "conformal": {"predictor": "bayesian-ridge"},
}


@pytest.fixture(scope="module")
def population(draw, label):
    structures = draw(170, seed=11)
    clean = label(structures)
    noisy = clean + 0.2 * clean.std() * np.random.default_rng(2).normal(size=len(clean))
    return structures[:120], noisy[:120], structures[120:], noisy[120:]


@pytest.mark.parametrize("name", LEARNERS)
def test_depth_and_edges_are_learned_and_the_mean_is_beaten_by_a_wide_margin(name, population):
    train, y, test, truth = population
    predictor = PREDICTORS[name](**SETTINGS.get(name, {})).fit(train, y)
    mean, std = predictor.predict(test, return_std=True)
    baseline = PREDICTORS["mean"]().fit(train, y).predict(test)
    assert r2_score(truth, mean) > 0.7
    assert np.abs(truth - mean).mean() < 0.6 * np.abs(truth - baseline).mean()
    covered = np.mean(np.abs(truth - mean) <= 1.645 * std)
    assert 0.74 <= covered <= 1.0
    assert std.mean() < truth.std()
