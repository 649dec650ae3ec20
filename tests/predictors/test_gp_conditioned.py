"""A Gaussian process that takes scores in, and its joint distribution, against the textbook's formulas."""

from __future__ import annotations

import numpy as np
import pytest

from nnstruct import Space, priors
from nnstruct.errors import InvalidInputError, NotFittedError
from nnstruct.predictors import GroupedGaussianProcess

STRUCTURES = priors.sample(Space("mlp", units=(4, 14)), 40, seed=1)
Y = np.array([0.5 + 0.02 * s.num_layers - 0.001 * s.num_edges for s in STRUCTURES])


def fitted() -> GroupedGaussianProcess:
    """On the first 25 structures."""
    return GroupedGaussianProcess(steps=8).fit(STRUCTURES[:25], Y[:25])


def test_on_the_same_scores_it_says_the_same() -> None:
    model = fitted()
    before = model.predict(STRUCTURES[25:], return_std=True)
    model.condition(STRUCTURES[:25], Y[:25])
    for one, two in zip(before, model.predict(STRUCTURES[25:], return_std=True), strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-9)


def test_the_joint_distribution_is_that_of_the_kernel() -> None:
    model = fitted().condition(STRUCTURES[:32], Y[:32])
    rows = (model.table_.transform(STRUCTURES) - model.centre_) / model.scale_
    rows = np.clip(rows, -6, 6)
    known, asked = rows[:32], rows[32:]
    noisy = model.kernel_(known, known) + model.kernel_.noise * np.eye(32)
    cross = model.kernel_(asked, known)
    target = model.transform_.transform(Y[:32])
    mean, covariance, noise = model.joint(STRUCTURES[32:])
    np.testing.assert_allclose(mean, cross @ np.linalg.solve(noisy, target), rtol=1e-6, atol=1e-8)
    wanted = model.kernel_(asked, asked) - cross @ np.linalg.solve(noisy, cross.T)
    np.testing.assert_allclose(covariance, wanted, atol=1e-6)
    assert noise == model.kernel_.noise


def test_scores_above_all_before_are_taken_as_they_are() -> None:
    model = fitted()
    better = Y[:30].copy()
    better[25:] += 0.5
    model.condition(STRUCTURES[:30], better)
    unaware = fitted().predict(STRUCTURES[25:30])
    assert (model.predict(STRUCTURES[25:30]) > unaware + 0.05).all()


def test_it_is_saved_as_it_is_conditioned(tmp_path) -> None:
    from nnstruct.predictors import load_predictor

    model = fitted().condition(STRUCTURES[:32], Y[:32])
    again = load_predictor(model.save(tmp_path / "model"))
    np.testing.assert_array_equal(again.predict(STRUCTURES), model.predict(STRUCTURES))


def test_it_is_refused_before_a_fit_and_with_too_few() -> None:
    with pytest.raises(NotFittedError):
        GroupedGaussianProcess().condition(STRUCTURES, Y)
    with pytest.raises(InvalidInputError, match="structures must hold at least 2"):
        fitted().condition(STRUCTURES[:1], Y[:1])
    with pytest.raises(InvalidInputError, match="y must"):
        fitted().condition(STRUCTURES[:3], Y[:2])


def test_it_predicts_the_mean_of_noisy_labels_not_their_median() -> None:
    structures = priors.sample(Space("mlp", units=(4, 14)), 150, seed=2)
    layers = np.array([s.num_layers for s in structures], dtype=np.float64)
    level = 1.0 + 0.5 * (layers - layers.mean()) / layers.std()
    rng = np.random.default_rng(0)
    # A few trainings go badly, none goes far above the rest.
    draws = 1.0 - np.exp(-(level + 0.8 * rng.standard_normal((4000, len(level)))))
    model = GroupedGaussianProcess().fit(structures, draws[0])
    mean, median = draws.mean(axis=0), np.median(draws, axis=0)
    error = (model.predict(structures) - mean).mean()
    gap = (median - mean).mean()
    assert gap > 0.1
    assert abs(error) < gap / 2  # labels beyond the fences are clipped


def test_the_deviation_of_a_mean_is_as_far_as_means_are_off() -> None:
    columns = np.array([[s.num_units, s.num_layers, s.num_edges, s.inputs.sum()] for s in STRUCTURES], float)
    standard = (columns - columns.mean(axis=0)) / columns.std(axis=0)
    ratios = []
    for draw in range(12):
        rng = np.random.default_rng(draw)
        truth = 0.6 + 0.04 * standard @ rng.standard_normal(4)
        told = truth + 0.04 * rng.standard_normal(len(truth))
        model = GroupedGaussianProcess(label="identity").fit(STRUCTURES, told)
        mean, std = model.expected(STRUCTURES)
        again, of_a_label = model.predict(STRUCTURES, return_std=True)
        np.testing.assert_allclose(mean, again, rtol=1e-9)
        assert (std < of_a_label).all()
        ratios.append((mean - truth) / std)
    assert 0.6 < np.sqrt(np.mean(np.square(ratios))) < 1.5
    assert np.mean(np.abs(ratios) < 2) > 0.88


def test_what_is_known_often_is_known_better() -> None:
    rng = np.random.default_rng(0)
    model = GroupedGaussianProcess(steps=8).fit(STRUCTURES, Y + 0.02 * rng.normal(size=40))
    once = model.expected(STRUCTURES)[1]
    again = [Y + 0.02 * rng.normal(size=40) for _ in range(9)]
    often = model.condition(STRUCTURES * 9, np.concatenate(again)).expected(STRUCTURES)[1]
    assert np.mean(often / once) < 0.7
    with pytest.raises(NotFittedError):
        GroupedGaussianProcess().expected(STRUCTURES)
