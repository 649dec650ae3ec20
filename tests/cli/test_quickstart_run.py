"""The whole quickstart, small: everything is there, a second run finds it, and the next commands work."""

from __future__ import annotations

import re
import shlex
import shutil
from dataclasses import replace

import numpy as np
import pytest

from nnstruct import load_predictor
from nnstruct.benchmark import Benchmark, check_card
from nnstruct.cli.inputs import read_structures
from nnstruct.errors import InvalidInputError
from nnstruct.priors import PRIORS
from nnstruct.quickstart import Settings, run
from nnstruct.record import TrainConfig

SMALL = Settings(
    task_options={"train": 160, "val": 40, "test": 80, "max_length": 18},
    units=(6, 12),
    config=TrainConfig(epochs=2, batch_size=16, learning_rate=1e-2),
    predictors=("mean", "random-forest", "gnn"),
    params={
        "random-forest": {"n_estimators": 10},
        "gnn": {"hidden": 8, "layers": 2, "members": 1, "max_epochs": 2},
    },
    folds=3,
    repeats=1,
    generations=2,
    per_generation=3,
)


def go(folder, **changed):
    arguments = {"structures": 24, "seeds": 1, "workers": 1, "settings": SMALL} | changed
    return run(folder, **arguments)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("quick start") / "[bold]run"


@pytest.fixture(scope="module")
def summary(folder):
    return go(folder)


def contents(folder):
    """Every file that a second run must leave as it is, but for the minute in which a report was written."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    changing = {"quickstart.json", "search.db"}
    kept = {path.relative_to(folder): path.read_bytes() for path in paths if path.name not in changing}
    return {name: re.sub(rb"[-\d]{10} \d\d:\d\d UTC", b"", data) for name, data in kept.items()}


def test_the_folder_holds_everything(summary, folder):
    bench = Benchmark.load(folder / "benchmark")
    assert len(bench) == 24
    assert {s.origin["prior"] for s in bench.structures} == {name for name in PRIORS if PRIORS[name].in_turn}
    assert check_card(folder / "benchmark") == []
    assert set(summary.evaluation.table.index) == set(SMALL.predictors)
    assert len(Benchmark.load(folder / "search")) == 6
    assert len(summary.found) == 6
    train, test = bench.split(test=0.2, seed=0)
    assert [s.fingerprint for s in read_structures(folder / "held-out.parquet")] == test.fingerprints
    for name in SMALL.predictors:
        model = load_predictor(folder / "models" / name)
        assert model.num_structures_ == len(train)
        assert model.bounds_ == train.bounds
    best = load_predictor(folder / "models" / summary.predictor)
    np.testing.assert_array_equal(summary.held_out.mean, best.predict(test.structures))
    np.testing.assert_array_equal(summary.held_out.y, test.y)


def test_the_best_is_the_best_of_all(summary):
    scores: dict[str, float] = {}
    for bench in (summary.benchmark, summary.found):
        scores |= dict(zip(bench.fingerprints, bench.y.tolist(), strict=True))
    assert summary.best_score == scores[summary.best.fingerprint]
    # Believed, not the luckiest: well above the middle all the same.
    assert summary.best_score > sorted(scores.values())[len(scores) // 2]
    assert summary.guide == "random-forest"


def test_the_report_tells_of_every_step(summary):
    text = summary.report.read_text()
    assert "http" not in text
    for part in (
        "Draw 24 structures",
        "Train each with 1 seed on",
        "Compare 3 predictors",
        "Search for better",
    ):
        assert part in text


def test_a_second_run_finds_everything_done(summary, folder, capsys):
    before = contents(folder)
    again = go(folder)
    assert contents(folder) == before
    assert again.best.fingerprint == summary.best.fingerprint
    assert again.evaluation.table.equals(summary.evaluation.table)
    assert again.found.fingerprints == summary.found.fingerprints
    out = capsys.readouterr().out
    assert [f"{number}/6" in out for number in range(1, 7)] == [True] * 6


def test_another_seed_gives_another_benchmark_in_the_same_folder(summary, folder, tmp_path, capsys):
    same = shutil.copytree(folder, tmp_path / "run")
    quick = replace(SMALL, predictors=("mean", "random-forest"), generations=1)
    other = go(same, settings=quick, quiet=True, seed=1)
    assert not set(summary.benchmark.fingerprints) & set(other.benchmark.fingerprints)
    assert len(other.benchmark) == 24
    assert other.held_out.y.tolist() != summary.held_out.y.tolist()
    assert capsys.readouterr().out == ""


def test_the_next_commands_work(summary, folder, call):
    assert len(summary.commands) == 3
    for _, command in summary.commands:
        words = shlex.split(command)
        assert words[0] == "nnstruct"
        if words[1] == "search":
            words += ["--generations", "1", "--per-generation", "2", "-w", "1"]
        call(*words[1:])
    assert (folder / "best.png").exists()
    assert (folder / "scores.csv").read_text().startswith("fingerprint,units,edges,prediction,std")
    assert len(Benchmark.load(folder / "longer-search" / "benchmark")) == 2
    assert "report.html" in call("show", folder).output


def test_the_command_prints_the_summary(summary, folder, call, monkeypatch):
    monkeypatch.setattr("nnstruct.quickstart.whole.Settings", lambda: SMALL)
    result = call("quickstart", "--out", folder, "--structures", 24, "--seeds", 1, "-w", 1)
    for part in ("noise ceiling", "best structure", "What to do next", str(folder / "report.html")):
        assert part in result.output
    quiet = call("quickstart", "--out", folder, "--structures", 24, "--seeds", 1, "-w", 1, "--quiet")
    assert quiet.stdout == f"{folder / 'report.html'}\n"


def test_too_few_structures_are_refused(tmp_path):
    with pytest.raises(InvalidInputError, match="structures must be an integer, at least 20, got 19"):
        go(tmp_path / "x", structures=19)
    assert not (tmp_path / "x").exists()


def test_the_default_settings_hold_together():
    recipe = Settings().recipe(240, 2, 0)
    assert recipe.train == Settings().config
    for name in Settings().predictors:
        assert type(Settings().make(name, 0)).name == name
