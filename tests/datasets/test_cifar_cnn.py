"""The benchmark of convolutional networks on CIFAR-10, trained cheaply."""

from functools import cache
from pathlib import Path

import pytest

import nnstruct as ns
from nnstruct.benchmark import check_card
from nnstruct.recipes import DatasetRecipe, read_recipe

ROOT = Path(__file__).parents[2] / "datasets" / "cifar-cnn"
COUNTS = {"low": (420, 2)}
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


def test_labels_spread():
    for name in COUNTS:
        assert benchmark(name).y.std() > 0.02
    assert benchmark("low").noise_ceiling.low > 0.5
