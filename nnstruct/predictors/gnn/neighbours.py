"""Structures near given ones, without a label."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from nnstruct.errors import StructureError
from nnstruct.network.cell_layout import Cells
from nnstruct.structure import Structure
from nnstruct.structure.families import FAMILIES

_TRIES = 20
_MOST_EDITS = 3


def neighbours(structures: Sequence[Structure], count: int, rng: np.random.Generator) -> list[Structure]:
    """Distinct structures one to three edits away from one of those given, and none of them.

    An edit gives a unit another value of an attribute, one that units between the ends have; or it adds
    a forward edge to a later layer, or removes one that leaves both its ends connected. Attributes are
    edited where they vary, edges where the structures' edges vary. Units at an end keep their attributes;
    graphs without directions are left as they are.

    Parameters
    ----------
    structures : sequence of Structure, at least one
    count : int
    rng : numpy.random.Generator

    Returns
    -------
    list of Structure
        Fewer than ``count`` where few are new.

    Examples
    --------
    >>> import numpy as np
    >>> from nnstruct import Structure
    >>> from nnstruct.predictors.gnn.neighbours import neighbours
    >>> cells = [Structure([[0, 1], [1, 2]], 3, attributes={"operator": ["input", name, "output"]})
    ...          for name in ("conv3x3", "conv1x1")]
    >>> neighbours(cells, 5, np.random.default_rng(0))  # both are known
    []
    >>> mlps = [Structure.from_layers([2, width, 2]) for width in (2, 3, 4)]
    >>> near = neighbours(mlps, 4, np.random.default_rng(0))
    >>> len(near), {s.num_units for s in near} <= {6, 7, 8}
    (4, True)
    """
    vary = len({(s.num_units, s.edge_index.tobytes()) for s in structures}) > 1
    values = _values(structures)
    known = set(structures)
    found: list[Structure] = []
    misses = 0
    while len(found) < count and misses < _TRIES * max(10, count // 10):
        made = structures[int(rng.integers(len(structures)))]
        for _ in range(int(rng.integers(1, _MOST_EDITS + 1))):
            open_units = _open_units(made, values)
            by_attribute = bool(open_units) and (not vary or rng.random() < 0.5)
            edited = _revalued(made, open_units, values, rng) if by_attribute else None
            if not by_attribute and vary:
                edited = _rewired(made, rng)
            made = made if edited is None else edited
        if made in known or not _can_be_built(made):
            misses += 1
            continue
        misses = 0
        known.add(made)
        found.append(made)
    return found


def _can_be_built(structure: Structure) -> bool:
    """Whether the attributes of convolution cells go together; of other families they always do."""
    if structure.family != "cnn":
        return True
    try:
        Cells.of(structure)
    except StructureError:
        return False
    return True


def _values(structures: Sequence[Structure]) -> dict[str, list[Any]]:
    """The values that units between the ends have, of each attribute with several."""
    found: dict[str, dict[Any, None]] = {}
    for structure in structures:
        inner = np.flatnonzero(_inner(structure)).tolist()
        for name, given in structure.attributes.items():
            found.setdefault(name, {}).update(dict.fromkeys(given[unit] for unit in inner))
    return {name: sorted(seen, key=repr) for name, seen in found.items() if len(seen) > 1}


def _inner(structure: Structure) -> np.ndarray:
    return ~(structure.inputs | structure.outputs)


def _open_units(structure: Structure, values: dict[str, list[Any]]) -> list[tuple[str, int]]:
    inner = np.flatnonzero(_inner(structure)).tolist()
    return [(name, unit) for name in values if name in structure.attributes for unit in inner]


def _revalued(
    structure: Structure,
    places: list[tuple[str, int]],
    values: dict[str, list[Any]],
    rng: np.random.Generator,
) -> Structure | None:
    name, unit = places[int(rng.integers(len(places)))]
    given = list(structure.attributes[name])
    others = [value for value in values[name] if value != given[unit]]
    if not others:
        return None
    given[unit] = others[int(rng.integers(len(others)))]
    attributes = {**structure.attributes, name: tuple(given)}
    return replace(structure, attributes=attributes)


def _rewired(structure: Structure, rng: np.random.Generator) -> Structure | None:
    """One forward edge more or less."""
    if FAMILIES[structure.family].undirected:
        return None
    source, target = structure.forward_edges
    residual = structure.residual[~structure.recurrent]
    if rng.random() < 0.5:
        layer = structure.layer
        first, second = (rng.integers(structure.num_units, size=_TRIES) for _ in range(2))
        new = layer[first] < layer[second]
        there = set(zip(source.tolist(), target.tolist(), strict=True))
        for u, v in zip(first[new].tolist(), second[new].tolist(), strict=True):
            if (u, v) not in there and not structure.outputs[u] and not structure.inputs[v]:
                return _with_edges(
                    structure, np.append(source, u), np.append(target, v), np.append(residual, False)
                )
        return None
    leaving = np.bincount(source, minlength=structure.num_units)
    coming = np.bincount(target, minlength=structure.num_units)
    spare = np.flatnonzero((leaving[source] > 1) & (coming[target] > 1))
    if not len(spare):
        return None
    gone = int(spare[rng.integers(len(spare))])
    return _with_edges(structure, *(np.delete(row, gone) for row in (source, target, residual)))


def _with_edges(
    structure: Structure, source: np.ndarray, target: np.ndarray, residual: np.ndarray
) -> Structure:
    forward = np.stack([source, target])
    edges = np.concatenate([forward, structure.recurrent_edges], axis=1)
    recurrent = np.arange(edges.shape[1]) >= forward.shape[1]
    added = np.pad(residual, (0, structure.recurrent_edges.shape[1]))
    return replace(structure, edge_index=edges, recurrent=recurrent, residual=added)
