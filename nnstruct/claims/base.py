"""The registry of studies: what claims measure."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Protocol

from nnstruct.registry import Registry


class Study(Protocol):
    """An experiment from one seed: it trains what it needs and gives numbers by name.

    All keywords but ``seed`` are options of a claim's ``[study]``, with defaults.
    """

    def __call__(self, *, seed: int, **options: object) -> Mapping[str, float]:
        """Run it once."""
        ...


STUDIES: Registry[Study] = Registry("study")
_FILES = ("capacity", "depth", "flows", "learning", "pruning", "scaling")


def load_studies() -> Registry[Study]:
    """All studies of nnstruct, registered.

    Returns
    -------
    Registry
        :data:`STUDIES`.

    Examples
    --------
    >>> "lipschitz-chain" in load_studies()
    True
    """
    for name in _FILES:
        importlib.import_module(f"nnstruct.claims.studies.{name}")
    return STUDIES
