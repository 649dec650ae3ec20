"""Where work is done: processes of this machine, threads, or the workers of a Dask cluster.

An executor is given a function, a list of items and what all items share, and yields results as they
come. It cuts the list into shards by their cost, gives what a dead worker had in hand to another one, and
gives an item up where several workers died over it. What is computed does not depend on the executor.
"""

from nnstruct.executors.base import Executor, Lost
from nnstruct.executors.choice import LOCAL, THREADS, check_executor, open_executor
from nnstruct.executors.local import LocalExecutor
from nnstruct.executors.on_dask import DaskExecutor
from nnstruct.executors.shared_memory import sweep
from nnstruct.executors.threads import ThreadExecutor

__all__ = [
    "LOCAL",
    "THREADS",
    "DaskExecutor",
    "Executor",
    "LocalExecutor",
    "Lost",
    "ThreadExecutor",
    "check_executor",
    "open_executor",
    "sweep",
]
