"""The noise of labels: the spread over seeds, drawn to that of labels like it; bounds of labels."""

from __future__ import annotations

import numpy as np
import pytest
from benchmark_fakes import make_record, make_structures, make_task

from nnstruct.benchmark import Benchmark
from nnstruct.benchmark.label_noise import label_noise
from nnstruct.benchmark.targets import TARGETS, target_bounds


def seeds_of(sigma, seeds, rng, truth=None):
    truth = rng.normal(size=len(sigma)) if truth is None else truth
    values = truth[:, None] + sigma[:, None] * rng.normal(size=(len(sigma), seeds))
    return values.mean(axis=1), values.std(axis=1, ddof=1), np.full(len(sigma), seeds)


def test_equal_noise_is_pooled():
    rng = np.random.default_rng(0)
    noise = label_noise(*seeds_of(np.full(500, 2.0), 4, rng))
    np.testing.assert_allclose(noise, 1.0, atol=0.25)  # 2 / sqrt(4)
    assert np.sqrt((noise**2).mean()) == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize("seeds", [2, 3])
def test_few_seeds_are_nearer_to_the_truth_than_their_own_spread(seeds):
    rng = np.random.default_rng(1)
    truth = rng.uniform(size=400)
    sigma = 0.05 + 0.5 * (1 - truth)  # labels near 1 scatter less
    mean, std, count = seeds_of(sigma, seeds, rng, truth=10 * truth)
    noise, exact = label_noise(mean, std, count), sigma / np.sqrt(seeds)
    error = np.abs(noise / exact - 1).mean()
    assert error < 0.2
    assert error < 0.5 * np.abs(std / np.sqrt(seeds) / exact - 1).mean()
    low, high = noise[truth < 0.2].mean(), noise[truth > 0.8].mean()
    assert 2.5 < low / high < 5


def test_structures_that_differ_keep_their_own_spread_where_seeds_are_many():
    rng = np.random.default_rng(2)
    sigma = rng.choice([0.2, 2.0], size=300)
    mean, std, count = seeds_of(sigma, 20, rng)
    noise = label_noise(mean, std, count)
    own = std / np.sqrt(20)
    assert np.corrcoef(noise, own)[0, 1] > 0.98
    assert (np.abs(noise - own) < np.abs(noise.mean() - own) + 1e-12).mean() > 0.95


def test_the_shrinkage_is_the_formula():
    # Eleven structures, so that every one has all others as neighbours; 3 seeds, two degrees of freedom.
    std = np.array([0.1] * 10 + [1.0])
    mean, count = np.linspace(0, 1, 11), np.full(11, 3)
    level = (10 * 0.01 + 1.0) / 11
    w = ((10 * 0.01**2 + 1.0) / 11 / level**2) / 2 - 1
    prior = 2 + 2 / w  # d0 - 2
    expected = np.sqrt((prior * level + 2 * std**2) / (prior + 2) / 3)
    np.testing.assert_allclose(label_noise(mean, std, count), expected)


def test_one_seed_takes_the_noise_of_its_neighbours_and_a_known_deviation_stays():
    std = np.array([0.2] * 20 + [np.nan, 0.7])
    count = np.array([2] * 20 + [1, 1])
    noise = label_noise(np.linspace(0, 1, 22), std, count)
    assert noise[21] == 0.7
    assert 0.2 < noise[20] < 0.4
    assert label_noise(np.zeros(3), np.full(3, np.nan), np.ones(3, dtype=int)) is None


def test_seeds_that_agree_have_no_noise():
    assert label_noise(np.arange(3.0), np.zeros(3), np.full(3, 2)).tolist() == [0.0] * 3


@pytest.fixture(scope="module")
def bench():
    structures, task = make_structures(30), make_task()
    return Benchmark.from_records(
        structures, [make_record(s, seed, task) for s in structures for seed in range(3)]
    )


def test_a_benchmark_knows_the_noise_and_the_bounds_of_its_labels(bench):
    expected = label_noise(bench.y, bench.y_std, bench.y_count)
    np.testing.assert_array_equal(bench.label_noise, expected)
    assert np.sqrt((expected**2).mean()) == pytest.approx(0.03 / np.sqrt(3), rel=0.3)
    assert bench.select(bench.fingerprints[:5]).bounds == (0.0, 1.0)
    assert bench.with_target("neg_test_loss").bounds == (-np.inf, 0.0)


def test_labels_beyond_the_bounds_have_none(bench):
    table = bench.table.assign(test=bench.table["test"] + 1)
    assert Benchmark(bench.structures, table).bounds is None


def test_one_seed_tells_no_noise(bench):
    table = bench.table[bench.table["seed"] == 0]
    assert Benchmark(bench.structures, table).label_noise is None


def test_every_target_has_its_bounds():
    for name in TARGETS:
        low, high = target_bounds(name)
        assert low < high
        assert np.isfinite(high)
