"""Ending trainings that a rule holds for hopeless, while the others go on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

# (epoch from 1 on, score on the validation split) -> whether to stop there
Watch = Callable[[int, float], bool]
_WATCH: ContextVar[Watch | None] = ContextVar("watch", default=None)


@contextmanager
def watched(watch: Watch) -> Iterator[None]:
    """Have each epoch of the trainings within looked at.

    Parameters
    ----------
    watch : callable (int, float) -> bool
        Told the number of an epoch, from 1 on, and the validation score after it; says whether to stop.

    Examples
    --------
    >>> from nnstruct import Structure, TrainConfig, load_task
    >>> from nnstruct.population import ENGINES
    >>> task, config = load_task("digits"), TrainConfig(epochs=5)
    >>> with watched(lambda epoch, score: epoch == 2):
    ...     outcome = ENGINES["reference"].train_one(Structure.from_layers([4]), task, config, 0, ())
    >>> len(outcome.val), outcome.stopped
    (2, True)
    """
    token = _WATCH.set(watch)
    try:
        yield
    finally:
        _WATCH.reset(token)


def should_stop(epoch: int, score: float) -> bool:
    """Whether the training that runs here is to end after an epoch.

    Parameters
    ----------
    epoch : int
        From 1 on.
    score : float
        On the validation split.

    Returns
    -------
    bool
        False where nobody watches.
    """
    watch = _WATCH.get()
    return watch is not None and watch(epoch, score)
