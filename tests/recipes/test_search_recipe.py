"""A search in a file: what it says is what is done, also in two calls, and what it cannot say is refused."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nnstruct import Benchmark, Search, Space, Structure, TrainConfig, load_structures, load_task, priors
from nnstruct.errors import RecipeError
from nnstruct.predictors import BayesianRidge
from nnstruct.recipes import PredictorRecipe, SearchRecipe, read_recipe, run_search, run_search_recipe
from nnstruct.recipes.reading import to_toml

ROOT = Path(__file__).parents[2]
TEXT = """
task = { name = "digits", options = { val = 0.3 } }
space = { families = ["mlp"], units = [4, 9], activations = ["relu", "tanh"] }
guide = { name = "bayesian-ridge" }
search = { generations = 4, per_generation = 4, params = { population = 8, seed = 3, random_share = 0.0 } }
train = { epochs = 1, learning_rate = 0.01 }
finish = { top = 2, seeds = 2, train = { epochs = 2 }, task = { val = 0.2 } }
expected = { claimed = [0.1, 1.0], winner = [0.99, 1.0] }
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    file = tmp_path_factory.mktemp("recipe") / "search-digits.toml"
    file.write_text(TEXT)
    return file, run_search_recipe(file, file.parent / "found", workers=1)


def test_it_is_the_search_that_one_would_write(run, tmp_path):
    _, found = run
    space = Space("mlp", units=(4, 9), activations=("relu", "tanh"))
    search = Search(space, BayesianRidge(), seed=3, population=8, random_share=0.0)
    by_hand = run_search(
        search, load_task("digits", val=0.3), out=tmp_path / "bench", generations=4, per_generation=4,
        config=TrainConfig(epochs=1, learning_rate=0.01), workers=1,
    )  # fmt: skip
    assert found.found.fingerprints == by_hand.fingerprints
    assert found.search.best == search.best
    assert len(by_hand) == 16


def test_finalists_are_trained_as_the_recipe_says(run):
    _, found = run
    finalists = Benchmark.load(found.folder / "finalists")
    assert set(finalists.table["config_id"]) == {TrainConfig(epochs=2, learning_rate=0.01).id}
    assert set(finalists.table["task_fingerprint"]) == {load_task("digits", val=0.2).fingerprint}
    assert finalists.table.groupby("fingerprint").size().tolist() == [2, 2]
    assert set(finalists.fingerprints) == set(found.final.table["fingerprint"])


def test_files_hold_what_was_found(run):
    _, found = run
    (best,) = load_structures(found.folder / "best.json")
    assert best == found.final.winner
    pd.testing.assert_frame_equal(
        pd.read_csv(found.folder / "finalists.csv"), found.final.table, check_dtype=False
    )
    history = pd.read_csv(found.folder / "history.csv")
    assert history["fingerprint"].tolist() == found.search.history["fingerprint"].tolist()
    assert not (found.folder / "pareto.csv").exists()
    assert [(check.label, check.within) for check in found.checks] == [("claimed", True), ("winner", False)]
    assert not found.as_expected


def test_a_second_call_trains_nothing_and_finds_the_same(run):
    file, found = run
    before = {p: p.stat().st_mtime_ns for p in found.folder.rglob("*.parquet")}
    again = run_search_recipe(file, found.folder, workers=1)
    assert {p: p.stat().st_mtime_ns for p in found.folder.rglob("*.parquet")} == before
    assert again.final.winner == found.final.winner
    assert again.search.num_trained == 16


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ('"digits"', '"digit"', r"\[task\] name must be one of"),
        ('["mlp"]', '["mlp", "gru"]', r"\[space\] families must be one family"),
        ('"bayesian-ridge"', '"bayesian-rigde"', r"\[guide\] name must be one of"),
        ("population = 8", "poplation = 8", r"\[search\] params must be one of .*population"),
        ("population = 8", "population = 1", r"\[search\] population must be an integer, at least 2"),
        ("train = { epochs = 2 }", "train = { epoch = 2 }", "each key of finish.train must be one of"),
        ("task = { val = 0.2 }", "task = { vla = 0.2 }", r"\[finish\] option of task .* must be .*'vla'"),
        ("top = 2", "top = -1", r"\[finish\] top must be"),
        ("[0.99, 1.0]", "[1.0, 0.9]", r"\[expected\] winner must be the lowest and the highest"),
        ('finish = {', 'finnish = {', "each key of the recipe must be one of .*Did you mean 'finish'"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_a_recipe_is_told_by_file_and_key(tmp_path, old, new, sentence):
    assert TEXT.count(old) == 1
    file = tmp_path / "search.toml"
    file.write_text(TEXT.replace(old, new))
    with pytest.raises(RecipeError, match=sentence) as error:
        run_search_recipe(file, tmp_path / "found")
    assert str(file) in str(error.value)
    assert not (tmp_path / "found" / "benchmark").exists()


def test_a_guide_may_name_its_own_seed(tmp_path):
    file = tmp_path / "search.toml"
    own = 'guide = { name = "random-forest", params = { random_state = 7 } }'
    file.write_text(TEXT.replace('guide = { name = "bayesian-ridge" }', own))
    search = read_recipe(file, SearchRecipe).make(load_task("digits"), tmp_path / "found")
    assert search.guide.random_state == 7
    assert search.seed == 3


def test_it_reads_back_as_written(tmp_path, run):
    file, _ = run
    recipe = read_recipe(file, SearchRecipe)
    (tmp_path / "again.toml").write_text(to_toml(recipe))
    assert read_recipe(tmp_path / "again.toml", SearchRecipe) == recipe


@pytest.mark.parametrize("path", sorted((ROOT / "train").glob("search-*.toml")), ids=lambda path: path.stem)
def test_the_recipes_that_ship_can_be_read(path, tmp_path):
    recipe, file = read_recipe(path, SearchRecipe), tmp_path / "train" / path.name
    if recipe.guide.saved is not None:
        made_by = read_recipe(path.with_name(f"{Path(recipe.guide.saved).name}.toml"), PredictorRecipe)
        assert made_by.predictor.save
        space = recipe.space.of(recipe.space.families[0])
        guide = BayesianRidge().fit(priors.sample(space, 6, seed=0), np.arange(6.0))
        guide.save(file.parent / recipe.guide.saved)
    search = recipe.make(load_task("shapes", train=64, val=8, test=8), tmp_path / "found", file)
    assert len(search.ask(2)) == 2
    assert f"`{path.name}`" in (ROOT / "train" / "README.md").read_text()


def test_a_guide_of_another_task_that_is_not_there_is_told(tmp_path):
    file = tmp_path / "search.toml"
    file.write_text(TEXT.replace('name = "bayesian-ridge"', 'saved = "../runs/other"'))
    with pytest.raises(RecipeError, match=r"\[guide\] saved must be the folder of .*`nnstruct train`"):
        run_search_recipe(file, tmp_path / "found", workers=1)


START = """
[[start]]
edges = [[0, 1], [1, 2], [0, 2], [2, 3]]
units = { activation = "tanh" }
[[start]]
edges = [[0, 2], [1, 2], [2, 3]]
units = { activation = ["relu", "tanh", "relu", "tanh"] }
"""


def test_structures_of_ones_own_are_trained_first(tmp_path):
    file = tmp_path / "search.toml"
    few = TEXT.replace("generations = 4, per_generation = 4", "generations = 1, per_generation = 3")
    file.write_text(few.replace("finish = { top = 2", "finish = { top = 1").replace("expected", "# ") + START)
    for _ in range(2):  # the second call does nothing
        found = run_search_recipe(file, tmp_path / "found", workers=1)
        history = found.search.history
        assert history["operator"].tolist() == ["enqueued", "enqueued", "prior"]
    edges = [(0, 1), (1, 2), (0, 2), (2, 3)]
    first = Structure.from_edges(edges, attributes={"activation": ["tanh"] * 4})
    assert history["fingerprint"][0] == first.fingerprint
    assert read_recipe(file, SearchRecipe).start[1].units["activation"][1] == "tanh"


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("[0, 2], [2, 3]]\nunits", "[0, 2], [3, 2], [2, 3]]\nunits", r"\[start\] .*cycle"),
        ('activation = "tanh"', 'activation = "gelu"', r"\[start\] structures must lie inside the space"),
        ("[0, 1],", "[0, 1, 2],", r"\[start\]\[0\]\.edges\[0\] must"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_such_a_structure_is_told(tmp_path, old, new, sentence):
    file = tmp_path / "search.toml"
    assert START.count(old) == 1
    file.write_text(TEXT + START.replace(old, new))
    with pytest.raises(RecipeError, match=sentence):
        run_search_recipe(file, tmp_path / "found", workers=1)
