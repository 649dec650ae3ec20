"""Predictor recipes whose benchmark is several folders."""

import numpy as np
import pytest
from pydantic import ValidationError

import nnstruct as ns
from nnstruct.errors import MissingDataError
from nnstruct.recipes import PredictorRecipe, read_recipe, run_predictor_recipe
from nnstruct.recipes.labelled import BenchmarkSection, recipe_benchmark

RECIPE = """\
[benchmark]
path = ["first", "second"]

[test]
path = "third"

[predictor]
name = "extra-trees"
save = false
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Three benchmarks on tasks of their own, and a recipe beside them."""
    folder = tmp_path_factory.mktemp("joined")
    for name, family, task in (
        ("first", "mlp", "digits"),
        ("second", "gru", "reber"),
        ("third", "cnn", "shapes"),
    ):
        structures = ns.priors.sample(ns.Space(family, units=(3, 9)), n=12, seed=0)
        scores = [s.num_edges / 100 for s in structures]
        ns.Benchmark.from_scores(structures, scores, [0.01] * 12, seeds=3, task=task, twins="merge").save(
            folder / name
        )
    (folder / "recipe.toml").write_text(RECIPE)
    return folder


def test_several_folders_are_one_benchmark_of_all_labels(folder):
    recipe = read_recipe(folder / "recipe.toml", PredictorRecipe)
    bench = recipe_benchmark(recipe.benchmark, folder / "recipe.toml")
    parts = [ns.load_benchmark(folder / name) for name in ("first", "second")]
    label = dict(zip(bench.fingerprints, zip(bench.y, bench.y_std, bench.y_count, strict=True), strict=True))
    assert len(label) == sum(len(part.structures) for part in parts)
    for part in parts:
        for name, *told in zip(part.fingerprints, part.y, part.y_std, part.y_count, strict=True):
            np.testing.assert_allclose(label[name], told)
    chosen = BenchmarkSection(path=["first", "second"], families=["gru"])
    only = recipe_benchmark(chosen, folder / "recipe.toml")
    assert only.fingerprints == parts[1].fingerprints
    assert chosen.name == "first+second gru"


def test_a_recipe_learns_from_several_and_asks_about_another(folder, tmp_path):
    run = run_predictor_recipe(folder / "recipe.toml", tmp_path / "out")
    assert set(run.evaluation.results["benchmark"]) == {"first+second to third"}


def test_what_cannot_be_joined_is_told(folder):
    (folder / "gone.toml").write_text(RECIPE.replace('"second"', '"nowhere"'))
    with pytest.raises(MissingDataError, match="nowhere"):
        run_predictor_recipe(folder / "gone.toml", folder / "out")
    with pytest.raises(ValidationError, match="at least 1 item"):
        BenchmarkSection(path=[])
    with pytest.raises(ValidationError, match="path must be one file with table"):
        BenchmarkSection(path=["a", "b"], table="macro")
