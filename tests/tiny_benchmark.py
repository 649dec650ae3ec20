"""A recipe that trains in a second, and the benchmark that it makes."""

from __future__ import annotations

from nnstruct.recipes import DatasetRecipe, build_dataset

RECIPE = """\
[task]
name = "reber"
options = { train = 160, val = 40, test = 80, max_length = 18 }

[space]
families = ["rnn_tanh"]
units = [4, 9]

[sample]
count = 16

[train]
epochs = 2
batch_size = 16
learning_rate = 1e-2

[seeds]
default = 2
"""


def tiny_recipe(**changed):
    base = {
        "task": {"name": "reber", "options": {"train": 160, "val": 40, "test": 80, "max_length": 18}},
        "space": {"families": ["rnn_tanh"], "units": [4, 9]},
        "sample": {"count": 16},
        "train": {"epochs": 2, "batch_size": 16, "learning_rate": 1e-2},
        "seeds": {"default": 2},
    }
    return DatasetRecipe.model_validate(base | changed)


def tiny_benchmark(folder, **changed):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "recipe.toml").write_text(RECIPE)
    return build_dataset(tiny_recipe(**changed), folder, workers=1)
