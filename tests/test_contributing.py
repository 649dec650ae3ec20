"""CONTRIBUTING keeps its word: examples run, commands are the project's, files that it names are there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import nnstruct.testing

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / ".github" / "CONTRIBUTING.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, flags=re.DOTALL)


def test_every_example_runs(tmp_path: Path) -> None:
    """In their order, in one interpreter, as a reader would type them."""
    assert len(blocks("python")) >= 9
    (tmp_path / "page.py").write_text("\n\n".join(blocks("python")), encoding="utf-8")
    done = subprocess.run([sys.executable, "page.py"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]


def test_only_python_and_commands_are_shown() -> None:
    assert PAGE.count("```") == 2 * len(blocks("python") + blocks("bash"))


def test_each_suite_is_shown_in_use() -> None:
    shown = set(re.findall(r"^(check_\w+)\(", "\n".join(blocks("python")), flags=re.MULTILINE))
    assert shown == {name for name in nnstruct.testing.__all__ if name.startswith("check_")}


def test_commands_are_those_of_the_project() -> None:
    commands = [line for block in blocks("bash") for line in block.splitlines()]
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert f"{commands[0]} && {commands[1]}" in readme
    for command in commands[1:]:
        program, *rest = command.split()
        assert program.startswith(".venv/bin/")
        assert all((ROOT / word).exists() for word in rest if "/" in word), command


def test_the_import_graph_can_be_printed() -> None:
    done = subprocess.run(
        [sys.executable, "tests/import_graph.py", "nnstruct/executors"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "arrows that run up: 0" in done.stdout


@pytest.mark.parametrize(
    "folder", sorted(set(re.findall(r"`((?:nnstruct|tests|train|\.ci)/[\w./-]*)", PAGE)))
)
def test_files_that_are_named_are_there(folder: str) -> None:
    path = folder.split("NAME")[0]
    assert (ROOT / path).exists(), folder
