"""Predictors on statistics of weights: they see what structures do not tell."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from scaled_networks import drawn

from nnstruct.errors import InvalidInputError
from nnstruct.predictors import (
    BayesianRidge,
    ExtraTrees,
    HistGradientBoosting,
    WeightStatistics,
    load_predictor,
)

PARTS = {
    "trees": ExtraTrees(n_estimators=20),
    "boosting": HistGradientBoosting(members=2, max_iter=30),
    "linear": BayesianRidge(),
}


@pytest.mark.parametrize("structure", [True, False])
@pytest.mark.parametrize("part", PARTS)
def test_it_learns_from_weights(part, structure):
    networks, scales = drawn(90)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = WeightStatistics(PARTS[part], structure=structure).fit(networks[:60], scales[:60])
        mean, std = model.predict(networks[60:], return_std=True)
    assert np.corrcoef(mean, scales[60:])[0, 1] > 0.85
    assert np.mean(np.abs(mean - scales[60:]) < 2.5 * std) > 0.8


def test_structures_alone_do_not_tell():
    networks, scales = drawn(90)
    with pytest.warns(UserWarning, match="weights of the Networks in structures are not used"):
        blind = ExtraTrees(n_estimators=20).fit(networks[:60], scales[:60])
    seen = blind.predict([network.structure for network in networks[60:]])
    assert abs(np.corrcoef(seen, scales[60:])[0, 1]) < 0.6


@pytest.mark.parametrize("part", PARTS)
def test_saved_with_weights(part, tmp_path):
    networks, scales = drawn(40)
    model = WeightStatistics(PARTS[part]).fit(networks[:30], scales[:30])
    again = load_predictor(model.save(tmp_path / "model"))
    np.testing.assert_array_equal(again.predict(networks[30:]), model.predict(networks[30:]))
    assert again.predictor.get_params() == PARTS[part].get_params()


def test_networks_and_structures_are_kept_apart():
    networks, scales = drawn(20)
    model = WeightStatistics("bayesian-ridge").fit(networks, scales)
    with pytest.raises(InvalidInputError, match="structures must be Networks, as in fit"):
        model.predict([network.structure for network in networks])
    with pytest.raises(InvalidInputError, match="structures must be Networks, whose weights are read"):
        WeightStatistics("bayesian-ridge", structure=False).fit([n.structure for n in networks], scales)


@pytest.mark.parametrize("wrong", ["gnn", 5])
def test_only_tables(wrong):
    networks, scales = drawn(4)
    with pytest.raises(InvalidInputError, match="predictor must be a predictor on a feature table"):
        WeightStatistics(wrong).fit(networks, scales)
