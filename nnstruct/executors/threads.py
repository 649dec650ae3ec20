"""Threads of this process: no start-up and no protection, for tests and for work that lets others run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any

from nnstruct.executors.base import LocalCrew, Task


class ThreadExecutor(LocalCrew):
    """Threads of this process, an item each.

    Parameters
    ----------
    workers : int or None
        None for one a CPU.
    tries : int
        Without a meaning here: a thread does not die alone.

    Examples
    --------
    >>> from nnstruct.executors import ThreadExecutor
    >>> sorted(ThreadExecutor(2).run(lambda shared, items: [len(item) for item in items], ["a", "bc"]))
    [(0, 1), (1, 2)]
    """

    def run(
        self, task: Task, items: Sequence[Any], *, shared: Any = None, costs: Sequence[float] | None = None
    ) -> Iterator[tuple[int, Any]]:
        """Work on all items; see :meth:`Executor.run`.

        Parameters
        ----------
        task, items, shared, costs
            As there; nothing of it need be importable.

        Yields
        ------
        (int, object)
        """
        waiting = iter(enumerate(items))
        with ThreadPoolExecutor(self.workers) as pool:
            running: dict[Future[list[Any]], int] = {}
            try:
                while True:
                    while len(running) < self.workers and (following := next(waiting, None)) is not None:
                        place, item = following
                        running[pool.submit(task, shared, [item])] = place
                    if not running:
                        return
                    for done in wait(running, return_when=FIRST_COMPLETED).done:
                        yield running.pop(done), done.result()[0]
            finally:
                for future in running:
                    future.cancel()
