"""A bounded memory of what was computed for a structure."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from threading import Lock
from typing import Generic, TypeVar

from nnstruct.structure import Structure

V = TypeVar("V")


class StructureCache(Generic[V]):
    """Values by labelled structure; the value used longest ago leaves first.

    Structures count as the same where they are equal with the same labels, not where their
    fingerprints agree: what is stored may be in the order of the units.

    Parameters
    ----------
    capacity : int
        Most bytes kept.
    size : callable (value) -> int
        Bytes of a value.

    Examples
    --------
    >>> from nnstruct import Structure
    >>> cache = StructureCache(capacity=100, size=lambda value: 10)
    >>> structures = [Structure.from_layers([2, 3]), Structure.from_layers([2, 3])]
    >>> cache.lookup(structures, lambda missing: [s.num_units for s in missing]), len(cache)
    ([5, 5], 1)
    """

    def __init__(self, capacity: int, size: Callable[[V], int]) -> None:
        self.capacity = capacity
        self._size = size
        self._values: OrderedDict[Structure, V] = OrderedDict()
        self._held = 0
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._values)

    def lookup(
        self, structures: Sequence[Structure], compute: Callable[[list[Structure]], Sequence[V]]
    ) -> list[V]:
        """One value for each structure, computed where it is not stored.

        Parameters
        ----------
        structures : sequence of Structure, length n
        compute : callable (list of Structure) -> sequence of values
            Called once, with the distinct structures that are not stored; not called where there are none.

        Returns
        -------
        list of values, length n
            In the order of the structures; equal structures share one value.
        """
        with self._lock:
            found = {s: self._values[s] for s in structures if s in self._values}
        missing = list(dict.fromkeys(s for s in structures if s not in found))
        if missing:
            found.update(zip(missing, compute(missing), strict=True))
        with self._lock:
            for structure, value in found.items():
                self._keep(structure, value)
        return [found[s] for s in structures]

    def _keep(self, structure: Structure, value: V) -> None:
        if structure not in self._values:
            self._held += self._size(value)
        self._values[structure] = value
        self._values.move_to_end(structure)
        while self._held > self.capacity:
            _, oldest = self._values.popitem(last=False)
            self._held -= self._size(oldest)
