"""Weights of members and the calibration, against their definitions."""

import numpy as np
import pytest
from scipy import optimize

from nnstruct.predictors.ensemble.blend import Calibration, blend_weights, pull

RNG = np.random.default_rng(0)
Y = RNG.normal(3.0, 2.0, size=200)


def test_weights_minimise_the_stated_sum():
    said = np.stack([Y + RNG.normal(0, s, 200) for s in (0.5, 1.0, 4.0)], axis=1)
    weight = RNG.uniform(0.5, 2.0, size=200)
    found = blend_weights(said, Y, weight)
    centre = np.average(Y, weights=weight)
    spread = np.sqrt(np.average((Y - centre) ** 2, weights=weight))

    def stated(w):
        error = (Y - centre - (said - centre) @ w) / spread
        pull = np.sqrt(200) * (0.05 + (30 / 200) ** 3) * ((w - 1 / 3) ** 2).sum()
        return float(weight / weight.mean() @ error**2) + pull

    by_search = optimize.minimize(stated, np.full(3, 1 / 3), bounds=[(0, None)] * 3, tol=1e-12).x
    np.testing.assert_allclose(found, by_search, atol=1e-4)
    assert found[0] > found[1] > found[2]


def test_members_that_know_nothing_are_drawn_to_the_mean():
    said = np.stack([RNG.normal(3.0, 2.0, size=200) for _ in range(3)], axis=1)
    assert blend_weights(said, Y, np.ones(200)).sum() < 0.3


@pytest.mark.parametrize(("labels", "farthest"), [(10, 0.2), (200, 0.51)])
def test_few_labels_leave_the_weights_near_to_equal_ones(labels, farthest):
    y = Y[:labels]
    said = np.stack([y, 2.0 * y.mean() - y], axis=1)  # right, and the other way round
    away = np.abs(blend_weights(said, y, np.ones(labels)) - 0.5).max()
    assert farthest - 0.2 < away < farthest


def test_a_constant_label_has_equal_weights():
    assert blend_weights(np.ones((5, 2)), np.ones(5), np.ones(5)).tolist() == [0.5, 0.5]


@pytest.mark.parametrize("seed", range(3))
def test_nine_in_ten_new_labels_lie_in_the_central_ninety_percent(seed):
    rng = np.random.default_rng(seed)
    process, spread = rng.uniform(0.5, 2.0, 4000), rng.uniform(0.0, 1.0, 4000)
    error = (0.2 + 0.6 * process + 0.3 * spread) * rng.normal(size=4000) ** 2
    calibration = Calibration().fit(error[:2000], process[:2000], spread[:2000], np.ones(2000))
    std = calibration.std(process[2000:], spread[2000:])
    covered = (np.sqrt(error[2000:]) <= 1.6449 * std).mean()
    assert 0.88 < covered < 0.92
    assert np.corrcoef(std**2, 0.2 + 0.6 * process[2000:] + 0.3 * spread[2000:])[0, 1] > 0.9


def test_the_deviation_grows_with_the_labels():
    error, process = RNG.uniform(0, 1, 50), RNG.uniform(0.5, 1, 50)
    small = Calibration().fit(error, process, process, np.ones(50)).std(process, process)
    large = Calibration().fit(100 * error, 100 * process, 100 * process, np.ones(50))
    np.testing.assert_allclose(large.std(100 * process, 100 * process), 10 * small, rtol=1e-3)


def test_what_more_networks_will_not_have_is_taken_off():
    rng = np.random.default_rng(5)
    noisy = Y + rng.normal(0, 1.0, 200)
    other = Y + rng.normal(0, 1.0, 200)
    said = np.stack([noisy, other], axis=1)
    plain = blend_weights(said, Y, np.ones(200))
    np.testing.assert_array_equal(blend_weights(said, Y, np.ones(200), np.zeros(2)), plain)
    # With all of its noise gone the first is worth more than the second, whose noise stays.
    better = blend_weights(said, Y, np.ones(200), np.array([0.3, 0.0]))
    assert better[0] > plain[0] + 0.03
    assert better[1] < plain[1] - 0.03
    # The weights are those of the least squares whose squares are known.
    spread, ridge = Y.std(), np.sqrt(pull(200))
    matrix = (said - Y.mean()) / spread
    gram = matrix.T @ matrix + ridge**2 * np.eye(2) - np.diag([200 * 0.3 / spread**2, 0.0])
    exact = np.linalg.solve(gram, matrix.T @ ((Y - Y.mean()) / spread) + ridge**2 / 2)
    np.testing.assert_allclose(better, exact, rtol=1e-6)
    # More than there is cannot be taken off.
    assert np.isfinite(blend_weights(said, Y, np.ones(200), np.array([1e6, 1e6]))).all()
