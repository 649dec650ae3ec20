"""Dataset recipes with ``[[variants]]`` of the training, and with a study's graphs."""

from __future__ import annotations

import pytest

from nnstruct.benchmark import Benchmark, check_card
from nnstruct.errors import NnstructError
from nnstruct.priors import stier2021
from nnstruct.recipes import DatasetRecipe, read_recipe, run_dataset_recipe
from nnstruct.recipes.reading import to_toml


def write(folder, text, name="recipe.toml"):
    (folder / name).write_text(text)
    return folder / name


VARIANTS = """
[task]
name = "reber"
options = { train = 60, val = 20, test = 20 }
[space]
families = ["rnn_tanh", "gru"]
[sample]
study = "stier2021"
count = 2
[train]
protocol = "faithful"
epochs = 1
[[variants]]
protocol = "corrected"
[[variants]]
learning_rate = 0.01
"""


def test_a_variant_may_have_its_own_number_of_seeds(tmp_path):
    text = (
        VARIANTS.replace("learning_rate = 0.01", "learning_rate = 0.01\nseeds = 2")
        + "[seeds]\ngru = 3\ndefault = 1"
    )
    recipe = read_recipe(write(tmp_path, text), DatasetRecipe)
    assert [recipe.seeds_of("gru", variant) for variant in (None, 0, 1)] == [3, 3, 2]
    assert [recipe.seeds_of("rnn_tanh", variant) for variant in (None, 0, 1)] == [1, 1, 2]
    assert recipe.configs[2] == recipe.train.model_copy(update={"learning_rate": 0.01})
    run_dataset_recipe(write(tmp_path, text))
    counts = Benchmark.load(tmp_path).table.groupby(["config_id", "family"]).size()
    assert [counts[config.id, "gru"] for config in recipe.configs] == [6, 6, 4]
    assert [counts[config.id, "rnn_tanh"] for config in recipe.configs] == [2, 2, 4]


def test_a_variant_may_name_its_seeds_and_a_recipe_the_epochs_to_keep(tmp_path):
    text = VARIANTS.replace("learning_rate = 0.01", "learning_rate = 0.01\nseeds = [7, 4]").replace(
        'protocol = "faithful"\nepochs = 1', "epochs = 2"
    )
    text = text.replace('[[variants]]\nprotocol = "corrected"\n', "")
    recipe = read_recipe(write(tmp_path, text + "[weights]\nepochs = [1, 2]\n"), DatasetRecipe)
    assert recipe.seed_numbers("gru") == [0]
    assert (recipe.seed_numbers("gru", 0), recipe.seeds_of("gru", 0)) == ([7, 4], 2)
    bench = run_dataset_recipe(write(tmp_path, text + "[weights]\nepochs = [1, 2]\n"))
    assert len(bench.networks(epoch="all")) == 2 * 2 * 2
    whole = Benchmark.load(tmp_path)
    assert sorted(set(whole.networks(epoch=1).table["seed"])) == [0, 4, 7]
    assert "| networks with weights | 24, after the epochs 1, 2 |" in (tmp_path / "README.md").read_text()
    assert check_card(tmp_path) == []


def test_a_card_lists_many_configurations_in_one_table(tmp_path):
    text = VARIANTS + "".join(f"[[variants]]\nlearning_rate = 0.0{n}\n" for n in range(2, 9))
    run_dataset_recipe(write(tmp_path, text.replace('"rnn_tanh", "gru"', '"gru"')))
    card = (tmp_path / "README.md").read_text()
    assert "## The 10 configurations" in card
    assert "| configuration | protocol | learning_rate | structures |" in card
    assert "What they share: epochs 1, batch_size 128, clip_norm 5.0." in card
    assert len([line for line in card.splitlines() if line.startswith("| `")]) == 10
    assert "## Configuration `" not in card
    assert check_card(tmp_path) == []


def test_variants_train_the_same_structures_again(tmp_path):
    file = write(tmp_path, VARIANTS)
    recipe = read_recipe(file, DatasetRecipe)
    assert [config.protocol for config in recipe.configs] == ["faithful", "corrected", "faithful"]
    assert read_recipe(write(tmp_path, to_toml(recipe), "again.toml"), DatasetRecipe) == recipe
    bench = run_dataset_recipe(file)
    assert set(bench.table["config_id"]) == {recipe.train.id}
    whole = Benchmark.load(tmp_path)
    assert whole.table.groupby("config_id").size().to_dict() == {c.id: 4 for c in recipe.configs}
    drawn = {s.fingerprint for f in ("rnn_tanh", "gru") for s in stier2021(2, seed=0, family=f)}
    assert {s.fingerprint for s in whole.structures} == drawn
    assert check_card(tmp_path) == []


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('protocol = "corrected"', 'protocol = "faithful"', r"each differ from \[train\]"),
        ("count = 2", 'count = 2\npriors = ["watts-strogatz"]', "priors must be left out with a study"),
        ("learning_rate = 0.01", "learning_rat = 0.01", "learning_rat"),
        ("learning_rate = 0.01", "learning_rate = 0.01\nseeds = 0", "seeds must be a positive integer"),
        ("learning_rate = 0.01", "learning_rate = 0.01\nseeds = true", "seeds must be a positive integer"),
        ("learning_rate = 0.01", "learning_rate = 0.01\nseeds = [1, 1]", "seeds must hold distinct seeds"),
        ("learning_rate = 0.01", "learning_rate = 0.01\n[weights]\nepochs = []", r"\[weights\] epochs"),
    ],
)
def test_wrong_variants_and_studies_are_refused(tmp_path, old, new, message):
    with pytest.raises(NnstructError, match=message):
        read_recipe(write(tmp_path, VARIANTS.replace(old, new)), DatasetRecipe)
