"""The shipped zoo: what its networks do is what their rows say."""

from pathlib import Path

import numpy as np
import pytest
import torch

import nnstruct as ns
from nnstruct.errors import MissingDataError
from nnstruct.modules import module_from_network
from nnstruct.recipes import DatasetRecipe, read_recipe

FOLDER = Path(__file__).parents[2] / "datasets" / "cnn-zoo"


@pytest.fixture(scope="module")
def bench():
    return ns.Benchmark.load(FOLDER)


def test_every_training_has_its_weights_after_every_epoch_asked_for(bench):
    recipe = read_recipe(FOLDER / "recipe.toml", DatasetRecipe)
    rows = bench.networks(epoch="all").table
    assert len(bench.table) == len(recipe.configs) * recipe.sample.count >= 3000
    kept = rows.groupby(["fingerprint", "config_id", "seed"])["epoch"].apply(list)
    assert all(epochs == list(recipe.weights.epochs) for epochs in kept)
    assert len(rows) == 3 * len(bench.table)


def test_a_network_scores_as_its_row_says(bench):
    recipe = read_recipe(FOLDER / "recipe.toml", DatasetRecipe)
    try:
        task = ns.load_task(recipe.task.name, **recipe.task.options)
    except MissingDataError as error:
        pytest.skip(str(error))
    rows = bench.networks(epoch="all")
    chosen = rows.take(np.random.default_rng(0).choice(len(rows), 40, replace=False))
    inputs, away = torch.tensor(task.val.inputs), []
    for network, row in zip(chosen, chosen.table.itertuples(), strict=True):
        with torch.no_grad():
            scores = module_from_network(network).eval()(inputs)
        away.append(abs((scores.argmax(1).numpy() == task.val.targets).mean() - row.val_then))
    # Half precision moves an image in a hundred at most.
    assert max(away) <= 0.02
    assert np.mean(away) < 0.003
