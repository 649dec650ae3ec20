"""Domination, crowding, hypervolume and its expected gain, each against its definition."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate
from scipy.stats import norm

from nnstruct.search.choice import Belief
from nnstruct.search.gain import choose_by_gain, expected_gain, worst_corner
from nnstruct.search.pareto import (
    covering,
    crowded_order,
    crowding_distances,
    dominates,
    front_numbers,
    hypervolume,
)


@st.composite
def sets_of_points(draw: st.DrawFn, least: int = 1) -> np.ndarray:
    """Points on a coarse grid, so that ties and copies come up."""
    k, n = draw(st.integers(1, 4)), draw(st.integers(least, 9))
    values = draw(st.lists(st.integers(-1, 5), min_size=n * k, max_size=n * k))
    return np.array(values, dtype=float).reshape(n, k)


@given(points=sets_of_points())
def test_fronts_are_peeled_off_one_by_one(points: np.ndarray) -> None:
    left, number, front = set(range(len(points))), np.full(len(points), -1), 0
    while left:
        free = {i for i in left if not any(dominates(points[j], points[i]) for j in left)}
        number[list(free)] = front
        left -= free
        front += 1
    assert front_numbers(points).tolist() == number.tolist()


@given(points=sets_of_points())
def test_crowding_is_that_of_deb_and_others(points: np.ndarray) -> None:
    """Their listing ``crowding-distance-assignment(I)``, line by line."""
    distance = [0.0] * len(points)
    for m in range(points.shape[1]):
        rows = sorted(range(len(points)), key=lambda i: points[i, m])
        distance[rows[0]] = distance[rows[-1]] = np.inf
        for at in range(1, len(rows) - 1):
            if points[rows[-1], m] > points[rows[0], m]:
                distance[rows[at]] += (points[rows[at + 1], m] - points[rows[at - 1], m]) / (
                    points[rows[-1], m] - points[rows[0], m]
                )
    assert crowding_distances(points) == pytest.approx(distance)


@given(points=sets_of_points())
def test_the_crowded_order_is_that_of_nsga2(points: np.ndarray) -> None:
    number = front_numbers(points)
    crowding = np.array([0.0] * len(points))
    for front in set(number.tolist()):
        crowding[number == front] = crowding_distances(points[number == front])
    order = crowded_order(points)
    assert sorted(order.tolist()) == list(range(len(points)))
    for first, second in itertools.pairwise(order.tolist()):
        # Their operator: a lower front, or the same front and a greater distance; never the other way round.
        assert (number[first], -crowding[first]) <= (number[second], -crowding[second])


@given(points=sets_of_points())
def test_a_few_points_cover_as_much_as_the_greedy_choice_must(points: np.ndarray) -> None:
    zero, count = np.zeros(points.shape[1]), 3
    chosen = covering(points, zero, count)
    assert len(set(chosen.tolist())) == len(chosen) == min(count, len(points))
    assert points[chosen[0], 0] == points[:, 0].max()
    # All that two more points can add to the first one, and the share of it that greed is sure of.
    first = hypervolume(points[chosen[:1]], zero)
    pairs = itertools.combinations_with_replacement(range(len(points)), 2)
    most = max(hypervolume(points[[chosen[0], *pair]], zero) for pair in pairs)
    assert hypervolume(points[chosen], zero) - first >= (1 - np.exp(-1)) * (most - first) - 1e-9


@given(points=sets_of_points())
def test_the_hypervolume_is_the_count_of_cells(points: np.ndarray) -> None:
    cells = itertools.product(range(5), repeat=points.shape[1])  # unit cells over the origin
    brute = sum(any((point >= np.array(cell) + 1).all() for point in points) for cell in cells)
    assert hypervolume(points, np.zeros(points.shape[1])) == pytest.approx(brute)


@pytest.mark.parametrize("k", [2, 3, 4])
def test_the_hypervolume_is_that_of_inclusion_and_exclusion(k: int) -> None:
    rng = np.random.default_rng(k)
    points, reference = rng.normal(size=(8, k)), rng.normal(size=k) - 1
    brute = 0.0
    for size in range(1, len(points) + 1):
        for part in itertools.combinations(points, size):
            brute -= (-1) ** size * np.prod(np.maximum(np.min(part, axis=0) - reference, 0))
    assert hypervolume(points, reference) == pytest.approx(brute)
    assert hypervolume(np.zeros((0, k)), reference) == 0.0


@pytest.mark.parametrize("k", [2, 3])
def test_the_expected_gain_is_the_integral_of_the_gain(k: int) -> None:
    rng = np.random.default_rng(10 + k)
    front, reference = rng.normal(size=(6, k)), np.full(k, -1.5)
    mean, std, known = rng.normal(size=4), np.array([0.1, 0.5, 1.0, 0.0]), rng.normal(size=(4, k - 1))
    found = expected_gain(mean, std, known, front, reference)
    before = hypervolume(front, reference)
    for m, s, others, gain in zip(mean, std, known, found, strict=True):
        added = lambda v, o=others: hypervolume(np.vstack([front, [v, *o]]), reference) - before  # noqa: E731
        if s == 0:
            assert gain == pytest.approx(added(m))
            continue
        grid = np.linspace(m - 8 * s, m + 8 * s, 601)
        values = np.array([added(v) for v in grid]) * norm.pdf(grid, m, s)
        assert gain == pytest.approx(integrate.trapezoid(values, grid), rel=5e-3, abs=1e-4)


def test_a_batch_by_gain_is_greedy_with_fantasies() -> None:
    rng = np.random.default_rng(0)
    factor = rng.normal(size=(7, 7))
    belief = Belief(rng.normal(size=7), factor @ factor.T / 7, 0.05, 7)
    known, front = rng.normal(size=(7, 1)), rng.normal(size=(3, 2))
    reference = np.array([-3.0, -3.0])
    chosen = choose_by_gain(belief, known, front, 4, reference)
    cov, left, grown = belief.covariance, [], front
    for _ in range(4):
        if left:  # the posterior after the choices so far, by one solve
            inner = belief.covariance[np.ix_(left, left)] + belief.noise * np.eye(len(left))
            outer = belief.covariance[:, left]
            cov = belief.covariance - outer @ np.linalg.solve(inner, outer.T)
        std = np.sqrt(np.maximum(np.diag(cov), 0))
        gain = expected_gain(belief.mean, std, known, grown, reference)
        gain[left] = -np.inf
        left.append(int(np.argmax(gain)))
        grown = np.vstack([grown, [belief.mean[left[-1]], *known[left[-1]]]])
    assert chosen == left
    assert sorted(choose_by_gain(belief, known, front, 99, reference)) == list(range(7))


def test_the_reference_lies_below_every_point() -> None:
    points = np.random.default_rng(1).normal(size=(9, 3))
    assert (worst_corner(points) < points).all()
