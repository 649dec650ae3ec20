"""Commands that list parts, parts of one's own on the command line, and tables that keep their numbers."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from nnstruct.cli import app
from nnstruct.cli.parts import KINDS, parts_of
from nnstruct.cli.tables import Screen, count, table
from nnstruct.predictors import PREDICTORS

PLUGIN = '''
"""A predictor without a deviation, and a prior."""
from sklearn.base import BaseEstimator, RegressorMixin
from nnstruct.predictors import PREDICTORS


@PREDICTORS.register("cli-own-sizes")
class OwnSizes(RegressorMixin, BaseEstimator):
    """By the number of units alone."""

    def __init__(self, random_state=0):
        self.random_state = random_state

    def fit(self, structures, y):
        self.scale_ = sum(y) / sum(s.num_units for s in structures)
        return self

    def predict(self, structures):
        return [self.scale_ * s.num_units for s in structures]
'''


def run(*words: str, columns: int = 80):
    return CliRunner().invoke(app, list(words), env={"COLUMNS": str(columns)})


@pytest.mark.parametrize("kind", KINDS)
def test_every_part_of_every_kind_says_what_it_is(kind: str) -> None:
    rows = parts_of(kind)
    assert rows
    assert [name for name, says in rows if not says] == []


def test_list_names_kinds_and_parts() -> None:
    everything = run("list", columns=300)
    assert everything.exit_code == 0, everything.output
    assert "barabasi-albert" in everything.output
    assert "reber-mini" in everything.output
    both = run("list", "tasks", "acquisitions", columns=200)
    assert "embedded" in both.output
    assert "Expected improvement" in both.output
    wrong = run("list", "priorz")
    assert wrong.exit_code == 1
    assert "Did you mean 'priors'?" in wrong.output


def test_an_own_predictor_without_a_deviation_is_evaluated(bench_folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "cli_own.py"
    file.write_text(PLUGIN)
    sys.modules.pop("cli_own", None)
    PREDICTORS._parts.pop("cli-own-sizes", None)
    command = ["evaluate", str(bench_folder), "-p", "cli-own-sizes", "--folds", "2", "--quiet"]
    words = [*command, f"--plugin={file}"]  # or before the command
    done = run(*words)
    assert done.exit_code == 0, done.output
    PREDICTORS._parts.pop("cli-own-sizes")
    (row,) = [line for line in done.output.splitlines() if "cli-own-sizes" in line]
    assert "…" not in done.output
    assert row.split()[-2] == "-"  # no coverage


def test_a_number_is_never_cut() -> None:
    wide = table(("method", *(f"a long heading {i}" for i in range(8))), [["mine", *([0.123456] * 8)]])
    for terminal in (True, False):
        out = io.StringIO()
        Screen(file=out, width=80, force_terminal=terminal, color_system=None).print(wide)
        assert out.getvalue().count("0.1235") == 8
        assert "…" not in out.getvalue()


def test_words_go_over_lines_where_there_is_no_room() -> None:
    out = io.StringIO()
    screen = Screen(file=out, width=40, force_terminal=True, color_system=None)
    screen.print(table(("name", "what it is"), [["a", "word " * 30]], words=True))
    assert max(map(len, out.getvalue().splitlines())) <= 40
    assert out.getvalue().count("word") == 30


@pytest.mark.parametrize(("words", "lines"), [(30, 1), (300, 8)])
def test_words_in_a_pipe_have_one_line_up_to_200_characters(words: int, lines: int) -> None:
    out = io.StringIO()
    Screen(file=out, width=80).print(table(("name", "what it is"), [["a", "word " * words]], words=True))
    found = [line for line in out.getvalue().splitlines() if "word" in line]
    assert len(found) == lines
    assert max(map(len, found)) <= 200


def test_one_is_one() -> None:
    assert [count(1), count(2), count(1, "row")] == ["1 structure", "2 structures", "1 row"]


def test_a_shell_can_complete_names_of_commands() -> None:
    env = {
        **os.environ,
        "_NNSTRUCT_COMPLETE": "complete_bash",
        "COMP_WORDS": "nnstruct ev",
        "COMP_CWORD": "1",
    }
    done = subprocess.run([sys.executable, "-m", "nnstruct"], capture_output=True, text=True, env=env)
    assert done.stdout.split() == ["evaluate"]
