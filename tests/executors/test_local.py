"""Processes of this machine: same results, deaths survived, nothing left in shared memory."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from executor_tasks import DEADLY, begins, given, refuse, squares, who, write_into

from nnstruct.errors import InvalidInputError
from nnstruct.executors import LocalExecutor, Lost, ThreadExecutor, check_executor, open_executor
from nnstruct.executors import shared_memory as memory
from nnstruct.executors.pool import IDLE

posix = pytest.mark.skipif(os.name != "posix", reason="signals and shared memory of POSIX")
ITEMS = list(range(40))


@pytest.fixture(scope="module", autouse=True)
def _workers_leave():
    yield
    IDLE.dismiss()


@pytest.mark.parametrize("crew", [LocalExecutor(1), LocalExecutor(2), ThreadExecutor(3)])
def test_every_item_has_its_result_once(crew):
    found = list(crew.run(squares, ITEMS, shared=given()))
    assert dict(found) == {place: item**2 + 3.0 for place, item in enumerate(ITEMS)}
    assert len(found) == len(ITEMS)
    assert list(crew.run(squares, [], shared=given())) == []


def test_workers_are_processes_that_stay_for_the_next_work():
    first = set(dict(LocalExecutor(2).run(who, ITEMS)).values())
    again = set(dict(LocalExecutor(2).run(who, ITEMS)).values())
    assert os.getpid() not in first | again
    assert first & again


def test_an_error_of_the_work_is_raised_here():
    with pytest.raises(ValueError, match="no ") as caught:
        list(LocalExecutor(2).run(refuse, ITEMS))
    assert "executor_tasks.py" in caught.value.__notes__[0]


@posix
def test_an_item_that_kills_its_worker_is_given_up_after_three_and_the_others_are_done(tmp_path, caplog):
    items = [*range(1, 30), DEADLY, *range(30, 40)]
    with caplog.at_level(logging.WARNING, "nnstruct.executors"):
        found = dict(LocalExecutor(2).run(squares, items, shared=given(notes=tmp_path)))
    place = items.index(DEADLY)
    cause = "was killed (SIGKILL; the system does that where memory runs out)"
    assert found.pop(place) == Lost(f"3 workers died over it; the last one {cause}")
    assert found == {i: item**2 + 3.0 for i, item in enumerate(items) if i != place}
    assert begins(tmp_path, DEADLY) == 3
    assert [line.message.count("\n") for line in caplog.records] == [0, 0, 0], "one sentence each"
    assert "try 3 of 3, given up" in caplog.records[-1].message


@posix
def test_tries_can_be_chosen(tmp_path):
    found = dict(LocalExecutor(2, tries=1).run(squares, [DEADLY, 2], shared=given(notes=tmp_path)))
    assert isinstance(found[0], Lost)
    assert found[1] == 7.0
    assert begins(tmp_path, DEADLY) == 1


@posix
def test_a_worker_that_is_killed_from_outside_costs_nothing():
    crew = LocalExecutor(2).run(squares, ITEMS, shared=given(seconds=0.02))
    found = dict([next(crew)])
    for child in Path(f"/proc/{os.getpid()}/task").glob("*/children"):
        for pid in map(int, child.read_text().split()):
            if b"nnstruct.executors" in Path(f"/proc/{pid}/cmdline").read_bytes():
                os.kill(pid, signal.SIGKILL)
    found |= dict(crew)
    assert found == {place: item**2 + 3.0 for place, item in enumerate(ITEMS)}


# ---- shared memory


@posix
def test_large_arrays_are_shared_and_each_worker_writes_to_its_own_copy(monkeypatch, tmp_path):
    monkeypatch.setattr(memory, "_MEMORY", tmp_path)
    monkeypatch.setattr(memory, "_held", {})
    large = [np.zeros(1 << 18)]
    run = LocalExecutor(2).run(write_into, [1.0, 2.0, 3.0], shared=large)
    first = next(run)
    (folder,) = tmp_path.iterdir()
    assert len(list(folder.iterdir())) == 2, "the owner's mark and one file for all workers"
    assert dict([first, *run]) == {0: 1.0 * (1 << 18), 1: 2.0 * (1 << 18), 2: 3.0 * (1 << 18)}
    assert large[0].sum() == 0
    assert [path.name for path in folder.iterdir()] == ["owner"]
    assert memory.sweep() == [], "its owner lives"
    memory._leave()
    assert list(tmp_path.iterdir()) == []


OWNER = """
import os, signal, sys, tempfile
from pathlib import Path
from nnstruct.executors import shared_memory as memory
memory._MEMORY = Path(sys.argv[1])
with memory.shared_file([bytes(1 << 20)]):
    os.kill(os.getpid(), signal.SIGKILL)
"""


@posix
def test_what_a_killed_owner_left_is_swept(tmp_path, monkeypatch):
    subprocess.run([sys.executable, "-c", OWNER, str(tmp_path)], check=False, cwd=Path.cwd())
    (left,) = tmp_path.iterdir()
    assert sum(path.stat().st_size for path in left.iterdir()) == 1 << 20
    monkeypatch.setattr(memory, "_MEMORY", tmp_path)
    fresh, old, other = (tmp_path / f"{memory._prefix()}{name}" for name in ("fresh", "old", "x"))
    for folder in (fresh, old):
        folder.mkdir()
    (tmp_path / "somebody-elses").mkdir()
    other.symlink_to(tmp_path / "somebody-elses")
    os.utime(old, (time.time() - 3600, time.time() - 3600))
    assert sorted(memory.sweep()) == sorted([left, old])
    assert fresh.exists(), "it may be just being made"
    assert (tmp_path / "somebody-elses").exists()


# ---- what names an executor


def test_an_executor_of_ones_own_is_not_closed():
    class Mine(ThreadExecutor):
        closed = False

        def close(self):
            self.closed = True

    mine = Mine(2)
    with open_executor(mine) as crew:
        assert crew.workers == 2
        assert dict(crew.run(squares, [2], shared=given())) == {0: 7.0}
    assert not mine.closed


@pytest.mark.parametrize("value", ["cluster", "", None, 3, object()])
def test_other_executors_are_refused(value):
    with pytest.raises(
        InvalidInputError, match=r"^executor must be 'local', 'threads', the address of a Dask"
    ):
        check_executor(value)
