"""The benchmark of many tasks: the same structures on each, trained alike, with labels that spread."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest

import nnstruct as ns
from nnstruct.benchmark import CrossTask, check_card
from nnstruct.recipes import DatasetRecipe, read_recipe

ROOT = Path(__file__).parents[2] / "datasets" / "many-tasks"
FORWARD = ["breast-cancer", "diabetes", "digits", "teacher", "two-spirals", "wine"]
RECURRENT = sorted({path.parent.name for path in ROOT.glob("*/recipe.toml")} - set(FORWARD))
each = pytest.mark.parametrize("name", [*FORWARD, *RECURRENT])


@cache
def benchmark(name: str) -> ns.Benchmark:
    return ns.Benchmark.load(ROOT / name)


def test_there_are_ten_recurrent_tasks_and_six_of_perceptrons():
    assert (len(RECURRENT), len(FORWARD)) == (10, 6)


@each
def test_the_card_says_what_the_files_hold(name):
    assert check_card(ROOT / name) == []


@each
def test_every_structure_was_trained_from_three_seeds(name):
    bench = benchmark(name)
    sizes = bench.table.groupby("fingerprint").size()
    assert set(sizes) == {3}
    assert sizes.groupby(bench.table.groupby("fingerprint")["family"].first()).size().to_dict() == (
        {"mlp": 400} if name in FORWARD else {"gru": 360, "rnn_tanh": 360}
    )


@pytest.mark.parametrize("names", [FORWARD, RECURRENT], ids=["forward", "recurrent"])
def test_tasks_have_the_same_structures(names):
    cross = CrossTask({name: benchmark(name) for name in names})
    assert cross.left_out == 0
    pruned = sum("parent" in structure.origin for structure in cross.structures)
    assert pruned == (0 if names is FORWARD else 120)
    priors = {structure.origin.get("prior") for structure in cross.structures} - {None}
    assert len(priors) >= 10


@each
def test_labels_spread(name):
    bench = benchmark(name)
    assert bench.y.std() > 0.02
    assert bench.noise_ceiling.low > 0.5


@pytest.mark.parametrize("name", ["reber-next", "adding", pytest.param("teacher", marks=pytest.mark.study)])
def test_training_again_brings_back_the_records(name):
    recipe = read_recipe(ROOT / name / "recipe.toml", DatasetRecipe)
    task = ns.load_task(recipe.task.name, **recipe.task.options)
    bench = benchmark(name)
    assert bench.tasks == [recipe.task.name]
    structure = min(bench.structures, key=lambda s: (s.num_edges, s.fingerprint))
    stored = bench.table[bench.table["fingerprint"] == structure.fingerprint].iloc[0]
    (again,) = ns.train([structure], task, seeds=[int(stored["seed"])], config=recipe.train)
    np.testing.assert_allclose(again.train_loss[0], stored["train_loss"][0], rtol=1e-4)
    assert again.test == pytest.approx(stored["test"], abs=0.02)
