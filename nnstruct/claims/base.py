"""The registry of studies: what claims measure."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping

from nnstruct.registry import Registry

# An experiment from one seed: it trains what it needs and gives numbers by name. All keywords but ``seed``
# are options of a claim's ``[study]``, with defaults.
Study = Callable[..., Mapping[str, float]]
STUDIES: Registry[Study] = Registry("study")
_FILES = ("capacity", "depth", "flows", "learning", "pruning", "rewiring", "scaling")


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
