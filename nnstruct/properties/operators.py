"""Counts, paths and degrees by operator, for cell and layer graphs (the recipe of GRAF).

Each unit has an operator (``structure.attributes["operator"]``); operators fall into K kinds, and what
falls into none counts as ``other``. Measures, over forward edges:

- ``count_k``: units of kind k.
- ``most_k``: most units of kind k on a path from an input to an output.
- ``shortest_without_B``: edges on the shortest path from an input to an output that uses no unit of the
  kinds B, for each set B; the number of units where there is none, which is longer than any path.
- ``output_in_A``, ``input_out_A``: edges into output units from units of the kinds A, and from input units
  to such; ``mean_in_A`` and ``mean_out_A``: units of the kinds A that feed a unit, or that it feeds: mean.

The family ``operators`` knows four kinds by the name of the operator: ``conv`` (names with "conv"),
``pool`` (with "pool"), ``skip`` (with "skip", "identity" or "residual") and ``zero`` ("zero" or "none").
:func:`operator_family` makes one for any operators of one's own. Without the attribute all units count as
``other``. ``most_k`` is NaN where no path leads from input to output.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from nnstruct.errors import InvalidInputError
from nnstruct.properties.base import PROPERTY_FAMILIES, PropertyFamily
from nnstruct.properties.packing import pack
from nnstruct.structure import Structure
from nnstruct.structure.operator_kinds import OPERATOR_KINDS, operator_kind

MOST_KINDS = 6
_KINDS = tuple(OPERATOR_KINDS)
_SOURCE = "Kadlecova et al., 2024, Surprisingly Strong Performance Prediction with Neural Graph Features"


def operator_family(name: str, operators: Sequence[str]) -> PropertyFamily:
    """A family of measures by operator, for the operators given.

    Parameters
    ----------
    name : str
        Stands before the dot in a column's name.
    operators : sequence of K str, 1 to 6
        Each is a kind of its own, matched exactly. Columns grow as 5 * 2^K.

    Returns
    -------
    PropertyFamily
        To be registered by ``PROPERTY_FAMILIES.register(name)(family)``.

    Raises
    ------
    InvalidInputError
        If there are no operators, too many, or one twice.

    References
    ----------
    Kadlecova et al., 2024, "Surprisingly Strong Performance Prediction with Neural Graph Features",
    arXiv 2404.16551.

    Examples
    --------
    >>> from nnstruct import Structure
    >>> family = operator_family("cell", ["conv3x3", "skip"])
    >>> operators = ["input", "conv3x3", "skip", "output"]
    >>> cell = Structure([[0, 0, 1, 2], [1, 2, 3, 3]], 4, attributes={"operator": operators})
    >>> row = dict(zip(family.measures, family.compute([cell])[0].tolist()))
    >>> row["count_conv3x3"], row["shortest_without_conv3x3"], row["shortest_without_conv3x3+skip"]
    (1.0, 2.0, 4.0)
    """
    kinds = _check_kinds(operators)
    number = {kind: place for place, kind in enumerate(kinds)}
    return _family(name, kinds, lambda operator: number.get(operator, len(kinds)))


def _check_kinds(operators: Sequence[str]) -> tuple[str, ...]:
    if isinstance(operators, str) or not isinstance(operators, Sequence):
        raise InvalidInputError("operators", "be a sequence of names", operators)
    kinds = tuple(operators)
    if not all(isinstance(kind, str) for kind in kinds) or len(set(kinds)) < len(kinds):
        raise InvalidInputError("operators", "hold distinct names", list(kinds))
    if not 1 <= len(kinds) <= MOST_KINDS:
        raise InvalidInputError("operators", f"be 1 to {MOST_KINDS} names", list(kinds))
    return kinds


def _kind_by_name(operator: str) -> int:
    kind = operator_kind(operator)
    return len(_KINDS) if kind is None else _KINDS.index(kind)


def _sets(kinds: Sequence[str]) -> list[str]:
    """A name for each set of kinds; the bits of its place say which belong to it."""
    return ["+".join(kind for place, kind in enumerate(kinds) if subset >> place & 1)
            for subset in range(1 << len(kinds))]  # fmt: skip


def _measures(kinds: Sequence[str]) -> dict[str, str]:
    sets = _sets(kinds)
    measures = {f"count_{kind}": f"units of kind {kind}" for kind in kinds}
    measures["count_other"] = "units of any other kind"
    measures |= {
        f"most_{kind}": f"most units of kind {kind} on a path from input to output" for kind in kinds
    }
    measures["shortest"] = "edges on the shortest path from input to output, units where there is none"
    for name in sets[1:]:
        measures[f"shortest_without_{name}"] = f"edges on the shortest path without a unit of {name}"
    for name in sets[1:]:
        measures[f"output_in_{name}"] = f"edges into output units from units of {name}"
        measures[f"input_out_{name}"] = f"edges from input units to units of {name}"
        measures[f"mean_in_{name}"] = f"units of {name} that feed a unit: mean"
        measures[f"mean_out_{name}"] = f"units of {name} that a unit feeds: mean"
    return measures


def _family(name: str, kinds: Sequence[str], kind_of: Callable[[str], int]) -> PropertyFamily:
    measures = _measures(kinds)

    def compute(structures: Sequence[Structure]) -> np.ndarray:
        from nnstruct.properties.operators_kernel import operator_rows

        kind = np.concatenate([_kinds_of(s, kind_of, len(kinds)) for s in structures])
        inputs = np.concatenate([s.inputs for s in structures])
        outputs = np.concatenate([s.outputs for s in structures])
        rows = np.empty((len(structures), len(measures)))
        operator_rows(*pack(structures), inputs, outputs, kind, len(kinds), rows)
        return rows

    return PropertyFamily(name=name, measures=measures, compute=compute, cost="linear", source=_SOURCE)


def _kinds_of(structure: Structure, kind_of: Callable[[str], int], other: int) -> np.ndarray:
    operators = structure.attributes.get("operator")
    if operators is None:
        return np.full(structure.num_units, other, dtype=np.int64)
    return np.array([kind_of(str(operator)) for operator in operators], dtype=np.int64)


OPERATORS = _family("operators", _KINDS, _kind_by_name)
PROPERTY_FAMILIES.register(OPERATORS.name)(OPERATORS)
