"""The benchmark of fidelities: the same convolutional networks, trained with little and with more."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest

import nnstruct as ns
from nnstruct.benchmark import CrossTask, check_card
from nnstruct.recipes import DatasetRecipe, read_recipe

ROOT = Path(__file__).parents[2] / "datasets" / "cifar-cnn"
COUNTS = {"low": (420, 2), "middle": (60, 2), "high": (60, 1)}
each = pytest.mark.parametrize("name", COUNTS)


@cache
def benchmark(name: str) -> ns.Benchmark:
    return ns.Benchmark.load(ROOT / name)


@each
def test_the_card_says_what_the_files_hold(name):
    assert check_card(ROOT / name) == []


@each
def test_every_structure_has_its_seeds(name):
    count, seeds = COUNTS[name]
    assert benchmark(name).table.groupby("fingerprint").size().tolist() == [seeds] * count


@each
def test_the_recipe_draws_the_structures(name):
    recipe = read_recipe(ROOT / name / "recipe.toml", DatasetRecipe)
    first = recipe.model_copy(update={"sample": recipe.sample.model_copy(update={"count": 40})})
    known = set(benchmark(name).fingerprints)
    assert {structure.fingerprint for structure in first.structures("cnn")} <= known
    assert set(benchmark(name).configs) == {recipe.train.id}


def test_the_dear_ones_are_among_the_cheap_ones():
    assert set(benchmark("middle").fingerprints) < set(benchmark("low").fingerprints)
    assert set(benchmark("high").fingerprints) == set(benchmark("middle").fingerprints)


def test_labels_spread():
    for name in COUNTS:
        assert benchmark(name).y.std() > 0.02
    for name in ("low", "middle"):
        assert benchmark(name).noise_ceiling.low > 0.5


def test_cheap_trainings_rank_like_dear_ones():
    cross = CrossTask({name: benchmark(name) for name in COUNTS})
    assert len(cross) == 60
    table = cross.correlations(resamples=200)
    assert (table["low"] > 0).all()
    means = cross.labels().mean(axis=0)
    assert np.all(np.diff(means) > 0)
