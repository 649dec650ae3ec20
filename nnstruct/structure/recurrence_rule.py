"""Which rule the recurrent edges of a structure follow."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nnstruct.structure.recurrence import recurrent_edges
from nnstruct.structure.structure import Structure


def rule_of(structure: Structure, rules: Sequence[str]) -> str | None:
    """The first of some recurrences that gives a structure its recurrent edges.

    Parameters
    ----------
    structure : Structure
    rules : sequence of str
        Names; ``random`` may have given any edges.

    Returns
    -------
    str or None
        None where no rule does.

    Examples
    --------
    >>> from nnstruct import Structure
    >>> from nnstruct.structure.recurrence_rule import rule_of
    >>> net = Structure.from_layers([2, 2], family="gru", recurrence="self")
    >>> rule_of(net, ["layer", "self"]), rule_of(net, ["layer", "none"]), rule_of(net, ["none", "random"])
    ('self', None, 'random')
    """
    size = structure.num_units
    forward, delayed = structure.forward_edges, structure.recurrent_edges
    there = np.sort(delayed[0] * size + delayed[1])
    for name in rules:
        if name == "random":
            continue
        source, target = recurrent_edges(name, forward, structure.layer)
        if np.array_equal(np.sort(source * size + target), there):
            return name
    return "random" if "random" in rules else None
