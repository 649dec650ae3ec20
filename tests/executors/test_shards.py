"""Shards fill some seconds, become smaller towards the end, and suspects come alone."""

from __future__ import annotations

import numpy as np
import pytest

from nnstruct.executors.shards import ShardQueue, WorkShard


def played(costs, workers, rate, **options):
    """Shards and when they end, with workers that take what is next; seconds are cost times rate."""
    queue = ShardQueue(costs, **({"seconds": 2.0, "most": 64, "tries": 3} | options))
    clocks, shards = np.zeros(workers), []
    while queue:
        worker = int(clocks.argmin())
        shard = queue.take(workers)
        seconds = rate * sum(costs[place] for place in shard.places)
        clocks[worker] += seconds
        queue.finished(shard, seconds)
        shards.append((shard, seconds))
    return shards, clocks


@pytest.mark.parametrize("costs", [[1.0] * 500, list(np.linspace(9, 1, 300)), [5.0], [0.0] * 20])
@pytest.mark.parametrize("workers", [1, 2, 7])
def test_each_item_is_in_one_shard_and_in_order(costs, workers):
    shards, _ = played(costs, workers, rate=0.05)
    assert [place for shard, _ in shards for place in shard.places] == list(range(len(costs)))


def test_shards_take_the_seconds_and_no_more_items_than_allowed():
    shards, clocks = played([1.0] * 2000, 2, rate=0.1)
    sizes = [len(shard.places) for shard, _ in shards]
    assert sizes[0] == 1, "nothing is known of the first"
    assert sizes[1] == 20
    assert max(seconds for _, seconds in shards) <= 2.0 + 1e-9
    assert sizes[-1] == 1
    assert abs(clocks[0] - clocks[1]) <= 0.2, "workers finish together"
    assert max(len(shard.places) for shard, _ in played([1.0] * 999, 1, rate=1e-4)[0]) == 64


def test_shards_for_many_workers_take_longer():
    queue = ShardQueue([1.0] * (4 * 10**6), seconds=10.0, most=1000, tries=3, a_worker=0.05)
    queue.finished(queue.take(1000), seconds=0.1)
    assert len(queue.take(1000).places) == 500, "fifty seconds"
    assert len(queue.take(100).places) == 100, "ten seconds"


def test_suspects_come_alone_and_are_given_up_in_the_end():
    queue = ShardQueue([1.0] * 3, seconds=9.0, most=3, tries=3)
    shard = WorkShard((0, 1, 2))
    assert queue.died(shard) == []
    alone = [queue.take(1) for _ in range(3)]
    assert alone == [WorkShard((place,), 1) for place in range(3)]
    assert queue.died(alone[0]) == []
    (again,) = [queue.take(1)]
    assert again == WorkShard((0,), 2)
    assert queue.died(again, alone=False) == [], "another one may be to blame"
    assert queue.died(queue.take(1)) == [0]
