"""Dataset recipes with a ``[pruning]`` table: structures on their way from dense to sparse."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tiny_benchmark import RECIPE as DATASET

from nnstruct.benchmark import Benchmark, check_card
from nnstruct.errors import InvalidInputError, RecipeError
from nnstruct.pruning import load_trajectories
from nnstruct.recipes import DatasetRecipe, read_recipe, run_dataset_recipe
from nnstruct.recipes.reading import to_toml

ROOT = Path(__file__).parents[2]


def write(folder, text, name="tiny.toml"):
    (folder / name).write_text(text)
    return folder / name


PRUNED = (
    DATASET.replace("count = 16", "count = 3").replace("default = 2", "default = 1")
    + """
[pruning]
densities = [0.6, 0.3]
methods = ["magnitude-class-blind", "random"]
each = 1
"""
)


def test_a_dataset_recipe_with_pruning_makes_a_benchmark_of_all_steps(tmp_path):
    path = write(tmp_path, PRUNED, "recipe.toml")
    bench = run_dataset_recipe(path, workers=1)
    recipe = read_recipe(path, DatasetRecipe)
    drawn = recipe.structures("rnn_tanh")
    assert {s.fingerprint for s in drawn} <= set(bench.fingerprints)
    assert len(bench.table) == len(bench) == 9
    assert set(bench.table["config_id"]) == {recipe.train.id}
    pruned = [s for s in bench.structures if s.origin.get("kind") == "pruning" and s.origin["step"]]
    assert sorted({s.origin["method"] for s in pruned}) == ["magnitude-class-blind", "random"]
    runs = load_trajectories(tmp_path / "trajectories.parquet")
    assert [run.method["method"] for run in runs] == [
        "magnitude-class-blind", "random", "magnitude-class-blind",
    ]  # fmt: skip
    for run, structure in zip(runs, drawn, strict=True):
        added = int(structure.residual.sum())  # without a weight, so that nothing prunes them
        weighted = structure.num_edges - added
        left = [weighted, round(0.6 * weighted), round(0.3 * weighted)]
        assert [s.num_edges - added for s in run.structures] == left
        assert np.isfinite([step.before["test"] for step in run.steps]).all()
    assert check_card(tmp_path) == []
    assert not (tmp_path / "trajectories").exists()

    records = (tmp_path / "data" / "records.parquet").read_bytes()
    held = (tmp_path / "trajectories.parquet").read_bytes()
    again = run_dataset_recipe(path, workers=1)
    assert (tmp_path / "data" / "records.parquet").read_bytes() == records
    assert (tmp_path / "trajectories.parquet").read_bytes() == held
    assert again.y.tolist() == bench.y.tolist()


def test_variants_train_the_structures_of_all_steps_from_fresh_weights(tmp_path):
    text = PRUNED.replace("[seeds]", "[[variants]]\nepochs = 3\nseeds = 3\n[seeds]", 1)
    path = write(tmp_path, text, "recipe.toml")
    bench = run_dataset_recipe(path, workers=1)
    recipe = read_recipe(path, DatasetRecipe)
    whole = Benchmark.load(tmp_path)
    pruned, fresh = (whole.select_config(config.id) for config in recipe.configs)
    assert bench.table.equals(pruned.table)
    assert set(pruned.table["engine"]) == {"pruning"}
    assert set(fresh.table["seed"]) == {0, 1, 2}
    assert set(fresh.fingerprints) == {s.fingerprint for s in pruned.structures if s.family == "rnn_tanh"}
    assert len(fresh.table) == 3 * len(fresh)
    assert "side by side" in (tmp_path / "README.md").read_text()
    assert check_card(tmp_path) == []
    again = run_dataset_recipe(path, workers=1)
    assert again.table.equals(bench.table)
    assert Benchmark.load(tmp_path).table.equals(whole.table)


def test_steps_remember_prior_method_and_parent(tmp_path):
    bench = run_dataset_recipe(write(tmp_path, PRUNED, "recipe.toml"), workers=1)
    recipe = read_recipe(tmp_path / "recipe.toml", DatasetRecipe)
    priors = {s.fingerprint: s.origin["prior"] for s in recipe.structures("rnn_tanh")}
    known = {s.fingerprint: s for s in bench.structures}
    for structure in bench.structures:
        root = structure
        while root.origin["parent"]:
            root = known[root.origin["parent"]]
        assert structure.origin["prior"] == priors[root.fingerprint]
    card = (tmp_path / "README.md").read_text()
    assert "| pruned: random |" in card
    assert all(f"| {prior} |" in card for prior in priors.values())


def test_each_structure_meets_all_methods_unless_told_otherwise(tmp_path):
    path = write(tmp_path, PRUNED.replace("each = 1\n", "").replace("count = 3", "count = 2"), "recipe.toml")
    section = read_recipe(path, DatasetRecipe).pruning
    assert section.methods_of(0) == section.methods_of(1) == ["magnitude-class-blind", "random"]
    turns = section.model_copy(update={"each": 1})
    assert [turns.methods_of(n)[0] for n in range(3)] == ["magnitude-class-blind", "random"] * 1 + [
        "magnitude-class-blind"
    ]


def test_structures_are_pruned_on_the_cpu_only(tmp_path):
    path = write(tmp_path, PRUNED, "recipe.toml")
    with pytest.raises(InvalidInputError, match="device must be 'cpu' for a recipe with"):
        run_dataset_recipe(path, device="cuda")
    assert not (tmp_path / "manifest.json").exists()


def test_a_recipe_with_pruning_reads_back_as_written(tmp_path):
    recipe = read_recipe(write(tmp_path, PRUNED), DatasetRecipe)
    assert read_recipe(write(tmp_path, to_toml(recipe), "again.toml"), DatasetRecipe) == recipe


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"random"]', '"rndom"]', "[pruning] methods must be one of"),
        ('"random"]', '"random", "random"]', "[pruning] methods must name each method once"),
        ("each = 1", "eech = 1", "each key of [pruning] must be one of densities, each, methods"),
        ("each = 1", "each = 3", "each must be at most the 2 methods, got 3"),
        ("[0.6, 0.3]", "[0.3, 0.6]", "[pruning] densities must be shares in [0, 1) that fall"),
        ("each = 1", 'schedule = "never"', "schedule must be one of"),
        ("[seeds]", "[[variants]]\nseeds = 2\n[seeds]", "must each differ from [train] and each other"),
    ],
)
def test_a_wrong_pruning_table_is_refused(tmp_path, old, new, message):
    assert old in PRUNED
    with pytest.raises(RecipeError) as caught:
        read_recipe(write(tmp_path, PRUNED.replace(old, new, 1)), DatasetRecipe)
    assert message in str(caught.value)


# ---- what is shipped


def test_at_least_300_networks_of_three_kinds_are_to_be_pruned():
    recipes = [read_recipe(p, DatasetRecipe) for p in (ROOT / "datasets" / "pruned").glob("*/recipe.toml")]
    families = {family for recipe in recipes for family in recipe.space.families}
    assert {"mlp", "cnn", "rnn_tanh", "rnn_relu", "gru", "lstm"} <= families
    assert sum(recipe.sample.count * len(recipe.space.families) for recipe in recipes) >= 300
    assert all(recipe.pruning is not None for recipe in recipes)


def test_pruned_benchmarks_that_are_shipped_bear_out_their_cards():
    for manifest in (ROOT / "datasets" / "pruned").glob("*/manifest.json"):
        assert check_card(manifest.parent) == []
        runs = load_trajectories(manifest.parent / "trajectories.parquet")
        known = set(Benchmark.load(manifest.parent).table["fingerprint"])
        assert {s.fingerprint for run in runs for s in run.structures} == known
