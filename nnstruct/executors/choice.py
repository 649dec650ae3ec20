"""From what a caller names to an executor."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from nnstruct.errors import InvalidInputError
from nnstruct.executors.base import Executor
from nnstruct.executors.local import LocalExecutor
from nnstruct.executors.on_dask import DaskExecutor
from nnstruct.executors.threads import ThreadExecutor

if TYPE_CHECKING:
    from distributed import Client

LOCAL, THREADS = "local", "threads"
_RULE = "be 'local', 'threads', the address of a Dask scheduler, a distributed.Client or an Executor"


def open_executor(executor: str | Client | Executor = LOCAL, workers: int | None = None) -> Executor:
    """The executor that a caller means; to be closed after use.

    Parameters
    ----------
    executor : str, distributed.Client or Executor
        ``local``: processes of this machine. ``threads``: threads of this process. Any other text is the
        address of a Dask scheduler, such as ``tcp://scheduler:8786``. An Executor is taken as it is, and
        closing it is left to whoever made it.
    workers : int or None
        Processes or threads of this machine; None for one a CPU. A cluster has its own number.

    Returns
    -------
    Executor

    Raises
    ------
    InvalidInputError
        If it is none of these, no scheduler answers, or Dask is not installed.

    Examples
    --------
    >>> from nnstruct.executors import open_executor
    >>> with open_executor("local", workers=2) as crew:
    ...     crew.workers
    2
    """
    named = check_executor(executor)
    if isinstance(named, Executor):
        return _Borrowed(named)
    if named == LOCAL:
        return LocalExecutor(workers)
    if named == THREADS:
        return ThreadExecutor(workers)
    return DaskExecutor(named)


def check_executor(executor: Any, field: str = "executor") -> Any:
    """What :func:`open_executor` takes, as it is; nothing is opened.

    Parameters
    ----------
    executor : object
    field : str
        What the value is called where the caller wrote it.

    Returns
    -------
    object

    Raises
    ------
    InvalidInputError
        If it is none of these.

    Examples
    --------
    >>> from nnstruct.executors import check_executor
    >>> check_executor("tcp://scheduler:8786")
    'tcp://scheduler:8786'
    """
    if isinstance(executor, str):
        good = executor in (LOCAL, THREADS) or "://" in executor
    else:
        good = isinstance(executor, Executor) or _is_client(executor)
    if not good:
        raise InvalidInputError(field, _RULE, executor)
    return executor


def _is_client(value: Any) -> bool:
    distributed = sys.modules.get("distributed")  # whoever has a client has imported it
    return distributed is not None and isinstance(value, distributed.Client)


class _Borrowed(Executor):
    """Another one's executor, which stays open."""

    def __init__(self, lender: Executor) -> None:
        super().__init__(tries=lender.tries)
        self._lender = lender

    @property
    def workers(self) -> int:
        return self._lender.workers

    @property
    def note(self) -> str:
        return self._lender.note

    def run(self, *arguments: Any, **options: Any) -> Any:
        return self._lender.run(*arguments, **options)
