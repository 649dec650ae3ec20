"""A bounded memory of what was computed in this process."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from threading import Lock
from typing import Generic, TypeVar

from cachetools import LRUCache

from nnstruct.checks import check_integer

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class LookupCache(Generic[K, V]):
    """Values by key, computed many at a time; the value used longest ago leaves first.

    Threads may share one. A value that is larger than the whole capacity is handed out and not kept.

    Parameters
    ----------
    capacity : int
        Most that is kept: values, or whatever ``size`` counts.
    size : callable, optional
        How much of the capacity a value takes, for example its bytes; by default 1.

    Raises
    ------
    InvalidInputError
        If the capacity is no positive integer.

    Examples
    --------
    >>> from nnstruct.caches import LookupCache
    >>> cache = LookupCache(capacity=2)
    >>> cache.lookup(["a", "bb", "a"], lambda missing: [len(word) for word in missing]), len(cache)
    ([1, 2, 1], 2)
    """

    def __init__(self, capacity: int, size: Callable[[V], int] | None = None) -> None:
        self.capacity = check_integer(capacity, "capacity")
        self._values: LRUCache[K, V] = LRUCache(capacity, getsizeof=size)
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._values)

    def lookup(self, keys: Sequence[K], compute: Callable[[list[K]], Sequence[V]]) -> list[V]:
        """The value of each key; what is not kept is computed, all of it in one call.

        Parameters
        ----------
        keys : sequence of hashable, length n
            One may occur several times.
        compute : callable
            From the distinct keys that are not kept to one value for each.

        Returns
        -------
        list of length n
        """
        with self._lock:
            found = {key: self._values[key] for key in keys if key in self._values}
        missing = list(dict.fromkeys(key for key in keys if key not in found))
        if missing:
            computed = dict(zip(missing, compute(missing), strict=True))
            with self._lock:
                for key, value in computed.items():
                    if self._values.getsizeof(value) <= self.capacity:
                        self._values[key] = value
            found |= computed
        return [found[key] for key in keys]

    def clear(self) -> None:
        """Forget every value."""
        with self._lock:
            self._values.clear()
