"""What the training of graph networks takes, told beforehand and the same on every machine."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nnstruct.predictors.gnn.members import MemberSettings
from nnstruct.structure import Structure

# Seconds a unit and round of messages on one core: of the arithmetic, and of all else.
_A_PRODUCT, _A_UNIT, _AN_EDGE = 4e-11, 1e-6, 5e-8


def course_seconds(
    structures: Sequence[Structure], graphs: int, members: int, settings: MemberSettings
) -> float:
    """Seconds of one core of an average machine, from units, edges and widths alone.

    Results that depend on a time budget depend on this estimate, never on a clock.

    Parameters
    ----------
    structures : sequence of Structure, at least one
        Like those that are learned from.
    graphs : int
        Steps times graphs a step.
    members : int
    settings : MemberSettings

    Returns
    -------
    float

    Examples
    --------
    >>> from nnstruct import Structure
    >>> from nnstruct.predictors.gnn.cost import course_seconds
    >>> from nnstruct.predictors.gnn.members import MemberSettings
    >>> few, many = (course_seconds([Structure.from_layers([width, width])], 1000, 3, MemberSettings())
    ...              for width in (2, 20))
    >>> few < many
    True
    """
    units = float(np.mean([structure.num_units for structure in structures]))
    edges = float(np.mean([structure.num_edges for structure in structures]))
    kinds = 4 if any(structure.recurrent.any() for structure in structures) else 2
    width = settings.hidden
    products = 6.0 * width**2 * (kinds + 2)  # forward and two ways back
    a_layer = units * (_A_UNIT + _A_PRODUCT * products) + 4.0 * edges * _AN_EDGE * width / 32
    return graphs * members * settings.layers * a_layer
