"""The one memory of computed values: bounded, by number or by size, and safe to share."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from nnstruct.caches import LookupCache
from nnstruct.errors import InvalidInputError
from nnstruct.structure import Structure


class Asked:
    """Gives each key back, and notes which it was asked for."""

    def __init__(self) -> None:
        self.calls: list[list[int]] = []

    def __call__(self, missing: list[int]) -> list[int]:
        self.calls.append(missing)
        return missing


def test_each_key_is_computed_once_in_one_call() -> None:
    cache, asked = LookupCache[int, int](capacity=5), Asked()
    assert cache.lookup([3, 1, 3, 2], asked) == [3, 1, 3, 2]
    assert cache.lookup([2, 4, 3], asked) == [2, 4, 3]
    assert cache.lookup([4], asked) == [4]
    assert asked.calls == [[3, 1, 2], [4]]


def test_what_was_used_longest_ago_leaves_first() -> None:
    cache, asked = LookupCache[int, int](capacity=2), Asked()
    for keys in ([1, 2], [1], [3], [1], [2]):
        cache.lookup(keys, asked)
        assert len(cache) == 2
    assert asked.calls == [[1, 2], [3], [2]]


def test_sizes_count_against_the_capacity() -> None:
    cache, asked = LookupCache[int, int](capacity=20, size=lambda value: value), Asked()
    cache.lookup([10, 9], asked)
    cache.lookup([5], asked)
    assert len(cache) == 2  # 9 and 5
    cache.lookup([9, 5, 10], asked)
    assert asked.calls == [[10, 9], [5], [10]]


def test_a_value_that_does_not_fit_is_handed_out_and_drives_nothing_out() -> None:
    cache, asked = LookupCache[int, int](capacity=20, size=lambda value: value), Asked()
    cache.lookup([8, 9], asked)
    assert cache.lookup([21, 8], asked) == [21, 8]
    assert cache.lookup([8, 9, 21], asked) == [8, 9, 21]
    assert asked.calls == [[8, 9], [21], [21]]


def test_more_keys_than_fit_are_all_answered() -> None:
    cache = LookupCache[int, int](capacity=3)
    assert cache.lookup(list(range(10)), lambda missing: missing) == list(range(10))
    assert len(cache) == 3


def test_structures_are_told_apart_by_their_labels() -> None:
    chain = Structure([[0, 1], [1, 2]], num_units=3)
    turned = chain.relabel([2, 1, 0])
    cache = LookupCache[Structure, int](capacity=5)
    assert cache.lookup([chain, turned], lambda missing: list(range(len(missing)))) == [0, 1]


def test_clear_forgets_everything() -> None:
    cache, asked = LookupCache[int, int](capacity=5), Asked()
    cache.lookup([1], asked)
    cache.clear()
    assert len(cache) == 0
    cache.lookup([1], asked)
    assert asked.calls == [[1], [1]]


def test_nothing_is_kept_where_computing_fails_or_gives_too_few() -> None:
    cache = LookupCache[int, int](capacity=5)
    with pytest.raises(ZeroDivisionError):
        cache.lookup([1], lambda missing: [1 // 0])
    with pytest.raises(ValueError, match="shorter"):
        cache.lookup([1, 2], lambda missing: [1])
    assert len(cache) == 0


def test_threads_share_one() -> None:
    cache = LookupCache[int, int](capacity=7)
    asked = [[(7 * i + j) % 23 for j in range(11)] for i in range(400)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda keys: cache.lookup(keys, lambda missing: missing), asked))
    assert answers == asked
    assert len(cache) == 7


@pytest.mark.parametrize("capacity", [0, -1, 1.5, True, "many"])
def test_a_capacity_is_a_positive_integer(capacity: object) -> None:
    with pytest.raises(InvalidInputError, match="capacity must be a positive integer, got"):
        LookupCache(capacity)  # type: ignore[arg-type]
