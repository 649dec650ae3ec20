"""Every registered predictor keeps the laws of predictors; a new one is covered by being registered."""

from __future__ import annotations

import numpy as np
import pytest
from parts import defined_parts
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from nnstruct.predictors import PREDICTORS, Predictor
from nnstruct.testing import predictor_checks

LAWS = dict(predictor_checks())


@pytest.mark.parametrize("name", list(PREDICTORS))
@pytest.mark.parametrize("law", LAWS)
def test_it_keeps_the_law(name, law, case):
    LAWS[law](case(name))


def test_every_predictor_is_registered():
    assert {PREDICTORS[name] for name in PREDICTORS} == set(defined_parts(Predictor))
    assert len(PREDICTORS) >= 8


def test_grid_search_and_pipelines_carry_weights_and_std(make, structures, labels):
    search = GridSearchCV(make("random-forest"), {"min_samples_leaf": [1, 15]}, cv=2)
    search.fit(structures, labels)
    assert search.best_params_ == {"min_samples_leaf": 1}
    pipeline = make_pipeline(make("bayesian-ridge"))
    pipeline.fit(structures, labels, bayesianridge__sample_weight=np.ones(len(labels)))
    mean, std = pipeline.predict(structures, return_std=True)
    assert mean.shape == std.shape
