"""Predictor recipes by numbers of labels, on published tables, and what they expect of each size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nnstruct import load_predictor
from nnstruct.errors import MissingDataError, RecipeError
from nnstruct.predictors import PREDICTORS, evaluate, leaderboard
from nnstruct.predictors.metrics import METRICS
from nnstruct.recipes import PredictorRecipe, load_evaluation, read_recipe, run_predictor_recipe
from nnstruct.recipes.expected import ScoreBounds
from nnstruct.recipes.reading import to_toml
from nnstruct.tables import read

TRAIN = Path(__file__).parents[2] / "train"
RECIPE = """\
[benchmark]
table = "macro"
file = "macro.csv"
twins = "keep"

[predictor]
name = "bayesian-ridge"
save = false

[evaluation]
train_sizes = [12, 0.5]
protocol = ["unseen", "no-twins"]
draws = 2
seed = 3

[expected.sizes.12]
mae = [0.0, 1.0]
no-twins = { kendall = [2.0, 3.0] }

[expected.sizes.20]
unseen = { rmse = [0.0, 1.0] }
"""
MEAN = RECIPE.replace("bayesian-ridge", "mean")


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    """A folder of tables with one of 40 networks, twins among them."""
    folder = tmp_path_factory.mktemp("tables")
    rng = np.random.default_rng(0)
    digits = rng.integers(3, size=(40, 8))
    rows = ["arch,acc1,acc2,params"]
    for row in digits:
        quality = 80 + row.sum() / 2
        noise = rng.normal(0, 0.2, 2)
        rows.append(f"{''.join(map(str, row))},{quality + noise[0]:.2f},{quality + noise[1]:.2f},1000")
    (folder / "macro.csv").write_text("\n".join(rows))
    return folder


def write(folder, text):
    (folder / "curve.toml").write_text(text)
    return folder / "curve.toml"


def test_a_curve_is_that_of_evaluate_and_its_scores_are_checked(tables, tmp_path):
    run = run_predictor_recipe(write(tmp_path, RECIPE), tmp_path / "out", tables=tables)
    bench = read("macro", tables / "macro.csv", twins="keep")
    direct = evaluate(
        {"bayesian-ridge": PREDICTORS["bayesian-ridge"](random_state=3)}, bench, train_sizes=[12, 20],
        protocol=["unseen", "no-twins"], draws=2, seed=3,
    )  # fmt: skip
    columns = [name for name in direct.table if name != "fit_seconds"]
    assert run.evaluation.table[columns].equals(direct.table[columns])
    found = {check.label: (check.value, check.within) for check in run.checks}
    table = direct.table
    assert found == {
        "mae (12, unseen)": (table.loc[("bayesian-ridge", 12, "unseen"), "mae"], True),
        "kendall (12, no-twins)": (table.loc[("bayesian-ridge", 12, "no-twins"), "kendall"], False),
        "rmse (20, unseen)": (table.loc[("bayesian-ridge", 20, "unseen"), "rmse"], True),
    }
    assert not run.as_expected
    assert run.folder is None
    assert not (tmp_path / "out").exists()
    assert load_evaluation(run.scores).table.equals(run.evaluation.table)
    assert set(leaderboard(run.scores)["benchmark"]) == {"macro"}


def test_the_variable_names_the_folder_and_tables_may_be_the_file(tables, tmp_path, monkeypatch):
    text = MEAN.partition("[expected")[0].replace("save = false", "save = true")
    monkeypatch.setenv("NNSTRUCT_TABLES", str(tables))
    run = run_predictor_recipe(write(tmp_path, text), tmp_path / "out")
    assert run.predictor.num_structures_ == 40
    saved = load_predictor(run.folder).metadata_
    assert saved["task"] == "cifar10"
    assert "r2" not in saved
    assert run.as_expected
    monkeypatch.delenv("NNSTRUCT_TABLES")
    again = run_predictor_recipe(tmp_path / "curve.toml", tmp_path / "out", tables=tables / "macro.csv")
    assert again.evaluation.table["kendall"].equals(run.evaluation.table["kendall"])


def test_a_table_may_lie_beside_the_recipe_and_its_twins_are_merged(tables, tmp_path):
    text = MEAN.partition("[expected")[0].replace('twins = "keep"\n', "")
    text = text.replace('file = "macro.csv"', f'path = "{tables / "macro.csv"}"\ntask = "cifar10"')
    run = run_predictor_recipe(write(tmp_path, text), tmp_path / "out")
    merged = read("macro", tables / "macro.csv")
    assert run.evaluation.num_structures == len(merged) <= 40
    assert run.evaluation.results["benchmark"].unique().tolist() == ["macro-cifar10"]


WRONG = [
    ('table = "macro"', 'table = "makro"', "[benchmark] table must be one of"),
    ('file = "macro.csv"\n', "", "[benchmark] path or file must be given with table, and only one"),
    ('file = "macro.csv"', 'file = "m"\npath = "n"', "[benchmark] path or file must be given with table"),
    ('table = "macro"\nfile = "macro.csv"', 'path = "bench"', "[benchmark] twins must stand with table only"),
    ('table = "macro"\nfile = "macro.csv"\ntwins = "keep"', 'target = "test"', "path or table must be given"),
    ('twins = "keep"', 'twins = "join"', "[benchmark] twins must be 'merge' or 'keep'"),
    ('twins = "keep"', 'task = "mnist"', "[benchmark] task must be one of cifar10"),
    ('twins = "keep"', 'target = "val"', "[benchmark] target must be one of test"),
    ("[12, 0.5]", "[12, 39]", "[evaluation] train_sizes[1] must leave structures to score"),
    ("[12, 0.5]", '["few"]', "[evaluation] train_sizes[0]"),
    ('["unseen", "no-twins"]', '"seen"', "[evaluation] protocol must be one of unseen, no-twins, all-rows"),
    ("draws = 2", "draws = 2\nfolds = 3", "[evaluation] folds must be left out with train_sizes, got 3."),
    ("draws = 2", "drawz = 2", "Did you mean 'draws'?"),
    ("train_sizes = [12, 0.5]\n", "", "[evaluation] draws must be left out without train_sizes, got 2."),
    ("sizes.20", "sizes.21", "[expected] sizes must be those that are trained on, [12, 20], got 21."),
    ("sizes.20", "sizes.few", "[expected] sizes must have counts of labels as keys, got 'few'."),
    ("no-twins = { k", "all-rows = { k", "[expected] sizes.12 must name protocols of the evaluation"),
    ("no-twins = { k", "no-twin = { k", "Did you mean 'no-twins'?"),
    ("kendall = [2.0", "kendal = [2.0", "Did you mean 'kendall'?"),
    ("[2.0, 3.0]", "[3.0, 2.0]", "must be the lowest and the highest score"),
    ("[expected.sizes.12]", "[expected]\nr2 = [0, 1]\n[expected.sizes.12]", "stand in [expected.sizes.N]"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "message"), WRONG)
def test_a_wrong_recipe_is_refused_before_anything_is_fitted(
    tables, tmp_path, old, new, message, monkeypatch
):
    assert old in RECIPE
    monkeypatch.setattr("nnstruct.predictors.evaluate", None)
    path = write(tmp_path, RECIPE.replace(old, new, 1))
    with pytest.raises(RecipeError) as caught:
        run_predictor_recipe(path, tmp_path / "out", tables=tables)
    assert str(path) in str(caught.value)
    assert message in str(caught.value)


def test_several_protocols_or_sizes_need_train_sizes(tables, tmp_path):
    folds = MEAN.replace("train_sizes = [12, 0.5]\n", "").replace("draws = 2\n", "folds = 2\nrepeats = 1\n")
    alone = folds.partition("[expected")[0]
    with pytest.raises(RecipeError, match="several with train_sizes only"):
        run_predictor_recipe(write(tmp_path, alone), tmp_path / "out", tables=tables)
    one = folds.replace('["unseen", "no-twins"]', '"no-twins"')
    with pytest.raises(RecipeError, match="sizes must be left out without train_sizes, got 12"):
        run_predictor_recipe(write(tmp_path, one), tmp_path / "out", tables=tables)
    run = run_predictor_recipe(
        write(tmp_path, one.partition("[expected")[0]), tmp_path / "out", tables=tables
    )
    assert run.evaluation.results["protocol"].unique().tolist() == ["no-twins"]


def test_a_table_that_is_not_there(tables, tmp_path, monkeypatch):
    monkeypatch.delenv("NNSTRUCT_TABLES", raising=False)
    with pytest.raises(MissingDataError, match=r"macro\.csv.* NNSTRUCT_TABLES or pass tables="):
        run_predictor_recipe(write(tmp_path, RECIPE), tmp_path / "out")
    with pytest.raises(MissingDataError, match=r"There is no .*macro\.csv"):
        run_predictor_recipe(tmp_path / "curve.toml", tmp_path / "out", tables=tmp_path)


def test_every_metric_may_be_expected():
    assert set(ScoreBounds.model_fields) == set(METRICS)


def test_a_written_recipe_reads_back(tmp_path):
    recipe = read_recipe(write(tmp_path, RECIPE), PredictorRecipe)
    (tmp_path / "again.toml").write_text(to_toml(recipe))
    assert read_recipe(tmp_path / "again.toml", PredictorRecipe).expected == recipe.expected


def test_another_benchmark_may_be_asked_about(tables, tmp_path):
    (tables / "other.csv").write_text("arch,acc1\n00000000,1.0\n11111111,2.0\n22222222,3.0\n01201201,2.5\n")
    test = '[test]\ntable = "macro"\nfile = "other.csv"\n'
    text = RECIPE[: RECIPE.index("[evaluation]")] + test + "[expected]\nmae = [0, 99]\n"
    run = run_predictor_recipe(write(tmp_path, text), tmp_path / "out", tables=tables)
    assert run.as_expected
    assert run.evaluation.num_structures == 4
    assert set(run.evaluation.results["benchmark"]) == {"macro to macro"}
    with pytest.raises(RecipeError, match=r"train_sizes must be left out with \[test\]"):
        run_predictor_recipe(write(tmp_path, RECIPE + test), tmp_path / "out", tables=tables)


@pytest.mark.parametrize("path", sorted(TRAIN.glob("*.toml")), ids=lambda path: path.stem)
def test_the_recipes_here_can_be_read_and_their_benchmarks_are_here(path):
    if not path.stem.startswith(("prune-", "search-")):
        recipe = read_recipe(path, PredictorRecipe)
        for wanted in filter(None, (recipe.benchmark, recipe.test)):
            folders = [] if wanted.table else wanted.paths
            assert all((path.parent / folder / "manifest.json").exists() for folder in folders)


@pytest.mark.parametrize("path", sorted(TRAIN.glob("auto-nasbench*.toml")), ids=lambda path: path.stem)
def test_the_recipes_of_published_tables_can_be_read(path):
    recipe = read_recipe(path, PredictorRecipe)
    assert recipe.benchmark.table in path.stem.replace("nasbench-", "")
    assert recipe.evaluation.protocol == ["unseen", "no-twins", "all-rows"]
    assert recipe.evaluation.draws == 10
