"""``nnstruct prune`` on named and own networks and data, and what it says when they are wrong."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import typer
from typer.testing import CliRunner

from nnstruct.cli.app import Commands
from nnstruct.cli.prune import prune
from nnstruct.pruning import load_trajectories
from nnstruct.tasks import load_task

OWN = """
import torch
from nnstruct.tasks import load_task

def network(seed):
    torch.manual_seed(seed)
    return torch.nn.Linear(64, 10)

def task():
    return load_task("digits")
"""


@pytest.fixture(scope="module")
def call():
    app = typer.Typer(cls=Commands)
    app.command()(prune)
    app.command("other")(lambda: None)

    def invoke(*arguments, code=0):
        words = ["prune", *map(str, arguments)]
        result = CliRunner().invoke(app, words, env={"COLUMNS": "200"})
        assert result.exit_code == code, (result.exit_code, result.output, result.exception)
        return result

    return invoke


def test_methods_and_seeds_are_run_shown_written_and_resumed(call, tmp_path):
    arguments = ["mlp:8", "digits", "-m", "random", "-m", "magnitude-class-blind", "-d", 0.1, "-d", 0.5]
    arguments += ["--epochs", 1, "--seeds", 2, "-o", tmp_path]
    text = call(*arguments).stdout
    assert text.count("done") == 4
    assert "magnitude-class-blind" in text
    assert "10%" in text
    table = pd.read_csv(tmp_path / "table.csv")
    assert len(table) == 12
    assert (tmp_path / "accuracy.png").read_bytes()[:4] == b"\x89PNG"
    files = sorted((tmp_path / "trajectories").iterdir())
    assert [file.name for file in files][:2] == [
        "magnitude-class-blind-seed0.parquet",
        "magnitude-class-blind-seed1.parquet",
    ]
    assert load_trajectories(files[0])[0].structures[1].num_edges == 296
    again = call(*arguments).stdout
    assert "done" not in again
    assert pd.read_csv(tmp_path / "table.csv").equals(table)
    call(*arguments[:-2], "--retrain", 2, "-o", tmp_path, code=1)


def test_an_own_network_and_own_data(call, tmp_path):
    (tmp_path / "mine.py").write_text(OWN)
    digits = load_task("digits")
    np.savez(tmp_path / "own.npz", inputs=digits.train.inputs[:300], targets=digits.train.targets[:300])
    own = f"{tmp_path / 'mine.py'}:network"
    for task in (f"{tmp_path / 'mine.py'}:task", tmp_path / "own.npz"):
        text = call(own, task, "-d", 0.5, "--epochs", 1, "-q").stdout
        label, density, score = text.split()
        assert (label, density) == ("magnitude-class-blind", "0.5")
        assert 0 <= float(score) <= 1


def test_a_method_that_trains_takes_the_schedule_that_fits(call):
    text = call(
        "mlp:8", "digits", "-m", "rigl", "-d", 0.5, "--epochs", 1, "--schedule", "gradual", "-q"
    ).stdout
    assert text.startswith("rigl 0.5 ")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("mlp:x", "digits"), "network must name sizes"),
        (("perceptron:3", "digits"), "network must be lenet-300-100"),
        (("mlp:3", "numerals"), "task must be one of"),
        (("mlp:3", "reber"), "hold vectors or images"),
        (("mlp:3", "digits", "-m", "magic"), "pruning method must be one of"),
        (("mlp:3", "digits", "--schedule", "never"), "schedule must be one of"),
        (("mlp:3", "digits", "--part", "hidden"), "have weights to prune"),
        (("nowhere.py:f", "digits"), "There is no nowhere.py"),
        (("mlp:3", "nowhere.npz"), "There is no nowhere.npz"),
    ],
)
def test_what_is_wrong_is_told_in_one_sentence(call, arguments, message):
    result = call(*arguments, "--epochs", 1, code=1)
    assert message in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
