"""What an executor is: something that spreads work over workers and survives the death of one."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from nnstruct.checks import check_integer
from nnstruct.processes import check_workers

# Without a handler of the user's, a message is one line on the standard error.
LOGGER = logging.getLogger("nnstruct.executors")

Task = Callable[[Any, list[Any]], list[Any]]
"""Work on some items, given what all items share; one result an item, in their order."""


@dataclass(frozen=True)
class Lost:
    """What stands in place of a result that no worker lived to give.

    Attributes
    ----------
    reason : str
        How the last worker died, and how many did.
    """

    reason: str


class Executor(ABC):
    """Spreads work over workers.

    Parameters
    ----------
    tries : int
        How many workers an item may cost: where so many died over it, it is given up.
    """

    def __init__(self, *, tries: int = 3) -> None:
        self.tries = check_integer(tries, "tries")

    @property
    @abstractmethod
    def workers(self) -> int:
        """Items that can be worked on at once, at least 1."""

    @property
    def note(self) -> str:
        """A line about where the work goes, for whoever watches it; empty where it stays here."""
        return ""

    @abstractmethod
    def run(
        self, task: Task, items: Sequence[Any], *, shared: Any = None, costs: Sequence[float] | None = None
    ) -> Iterator[tuple[int, Any]]:
        """Work on all items.

        Parameters
        ----------
        task : callable
            Takes what is shared and a list of items, and returns a list of results, one an item. It must
            be importable, and give the same whatever else is in the list.
        items : sequence
            They are begun in this order.
        shared : object
            What all items need; it is sent to each worker once.
        costs : sequence of float, optional
            How long each item takes, in any unit; by default all take equally long.

        Yields
        ------
        (int, object)
            Place of an item and its result, or :class:`Lost`; in the order in which they are there.
        """

    def close(self) -> None:
        """Let go of what the executor opened itself."""
        return

    def __enter__(self) -> Executor:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class LocalCrew(Executor):
    """Workers of this machine, whose number is chosen.

    Parameters
    ----------
    workers : int or None
        None for one a CPU.
    tries : int
        As for :class:`Executor`.
    """

    def __init__(self, workers: int | None = None, *, tries: int = 3) -> None:
        super().__init__(tries=tries)
        self._workers = check_workers(workers)

    @property
    def workers(self) -> int:
        """As chosen."""
        return self._workers


def tell_of_death(how: str, count: int, fate: str) -> None:
    """Say in one sentence that a worker died and what becomes of its work.

    Parameters
    ----------
    how : str
        Which worker died of what, such as ``"Worker 12 was killed (SIGKILL)"``.
    count : int
        Items that it had in hand.
    fate : str
        What becomes of them.
    """
    things = "the item" if count == 1 else f"the {count} items"
    LOGGER.warning("%s with %s that it had in hand; %s.", how, things, fate)
