"""The README's Python example runs as printed, and its commands are the two that a newcomer types."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def test_the_python_example_runs(tmp_path):
    first, second, third = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    assert len(first.splitlines()) <= 30
    assert len(second.splitlines()) == 5
    assert len(third.splitlines()) == 2 + 5  # what the user has, and five lines
    code = first + second + third
    (tmp_path / "runs").mkdir()
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "noise ceiling" in done.stdout
    assert "Structure(family='rnn_tanh'" in done.stdout
    assert (tmp_path / "runs" / "structure.png").stat().st_size > 5_000
    assert (tmp_path / "runs" / "module.png").stat().st_size > 5_000
    assert (tmp_path / "runs" / "reber-tanh" / "data" / "records.parquet").exists()


def test_two_commands_begin_with_a_fresh_environment():
    commands = [line for line in README.splitlines() if line.startswith("python3 -m venv")]
    assert len(commands) == 2
    assert commands[0].endswith("nnstruct quickstart --out runs/quickstart")
    assert commands[1].endswith("pytest -n 2")


def test_links_lead_somewhere():
    for target in re.findall(r"\]\(([^)]+)\)", README):
        assert target.startswith("https://arxiv.org/") or (ROOT / target).exists(), target
