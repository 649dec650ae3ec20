"""Processes of this machine, or this process alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from queue import SimpleQueue
from typing import Any

from nnstruct.errors import NnstructError
from nnstruct.executors.base import LocalCrew, Lost, Task, tell_of_death
from nnstruct.executors.messages import packed, unpacked
from nnstruct.executors.pool import IDLE, Answer, WorkerProcess
from nnstruct.executors.shards import ShardQueue, WorkShard
from nnstruct.executors.shared_memory import shared_file, sweep
from nnstruct.executors.worker import BEGIN, FAILED, READY, SHARD

# So that a death costs a second's work a worker, and a bar moves.
_SECONDS, _MOST = 1.0, 64
_STILLBORN = 20  # workers that may end, one after the other, before they are ready for work
_NOTHING = [*packed((BEGIN, None, [])), *packed((None, None))]


class LocalExecutor(LocalCrew):
    """Worker processes of this machine, each with one thread; with one worker, this process.

    Parameters
    ----------
    workers : int or None
        None for one a CPU.
    tries : int
        How many workers an item may cost before it is given up.

    Examples
    --------
    >>> from nnstruct.executors import LocalExecutor
    >>> def squares(shared, items):
    ...     return [shared * item**2 for item in items]
    >>> list(LocalExecutor(1).run(squares, [3, 4], shared=10))
    [(0, 90), (1, 160)]
    """

    def run(
        self, task: Task, items: Sequence[Any], *, shared: Any = None, costs: Sequence[float] | None = None
    ) -> Iterator[tuple[int, Any]]:
        """Work on all items; see :meth:`Executor.run`.

        Parameters
        ----------
        task, items, shared, costs
            As there. With one worker nothing of it need be importable.

        Yields
        ------
        (int, object)
        """
        sweep()
        if min(self.workers, len(items)) <= 1:
            for place, item in enumerate(items):
                yield place, task(shared, [item])[0]
            return
        head, *arrays = packed((task, shared))
        with shared_file(arrays) as file:
            lengths = [memoryview(array).nbytes for array in arrays]
            told = packed((BEGIN, None if file is None else str(file), lengths))
            begin = [*told, head, *(arrays if file is None else ())]
            count = min(self.workers, len(items))
            queue = ShardQueue(costs or [1.0] * len(items), seconds=_SECONDS, most=_MOST, tries=self.tries)
            yield from _Crew(begin, items, queue, count).results()


class _Crew:
    """Workers at one list of items."""

    def __init__(self, begin: Sequence[Any], items: Sequence[Any], queue: ShardQueue, count: int) -> None:
        self.begin, self.items, self.queue, self.count = begin, items, queue, count
        self.busy: dict[WorkerProcess, WorkShard] = {}
        self.inbox: SimpleQueue[Answer] = SimpleQueue()
        self.free: list[WorkerProcess] = []
        self.ready: set[WorkerProcess] = set()
        self.stillborn = 0

    def results(self) -> Iterator[tuple[int, Any]]:
        try:
            while self._dispatch():
                worker, message = self.inbox.get()
                shard = self.busy.pop(worker, None)
                if shard is None:  # it ended while it was free
                    self.free = [other for other in self.free if other is not worker]
                    continue
                if message is None:
                    yield from self._bury(worker, shard)
                    continue
                kind, outcome, said = unpacked(message)
                if kind == READY:
                    self.ready.add(worker)
                    self.busy[worker], self.stillborn = shard, 0
                    continue
                self.free.append(worker)
                if kind == FAILED:
                    outcome.add_note(f"In worker {worker.process.pid}:\n{said}")
                    raise outcome
                self.queue.finished(shard, said)
                yield from zip(shard.places, outcome, strict=True)
        finally:
            for worker in self.busy:
                worker.stop()
            for worker in self.free:
                worker.send(_NOTHING)  # so that it lets go of large arrays
                IDLE.give(worker)

    def _dispatch(self) -> bool:
        """Give work to whoever is free; False where none is left and none is under way."""
        while self.queue and len(self.busy) < self.count:
            worker = self.free.pop() if self.free else self._hire()
            shard = self.queue.take(self.count)
            self.busy[worker] = shard
            worker.send([*packed((SHARD,)), *packed([self.items[place] for place in shard.places])])
        return bool(self.busy)

    def _hire(self) -> WorkerProcess:
        worker = IDLE.take()
        worker.answer_to(self.inbox)
        worker.send(self.begin)
        return worker

    def _bury(self, worker: WorkerProcess, shard: WorkShard) -> Iterator[tuple[int, Any]]:
        end = worker.end()
        if worker not in self.ready:  # it had not begun: no item is to blame
            self.queue.put_back(shard)
            self.stillborn += 1
            if self.stillborn >= _STILLBORN:
                raise NnstructError(f"{_STILLBORN} workers ended before they could work; the last one {end}.")
            return
        lost = self.queue.died(shard)
        times = f"try {shard.deaths + 1} of {self.queue.tries}"
        fate = f"{times}, given up" if lost else f"{times}, and a new worker goes on"
        tell_of_death(f"{worker.name} {end}", len(shard.places), fate)
        for place in lost:
            yield place, Lost(f"{shard.deaths + 1} workers died over it; the last one {end}")
