"""Unit attributes of offspring, mended where edges or parents do not go together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from nnstruct.structure.space import Space
from nnstruct.structure.units import UNIT_DEFAULTS, operator_fits

Attributes = Mapping[str, tuple[Any, ...]]


def mended(attributes: Attributes, adjacency: np.ndarray, space: Space) -> Attributes:
    """The attributes of cells as a space wants them; of units of other families, as they are.

    An edge to an earlier stage lifts its target, and what follows, to the later one; a unit that
    enters other stages than before doubles its channels with each, within the space's range. A
    Hamiltonian block whose width has become odd turns into the space's first operator that fits.

    Parameters
    ----------
    attributes : mapping of str to tuple of length N
    adjacency : bool [N, N]
        Strictly upper triangular.
    space : Space

    Returns
    -------
    mapping of str to tuple of length N
        The one given, where nothing is to be mended.

    Examples
    --------
    >>> import numpy as np
    >>> from nnstruct import Space
    >>> chain = np.eye(3, k=1, dtype=bool)
    >>> space = Space("cnn", units=(2, 9), channels=(8, 16), stages=2)
    >>> mended({"stage": (1, 0, 0), "channels": (16, 8, 9)}, chain, space)
    {'stage': (1, 1, 1), 'channels': (16, 16, 18)}
    """
    if space.family != "cnn" or not attributes:
        return attributes
    found = dict(attributes)
    size = len(adjacency)
    before = found.get("stage", (0,) * size)
    stage = list(before)
    for unit in range(size):
        feeding = [stage[source] for source in np.flatnonzero(adjacency[:, unit])]
        stage[unit] = min(max([stage[unit], *feeding]), space.stages - 1)
    if "stage" in found:
        found["stage"] = tuple(stage)
    if "channels" in found:
        widths = zip(found["channels"], before, stage, strict=True)
        found["channels"] = tuple(width_in_stage(width, old, new, space) for width, old, new in widths)
    if "operator" in found:
        channels = found.get("channels", (UNIT_DEFAULTS["channels"],) * size)
        pairs = zip(found["operator"], channels, strict=True)
        found["operator"] = tuple(_operator(operator, width, space) for operator, width in pairs)
    return found


def width_in_stage(width: int, old: int, new: int, space: Space) -> int:
    """The channels of a cell that moves to another stage: doubled with each, within the space's range.

    Parameters
    ----------
    width : int
    old, new : int
        Stages.
    space : Space

    Returns
    -------
    int

    Examples
    --------
    >>> from nnstruct import Space
    >>> width_in_stage(12, 0, 2, Space("cnn", units=(2, 9), channels=(8, 16), stages=3))
    48
    """
    moved = max(1, width << new >> old)
    if space.channels is None:
        return moved
    low, high = (bound << new for bound in space.channels)
    return min(max(moved, low), high)


def _operator(operator: str, width: int, space: Space) -> str:
    if operator_fits(operator, width):
        return operator
    fitting = [name for name in space.operators if operator_fits(name, width)]
    return fitting[0] if fitting else str(UNIT_DEFAULTS["operator"])
