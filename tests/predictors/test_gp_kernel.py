"""The grouped kernel against its equations."""

import numpy as np
import pytest
from scipy import optimize, stats

from nnstruct.predictors.gp_kernel import (
    LEAST_NOISE,
    PRIOR_STD,
    Evidence,
    GroupedKernel,
    factorised,
    left_out,
)

RNG = np.random.default_rng(0)
ROWS = RNG.normal(size=(12, 5))
GROUPS = [np.array([0, 2]), np.array([1, 3, 4])]
Y = RNG.normal(size=12)
KERNEL = GroupedKernel(GROUPS, RNG.normal(0.0, 0.5, size=9))


def matern(distance, length):
    r = np.sqrt(5.0 * distance) / length
    return (1.0 + r + r**2 / 3.0) * np.exp(-r)


def by_hand(a, b):
    p = np.exp(KERNEL.log_parameters)
    total, together = 0.0, 0.0
    for g, columns in enumerate(GROUPS):
        d = ((a[columns] - b[columns]) ** 2).mean()
        together += d
        total += p[g] * matern(d, p[2 + g]) + p[4 + g] * (a[columns] * b[columns]).mean()
    return total + p[6] * matern(together, p[7])


def test_covariances_are_those_of_the_definition():
    expected = [[by_hand(a, b) for b in ROWS[:4]] for a in ROWS]
    np.testing.assert_allclose(KERNEL(ROWS, ROWS[:4]), expected, rtol=1e-6)
    np.testing.assert_allclose(KERNEL.diagonal(ROWS), np.diag(KERNEL(ROWS, ROWS)), rtol=1e-6)


def test_the_evidence_is_the_normal_density_and_the_prior():
    share, known = np.linspace(1.0, 3.0, 12), np.linspace(0.0, 0.2, 12)
    evidence = Evidence(GROUPS, ROWS, Y, share, known)
    p = KERNEL.log_parameters
    covariance = KERNEL(ROWS, ROWS) + np.diag(known + (np.exp(p[-1]) + LEAST_NOISE) * share)
    density = stats.multivariate_normal.logpdf(Y, np.zeros(12), covariance)
    prior = ((p - GroupedKernel.start(GROUPS).log_parameters) ** 2).sum() / (2 * PRIOR_STD**2)
    assert evidence(p)[0] == pytest.approx(prior - density, rel=1e-6)


def test_the_gradient_is_that_of_finite_differences():
    evidence = Evidence(GROUPS, ROWS, Y, np.linspace(1.0, 3.0, 12), np.linspace(0.0, 0.2, 12))
    numeric = optimize.approx_fprime(KERNEL.log_parameters, lambda p: evidence(p)[0], 1e-6)
    np.testing.assert_allclose(evidence(KERNEL.log_parameters)[1], numeric, rtol=1e-3, atol=1e-4)


def test_left_out_folds_are_predicted_as_by_a_new_fit():
    noise = np.linspace(0.1, 0.4, 12)
    fold = np.arange(12) % 3
    mean, variance = left_out(factorised(KERNEL, ROWS, noise), Y, fold)
    for number in range(3):
        inside, outside = fold != number, fold == number
        covariance = KERNEL(ROWS[inside], ROWS[inside]) + np.diag(noise[inside])
        cross = KERNEL(ROWS[outside], ROWS[inside])
        np.testing.assert_allclose(mean[outside], cross @ np.linalg.solve(covariance, Y[inside]), rtol=1e-8)
        own = KERNEL.diagonal(ROWS[outside]) + noise[outside]
        explained = (cross * np.linalg.solve(covariance, cross.T).T).sum(axis=1)
        np.testing.assert_allclose(variance[outside], own - explained, rtol=1e-6)


def test_copies_without_noise_are_still_factorised():
    rows = np.repeat(ROWS[:2], 6, axis=0)
    factor = factorised(KERNEL, rows, np.zeros(12))
    assert np.isfinite(factor).all()


def test_the_search_ends_where_the_evidence_is_higher():
    evidence = Evidence(GROUPS, ROWS, Y, np.ones(12), np.zeros(12))
    kernel, found = evidence.best(20)
    assert found > -evidence(evidence.start)[0]
    assert found == pytest.approx(-evidence(kernel.log_parameters)[0])
