"""How many processor threads a predictor's linear algebra uses."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from threadpoolctl import ThreadpoolController


@contextmanager
def limited_threads(limit: int) -> Iterator[None]:
    """At most so many threads for BLAS and OpenMP inside the block.

    Tables are small: more threads than asked for only wait for each other on a busy machine.

    Parameters
    ----------
    limit : int
    """
    with _controller().limit(limits=limit):
        yield


@cache
def _controller() -> ThreadpoolController:
    return ThreadpoolController()
