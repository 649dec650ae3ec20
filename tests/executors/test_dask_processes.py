"""A scheduler and workers in processes of their own, killed and started again: the same bytes."""

from __future__ import annotations

import multiprocessing

import kill_rounds
import pytest

pytestmark = pytest.mark.study


@pytest.mark.parametrize("mode", ["local", "worker", "dask-worker", "dask-scheduler", "search", "prune"])
def test_after_kills_the_bytes_are_those_of_an_undisturbed_run(mode):
    rounds = kill_rounds.Rounds(mode, rounds=4, seed=0)
    rounds.run()
    assert rounds.kills == 4
    assert (rounds.losses, rounds.different) == (0, 0)


def test_workers_that_come_late_do_the_work(tmp_path):
    kill_rounds.build(tmp_path / "local")
    scheduler, *workers = kill_rounds._cluster(workers=0)
    assert workers == []
    context = multiprocessing.get_context("spawn")
    address = f"tcp://127.0.0.1:{kill_rounds.PORT}"
    arguments = (kill_rounds.build, tmp_path / "dask", address, 1)
    child = context.Process(target=kill_rounds._leader, args=arguments)
    child.start()
    late = []
    try:
        child.join(5)
        assert child.is_alive(), "it waits for a worker"
        late = kill_rounds._workers(2)
        child.join(600)
        assert child.exitcode == 0
    finally:
        for process in (scheduler, *late):
            process.kill()
    assert kill_rounds.contents(tmp_path / "dask") == kill_rounds.contents(tmp_path / "local")
