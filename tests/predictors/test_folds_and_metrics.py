"""Folds by fingerprint; scores against scikit-learn and scipy; what the intervals cover."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import r2_score, root_mean_squared_error

from nnstruct.errors import InvalidInputError
from nnstruct.predictors.folds import grouped_folds
from nnstruct.predictors.metrics import bootstrap_intervals, coverage, scores
from nnstruct.predictors.tabular import calibrate

groups = st.lists(st.sampled_from("abcdefgh"), min_size=4, max_size=30).filter(lambda g: len(set(g)) >= 3)


@given(groups, st.integers(2, 3), st.integers(0, 5))
def test_equal_fingerprints_share_a_fold_and_no_fold_is_empty(names, folds, seed):
    fold = grouped_folds(names, folds, seed)
    assert set(fold.tolist()) == set(range(folds))
    for name in set(names):
        assert len({int(f) for f, other in zip(fold, names, strict=True) if other == name}) == 1


@given(groups, st.integers(0, 5), st.randoms(use_true_random=False))
def test_folds_do_not_depend_on_the_order(names, seed, rng):
    order = list(range(len(names)))
    rng.shuffle(order)
    shuffled = grouped_folds([names[i] for i in order], 2, seed)
    assert shuffled.tolist() == grouped_folds(names, 2, seed)[order].tolist()


def test_folds_of_distinct_structures_differ_by_one_at_most():
    sizes = np.bincount(grouped_folds([str(i) for i in range(23)], 5, 0))
    assert sorted(sizes) == [4, 4, 5, 5, 5]


def test_copies_do_not_count_when_structures_are_dealt():
    names = ["often"] * 50 + [str(i) for i in range(10)]
    fold = grouped_folds(names, 3, 0)
    distinct = np.bincount([fold[names.index(name)] for name in set(names)])
    assert sorted(distinct) == [3, 4, 4]


def test_the_seed_and_the_use_decide_the_folds():
    names = [str(i) for i in range(60)]
    first = grouped_folds(names, 5, 0, "folds", 0)
    assert first.tolist() == grouped_folds(names, 5, 0, "folds", 0).tolist()
    for keys in ((1, "folds", 0), (0, "folds", 1), (0, "calibration", 0)):
        other = grouped_folds(names, 5, *keys)
        # Two independent dealings agree on about one pair in five of those that the first has in one fold.
        together = first[:, None] == first
        assert 0.05 < ((other[:, None] == other) & together & ~np.eye(60, dtype=bool)).sum() / 660 < 0.4


@pytest.mark.parametrize(
    ("folds", "rule"), [(1, "at least 2"), (2.5, "integer"), (4, "at most the 3 distinct")]
)
def test_folds_that_cannot_be_are_refused(folds, rule):
    with pytest.raises(InvalidInputError, match=f"folds must be .*{rule}"):
        grouped_folds(["a", "b", "a", "c"], folds, 0)


def test_scores_equal_those_of_the_libraries():
    rng = np.random.default_rng(0)
    y = rng.normal(size=50)
    predicted = y + rng.normal(size=(1, 50))
    found = scores(y, predicted)
    assert found["r2"] == pytest.approx(r2_score(y, predicted[0]))
    assert found["rmse"] == pytest.approx(root_mean_squared_error(y, predicted[0]))
    assert found["kendall"] == pytest.approx(stats.kendalltau(y, predicted[0]).statistic)
    assert found["spearman"] == pytest.approx(stats.spearmanr(y, predicted[0]).statistic)


def test_a_prediction_constant_in_each_fold_ranks_nothing():
    y = np.array([1.0, 2.0, 3.0, 4.0])
    fold = np.array([[0, 0, 1, 1]])
    predicted = np.array([[3.5, 3.5, 1.5, 1.5]])
    assert scores(y, predicted, fold)["kendall"] == 0.0
    assert scores(y, predicted)["kendall"] < 0.0


def test_intervals_cover_the_true_score_about_as_often_as_they_say():
    # With y = x + e and prediction x, the true mean absolute error is sqrt(2 / pi).
    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(60):
        x = rng.normal(size=60)
        y = x + rng.normal(size=60)
        low, high = bootstrap_intervals(
            y, x[None], np.zeros((1, 60)), [str(i) for i in range(60)],
            confidence=0.9, resamples=60, seed=0,
        )  # fmt: skip
        hits += low["mae"] <= np.sqrt(2 / np.pi) <= high["mae"]
    assert 45 <= hits <= 60


def test_repeats_do_not_narrow_an_interval_as_more_structures_would():
    rng = np.random.default_rng(1)
    y = rng.normal(size=40)
    x = y + rng.normal(size=40)
    ends = [
        bootstrap_intervals(
            y, np.tile(x, (repeats, 1)), np.zeros((repeats, 40)), [str(i) for i in range(40)],
            confidence=0.9, resamples=100, seed=0,
        )
        for repeats in (1, 4)
    ]  # fmt: skip
    assert ends[0][1]["r2"] - ends[0][0]["r2"] == pytest.approx(ends[1][1]["r2"] - ends[1][0]["r2"])


def test_coverage_counts_labels_in_the_central_ninety_percent():
    z = np.array([0.0, 1.6, -1.6, 1.7])
    assert coverage(z, np.zeros(4), np.ones(4)) == 0.75
    assert np.isnan(coverage(z, np.zeros(4), np.full(4, np.nan)))


@given(
    st.lists(st.floats(0, 10), min_size=1, max_size=9), st.lists(st.floats(0.1, 10), min_size=9, max_size=9)
)
def test_calibrated_variance_is_the_squared_error_on_average(error, spread):
    error, spread = np.array(error), np.array(spread[: len(error)])
    offset, slope = calibrate(error, spread, np.ones(len(error)))
    assert offset >= 0
    assert 0 <= slope <= 1
    assert np.mean(offset + slope * spread) == pytest.approx(error.mean(), abs=1e-9)
