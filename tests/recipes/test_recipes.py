"""Recipes: what they mean, what they refuse, and that a run can be repeated."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pytest
from tiny_benchmark import RECIPE, tiny_benchmark, tiny_recipe

from nnstruct import Space, load_predictor
from nnstruct.benchmark import Benchmark, check_card
from nnstruct.errors import InvalidInputError, MissingDataError, NnstructError, RecipeError
from nnstruct.predictors import Mean, RandomForest, evaluate
from nnstruct.recipes import (
    DatasetRecipe,
    PredictorRecipe,
    load_evaluation,
    read_recipe,
    run_dataset_recipe,
    run_predictor_recipe,
    run_search,
    save_evaluation,
)
from nnstruct.recipes.reading import to_toml
from nnstruct.recipes.stored import benchmark_key
from nnstruct.search import Search
from nnstruct.tasks import load_task


def write(folder, text, name="recipe.toml"):
    (folder / name).write_text(text)
    return folder / name


@pytest.fixture(scope="module")
def bench_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recipes") / "bench"
    tiny_benchmark(folder)
    return folder


# ---- reading


def test_a_recipe_reads_as_written(tmp_path):
    recipe = read_recipe(write(tmp_path, RECIPE), DatasetRecipe)
    assert recipe == tiny_recipe()
    assert recipe.space.of("rnn_tanh") == Space("rnn_tanh", units=(4, 9))
    assert recipe.train.epochs == 2
    assert recipe.train.learning_rate == 0.01
    assert recipe.target.name == "test"


def test_a_folder_stands_for_the_recipe_in_it(tmp_path):
    write(tmp_path, RECIPE)
    assert read_recipe(tmp_path, DatasetRecipe) == tiny_recipe()


def test_a_written_recipe_reads_back(tmp_path):
    recipe = tiny_recipe(
        sample={"count": 3, "priors": ["erdos-renyi"], "seed": 5},
        seeds={"default": 3, "gru": 5},
        space={"families": ["gru", "lstm"], "units": [3, 7], "max_edges": 30, "recurrence": "self"},
        target={"name": "val_auc"},
    )
    assert read_recipe(write(tmp_path, to_toml(recipe)), DatasetRecipe) == recipe
    assert recipe.seeds_of("gru") == 5
    assert recipe.seeds_of("lstm") == 3


WRONG = [
    (
        "count = 16",
        "cuont = 16",
        "each key of [sample] must be one of count, edition, inputs, layers, outputs, priors, pruned, seed, "
        "shared, study, got 'cuont'",
        "'count'",
    ),
    ("[sample]", "[smaple]", "each key of the recipe must be one of", "Did you mean 'sample'?"),
    (
        "epochs = 2",
        "epoch = 2",
        "each key of [train] must be one of augmentation, base_width, batch_size, clip_norm, downsampling, "
        "epochs",
        "'epochs'",
    ),
    ("count = 16", "seed = 1", "[sample] must have the key 'count'", "seed"),
    ("count = 16", "count = 0", "[sample] count must be greater than or equal to 1, got 0.", ""),
    ("count = 16", 'count = "16"', "[sample] count must be a valid integer, got '16'.", ""),
    ("units = [4, 9]", "units = [4]", "[space] units must have at least 2 items, got [4].", ""),
    ("units = [4, 9]", "units = [9, 4]", "[space] units must be integers with 2 <= fewest <= most", "(9, 4)"),
    ("units = [4, 9]", 'units = ["a", 9]', "[space] units[0] must be a valid integer, got 'a'.", ""),
    ('["rnn_tanh"]', '["rnn_than"]', "[space] families must be one of", "Did you mean 'rnn_tanh'?"),
    ('["rnn_tanh"]', '["gru", "gru"]', "[space] families must name each family once", ""),
    ('["rnn_tanh"]', "[]", "[space] families must have at least 1 item", ""),
    ("count = 16", 'count = 16\npriors = ["barabasi"]', "[sample] priors must be one of", "got 'barabasi'"),
    ("count = 16", "count = 16\nseed = -1", "[sample] seed must be greater than or equal to 0, got -1.", ""),
    ('name = "reber"', 'name = "rebar"', "[task] name must be one of", "Did you mean 'reber'?"),
    ("units = [4, 9]", 'recurrence = "layers"', "[space] recurrence must be one of", "Did you mean 'layer'?"),
    ("learning_rate = 1e-2", "learning_rate = 0", "[train] learning_rate must be greater than 0, got 0.", ""),
    (
        "epochs = 2",
        'protocol = "clear"',
        "[train] protocol must be 'clean', 'faithful' or 'corrected'",
        "'clear'",
    ),
    ("default = 2", "rnn_tahn = 2", "[seeds] keys must be one of", "Did you mean 'rnn_tanh'?"),
    ("default = 2", "gru = 2", "[seeds] must have the key 'default' or 'rnn_tanh'", "gru"),
    ("default = 2", "default = 0", "[seeds] default must be greater than or equal to 1, got 0.", ""),
    ("[seeds]", '[target]\nname = "tset"\n[seeds]', "[target] name must be one of", "Did you mean 'test'?"),
    ("[seeds]", "[seeds", "must be a TOML file", "line"),
]


@pytest.mark.parametrize(("old", "new", "message", "more"), WRONG, ids=[new for _, new, *_ in WRONG])
def test_a_wrong_recipe_names_file_key_rule_and_value(tmp_path, old, new, message, more):
    assert old in RECIPE
    path = write(tmp_path, RECIPE.replace(old, new, 1))
    with pytest.raises(RecipeError) as caught:
        read_recipe(path, DatasetRecipe)
    assert str(path) in str(caught.value)
    assert message in str(caught.value)
    assert more in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_recipe_is_named(tmp_path):
    with pytest.raises(MissingDataError, match=r"There is no recipe .*gone\.toml"):
        read_recipe(tmp_path / "gone.toml", DatasetRecipe)
    with pytest.raises(MissingDataError, match=r"There is no recipe .*recipe\.toml"):
        read_recipe(tmp_path, DatasetRecipe)


def test_bytes_that_are_no_text_are_no_recipe(tmp_path):
    (tmp_path / "recipe.toml").write_bytes(b"\x80\x04\x95\xff")
    with pytest.raises(RecipeError, match="must be a TOML file"):
        read_recipe(tmp_path, DatasetRecipe)


# ---- dataset recipes


def test_a_dataset_recipe_makes_a_benchmark_with_its_card(tmp_path):
    path = write(tmp_path, RECIPE.replace("count = 16", "count = 4"))
    lines = []
    bench = run_dataset_recipe(path, workers=1, announce=lines.append)
    assert len(bench) == 4
    assert len(bench.table) == 8
    assert bench.y_count.tolist() == [2, 2, 2, 2]
    assert len(lines) == 1
    assert check_card(tmp_path) == []
    assert "nnstruct build recipe.toml" in (tmp_path / "README.md").read_text()
    before = (tmp_path / "data" / "records.parquet").read_bytes()
    again = run_dataset_recipe(path, workers=1)
    assert (tmp_path / "data" / "records.parquet").read_bytes() == before
    assert again.y.tolist() == bench.y.tolist()


def test_families_have_their_own_seeds_and_out_gets_the_recipe(tmp_path):
    text = RECIPE.replace('["rnn_tanh"]', '["rnn_relu", "gru"]').replace(
        "default = 2", "default = 1\ngru = 2"
    )
    path = write(tmp_path, text.replace("count = 16", "count = 2"), "other.toml")
    bench = run_dataset_recipe(path, tmp_path / "out", workers=1)
    count = {s.family: int(n) for s, n in zip(bench.structures, bench.y_count, strict=True)}
    assert count == {"rnn_relu": 1, "gru": 2}
    assert (tmp_path / "out" / "recipe.toml").read_text() == path.read_text()
    assert check_card(tmp_path / "out") == []


def test_only_a_recipe_toml_fills_its_own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = write(tmp_path, RECIPE.replace("count = 16", "count = 1"), "one.toml")
    run_dataset_recipe(path, workers=1)
    assert Benchmark.load(tmp_path / "runs" / "one").y.shape == (1,)
    assert not (tmp_path / "data").exists()


def test_an_unknown_task_option_names_the_file(tmp_path):
    path = write(tmp_path, RECIPE.replace("train = 160", "trian = 160"))
    with pytest.raises(
        RecipeError, match=r"recipe\.toml: \[task\] option of task 'reber' .*Did you mean 'train'"
    ):
        run_dataset_recipe(path, workers=1)
    assert not (tmp_path / "manifest.json").exists()


def test_priors_that_give_nothing_in_the_space_name_the_file(tmp_path):
    text = RECIPE.replace("units = [4, 9]", "units = [4, 4]\nmax_edges = 3").replace(
        "count = 16", "count = 500"
    )
    with pytest.raises(RecipeError, match=r"recipe\.toml: \[sample\] n must be at most"):
        run_dataset_recipe(write(tmp_path, text), workers=1)


# ---- predictor recipes

PREDICTOR = """\
[benchmark]
path = "bench"

[predictor]
name = "random-forest"
params = { n_estimators = 10 }

[evaluation]
folds = 4
repeats = 1
"""


def test_a_predictor_recipe_evaluates_fits_and_saves(bench_folder, tmp_path):
    path = write(
        bench_folder.parent, PREDICTOR + "[expected]\nr2 = [-9, 1]\nmae = [5, 6]\nminutes = 1\n", "rf.toml"
    )
    run = run_predictor_recipe(path, tmp_path / "model")
    bench = Benchmark.load(bench_folder)
    assert [(check.metric, check.within) for check in run.checks] == [("r2", True), ("mae", False)]
    assert not run.as_expected
    model = load_predictor(tmp_path / "model")
    fitted = RandomForest(n_estimators=10).fit(bench.structures, bench.y, y_std=bench.label_noise)
    np.testing.assert_array_equal(model.predict(bench.structures), fitted.predict(bench.structures))
    assert model.metadata_["task"] == "reber"
    assert model.metadata_["families"] == ["rnn_tanh"]
    assert model.metadata_["config"]["epochs"] == 2
    again = run_predictor_recipe(path, tmp_path / "model")
    assert again.evaluation.table["r2"].tolist() == run.evaluation.table["r2"].tolist()


def test_a_predictor_recipe_goes_to_runs_by_default(bench_folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = write(
        bench_folder.parent,
        PREDICTOR.replace("random-forest", "mean").replace("n_estimators = 10", ""),
        "m.toml",
    )
    assert run_predictor_recipe(path).as_expected
    assert isinstance(load_predictor(tmp_path / "runs" / "m"), Mean)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"random-forest"', '"random-forrest"', "Did you mean 'random-forest'?"),
        ("n_estimators", "n_estimator", "[predictor] each key of params must be one of families"),
        ("n_estimators = 10", "n_estimators = 0", "[predictor] n_estimators must be"),
        ('path = "bench"', 'path = "bench"\nconfig = "e244"', "[benchmark] config must be one of"),
        ('path = "bench"', 'path = "bench"\nfamilies = ["gru"]', "[benchmark] families must be among those"),
        ('path = "bench"', 'path = "bench"\ntarget = "tets"', "Did you mean 'test'?"),
        ("folds = 4", "folds = 1", "[evaluation] folds must be greater than or equal to 2, got 1."),
        ("folds = 4", "folds = 99", "folds must"),
        ("[evaluation]", "[expected]\nkendal = [0, 1]\n[evaluation]", "Did you mean 'kendall'?"),
        ("[evaluation]", "[expected]\nr2 = [1, 0]\n[evaluation]", "[expected] r2 must be the lowest and"),
        ("[evaluation]", "[expected]\nr2 = 1\n[evaluation]", "[expected] r2 must be a valid list, got 1."),
    ],
)  # fmt: skip
def test_a_wrong_predictor_recipe_is_refused(bench_folder, tmp_path, old, new, message):
    path = write(bench_folder.parent, PREDICTOR.replace(old, new, 1), "wrong.toml")
    with pytest.raises(RecipeError) as caught:
        run_predictor_recipe(path, tmp_path / "model")
    assert str(path) in str(caught.value)
    assert message in str(caught.value)
    assert not (tmp_path / "model").exists()


def test_a_predictor_recipe_needs_its_benchmark(tmp_path):
    with pytest.raises(MissingDataError, match="bench is not a benchmark folder"):
        run_predictor_recipe(write(tmp_path, PREDICTOR, "rf.toml"))


def test_a_family_filter_leaves_the_other_families_out(tmp_path):
    tiny_benchmark(
        tmp_path / "bench", space={"families": ["rnn_tanh", "gru"], "units": [4, 6]}, sample={"count": 4}
    )
    text = PREDICTOR.replace('path = "bench"', 'path = "bench"\nfamilies = ["gru"]').replace(
        "random-forest", "mean"
    )
    run = run_predictor_recipe(
        write(tmp_path, text.replace("n_estimators = 10", ""), "m.toml"), tmp_path / "model"
    )
    assert run.evaluation.num_structures == 4
    assert load_predictor(run.folder).metadata_["families"] == ["gru"]


# ---- searches and evaluations that are repeated


def search_of(folder):
    return Search(Space("rnn_tanh", units=(4, 9)), Mean(), seed=3, storage=f"sqlite:///{folder / 'study.db'}")


def carry_out(folder, generations):
    recipe = tiny_recipe()
    return run_search(
        search_of(folder), load_task("reber", **recipe.task.options), out=folder / "bench",
        config=recipe.train, generations=generations, per_generation=3, workers=1,
    )  # fmt: skip


def test_a_search_in_two_calls_is_the_search_in_one(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    whole = carry_out(tmp_path / "one", 3)
    carry_out(tmp_path / "two", 1)
    parts = carry_out(tmp_path / "two", 3)
    assert len(whole) == 9
    assert whole.fingerprints == parts.fingerprints
    assert whole.y.tolist() == parts.y.tolist()
    digest = [
        hashlib.sha256((tmp_path / name / "bench/data/records.parquet").read_bytes()).hexdigest()
        for name in ("one", "two")
    ]
    assert digest[0] == digest[1]


def test_a_search_that_is_done_trains_nothing(tmp_path):
    first = carry_out(tmp_path, 1)
    lines = []
    again = run_search(
        search_of(tmp_path), load_task("digits"), out=tmp_path / "bench", config=tiny_recipe().train,
        generations=1, per_generation=3, announce=lines.append,
    )  # fmt: skip
    assert lines == []
    assert again.y.tolist() == first.y.tolist()


def test_a_search_needs_a_generation(tmp_path):
    with pytest.raises(InvalidInputError, match="generations must be a positive integer, got 0"):
        carry_out(tmp_path, 0)


def test_an_evaluation_comes_back_to_the_bit(bench_folder, tmp_path):
    evaluation = evaluate(["mean", "bayesian-ridge"], Benchmark.load(bench_folder), repeats=1, resamples=20)
    save_evaluation(evaluation, tmp_path / "e", "key")
    back = load_evaluation(tmp_path / "e", "key")
    assert back.table.equals(evaluation.table)
    assert back.predictions["y_pred"].tolist() == evaluation.predictions["y_pred"].tolist()
    assert str(back) == str(evaluation)
    assert load_evaluation(tmp_path / "e", "other") is None
    assert load_evaluation(tmp_path / "none", "key") is None


@pytest.mark.parametrize("damage", ["", "{", "[]", json.dumps({"key": "key"})])
def test_a_damaged_evaluation_counts_as_none(bench_folder, tmp_path, damage):
    evaluation = evaluate(["mean"], Benchmark.load(bench_folder), repeats=1, resamples=20)
    save_evaluation(evaluation, tmp_path, "key")
    (tmp_path / "about.json").write_text(damage)
    assert load_evaluation(tmp_path, "key") is None


def test_a_benchmark_key_depends_on_the_labels(bench_folder):
    bench = Benchmark.load(bench_folder)
    assert benchmark_key(bench) == benchmark_key(Benchmark.load(bench_folder))
    assert benchmark_key(bench) != benchmark_key(bench.with_target("val_auc"))
    assert benchmark_key(bench) != benchmark_key(bench.select(bench.fingerprints[1:]))


def test_every_recipe_error_is_an_nnstruct_error():
    assert issubclass(RecipeError, NnstructError)
    assert issubclass(RecipeError, ValueError)
    assert (
        PredictorRecipe.model_validate(
            {"benchmark": {"path": "x"}, "predictor": {"name": "mean"}}
        ).expected.bounds()
        == {}
    )
