"""Pruning recipes: what they mean, refuse and leave behind."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import typer
from scipy import stats
from typer.testing import CliRunner

from nnstruct.cli.app import Commands
from nnstruct.cli.prune import prune
from nnstruct.errors import InvalidInputError, MissingDataError, RecipeError
from nnstruct.pruning import Schedule, load_trajectories
from nnstruct.recipes import (
    PruningRecipe,
    read_recipe,
    run_pruning_recipe,
)
from nnstruct.recipes.pruning_run import holm

ROOT = Path(__file__).parents[2]
RECIPE = """\
[task]
name = "digits"

[network]
start = "mlp:12"

[pruning]
densities = [0.5, 0.05]
seeds = 3
schedule = "rewind"

[methods]
random = {}
blind = { method = "magnitude-class-blind", retrain = 2 }
sr-ste = { densities = [0.5], pretrain = 0, retrain = 1 }

[train]
epochs = 3
learning_rate = 1e-2
batch_size = 64

[retrain]
epochs = 1

[[compare]]
first = "blind"
second = "random"

[expected]
"blind@0.5" = { after = [0.5, 1.0], before = [0.0, 1.0] }
"random@0.05" = { significantly_below = ["blind"], above_dense = true }
"""


def write(folder, text, name="tiny.toml"):
    (folder / name).write_text(text)
    return folder / name


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pruning")
    return run_pruning_recipe(write(folder, RECIPE), folder / "out")


# ---- reading


def test_a_recipe_says_what_each_label_is_run_with(tmp_path):
    recipe = read_recipe(write(tmp_path, RECIPE), PruningRecipe)
    assert {label: section.method for label, section in recipe.methods.items()} == {
        "random": "random", "blind": "magnitude-class-blind", "sr-ste": "sr-ste",
    }  # fmt: skip
    assert recipe.settings_of("random")["schedule"] == Schedule("rewind", retrain=1)
    assert recipe.settings_of("blind")["schedule"] == Schedule("rewind", retrain=2)
    own = recipe.settings_of("sr-ste")
    assert own["schedule"] == Schedule("one-shot", pretrain=0, retrain=1)
    assert own["densities"] == [0.5]
    assert own["config"].learning_rate == 0.01
    assert recipe.pairs() == {("blind", "random"): None}


def test_a_label_has_its_own_training_where_it_says_so(tmp_path):
    own = 'random = { train = { optimizer = "adamw", epochs = 4 }, retrain_rate = 0.1 }'
    text = RECIPE.replace("random = {}", own).replace("epochs = 1\n", "epochs = 1\nlearning_rate = 0.02\n")
    text = text.replace("pretrain = 0, retrain = 1", "pretrain = 0, retrain = 1, finish = 3")
    recipe = read_recipe(write(tmp_path, text), PruningRecipe)
    changed, plain = recipe.settings_of("random"), recipe.settings_of("sr-ste")
    assert (changed["config"].optimizer, changed["config"].epochs) == ("adamw", 4)
    assert (changed["config"].learning_rate, changed["config"].batch_size) == (0.01, 64)
    assert plain["config"] == recipe.train
    assert (changed["schedule"].retrain_rate, plain["schedule"].retrain_rate) == (0.1, 0.02)
    assert (changed["schedule"].finish, plain["schedule"].finish) == (0, 3)


def test_parts_and_options_reach_the_method(tmp_path):
    text = RECIPE.replace("random = {}", 'random = { part = "hidden", options = { gates = "apart" } }')
    pruner = read_recipe(write(tmp_path, text), PruningRecipe).settings_of("random")["method"]
    assert (pruner.scope.part, pruner.scope.gates) == ("hidden", "apart")


def test_tests_that_are_expected_are_compared_without_being_asked(tmp_path):
    text = RECIPE.replace('first = "blind"', 'first = "sr-ste"').replace(
        "[0.5, 1.0], ", '[0.5, 1.0], significantly_below = ["random"], '
    )
    recipe = read_recipe(write(tmp_path, text), PruningRecipe)
    pairs = {("sr-ste", "random"): None, ("blind", "random"): [0.5], ("random", "blind"): [0.05]}
    assert {tuple(sorted(pair)) for pair in recipe.pairs()} == {tuple(sorted(pair)) for pair in pairs}
    assert recipe.pairs()["blind", "random"] == [0.5, 0.05]


WRONG = [
    ("random = {}", "randm = {}", "[methods] randm.method must be one of", "Did you mean 'random'?"),
    ("random = {}", "random = 1", "[methods] random must be", "got 1"),
    (
        "random = {}",
        "random = { retran = 1 }",
        "each key of [methods] random must be one of densities, finish, method, options, part",
        "Did you mean 'retrain'?",
    ),
    ("random = {}", "random = { train = { epoch = 1 } }", "[methods] random: each key of train", "'epochs'?"),
    ("random = {}", "random = { train = { epochs = 0 } }", "[methods] random: train epochs must be", "got 0"),
    (
        "random = {}",
        "random = { train = { epochs = 2.5 } }",
        "random: train epochs must be a valid int",
        "2.5",
    ),
    (
        "random = {}",
        "random = { retrain_rate = 0.0 }",
        "[methods] random.retrain_rate must be greater",
        "0.0",
    ),
    ("random = {}", "random = { finish = -1 }", "[methods] random.finish must be", "-1"),
    ("random = {}", 'random = { part = "inner" }', "[methods] random: part must be one of input", "'inner'"),
    ("random = {}", "random = { options = { rate = 1 } }", "[methods] random: option of method", "'rate'"),
    ("random = {}", "random = { retrain = [1, 2, 3] }", "hold one number for each of 2 densities", "random"),
    ("random = {}", "random = { rewind_epoch = 4 }", "rewind_epoch must be at most pretrain, 3, got 4", ""),
    ("random = {}", 'random = { schedule = "never" }', "schedule must be one of", "'never'"),
    ("[0.5, 0.05]", "[0.05, 0.5]", "[pruning] densities must be shares in [0, 1) that fall", "[0.05, 0.5]"),
    ("[0.5, 0.05]", "[1.0, 0.5]", "must be shares in [0, 1) that fall", ""),
    ("[0.5, 0.05]", "[]", "must be shares in [0, 1) that fall, got [].", ""),
    ("seeds = 3", "seeds = 0", "[pruning] seeds must be greater than or equal to 1, got 0.", ""),
    ("seeds = 3", "seeds = 1", "[pruning] seeds must be at least 2 for a test, got 1.", ""),
    ('"rewind"', '"rewound"', "[pruning] schedule must be one of", "Did you mean 'rewind'?"),
    ('name = "digits"', 'name = "digit"', "[task] name must be one of", "Did you mean 'digits'?"),
    ("start", "begin", "each key of [network] must be one of start, got 'begin'", ""),
    ('second = "random"', 'second = "rndom"', "[[compare]] second must be one of", "'random'?"),
    ('second = "random"', 'second = "blind"', "[[compare]] second must differ from first", ""),
    ('second = "random"', 'second = "random"\ndensities = [0.1]', "[[compare]] densities must be one of", ""),
    ('"blind@0.5"', '"blind"', "[expected] each key must name a label and a density", "'blind'"),
    ('"blind@0.5"', '"blnd@0.5"', "[expected] label must be one of", "Did you mean 'blind'?"),
    ('"blind@0.5"', '"blind@0.4"', "[expected] density must be one of those of 'blind'", "got 0.4"),
    ("[0.5, 1.0]", "[1.0, 0.5]", "after must be the lowest and the highest", ""),
    ('["blind"]', '["sr-ste"]', "significantly_below must be one of those of 'sr-ste', [0.5]", "got 0.05"),
    ("epochs = 1", "epochs = -1", "[retrain] epochs must be an integer or a list of integers", "got -1"),
    ("epochs = 1", "epochs = [1, true]", "[retrain] epochs must be an integer or a list", "[1, True]"),
    ("epochs = 1", "epoch = 1", "each key of [retrain] must be one of epochs, learning_rate, pa", "'epochs'"),
]


@pytest.mark.parametrize(("old", "new", "message", "more"), WRONG, ids=[new for _, new, *_ in WRONG])
def test_a_wrong_recipe_is_refused_in_one_sentence(tmp_path, old, new, message, more):
    assert old in RECIPE
    path = write(tmp_path, RECIPE.replace(old, new, 1))
    with pytest.raises(RecipeError) as caught:
        read_recipe(path, PruningRecipe)
    assert str(path) in str(caught.value)
    assert message in str(caught.value)
    assert more in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"mlp:12"', '"mlp:x"', "tiny.toml: [network] network must name sizes"),
        ('"mlp:12"', '"perceptron:1"', "tiny.toml: [network] network must be lenet-300-100"),
        ('name = "digits"', 'name = "digits"\noptions = { seeed = 1 }', "tiny.toml: [task] option of task"),
    ],
)
def test_what_only_shows_when_it_is_made_names_the_file_too(tmp_path, old, new, message):
    with pytest.raises(RecipeError) as caught:
        run_pruning_recipe(write(tmp_path, RECIPE.replace(old, new)), tmp_path / "out")
    assert message in str(caught.value)
    assert not (tmp_path / "out").exists()


# ---- running


def test_means_intervals_and_tests_are_those_of_the_trajectories(done):
    steps = pd.read_parquet(done.folder / "steps.parquet")
    assert len(steps) == 3 * (3 + 3 + 2)
    one = steps[(steps["label"] == "blind") & (steps["density"] == 0.5)]["after_test"].to_numpy()
    row = done.table.set_index(["label", "density"]).loc[("blind", 0.5)]
    low, high = stats.t.interval(0.95, 2, one.mean(), stats.sem(one))
    assert row["seeds"] == 3
    assert row["after"] == pytest.approx(one.mean())
    assert (row["after_low"], row["after_high"]) == pytest.approx((max(low, 0), min(high, 1)))
    dense = steps[(steps["label"] == "blind") & (steps["step"] == 0)]["after_test"].to_numpy()
    assert row["above_dense"] == pytest.approx((one - dense).mean())
    other = steps[(steps["label"] == "random") & (steps["density"] == 0.5)]["after_test"].to_numpy()
    test = done.comparisons.set_index("density").loc[0.5]
    assert test["p"] == pytest.approx(stats.ttest_rel(one, other).pvalue)
    assert (done.comparisons["p_holm"] >= done.comparisons["p"]).all()
    assert done.comparisons["density"].tolist() == [0.5, 0.05]


def test_claims_hold_or_not_as_the_numbers_say(done):
    rows = done.table.set_index(["label", "density"])
    test = done.comparisons.set_index("density").loc[0.05]
    found = [claim.holds for claim in done.claims]
    assert found == [
        True,
        0.5 <= rows.loc[("blind", 0.5), "after"] <= 1.0,
        rows.loc[("random", 0.05), "above_dense"] > 0,
        test["difference"] > 0 and test["p_holm"] < 0.05,
    ]
    # Nineteen of twenty weights gone at random leave too little for the dense network's accuracy.
    assert not found[2]
    assert not done.as_expected
    assert done.claims[2].text == "random at 5%: above its dense network"
    assert done.claims[3].found.startswith(f"{-test['difference']:+.4f}")


def test_everything_is_written_to_read_and_to_load(done):
    assert (done.folder / "accuracy.png").read_bytes()[:4] == b"\x89PNG"
    assert "<svg" in (done.folder / "accuracy.svg").read_text()
    text = (done.folder / "table.md").read_text()
    row = done.table.set_index(["label", "density"]).loc[("blind", 0.05)]
    half = 100 * max(row["after_high"] - row["after"], row["after"] - row["after_low"])
    line = next(line for line in text.splitlines() if line.startswith("| blind | ") and "±" in line)
    assert line.count("|") == 2 + done.table["density"].nunique()
    assert f"| {100 * row['after']:.2f} ± {half:.2f} |" in line
    assert text.startswith("# tiny\n\nmlp:12 on digits; means over seeds with 95% intervals")
    for part in ("## Comparisons", "## Largest share that may go", "## Expected", "| sr-ste | 50% |"):
        assert part in text
    assert "nan" not in text
    pd.testing.assert_frame_equal(pd.read_parquet(done.folder / "table.parquet"), done.table)
    limits = pd.read_parquet(done.folder / "thresholds.parquet")
    assert limits.index.tolist() == ["random", "blind", "sr-ste"]
    assert len(list((done.folder / "trajectories").iterdir())) == 9


def test_a_repeated_run_trains_only_what_is_missing(done):
    path = done.folder.parent / "tiny.toml"
    lost = done.folder / "trajectories" / "blind-seed1.parquet"
    scores = load_trajectories(lost)[0].table["after_test"].tolist()
    lost.unlink()
    lines = []
    again = run_pruning_recipe(path, done.folder, announce=lines.append)
    assert lines[1:] == ["blind, seed 1: done"]
    assert load_trajectories(lost)[0].table["after_test"].tolist() == scores
    measured = ["seconds"]
    pd.testing.assert_frame_equal(again.table.drop(columns=measured), done.table.drop(columns=measured))
    assert run_pruning_recipe(path, done.folder).folder == done.folder
    assert pd.read_parquet(done.folder / "table.parquet").equals(again.table)


def test_a_changed_recipe_does_not_mix_with_what_is_there(done):
    path = write(done.folder.parent, RECIPE.replace("1e-2", "2e-2"), "changed.toml")
    with pytest.raises(InvalidInputError, match="hold trajectories of the same settings"):
        run_pruning_recipe(path, done.folder)


def test_holm_corrects_and_leaves_out_what_is_no_number():
    assert holm([0.02, float("nan"), 0.01, 0.5]) == pytest.approx([0.04, np.nan, 0.03, 0.5], nan_ok=True)
    assert holm([0.9, 0.8]).tolist() == [1.0, 1.0]
    assert holm([]).tolist() == []


# ---- on the command line


@pytest.fixture(scope="module")
def call():
    app = typer.Typer(cls=Commands)
    app.command()(prune)
    app.command("other")(lambda: None)

    def invoke(*arguments, code=0):
        result = CliRunner().invoke(app, ["prune", *map(str, arguments)], env={"COLUMNS": "200"})
        assert result.exit_code == code, (result.exit_code, result.output, result.exception)
        return result

    return invoke


def test_the_command_takes_a_recipe_and_tells_what_is_not_as_expected(call, done):
    path = done.folder.parent / "tiny.toml"
    result = call(path, "-o", done.folder)
    assert "blind at 50%: test accuracy after re-training from 0.5 to 1" in result.stdout
    assert "random at 5%: above its dense network" in result.stderr
    assert call(path, "-o", done.folder, "-q", "--strict", code=1).stdout.strip() == str(done.folder)


def test_a_recipe_goes_to_runs_by_default(call, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = RECIPE.partition("[[compare]]")[0].replace("seeds = 3", "seeds = 1")
    call(write(tmp_path, text, "one.toml"), "--strict")
    assert (tmp_path / "runs" / "one" / "table.md").exists()


@pytest.mark.parametrize(
    ("arguments", "message", "code"),
    [
        (("-d", 0.5), "--density must be left out with a recipe", 1),
        (("digits",), "must be left out with a recipe, got 'digits'", 1),
        (("--epochs", 3), "--epochs must be left out with a recipe, got 3", 1),
    ],
)
def test_what_a_recipe_says_cannot_be_said_twice(call, tmp_path, arguments, message, code):
    result = call(write(tmp_path, RECIPE), *arguments, code=code)
    assert message in result.stderr


def test_a_network_needs_a_task_and_a_recipe_a_file(call, tmp_path):
    assert "A network needs a task" in call("mlp:3", code=2).stderr
    assert "There is no recipe" in call(tmp_path / "gone.toml", code=1).stderr


# ---- what is shipped


@pytest.mark.parametrize("path", sorted((ROOT / "train").glob("prune-*.toml")), ids=lambda path: path.stem)
def test_shipped_pruning_recipes_can_be_read(path):
    recipe = read_recipe(path, PruningRecipe)
    assert recipe.pruning.seeds >= 5
    assert f"`{path.name}`" in (ROOT / "train" / "README.md").read_text()


def test_a_missing_recipe_is_named(tmp_path):
    with pytest.raises(MissingDataError, match=r"There is no recipe .*gone\.toml"):
        run_pruning_recipe(tmp_path / "gone.toml")
