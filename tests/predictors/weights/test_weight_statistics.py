"""Predictors on statistics of weights: they see what structures do not tell."""

from __future__ import annotations

import warnings
from types import SimpleNamespace

import numpy as np
import pytest
from scaled_networks import drawn

from nnstruct.errors import InvalidInputError
from nnstruct.predictors import (
    BayesianRidge,
    Conformal,
    ExtraTrees,
    HistGradientBoosting,
    WeightStatistics,
    evaluate,
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


def test_conformal_intervals_hand_the_weights_on():
    networks, scales = drawn(90)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = Conformal(WeightStatistics("bayesian-ridge"), folds=3).fit(networks[:60], scales[:60])
        low, high = model.predict_interval(networks[60:], coverage=0.8)
    assert np.mean((low <= scales[60:]) & (scales[60:] <= high)) > 0.6
    assert np.mean(high - low) < np.ptp(scales) / 2
    assert not Conformal("bayesian-ridge").reads_weights


def test_evaluate_hands_the_weights_to_those_that_read_them():
    networks, scales = drawn(60)
    ceiling = SimpleNamespace(value=1.0, low=1.0, high=1.0)
    bench = SimpleNamespace(structures=networks, y=scales, noise_ceiling=ceiling)
    result = evaluate(
        ["bayesian-ridge", WeightStatistics("bayesian-ridge")], bench, folds=3, repeats=1, resamples=20
    )
    r2 = result.table["r2"]
    assert r2["weight-statistics"] > 0.5 > 0.2 > r2["bayesian-ridge"]
