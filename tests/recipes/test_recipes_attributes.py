"""Units' attributes in the [space] table of a dataset recipe."""

from __future__ import annotations

import pytest

from nnstruct.errors import InvalidInputError, RecipeError
from nnstruct.recipes import DatasetRecipe, read_recipe
from nnstruct.recipes.reading import to_toml
from nnstruct.structure.space import Space

TEXT = """
task.name = "digits"
sample = { count = 6, priors = ["resnet", "discretised-ode", "erdos-renyi"] }
[space]
families = ["cnn", "mlp"]
units = [5, 9]
operators = ["conv3x3", "identity", "gradient-flow3x3"]
activations = ["relu", "gelu"]
channels = [4, 8]
stages = 2
joins = ["concat", "sum"]
"""


def read(tmp_path, text):
    (tmp_path / "recipe.toml").write_text(text)
    return read_recipe(tmp_path, DatasetRecipe)


def test_each_family_takes_what_its_units_have(tmp_path):
    recipe = read(tmp_path, TEXT)
    assert recipe.space.of("mlp") == Space("mlp", units=(5, 9), activations=("relu", "gelu"))
    assert recipe.space.of("cnn") == Space(
        "cnn", units=(5, 9), operators=("conv3x3", "identity", "gradient-flow3x3"),
        activations=("relu", "gelu"), channels=(4, 8), stages=2, joins=("concat", "sum"),
    )  # fmt: skip
    drawn = recipe.structures("cnn")
    assert all(map(recipe.space.of("cnn").contains, drawn))
    assert [s.origin["prior"] for s in drawn] == ["resnet", "discretised-ode", "erdos-renyi"] * 2
    assert {name for s in recipe.structures("mlp") for name in s.attributes} == {"activation"}


def test_draws_are_narrowed_to_layers_and_shared_attributes(tmp_path):
    narrow = TEXT.replace(
        "sample = { count = 6,", 'sample = { layers = [3, 4], shared = ["activation"], count = 6,'
    )
    recipe, plain = read(tmp_path, narrow), read(tmp_path, TEXT.replace("count = 6", "count = 384"))
    drawn = recipe.structures("cnn")
    assert len({s.fingerprint for s in drawn}) == 6
    assert {s.num_layers for s in drawn} <= {3, 4}
    assert all(len(set(s.attributes["activation"])) == 1 for s in drawn)
    assert len({s.attributes["activation"] for s in drawn}) > 1
    assert any(len(set(s.attributes["operator"])) > 1 for s in drawn)
    # The graphs are among those that the same sample gives without the bounds.
    graphs = {s.edge_index.tobytes() for s in plain.structures("cnn")}
    assert all(s.edge_index.tobytes() in graphs for s in drawn)
    none = read(tmp_path, narrow.replace("[3, 4]", "[90, 91]").replace("count = 6", "count = 1"))
    with pytest.raises(InvalidInputError, match="count must be at most 0 with these layers"):
        none.structures("cnn")


def test_a_written_recipe_reads_back(tmp_path):
    recipe = read(tmp_path, TEXT)
    assert read(tmp_path, to_toml(recipe)) == recipe
    plain = DatasetRecipe(task={"name": "digits"}, space={"families": ["mlp"]}, sample={"count": 1})
    assert not {"operators", "activations", "channels", "stages", "joins"} & set(to_toml(plain).split())


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("stages = 2", "stage = 2", "each key of [space] must be one of activations, channels, families"),
        ('["relu", "gelu"]', '["relu", "relu6"]', "activations must be among relu, tanh, gelu, got 'relu6'"),
        ("channels = [4, 8]", "channels = [8, 4]", "channels must be integers with 1 <= least <= greatest"),
        ("channels = [4, 8]", "channels = [8]", "[space] channels must have at least 2 items"),
        ("stages = 2", "stages = 0", "stages must be an integer, at least 1, got 0"),
        ("stages = 2", 'stages = "2"', "[space] stages must be a valid integer"),
        ('["cnn", "mlp"]', '["gru"]', "operators must be left out for gru"),
        ('["cnn", "mlp"]', '["mlp"]', "operators must be left out for mlp"),
    ],
)
def test_what_breaks_a_rule_names_file_key_and_value(tmp_path, old, new, message):
    assert old in TEXT
    with pytest.raises(RecipeError) as caught:
        read(tmp_path, TEXT.replace(old, new))
    assert str(tmp_path / "recipe.toml") in str(caught.value)
    assert message in str(caught.value)
