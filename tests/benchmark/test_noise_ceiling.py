import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnstruct.benchmark import noise_ceiling
from nnstruct.errors import InvalidInputError


def simulate(between, within, counts, seed):
    rng = np.random.default_rng(seed)
    truth = rng.normal(0.8, math.sqrt(between), len(counts))
    groups = np.repeat(np.arange(len(counts)), counts)
    return truth, truth[groups] + rng.normal(0, math.sqrt(within), len(groups)), groups


def r2(truth, label):
    return 1 - ((label - truth) ** 2).sum() / ((label - label.mean()) ** 2).sum()


@pytest.mark.parametrize(
    ("between", "within", "counts"),
    [
        (0.004, 0.002, [3] * 4000),
        (0.001, 0.004, [5] * 4000),
        (0.002, 0.002, [1, 2, 3, 6] * 1000),
    ],
)
def test_an_oracle_reaches_the_ceiling_and_the_components_are_found(between, within, counts):
    truth, values, groups = simulate(between, within, counts, seed=1)
    found = noise_ceiling(values, groups, resamples=200)
    exact = between / (between + within * np.mean(1 / np.array(counts)))
    label = np.bincount(groups, weights=values) / np.array(counts)
    assert found.between == pytest.approx(between, rel=0.1)
    assert found.within == pytest.approx(within, rel=0.05)
    assert found.value == pytest.approx(exact, abs=0.02)
    # The oracle's own R2 scatters by 2 sqrt(c (1 - c) / 4000), 0.016 at most.
    assert found.value == pytest.approx(r2(truth, label), abs=0.035)
    assert found.single_seed == pytest.approx(between / (between + within), abs=0.02)
    assert found.low < exact < found.high
    assert found.seeds_for_90 == pytest.approx(9 * within / between, abs=1 + 0.15 * 9 * within / between)


def test_it_equals_the_textbook_example():
    """Shrout and Fleiss (1979), table 2: six targets, four judges; ICC(1,1) = .17, ICC(1,4) = .44."""
    ratings = np.array([[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]])
    found = noise_ceiling(ratings.ravel().astype(float), np.repeat(np.arange(6), 4), method="f")
    assert found.single_seed == pytest.approx(0.17, abs=0.005)
    assert found.value == pytest.approx(0.44, abs=0.005)
    msb, msw = 11.2417, 6.2639  # the mean squares of their table 3
    assert found.value == pytest.approx((msb - msw) / msb, abs=1e-3)


@pytest.mark.parametrize("method", ["bootstrap", "f"])
def test_intervals_cover_the_truth_about_as_often_as_they_say(method):
    exact = 0.75
    hits = 0
    for seed in range(100):
        _, values, groups = simulate(1.0, 1.0, [3] * 60, seed)
        found = noise_ceiling(values, groups, method=method, resamples=200)
        assert found.low <= found.value <= found.high
        hits += found.low <= exact <= found.high
    assert 86 <= hits <= 100


def test_f_interval_is_right_for_unequal_counts_that_are_equal_after_all():
    _, values, groups = simulate(1.0, 2.0, [4] * 50, seed=3)
    found = noise_ceiling(values, groups, method="f", confidence=0.9)
    from scipy.stats import f

    table = values.reshape(50, 4)
    msb = 4 * table.mean(axis=1).var(ddof=1)
    msw = table.var(axis=1, ddof=1).mean()
    ratio = msb / msw
    assert found.low == pytest.approx(1 - f.ppf(0.95, 49, 150) / ratio)
    assert found.high == pytest.approx(1 - 1 / (ratio * f.ppf(0.95, 150, 49)))


@pytest.mark.parametrize(
    ("values", "groups", "note"),
    [
        ([], [], "two structures"),
        ([1.0, 2.0], ["a", "a"], "two structures"),
        ([1.0, 2.0, 3.0], ["a", "b", "c"], "one seed"),
    ],
)
def test_too_little_data_is_nan_with_a_reason(values, groups, note):
    found = noise_ceiling(np.array(values), np.array(groups))
    assert math.isnan(found.value)
    assert math.isnan(found.low)
    assert math.isnan(found.high)
    assert note in found.note
    assert note in str(found)


def test_structures_that_do_not_differ_leave_nothing_to_predict():
    _, values, groups = simulate(0.0, 1.0, [4] * 200, seed=2)
    found = noise_ceiling(values, groups)
    assert found.value < 0.3
    assert found.low == 0.0
    exact = noise_ceiling(np.array([1.0, 2.0, 2.0, 1.0]), np.array([0, 0, 1, 1]))
    assert exact.value == 0.0
    assert math.isinf(exact.seeds_for_90)


def test_without_spread_between_seeds_the_ceiling_is_one():
    groups = np.repeat(np.arange(5), 2)
    found = noise_ceiling(groups.astype(float), groups)
    assert found.value == found.single_seed == found.high == 1.0
    assert found.seeds_for_90 == 1
    assert noise_ceiling(groups.astype(float), groups, method="f").low == 1.0


def test_it_is_seeded_and_follows_the_seed():
    _, values, groups = simulate(1.0, 1.0, [2] * 40, seed=5)
    assert noise_ceiling(values, groups) == noise_ceiling(values, groups)
    assert noise_ceiling(values, groups).low != noise_ceiling(values, groups, seed=1).low


@given(scale=st.floats(0.01, 100), shift=st.floats(-1000, 1000), seed=st.integers(0, 20))
def test_neither_scale_nor_shift_nor_order_matters(scale, shift, seed):
    _, values, groups = simulate(1.0, 1.0, [1, 2, 3, 4] * 5, seed)
    plain = noise_ceiling(values, groups, resamples=50)
    other = noise_ceiling(scale * values + shift, groups, resamples=50)
    assert other.value == pytest.approx(plain.value, abs=1e-6)
    assert other.low == pytest.approx(plain.low, abs=1e-6)
    order = np.random.default_rng(seed).permutation(len(values))
    assert noise_ceiling(values[order], groups[order], resamples=50).value == pytest.approx(plain.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"values": np.array([1.0, np.nan])}, "values must be finite"),
        ({"groups": np.array([1])}, "one length"),
        ({"confidence": 1.0}, "confidence"),
        ({"method": "guess"}, "method"),
    ],
)
def test_bad_arguments(change, message):
    arguments = {"values": np.array([1.0, 2.0]), "groups": np.array([0, 0])} | change
    with pytest.raises(InvalidInputError, match=message):
        noise_ceiling(arguments.pop("values"), arguments.pop("groups"), **arguments)
