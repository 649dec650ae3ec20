"""Which structures are the same network in another guise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from nnstruct.errors import InvalidInputError
from nnstruct.structure.reduction import contract
from nnstruct.structure.structure import PRUNED, Structure


def twin_groups(structures: Sequence[Structure], extra: Any = None) -> np.ndarray:
    """Classes of structures that compute alike, by each rule that tells so.

    Parameters
    ----------
    structures : sequence of Structure, length n
    extra : array-like [n], optional
        Classes that the structures' source knows of, for example those of a published table.

    Returns
    -------
    int64 [rules, n]
        Two structures are twins where any row has one class for both. The rows are: fingerprints,
        fingerprints of what :func:`nnstruct.structure.reduction.trim` leaves, the graphs of
        :func:`nnstruct.structure.reduction.contract` up to the order of their units, and ``extra``.

    Raises
    ------
    InvalidInputError
        If ``extra`` does not hold one class a structure.

    Examples
    --------
    >>> from nnstruct import Structure
    >>> from nnstruct.structure.twins import twin_groups
    >>> a, b, c = (Structure.from_layers([1, width, 1]) for width in (1, 2, 3))
    >>> twin_groups([a, b, c, a], extra=["x", "y", "y", "z"])[[0, -1]].tolist()
    [[0, 1, 2, 0], [0, 1, 1, 2]]
    """
    plain = [structure.fingerprint for structure in structures]
    distinct = dict(zip(plain, structures, strict=True))
    trimmed = {name: structure.trim() for name, structure in distinct.items()}
    contracted: dict[str, str] = {}
    for structure in trimmed.values():
        if structure.fingerprint not in contracted:
            contracted[structure.fingerprint] = _contracted_class(structure)
    without_dead = [trimmed[name].fingerprint for name in plain]
    rules: list[Sequence] = [plain, without_dead, [contracted[name] for name in without_dead]]
    if extra is not None:
        given = np.asarray(extra)
        if given.shape != (len(structures),):
            raise InvalidInputError(
                "groups", f"hold one class for each of the {len(structures)} structures", list(given.shape)
            )
        rules.append(given.tolist())
    return np.array([_numbered(names) for names in rules], dtype=np.int64)


def have_twins(groups: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Whether each structure has a twin among some of them.

    Parameters
    ----------
    groups : int64 [rules, n]
        Of :func:`twin_groups`.
    inside : int [m]
        Places of those that count.

    Returns
    -------
    bool [n]
        True for those inside too, as their own twins.
    """
    found = np.zeros(groups.shape[1], dtype=bool)
    for classes in groups:
        found |= np.isin(classes, classes[inside])
    return found


def twin_families(groups: np.ndarray) -> np.ndarray:
    """A number for each structure, the same for twins, for twins of twins, and so on.

    Parameters
    ----------
    groups : int64 [rules, n]

    Returns
    -------
    int64 [n]
    """
    rules, n = groups.shape
    offset = np.concatenate([[0], np.cumsum(groups.max(axis=1) + 1)])
    rows = np.tile(np.arange(n), rules)
    columns = n + (groups + offset[:-1, None]).ravel()
    total = n + int(offset[-1])
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    graph = coo_array((np.ones(len(rows), dtype=np.int8), (rows, columns)), shape=(total, total))
    return connected_components(graph, directed=False)[1][:n].astype(np.int64)


def _contracted_class(structure: Structure) -> str:
    """A name that trimmed structures share if their contractions differ in the order of units alone."""
    if "operator" not in structure.attributes:
        return structure.fingerprint
    graph = contract(structure)
    kinds = [repr(values) for values in zip(*graph.attributes.values(), strict=True)]
    # Several parallel edges become one edge with a unit on it that names their number.
    many = np.flatnonzero(graph.multiplicity > 1)
    units = len(kinds) + np.arange(len(many))
    source, target = graph.edge_index
    halves = [np.stack([source[many], units]), np.stack([units, target[many]])]
    inputs, outputs = (np.pad(flag, (0, len(many))) for flag in (graph.inputs, graph.outputs))
    whole = Structure(
        np.concatenate([np.delete(graph.edge_index, many, axis=1), *halves], axis=1),
        len(kinds) + len(many),
        np.concatenate([np.delete(graph.recurrent, many), np.zeros(2 * len(many), dtype=bool)]),
        residual=np.concatenate([np.delete(graph.residual, many), np.repeat(graph.residual[many], 2)]),
        family=graph.family,
        inputs=inputs,
        outputs=outputs,
        attributes={"operator": (*kinds, *(f"{count} ways" for count in graph.multiplicity[many].tolist()))},
        origin={"kind": PRUNED},
    )
    return whole.fingerprint


def _numbered(names: Sequence) -> list[int]:
    """Equal names as equal numbers, in the order in which they come."""
    known: dict[Any, int] = {}
    return [known.setdefault(name, len(known)) for name in names]
