"""Batches out of candidates, each acquisition against its definition."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from nnstruct.errors import UnknownNameError
from nnstruct.search.choice import Belief, choose, promise


def joint(seed: int = 0, candidates: int = 6, told: int = 3, noise: float = 0.05) -> Belief:
    """A random joint normal distribution."""
    rng = np.random.default_rng(seed)
    factor = rng.normal(size=(candidates + told, candidates + told))
    return Belief(rng.normal(size=candidates + told), factor @ factor.T / 9, noise, candidates)


def test_ucb_measures_each_choice_in_thought() -> None:
    belief = joint()
    chosen = choose("ucb", belief, 4, 1.5, np.random.default_rng(0))
    left: list[int] = []
    for _ in range(4):  # the posterior after the choices so far, by one solve
        cov = belief.covariance[:6, :6]
        if left:
            inner = cov[np.ix_(left, left)] + belief.noise * np.eye(len(left))
            cov = cov - cov[:, left] @ np.linalg.solve(inner, cov[left])
        rank = belief.mean[:6] + 1.5 * np.sqrt(np.maximum(np.diag(cov), 0))
        rank[left] = -np.inf
        left.append(int(np.argmax(rank)))
    assert chosen == left


def test_the_first_ei_is_the_closed_form_and_nei_agrees_where_nothing_told_is_noisy() -> None:
    belief = joint(3)
    covariance = belief.covariance.copy()
    covariance[6:], covariance[:, 6:] = 0.0, 0.0  # the told are known exactly
    sure = Belief(belief.mean, covariance, 0.0, 6)
    std = np.sqrt(np.diag(covariance)[:6])
    z = (sure.mean[:6] - sure.best) / std
    gain = (sure.mean[:6] - sure.best) * norm.cdf(z) + std * norm.pdf(z)
    assert choose("ei", sure, 1, 0.0, np.random.default_rng(0)) == [int(np.argmax(gain))]
    for seed in range(5):  # up to the error of its draws
        (first,) = choose("nei", sure, 1, 0.0, np.random.default_rng(seed))
        assert gain[first] > 0.8 * gain.max()


def test_nei_is_not_led_by_one_lucky_score() -> None:
    # Two told: one believed at 1 but all noise, one at .9 and sure. A candidate at .95 improves on the truth.
    covariance = np.diag([0.01, 0.01, 1.0, 1e-6])
    belief = Belief(np.array([0.95, 0.2, 1.0, 0.9]), covariance, 0.1, 2)
    assert choose("nei", belief, 1, 0.0, np.random.default_rng(0)) == [0]


def test_thompson_draws_follow_the_chance_of_being_best() -> None:
    belief = Belief(np.array([0.0, 0.5]), np.diag([1.0, 1.0]), 0.0, 2)
    wins = [choose("thompson", belief, 1, 0.0, np.random.default_rng(seed))[0] for seed in range(600)]
    assert np.mean(wins) == pytest.approx(norm.cdf(0.5 / np.sqrt(2)), abs=0.06)


@pytest.mark.parametrize("acquisition", ["ucb", "mean", "ei", "nei", "thompson"])
def test_choices_are_distinct_and_no_more_than_there_are(acquisition: str) -> None:
    belief = joint(1)
    before = belief.mean.copy(), belief.covariance.copy()
    chosen = choose(acquisition, belief, 10, 1.0, np.random.default_rng(0))
    assert sorted(chosen) == list(range(6))
    np.testing.assert_array_equal(belief.mean, before[0])
    np.testing.assert_array_equal(belief.covariance, before[1])


def test_unknown_acquisitions_are_named_with_what_is_near() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'thompson'"):
        choose("thomson", joint(), 1, 0.0, np.random.default_rng(0))
    assert promise("nei", np.array([1.0]), np.array([2.0]), 0.0, 1.0).tolist() == [3.0]
