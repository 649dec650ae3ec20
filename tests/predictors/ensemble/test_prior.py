"""The ensemble with earlier benchmarks: what it gains and takes, when it declines, and how it is kept."""

import numpy as np
import pytest
from scipy import stats
from sklearn.base import clone

import nnstruct as ns
from nnstruct.errors import InvalidInputError
from nnstruct.predictors import Ensemble, SourceModels, load_predictor
from nnstruct.predictors.ensemble import mixture
from nnstruct.predictors.ensemble.mixture import VARIANTS, MixedMembers

SPACE = ns.Space("mlp", units=(4, 14))
NETS = ns.priors.sample(SPACE, n=150, seed=3)
OLD = ns.priors.sample(SPACE, n=120, seed=4)
RNG = np.random.default_rng(0)


def truth(structures):
    return np.array([np.sin(s.num_edges / 6.0) + 0.3 * s.num_layers for s in structures])


@pytest.fixture(scope="module")
def prior():
    bench = ns.Benchmark.from_scores(OLD, truth(OLD), task="old", twins="merge")
    return SourceModels.fit({"old": bench}, trees=30)


@pytest.fixture(scope="module")
def fitted(prior):
    return Ensemble(prior=prior).fit(NETS[:12], truth(NETS[:12]))


def error(model):
    return float(np.mean((model.predict(NETS[50:]) - truth(NETS[50:])) ** 2))


def test_a_like_task_helps_where_labels_are_few(fitted):
    alone = Ensemble().fit(NETS[:12], truth(NETS[:12]))
    assert error(fitted) < 0.8 * error(alone)
    assert alone.prior_weights_ == {"scratch": 1.0}
    assert sum(fitted.prior_weights_.values()) == pytest.approx(1.0)
    assert fitted.prior_weights_.get("scratch", 0.0) < 0.5


def test_members_are_mixed_by_their_shares(fitted):
    table = fitted._columns_of(NETS[50:60])
    mixed, variance = fitted.columns_.predict(table)
    parts = {
        name: members.predict(table[:, fitted.columns_._columns(name, table.shape[1])])
        for name, members in fitted.columns_.variants.items()
    }
    shares = fitted.prior_weights_
    for member in ("trees", "smooth-trees", "gp"):
        expected = sum(share * parts[name][0][member] for name, share in shares.items())
        np.testing.assert_allclose(mixed[member], expected)
    second = sum(s * (parts[name][1] + parts[name][0]["gp"] ** 2) for name, s in shares.items())
    np.testing.assert_allclose(variance, second - mixed["gp"] ** 2, rtol=1e-6, atol=1e-9)


def test_shares_are_the_softmax_of_the_evidence(prior):
    table = RNG.normal(size=(20, 6))
    y = table[:, 0] + 0.1 * RNG.normal(size=20)
    mixed = MixedMembers(("gp",), 0, 1, own=3).fit(table, [np.arange(3)], y, np.ones(20), None, None)
    told = np.array([mixed.variants[name].process.evidence_ for name in mixed.shares])
    softmax = np.exp(told - told.max()) / np.exp(told - told.max()).sum()
    np.testing.assert_allclose(list(mixed.shares.values()), softmax, atol=2e-3)
    assert set(mixed.shares) <= set(VARIANTS)


def test_the_gate_closes_where_the_mixture_is_clearly_worse():
    y = RNG.normal(size=100)
    good, bad = {"gp": y + 0.1 * RNG.normal(size=100)}, {"gp": RNG.normal(size=100)}
    members = MixedMembers(("gp",), 0, 1, own=1)
    assert not members._opens(bad, good, y, np.ones(100))
    assert members._opens(good, bad, y, np.ones(100))
    assert members._opens(good, good, y, np.ones(100))


def test_noise_for_a_prior_costs_little():
    noise = ns.Benchmark.from_scores(OLD, RNG.normal(size=len(OLD)), task="noise", twins="merge")
    models = SourceModels.fit([noise], trees=30)
    misled = Ensemble(members=["gp"], prior=models).fit(NETS[:40], truth(NETS[:40]))
    alone = Ensemble(members=["gp"]).fit(NETS[:40], truth(NETS[:40]))
    assert error(misled) < 1.1 * error(alone)


def test_what_is_said_of_a_fold_does_not_hang_on_its_labels(monkeypatch):
    monkeypatch.setattr(mixture, "_LEAST_SHARE", -1.0)  # all three are kept
    table, fold = RNG.normal(size=(30, 5)), np.arange(30) % 3
    said = []
    for labels in (table[:, 0], np.where(fold == 1, table[:, 0] + 5.0, table[:, 0])):
        members = MixedMembers(("trees",), 0, 1, own=3)
        members.fit(table, [np.arange(3)], labels, np.ones(30), None, None)
        members.shares = dict.fromkeys(VARIANTS, 1 / 3)
        members._opens = lambda *_: True
        said.append(members.unseen(table, labels, np.ones(30), None, None, fold)[0]["trees"])
    np.testing.assert_allclose(said[0][fold == 1], said[1][fold == 1], rtol=1e-9)
    assert np.abs(said[0][fold == 0] - said[1][fold == 0]).max() > 0.1


def test_it_is_kept_with_its_sources(fitted, tmp_path):
    again = load_predictor(fitted.save(tmp_path / "model"))
    for before, after in zip(
        fitted.predict(NETS[50:], return_std=True), again.predict(NETS[50:], return_std=True), strict=True
    ):
        np.testing.assert_array_equal(before, after)
    assert again.prior_weights_ == fitted.prior_weights_
    assert again.prior.names == fitted.prior.names


def test_benchmarks_in_a_list_are_a_prior_and_clones_keep_it(prior):
    bench = ns.Benchmark.from_scores(OLD, truth(OLD), task="old", twins="merge")
    model = Ensemble(members=["trees"], prior=[bench]).fit(NETS[:12], truth(NETS[:12]))
    assert model.prior_.models.names == ["old.mlp"]
    assert clone(Ensemble(prior=prior)).prior is prior


@pytest.mark.parametrize("wrong", ["reber", 3])
def test_other_priors_are_refused(wrong):
    with pytest.raises(InvalidInputError, match=r"^prior must be None, 'shipped', SourceModels"):
        Ensemble(prior=wrong).fit(NETS[:12], truth(NETS[:12]))


def test_pretrained_it_scores_without_labels_and_learns_from_few(tmp_path):
    model = ns.load_pretrained("structures")
    mean, std = model.predict(NETS[:30], return_std=True)
    assert np.ptp(mean) > 0
    assert (std == std[0]).all()
    assert stats.kendalltau(mean, [s.num_edges for s in NETS[:30]]).statistic > 0
    np.testing.assert_array_equal(load_predictor(model.save(tmp_path / "model")).predict(NETS[:30]), mean)
    learned = model.set_params(members=["gp"]).fit(NETS[:12], truth(NETS[:12]))
    assert learned.num_structures_ == 12
    assert sum(learned.prior_weights_.values()) == pytest.approx(1.0)
    with pytest.raises(InvalidInputError, match=r"^name must be"):
        ns.load_pretrained("images")
