"""Families that are learned by themselves, and a family without a label."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import kendalltau

import nnstruct as ns
from nnstruct.predictors import Ensemble
from nnstruct.predictors.ensemble import by_family
from nnstruct.predictors.ensemble.by_family import ByFamily
from nnstruct.probes import random_features

CELLS = ("gru", "lstm", "rnn_relu", "rnn_tanh")
LEVEL = {"gru": 0.8, "rnn_relu": 0.2, "rnn_tanh": 0.7, "lstm": 0.75}
SPREAD = {"gru": 0.01, "rnn_relu": 0.1, "rnn_tanh": 0.02, "lstm": 0.015}
FEW = ("trees", "gp")


def cells(family, n=40, seed=0):
    return ns.priors.sample(ns.Space(family, units=(4, 20)), n=n, seed=seed)


def labels(structures):
    """The same order in each family, at another level and with another spread."""
    return np.array([LEVEL[s.family] + SPREAD[s.family] * np.log(s.num_edges) for s in structures])


@pytest.fixture
def few_are_enough(monkeypatch):
    monkeypatch.setattr(by_family, "FEWEST_LABELS", 30)


def given(families, **options):
    return [structure for family in families for structure in cells(family, **options)]


def test_a_family_with_many_labels_is_learned_as_if_it_were_alone(few_are_enough):
    known = given(["gru", "rnn_relu"])
    model = Ensemble(members=FEW).fit(known, labels(known))
    alone = Ensemble(members=FEW).fit(cells("gru"), labels(cells("gru")))
    asked = cells("gru", seed=1)
    for one, other in zip(model.predict(asked, True), alone.predict(asked, True), strict=True):
        np.testing.assert_array_equal(one, other)
    assert model.weights_ == pytest.approx(
        {k: np.mean([m.weights_[k] for m in model.by_family_.models.values()]) for k in FEW}
    )


def test_a_family_without_labels_is_told_by_the_definition(few_are_enough):
    known = given(["gru", "rnn_relu", "rnn_tanh"])
    model = Ensemble(members=FEW).fit(known, labels(known))
    asked = cells("lstm", seed=3)
    y = {family: labels(cells(family)) for family in ("gru", "rnn_relu", "rnn_tanh")}
    z = []
    for family, own in y.items():
        alone = Ensemble(members=FEW).fit(cells(family), own)
        as_if = [replace(structure, family=family) for structure in asked]
        z.append((alone.predict(as_if) - np.median(own)) / own.std())
    level = np.median([np.median(own) for own in y.values()])
    expected = level + np.median([own.std() for own in y.values()]) * np.mean(z, axis=0)
    mean, std = model.predict(asked, return_std=True)
    np.testing.assert_allclose(mean, expected)
    assert kendalltau(mean, labels(asked)).statistic > 0.9
    errors = []
    for family, own in y.items():
        others = [other for other in y if other != family]
        errors.append(((model.by_family_.unseen(cells(family), others) - own) ** 2).mean())
    np.testing.assert_allclose(std, np.sqrt(np.mean(errors)))


def test_families_with_few_labels_are_learned_together(few_are_enough):
    known = [*given(["gru", "rnn_relu"]), *cells("rnn_tanh", n=20)]
    model = Ensemble(members=FEW).fit(known, labels(known))
    assert sorted(model.by_family_.models) == ["gru", "rnn_relu"]
    mean, std = model.predict([*cells("rnn_tanh", seed=1), *cells("gru", seed=1)], return_std=True)
    assert np.isfinite(mean).all()
    assert (std > 0).all()
    together = model._together(cells("rnn_tanh", seed=1), True)
    np.testing.assert_array_equal(mean[:40], together[0])
    np.testing.assert_array_equal(std[:40], together[1])


@pytest.mark.parametrize("few", [0, 20])
def test_what_is_saved_says_the_same(few_are_enough, tmp_path, few):
    known = [*given(["gru", "rnn_relu"], n=30), *cells("rnn_tanh", n=few)]
    model = Ensemble(members=FEW).fit(known, labels(known))
    again = ns.load_predictor(model.save(tmp_path / "model"))
    asked = [structure for family in CELLS for structure in cells(family, n=5, seed=2)]
    for one, other in zip(model.predict(asked, True), again.predict(asked, True), strict=True):
        np.testing.assert_array_equal(one, other)
    assert again.weights_ == model.weights_
    assert again.scores_ == pytest.approx(model.scores_)


def test_one_family_or_few_labels_are_one_table():
    assert ByFamily.families(cells("gru", n=300)) == []
    assert ByFamily.families(given(["gru", "lstm"], n=50)) == []
    assert ByFamily.families(given(["lstm", "gru"], n=by_family.FEWEST_LABELS)) == ["gru", "lstm"]


def test_weights_and_noise_reach_each_family(few_are_enough):
    known = given(["gru", "rnn_relu"])
    y, noise = labels(known), np.linspace(0.001, 0.1, 80)
    weight = np.linspace(1.0, 2.0, 80)
    weight[:3] = 0.0
    model = Ensemble(members=FEW).fit(known, y, weight, y_std=noise)
    alone = Ensemble(members=FEW).fit(known[3:40], y[3:40], weight[3:40], y_std=noise[3:40])
    np.testing.assert_array_equal(model.predict(known[:40]), alone.predict(known[:40]))


def test_networks_of_another_kind_are_told_by_what_untrained_ones_show(few_are_enough, tmp_path):
    kinds, column = {"mlp": "digits", "gru": "reber", "cnn": "shapes"}, "random_features.error_all_100"
    known = [*cells("mlp", n=30), *cells("gru", n=30)]
    shown = {
        family: random_features(cells(family, n=30), ns.load_task(task))[column].to_numpy()
        for family, task in kinds.items()
    }
    truth = np.concatenate([-shown["mlp"], -shown["gru"] / 10])
    model = Ensemble(members=FEW, task=kinds).fit(known, truth)
    mean, std = model.predict(cells("cnn", n=30), return_std=True)
    assert kendalltau(mean, -shown["cnn"]).statistic > 0.6
    assert (std > 0).all()
    said = [
        (model.by_family_.elsewhere[name].predict(cells("cnn", n=30)) - np.median(own)) / own.std()
        for name, own in (("mlp", -shown["mlp"]), ("gru", -shown["gru"] / 10))
    ]
    by = model.by_family_
    level, spread = (np.median(list(told.values())) for told in (by.medians, by.spreads))
    np.testing.assert_allclose(mean, level + spread * np.mean(said, axis=0))
    again = ns.load_predictor(model.save(tmp_path / "model"))
    np.testing.assert_array_equal(again.predict(cells("cnn", n=30)), mean)
