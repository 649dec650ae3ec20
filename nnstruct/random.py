"""Seeds become generators here and nowhere else; there is no global random state."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

import numpy as np

from nnstruct.checks import check_integer, check_room, is_integer
from nnstruct.errors import InvalidInputError

_SEED_BYTES = 36  # of an int and its place in a list


def derive_seed(*keys: int | str) -> int:
    """A 63-bit seed that depends on every key and on nothing else.

    Parameters
    ----------
    *keys : int or str
        The user's seed first, then what tells this use of it from others.

    Returns
    -------
    int
        In ``[0, 2**63)``; the same on every machine and for every number of workers.

    Examples
    --------
    >>> from nnstruct.random import derive_seed
    >>> derive_seed(0, "init") == derive_seed(0, "init") != derive_seed(1, "init")
    True
    """
    plain = (int(key) if is_integer(key) else key for key in keys)
    text = "\x1f".join(f"{type(key).__name__}:{key}" for key in plain)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little") >> 1


def generator(*keys: int | str) -> np.random.Generator:
    """A numpy generator seeded by :func:`derive_seed`.

    Examples
    --------
    >>> from nnstruct.random import generator
    >>> generator(0, "a").random() == generator(0, "a").random()
    True
    """
    return np.random.Generator(np.random.PCG64(derive_seed(*keys)))


def check_seed(seed: Any, field: str = "seed") -> int:
    """A seed as a plain int.

    Parameters
    ----------
    seed : int
    field : str
        What it is called where the caller wrote it.

    Returns
    -------
    int

    Raises
    ------
    InvalidInputError
        If it is no integer, negative, or 2**63 and more, which no table holds.

    Examples
    --------
    >>> import numpy as np
    >>> from nnstruct.random import check_seed
    >>> check_seed(np.int64(3))
    3
    """
    return check_integer(seed, field, low=0, high=2**63 - 1, rule="be a non-negative integer below 2**63")


def seed_list(seeds: Any, field: str = "seeds") -> list[int]:
    """A number of seeds as the seeds 0, 1, ...; a sequence as it is, checked.

    Parameters
    ----------
    seeds : int or sequence of int
    field : str
        What they are called where the caller wrote them.

    Returns
    -------
    list of int
        At least one, each once.

    Raises
    ------
    InvalidInputError
        If there is none, or one is given twice: it would be trained once and counted twice. If there are
        more than memory is allowed for.

    Examples
    --------
    >>> import numpy as np
    >>> from nnstruct.random import seed_list
    >>> seed_list(np.int64(2)), seed_list([5, 3])
    ([0, 1], [5, 3])
    >>> seed_list([0, 0])
    Traceback (most recent call last):
    ...
    nnstruct.errors.InvalidInputError: seeds must hold distinct seeds, at least one, got [0, 0].
    """
    if is_integer(seeds):
        count = check_integer(seeds, field, rule="be a positive integer or a sequence of seeds")
        check_room(count, field, _SEED_BYTES * count)
        return list(range(count))
    if isinstance(seeds, str) or not isinstance(seeds, Iterable):
        raise InvalidInputError(field, "be a positive integer or a sequence of seeds", seeds)
    given = list(seeds)
    checked = [check_seed(seed, f"{field}[{place}]") for place, seed in enumerate(given)]
    if not checked or len(set(checked)) != len(checked):
        raise InvalidInputError(field, "hold distinct seeds, at least one", given)
    return checked
