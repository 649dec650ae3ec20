"""Precision@k, N@k, regret@k and the likelihood against their definitions."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats

from nnstruct.predictors.metrics import nll, scores
from nnstruct.predictors.ranking import top_k_scores


def by_definition(y, predicted, k):
    """The mean over every order of tied predictions."""
    k = min(k, len(y))
    true_top = {i for i in range(len(y)) if (y > y[i]).sum() < k}
    found = []
    for order in itertools.permutations(range(len(y))):
        taken = sorted(order, key=lambda i: -predicted[i])[:k]
        found.append(
            (
                len(true_top & set(taken)) / k,
                min(1 + (y > y[i]).sum() for i in taken),
                y.max() - max(y[i] for i in taken),
            )
        )
    return np.mean(found, axis=0)


def test_scores_of_the_top_k_by_hand():
    y = np.array([0.9, 0.8, 0.7, 0.6, 0.5])
    predicted = np.array([0.1, 0.9, 0.2, 0.8, 0.7])  # the top three are the 2nd, the 4th and the 5th
    assert top_k_scores(y, predicted, 3) == pytest.approx((1 / 3, 2.0, 0.1))
    assert top_k_scores(y, predicted, 1) == pytest.approx((0.0, 2.0, 0.1))
    assert top_k_scores(y, predicted, 5) == pytest.approx((1.0, 1.0, 0.0))
    assert top_k_scores(y, predicted, 50) == top_k_scores(y, predicted, 5)
    assert top_k_scores(y, y, 2) == (1.0, 1.0, 0.0)


def test_ties_count_as_the_mean_over_their_orders():
    rng = np.random.default_rng(0)
    for _ in range(60):
        n, k = int(rng.integers(2, 7)), int(rng.integers(1, 8))
        y, predicted = rng.integers(0, 4, n).astype(float), rng.integers(0, 3, n).astype(float)
        np.testing.assert_allclose(top_k_scores(y, predicted, k), by_definition(y, predicted, k), atol=1e-12)


def test_a_perfect_prediction_of_tied_labels_is_perfect():
    y = np.array([1.0, 1.0, 1.0, 0.0])
    assert top_k_scores(y, y, 2) == (1.0, 1.0, 0.0)


def test_no_score_hangs_on_the_order_of_the_rows():
    rng = np.random.default_rng(1)
    y, predicted = rng.normal(size=300), rng.integers(0, 5, 300).astype(float)
    order = rng.permutation(300)
    np.testing.assert_allclose(
        top_k_scores(y, predicted, 10), top_k_scores(y[order], predicted[order], 10), rtol=1e-12
    )


def test_a_constant_prediction_gets_what_chance_gets():
    y = np.arange(100.0)
    precision, best, _ = top_k_scores(y, np.zeros(100), 10)
    assert precision == pytest.approx(0.1)
    assert best == pytest.approx(101 / 11)  # the least of 10 numbers drawn from 1..100


def test_predictions_constant_in_each_fold_get_what_chance_gets():
    y = np.array([1.0, 2.0, 3.0, 4.0])
    predicted, fold = np.array([[3.5, 3.5, 1.5, 1.5]]), np.array([[0, 0, 1, 1]])
    assert scores(y, predicted, fold, k=2)["precision_at_k"] == pytest.approx(0.5)
    assert scores(y, predicted, k=2)["precision_at_k"] == 0.0


def test_the_likelihood_is_that_of_the_normal_distribution():
    rng = np.random.default_rng(2)
    y, mean, std = rng.normal(size=20), rng.normal(size=20), rng.uniform(0.5, 2.0, 20)
    expected = -stats.norm.logpdf(y, mean, std).mean()
    assert nll(y, mean, std) == pytest.approx(expected)
    found = scores(y, mean[None], std=std[None])
    assert found["nll"] == pytest.approx(expected)
    assert found["coverage_90"] == np.mean(np.abs(y - mean) <= 1.6448536 * std)
    assert np.isnan(nll(y, mean, np.full(20, np.nan)))
    assert np.isnan(nll(y, mean, np.zeros(20)))
    assert np.isnan(scores(y, mean[None])["nll"])


def test_a_single_label_has_no_score():
    assert np.isnan(list(scores(np.ones(1), np.ones((1, 1))).values())).all()
