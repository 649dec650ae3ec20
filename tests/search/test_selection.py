"""Selection, removal and acquisition."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import norm

from nnstruct.errors import InvalidInputError, UnknownNameError
from nnstruct.search import ACQUISITIONS, SELECTIONS, Tournament, Truncation, survivors

SCORES = arrays(np.float64, st.integers(1, 30), elements=st.floats(-5, 5))


@pytest.mark.parametrize("name", list(SELECTIONS))
@given(scores=SCORES, count=st.integers(1, 20), seed=st.integers(0, 99))
def test_selection_contract(name: str, scores: np.ndarray, count: int, seed: int) -> None:
    select = SELECTIONS[name]()
    first, second = (select(scores, count, np.random.default_rng(seed)) for _ in range(2))
    assert first.shape == (count,)
    assert ((first >= 0) & (first < len(scores))).all()
    assert np.array_equal(first, second)


@pytest.mark.parametrize("name", list(SELECTIONS))
def test_selection_favours_high_scores(name: str) -> None:
    scores = np.linspace(0, 1, 20)
    drawn = SELECTIONS[name]()(scores, 2000, np.random.default_rng(0))
    assert scores[drawn].mean() > 0.7


def test_tournament_of_one_is_uniform() -> None:
    drawn = Tournament(size=1)(np.arange(4.0), 4000, np.random.default_rng(0))
    assert np.bincount(drawn, minlength=4).min() > 900


def test_truncation_keeps_one_member_at_least() -> None:
    assert set(Truncation(share=0.01)(np.array([1.0, 3.0, 2.0]), 9, np.random.default_rng(0))) == {1}


@given(SCORES, st.integers(1, 40))
def test_survivors(scores: np.ndarray, size: int) -> None:
    worst, oldest = survivors(scores, size), survivors(scores, size, removal="oldest")
    assert len(worst) == len(oldest) == min(size, len(scores))
    assert (np.diff(worst) > 0).all()
    left = np.setdiff1d(np.arange(len(scores)), worst)
    assert not len(left) or scores[worst].min() >= scores[left].max()
    assert oldest[-1] == len(scores) - 1


@pytest.mark.parametrize("wrong", [0, 1.5, True])
def test_tournament_size_is_checked(wrong: object) -> None:
    with pytest.raises(InvalidInputError, match="size must be a positive integer"):
        Tournament(size=wrong)  # type: ignore[arg-type]


def test_bad_names_and_values() -> None:
    with pytest.raises(InvalidInputError, match="share must be in"):
        Truncation(share=0.0)
    with pytest.raises(InvalidInputError, match="removal must be one of worst, oldest"):
        survivors(np.ones(3), 2, removal="best")
    with pytest.raises(UnknownNameError, match="Did you mean 'tournament'"):
        SELECTIONS["turnament"]


@pytest.mark.parametrize("name", list(ACQUISITIONS))
def test_acquisition_rises_with_the_mean(name: str) -> None:
    mean, std = np.linspace(-1, 1, 9), np.full(9, 0.3)
    assert (np.diff(ACQUISITIONS[name](mean, std, 0.0, 0.5)) > 0).all()


@pytest.mark.parametrize("name", ["ucb", "ei"])
def test_uncertainty_is_worth_something(name: str) -> None:
    exploration = {"ucb": 1.0, "ei": 0.0}[name]
    rank = ACQUISITIONS[name](np.zeros(3), np.array([0.1, 0.2, 0.4]), 0.1, exploration)
    assert (np.diff(rank) > 0).all()


def test_expected_improvement_against_sampling() -> None:
    draws = norm.rvs(0.3, 0.5, size=200_000, random_state=0)
    expected = np.maximum(draws - 0.6, 0).mean()
    got = ACQUISITIONS["ei"](np.array([0.3]), np.array([0.5]), 0.6, 0.0)[0]
    assert got == pytest.approx(expected, rel=0.02)
