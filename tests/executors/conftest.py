"""One small Dask cluster for all tests of executors."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def cluster():
    """A scheduler and one worker process that is started again when it dies."""
    distributed = pytest.importorskip("distributed")
    # Workers import the work that tests give them.
    paths = os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")])
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, dashboard_address=None, silence_logs=logging.CRITICAL,
        worker_class=distributed.Nanny, env={"PYTHONPATH": paths},
    ) as made:  # fmt: skip
        yield made


@pytest.fixture
def client(cluster):
    import distributed

    with distributed.Client(cluster, set_as_default=False) as made:
        yield made
