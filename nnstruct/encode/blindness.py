"""Whether families of measures can show all in which structures differ."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from nnstruct.encode.operator_columns import ABSENT, values_of
from nnstruct.errors import InvalidInputError
from nnstruct.properties import features
from nnstruct.structure import Structure
from nnstruct.structure.families import FAMILIES

# Structures on which a change is tried, and changes of an attribute's values for each.
_TRIED, _CHANGES = 16, 4


def check_shown(structures: Sequence[Structure], families: Sequence[str]) -> None:
    """Refuse families of measures that cannot show an attribute, or the family, in which structures differ.

    For each attribute that varies, the values that vary are exchanged in some of the structures for
    each other, all else kept; so is the family where structures of several are given. Where no measure
    changes in any of them, none of them can tell such structures apart.

    Parameters
    ----------
    structures : sequence of Structure
    families : sequence of str

    Raises
    ------
    InvalidInputError
        It names what is not shown, and the families.
    """
    for name in sorted({name for structure in structures for name in structure.attributes}):
        seen = _varying(structures, name)
        if len(seen) > 1 and not _shown(_changed_values(structures, name, seen), families):
            raise _blind(f"the units' {name} ({_some(seen)})", families)
    if len({int(structure.residual.sum()) for structure in structures}) > 1:
        with_it = _smallest([structure for structure in structures if structure.residual.any()])
        if not _shown(((s, replace(s, residual=np.zeros_like(s.residual))) for s in with_it), families):
            raise _blind("residual edges", families)
    present = sorted({structure.family for structure in structures})
    for at, first in enumerate(present):
        for second in present[at + 1 :]:
            if not _shown(_changed_family(structures, (first, second)), families):
                raise _blind(f"the structures' family ({first}, {second})", families)


def _varying(structures: Sequence[Structure], name: str) -> list[Any]:
    """Values of an attribute that not all structures have equally often; all, where only places differ."""
    counts = [Counter(values_of(structure, name)) for structure in structures]
    found = {value for count in counts for value in count if value != ABSENT}
    varying = {value for value in found if len({count[value] for count in counts}) > 1}
    by_units = len({structure.attributes.get(name) for structure in structures}) > 1
    return sorted(varying or (found if by_units else ()), key=_by_kind)


def _blind(what: str, families: Sequence[str]) -> InvalidInputError:
    rule = f"have a column that shows {what}, which varies"
    hint = 'Write families="auto", or blind="allow" in a FeatureTable to leave it out on purpose.'
    return InvalidInputError("families", rule, list(families), hint)


def _by_kind(value: Any) -> tuple[bool, Any]:
    return isinstance(value, str), value


def _some(values: list[Any]) -> str:
    return ", ".join(str(value) for value in values[:3]) + (", ..." if len(values) > 3 else "")


def _shown(pairs: Iterator[tuple[Structure, Structure]], families: Sequence[str]) -> bool:
    given = list(pairs)
    if not given:
        return True
    before, after = zip(*given, strict=True)
    first, second = (features(list(side), families).to_numpy(dtype=np.float64) for side in (before, after))
    return not np.allclose(first, second, rtol=1e-9, atol=1e-12, equal_nan=True)


def _changed_values(
    structures: Sequence[Structure], name: str, seen: list[Any]
) -> Iterator[tuple[Structure, Structure]]:
    following = dict(zip(seen, [*seen[1:], seen[0]], strict=True))
    with_it = [structure for structure in structures if name in structure.attributes]
    for structure in _smallest(with_it):
        before = structure.attributes[name]
        for exchange in (following, *(dict.fromkeys(seen, value) for value in seen[:_CHANGES])):
            values = tuple(exchange.get(value, value) for value in before)
            yield structure, replace(structure, attributes={**structure.attributes, name: values})


def _changed_family(
    structures: Sequence[Structure], pair: tuple[str, str]
) -> Iterator[tuple[Structure, Structure]]:
    if any(FAMILIES[name].undirected for name in pair):
        return  # without directions, measures of them are undefined
    for source, target in (pair, pair[::-1]):
        for structure in _smallest([s for s in structures if s.family == source]):
            kept = structure if FAMILIES[target].recurrent else structure.with_recurrence("none")
            changed = replace(kept, family=target)
            if FAMILIES[target].keeps_state and not changed.recurrent.any():
                changed = changed.with_recurrence("layer")
            yield structure, changed


def _smallest(structures: Sequence[Structure]) -> list[Structure]:
    return sorted(structures, key=lambda structure: structure.num_edges)[:_TRIED]
