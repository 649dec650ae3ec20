"""The label transform against its definitions."""

import json

import numpy as np
import pytest
from scipy import stats

from nnstruct.errors import InvalidInputError
from nnstruct.predictors.label_transform import LabelTransform, yeo_johnson

SKEWED = 1.0 - np.random.default_rng(0).lognormal(-3.0, 0.8, size=300)


@pytest.mark.parametrize("kind", ["yeo-johnson", "identity"])
def test_inverse_undoes_transform_inside_the_fences(kind):
    transform = LabelTransform(kind).fit(SKEWED)
    z = transform.transform(SKEWED)
    np.testing.assert_allclose(transform.inverse(z), transform.clip(SKEWED), atol=1e-9)
    assert abs(z.mean()) < 1e-9
    assert abs(z.std() - 1.0) < 1e-9


def test_fences_stand_three_quartile_ranges_outside():
    y = np.concatenate([np.linspace(0.8, 0.9, 50), [0.1]])
    transform = LabelTransform().fit(y)
    lower, upper = np.quantile(y, (0.25, 0.75))
    assert transform.low == pytest.approx(lower - 3 * (upper - lower))
    assert transform.high == 0.9
    assert transform.clip(np.array([0.1, 2.0])).tolist() == [transform.low, 0.9]


def test_the_power_makes_skewed_labels_symmetric():
    assert abs(stats.skew(LabelTransform().fit(SKEWED).transform(SKEWED))) < 0.25
    assert stats.skew(LabelTransform("identity").fit(SKEWED).transform(SKEWED)) < -0.8


def test_the_power_does_not_hang_on_the_units():
    a, b = LabelTransform().fit(SKEWED), LabelTransform().fit(1000.0 * SKEWED + 5.0)
    np.testing.assert_allclose(a.transform(SKEWED), b.transform(1000.0 * SKEWED + 5.0), atol=1e-5)


def test_the_slope_is_the_derivative():
    transform = LabelTransform().fit(SKEWED)
    y = np.quantile(SKEWED, [0.2, 0.5, 0.8])
    numeric = (transform.transform(y + 1e-6) - transform.transform(y - 1e-6)) / 2e-6
    np.testing.assert_allclose(transform.slope(y), numeric, rtol=1e-4)


def test_moments_are_those_of_many_draws():
    transform = LabelTransform().fit(SKEWED)
    draws = transform.inverse(0.3 + 0.4 * np.random.default_rng(1).normal(size=200_000))
    mean, std = transform.moments(np.array([0.3]), np.array([0.4]))
    assert mean[0] == pytest.approx(draws.mean(), abs=2e-4)
    assert std[0] == pytest.approx(draws.std(), rel=0.02)


def test_a_constant_label_stays_itself():
    transform = LabelTransform().fit(np.full(5, 0.75))
    np.testing.assert_array_equal(transform.transform(np.full(2, 0.75)), [0.0, 0.0])
    np.testing.assert_array_equal(transform.inverse(np.array([3.0])), [0.75])


def test_its_state_is_json_and_brings_it_back():
    transform = LabelTransform().fit(SKEWED)
    again = LabelTransform.from_state(json.loads(json.dumps(transform.state())))
    np.testing.assert_array_equal(again.transform(SKEWED), transform.transform(SKEWED))


def test_an_unknown_kind_is_refused():
    with pytest.raises(InvalidInputError, match=r"^kind must"):
        LabelTransform("log")


@pytest.mark.parametrize("power", [-3.0, -0.5, 0.0, 0.3, 1.0, 1.7708, 2.0, 5.0])
def test_the_power_transform_is_that_of_scipy_bit_for_bit(power):
    x = 3.0 * np.random.default_rng(1).normal(size=200)
    np.testing.assert_array_equal(yeo_johnson(x, power), stats.yeojohnson(x, power))


def test_what_is_uncertain_of_a_mean_is_the_value_and_not_the_noise():
    transform, rng = LabelTransform().fit(SKEWED), np.random.default_rng(3)
    at, spread, noise = np.array([-1.0, 0.3]), np.array([0.5, 0.2]), 0.4
    values = at + spread * rng.standard_normal((4000, 2))  # of one structure each
    means = transform.inverse(values + noise * rng.standard_normal((500, 4000, 2))).mean(axis=0)
    mean, std = transform.expected(at, spread, noise)
    np.testing.assert_allclose(mean, means.mean(axis=0), atol=1e-3)
    np.testing.assert_allclose(std, means.std(axis=0), rtol=0.04)
    np.testing.assert_allclose(mean, transform.moments(at, np.hypot(spread, noise))[0])
