"""A scheduler and workers in processes of their own, killed and started again: the same bytes."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import kill_rounds
import pytest

pytest.importorskip("distributed")
pytestmark = pytest.mark.study
DASK = shutil.which("dask", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
ENOUGH = 600.0


@pytest.mark.parametrize("mode", kill_rounds.MODES)
def test_after_kills_the_bytes_are_those_of_an_undisturbed_run(mode):
    rounds = kill_rounds.Rounds(mode, rounds=4, seed=0)
    rounds.run()
    assert rounds.kills == 4
    assert (rounds.losses, rounds.different) == (0, 0)


# ---- the commands of Dask


class Commands:
    """`dask scheduler` and `dask worker`, as a user types them."""

    def __init__(self, log: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.address = f"tcp://127.0.0.1:{self.port}"
        self.log = log.open("w")
        self.all: list[subprocess.Popen] = []
        paths = os.pathsep.join([str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")])
        self.env = os.environ | {"PYTHONPATH": paths}

    def start(self, *command: str) -> subprocess.Popen:
        process = subprocess.Popen([DASK, *command], stdout=self.log, stderr=self.log, env=self.env)
        self.all.append(process)
        return process

    def scheduler(self) -> subprocess.Popen:
        return self.start("scheduler", "--host", "127.0.0.1", "--port", str(self.port), "--no-dashboard")

    def worker(self) -> subprocess.Popen:
        return self.start("worker", self.address, "--nthreads", "1", "--no-nanny", "--no-dashboard")


@pytest.fixture
def commands(tmp_path):
    made = Commands(tmp_path / "log")
    yield made
    for process in made.all:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def local(tmp_path_factory):
    folder = tmp_path_factory.mktemp("local")
    kill_rounds.build(folder)
    return kill_rounds.contents(folder)


def wait_for_more(folder: Path, before: int, child) -> int:
    """Wait until there are more records than before."""
    limit = time.monotonic() + ENOUGH
    while (now := kill_rounds.records_of(folder)) <= before:
        assert child.is_alive()
        assert time.monotonic() < limit
        time.sleep(0.05)
    return now


def build_in_a_process(folder: Path, address: str):
    return kill_rounds._forked(kill_rounds._leader, kill_rounds.build, folder, address, 1)


def check_the_end(child, folder: Path, local) -> None:
    child.join(ENOUGH)
    assert child.exitcode == 0
    assert kill_rounds.contents(folder) == local


def test_a_worker_is_killed_and_another_one_comes_late(tmp_path, commands, local):
    commands.scheduler()
    first, _ = commands.worker(), commands.worker()
    child = build_in_a_process(tmp_path / "dask", commands.address)
    wait_for_more(tmp_path / "dask", 0, child)
    first.kill()
    commands.worker()
    check_the_end(child, tmp_path / "dask", local)


def test_workers_that_come_after_the_call_do_the_work(tmp_path, commands, local):
    commands.scheduler()
    child = build_in_a_process(tmp_path / "dask", commands.address)
    child.join(3.0)
    assert child.is_alive(), "it waits for a worker"
    commands.worker()
    commands.worker()
    check_the_end(child, tmp_path / "dask", local)


def test_the_scheduler_is_killed_and_comes_back(tmp_path, commands, local):
    scheduler = commands.scheduler()
    commands.worker()
    child = build_in_a_process(tmp_path / "dask", commands.address)
    wait_for_more(tmp_path / "dask", 0, child)
    scheduler.kill()
    scheduler.wait()
    commands.scheduler()
    commands.worker()
    child.join(ENOUGH)
    if child.exitcode == 3:  # on a busy machine it may come too late: one sentence, and the same call goes on
        child = build_in_a_process(tmp_path / "dask", commands.address)
    check_the_end(child, tmp_path / "dask", local)


def test_the_client_is_killed_and_the_same_call_goes_on(tmp_path, commands, local):
    commands.scheduler()
    commands.worker()
    commands.worker()
    child = build_in_a_process(tmp_path / "dask", commands.address)
    before = wait_for_more(tmp_path / "dask", 0, child)
    child.kill()
    child.join()
    assert kill_rounds.records_of(tmp_path / "dask") >= before
    check_the_end(build_in_a_process(tmp_path / "dask", commands.address), tmp_path / "dask", local)
