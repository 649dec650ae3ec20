"""Seeds become generators here and nowhere else; there is no global random state."""

from __future__ import annotations

import hashlib

import numpy as np

from nnstruct.errors import InvalidInputError


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
    plain = (int(key) if isinstance(key, np.integer) else key for key in keys)
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


def check_seed(seed: int, field: str = "seed") -> int:
    """Return ``seed`` as a plain int, or raise :class:`InvalidInputError`."""
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise InvalidInputError(field, "be a non-negative integer", seed)
    return int(seed)
