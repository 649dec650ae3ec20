"""A study in PostgreSQL, where a server can be started and a driver is installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pandas as pd
import pytest

from nnstruct import Search, Space

from guides import Ridge, depth_score  # isort: skip

DRIVER = next((name for name in ("psycopg2", "psycopg", "pg8000") if find_spec(name)), None)
PROGRAMS = [shutil.which(name) for name in ("initdb", "pg_ctl")]
pytestmark = pytest.mark.skipif(
    DRIVER is None or None in PROGRAMS, reason="PostgreSQL's programs and a driver are not installed"
)
SPACE = Space("mlp", units=(6, 12))


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The URL of a server that lives as long as the tests and listens in its own folder alone."""
    with tempfile.TemporaryDirectory() as folder:  # a short path: those of sockets are bounded
        options: dict = {"check": True, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        if os.geteuid() == 0:  # PostgreSQL does not run as root
            os.chmod(folder, 0o777)
            options |= {"user": "nobody", "cwd": "/"}
        data = Path(folder) / "data"
        initdb, pg_ctl = PROGRAMS
        try:
            subprocess.run([initdb, "-D", data, "-U", "nnstruct", "-A", "trust", "--no-sync"], **options)
            settings = f"-k {folder} -c listen_addresses='' -c fsync=off"
            subprocess.run([pg_ctl, "-D", data, "-o", settings, "-l", data / "log", "-w", "start"], **options)
        except (subprocess.CalledProcessError, PermissionError) as error:
            pytest.skip(f"PostgreSQL does not start here: {error}")
        try:
            yield f"postgresql+{DRIVER}://nnstruct@/postgres?host={folder}"
        finally:
            subprocess.run([pg_ctl, "-D", data, "-m", "immediate", "stop"], **options)


def searched(storage: str | None, rounds: int) -> Search:
    search = Search(
        SPACE, Ridge(), seed=1, population=6, offspring=4, storage=storage, objectives=["val", "edges"]
    )
    for _ in range(rounds):
        asked = search.ask(6)
        search.tell(asked, [float("nan"), *(depth_score(s) for s in asked[1:])])
    return search


def test_a_search_goes_on_where_it_stopped(server: str) -> None:
    searched(server, 2)
    stopped = searched(server, 0)
    waiting = stopped.ask(6)  # asked, never told
    again = searched(server, 1)
    assert [s.fingerprint for s in waiting] == again.history.fingerprint[12:].tolist()
    whole = searched(None, 3)
    pd.testing.assert_frame_equal(again.history, whole.history)
    assert again.study.metric_names == ["val", "edges"]
    assert set(again.study.trials[0].params) == {"made_by", "units", "edges", "layers", "width"}
