"""Which items go to a worker together: as many as fill some seconds, and suspects alone."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from statistics import median
from typing import NamedTuple

import numpy as np

_MEASURED = 16


class WorkShard(NamedTuple):
    """Items that one worker gets at once.

    Attributes
    ----------
    places : tuple of int
        Of the items in the whole list.
    deaths : int
        Workers that have died over it.
    """

    places: tuple[int, ...]
    deaths: int = 0


class ShardQueue:
    """Cuts a list of items into shards that take about so many seconds each.

    What an item takes is not known beforehand: the first shards hold one item each, and what finished ones
    took for their cost says how many items the next may hold. Towards the end shards become smaller, so that
    workers finish together. Items whose worker died come again one by one.

    Parameters
    ----------
    costs : sequence of float
        Of each item, in any unit.
    seconds : float
        That a shard should take.
    most : int
        Items in a shard.
    tries : int
        Deaths after which an item is given up.
    a_worker : float
        Seconds a shard for each worker, where that is more: whoever hands out shards to many must not be
        asked too often.

    Examples
    --------
    >>> from nnstruct.executors.shards import ShardQueue
    >>> queue = ShardQueue([1.0] * 100, seconds=2.0, most=64, tries=3)
    >>> first = queue.take(workers=2)
    >>> queue.finished(first, seconds=0.1)  # 0.1 s an item: twenty of them fill two seconds
    >>> first.places, queue.take(workers=2).places == tuple(range(1, 21))
    ((0,), True)
    """

    def __init__(
        self, costs: Sequence[float], *, seconds: float, most: int, tries: int, a_worker: float = 0.0
    ) -> None:
        self._sums = np.concatenate(
            [[0.0], np.cumsum(np.maximum(np.asarray(costs, dtype=np.float64), 1e-12))]
        )
        self._seconds, self._most, self.tries = seconds, most, tries
        self._a_worker = a_worker
        self._next = 0
        self._again: deque[WorkShard] = deque()
        self._rates: deque[float] = deque(maxlen=_MEASURED)  # seconds for a unit of cost

    def __bool__(self) -> bool:
        """Whether there is a shard to take."""
        return bool(self._again) or self._next < len(self._sums) - 1

    def take(self, workers: int) -> WorkShard:
        """The next shard; there must be one.

        Parameters
        ----------
        workers : int
            That work on them at once.

        Returns
        -------
        WorkShard
        """
        if self._again:
            return self._again.popleft()
        begin = self._next
        left = self._sums[-1] - self._sums[begin]
        seconds = max(self._seconds, workers * self._a_worker)
        worth = min(seconds / median(self._rates), left / (2 * workers)) if self._rates else 0.0
        end = int(np.searchsorted(self._sums, self._sums[begin] + worth * (1 + 1e-9), side="right")) - 1
        self._next = min(max(end, begin + 1), begin + self._most, len(self._sums) - 1)
        return WorkShard(tuple(range(begin, self._next)))

    def finished(self, shard: WorkShard, seconds: float) -> None:
        """Note how long a shard took.

        Parameters
        ----------
        shard : WorkShard
        seconds : float
        """
        cost = sum(self._sums[place + 1] - self._sums[place] for place in shard.places)
        self._rates.append(max(seconds, 1e-6) / cost)

    def put_back(self, shard: WorkShard) -> None:
        """Take a shard back that came to no harm.

        Parameters
        ----------
        shard : WorkShard
        """
        self._again.appendleft(shard)

    def died(self, shard: WorkShard, *, alone: bool = True) -> list[int]:
        """Note that a worker died over a shard: its items come again, each alone, or are given up.

        Parameters
        ----------
        shard : WorkShard
        alone : bool
            Whether the worker had nothing else in hand.

        Returns
        -------
        list of int
            Places of items that are given up.
        """
        deaths = shard.deaths + 1
        if deaths >= self.tries and len(shard.places) == 1 and alone:
            return list(shard.places)
        # Of several items any one may be to blame, so that none of them is given up before it was alone.
        self._again.extend(WorkShard((place,), min(deaths, self.tries - 1)) for place in shard.places)
        return []
