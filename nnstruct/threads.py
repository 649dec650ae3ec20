"""How many threads PyTorch may use: small networks want one, and processes to share the work."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """Let PyTorch use so many threads of the CPU inside, and as many as before afterwards.

    Two threads on a busy machine with two cores wait for each other most of the time.

    Examples
    --------
    >>> import torch
    >>> from nnstruct.threads import torch_threads
    >>> with torch_threads(1):
    ...     torch.get_num_threads()
    1
    """
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
