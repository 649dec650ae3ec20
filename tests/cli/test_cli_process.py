"""The command as users start it: how quickly it answers, and how it ends when it is stopped."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from tiny_benchmark import RECIPE

from nnstruct.benchmark import Benchmark

COMMAND = [sys.executable, "-m", "nnstruct.cli"]


def start(*arguments, **options):
    return subprocess.run(
        [*COMMAND, *map(str, arguments)], capture_output=True, text=True, timeout=600, check=False, **options
    )


@pytest.mark.parametrize("arguments", [["--help"], ["search", "--help"], ["--version"], ["nonsense"]])
def test_help_loads_nothing_heavy(arguments):
    code = (
        "import sys\n"
        "from nnstruct.cli import app\n"
        f"try:\n    app({arguments!r})\nexcept SystemExit:\n    pass\n"
        "heavy = 'torch sklearn matplotlib networkx pandas pyarrow optuna lightning numba scipy'.split()\n"
        "heavy += ['numpy']\n"
        "print('loaded', *[name for name in heavy if name in sys.modules], file=sys.stderr)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stderr.splitlines()[-1] == "loaded"


def test_the_exit_codes():
    assert start("--help").returncode == 0
    assert start("build").returncode == 2
    failed = start("build", "no-such.toml")
    assert failed.returncode == 1
    assert failed.stdout == ""
    assert failed.stderr == "Error: There is no recipe no-such.toml.\n"


def test_the_reader_of_a_pipe_may_leave(bench_folder):
    read, write = os.pipe()
    os.close(read)
    process = subprocess.Popen([*COMMAND, "show", str(bench_folder)], stdout=write, stderr=subprocess.PIPE)
    os.close(write)
    _, error = process.communicate(timeout=600)
    assert b"Traceback" not in error


# The command, interrupted as by Ctrl-C when its second portion of records is written, however quick it is.
INTERRUPTED = """
import os, signal, sys
from nnstruct.benchmark import generate
from nnstruct.benchmark.store import Store

signal.signal(signal.SIGINT, signal.default_int_handler)  # jobs of a shell's background ignore it
generate.FLUSH_RECORDS, generate.FLUSH_SECONDS = 3, 1e9
whole, calls = Store.add_records, []

def add_records(self, records):
    whole(self, records)
    calls.append(len(calls))
    if len(calls) == 2:
        os.killpg(0, signal.SIGINT)

Store.add_records = add_records
from nnstruct.cli.app import main
sys.argv = ["nnstruct", "build", sys.argv[1], "--workers", "1"]
main()
"""


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_an_interrupt_keeps_what_is_finished(tmp_path):
    (tmp_path / "recipe.toml").write_text(RECIPE.replace("count = 16", "count = 60"))
    process = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED, str(tmp_path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, start_new_session=True,
    )  # fmt: skip
    _, error = process.communicate(timeout=600)
    assert process.returncode == 130, error
    assert f"Stopped. What is finished is kept in {tmp_path}; run the same command again" in error
    assert "Traceback" not in error
    bench = Benchmark.load(tmp_path)
    assert 0 < len(bench.table) < 120
    assert set(bench.table["status"]) == {"ok"}
