"""A structure without what cannot matter: units that give zero, units on no path, and identities."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from nnstruct.structure.fields import frozen
from nnstruct.structure.operator_kinds import is_identity, operator_kind
from nnstruct.structure.structure import NOTHING_LEFT, Structure
from nnstruct.structure.topology import Reachability, longest_path_layers

# Numbers of parallel paths end here, so that int64 holds them.
MOST_PATHS = 2**62
# Where a structure keeps what it contracts to, and up to how many edges.
_KEPT, _MOST_KEPT = "_contraction", 200


def trim(structure: Structure) -> Structure:
    """The units that an output can feel, with the edges between them.

    First go the units whose operator gives zero, of the kind ``zero`` of
    :func:`nnstruct.structure.operator_kinds.operator_kind`: names with "zero" or "none". Then go those on
    no path from an input unit to an output unit. A path may use delayed edges too, as a signal does over
    several time steps: a unit that acts only through delayed edges on a unit that lives, lives.

    Where nothing is left, as in a cell of which every operator is ``none``, the result holds the input
    and output units without an edge. The kind in its origin is then ``nothing left``, beside the origin
    it had.

    Parameters
    ----------
    structure : Structure

    Returns
    -------
    Structure
        The same one where nothing goes. Units that stay keep their order, attributes and flags; layers
        follow from the edges left.

    Examples
    --------
    >>> from nnstruct import Structure
    >>> from nnstruct.structure.reduction import trim
    >>> operators = ["input", "none", "conv3x3", "conv1x1", "output"]
    >>> cell = Structure([[0, 0, 1, 2, 3], [1, 2, 3, 4, 4]], 5, attributes={"operator": operators})
    >>> trim(cell).attributes["operator"]  # conv1x1 was fed by none alone
    ('input', 'conv3x3', 'output')
    """
    operators = structure.attributes.get("operator")
    zero = [operator_kind(str(name)) == "zero" for name in operators or ()]
    if not any(zero):
        alive = _on_a_path(structure.reachability)
    else:
        acts = ~np.array(zero)
        edges = structure.edge_index[:, acts[structure.edge_index].all(axis=0)]
        alive = _on_a_path(Reachability.of(edges, structure.inputs & acts, structure.outputs & acts))
    if alive.all():
        return structure
    if alive.any():
        return _part(structure, alive)
    ports = structure.inputs | structure.outputs
    if ports.all() and not structure.num_edges:
        return structure
    origin = {"kind": NOTHING_LEFT, "origin": dict(structure.origin)}
    bare = structure.with_edges(np.zeros(structure.num_edges, dtype=bool), origin=origin)
    return bare.with_units(ports)


def _part(structure: Structure, alive: np.ndarray) -> Structure:
    """What ``with_units`` gives, without checking anew what was checked when the structure was made."""
    units = np.flatnonzero(alive)
    whole = alive[structure.edge_index].all(axis=0)
    edges = (np.cumsum(alive) - 1)[structure.edge_index[:, whole]]  # still in canonical order
    recurrent = structure.recurrent[whole]
    kept = units.tolist()
    part = object.__new__(Structure)
    part.__dict__.update(
        edge_index=frozen(edges),
        num_units=len(kept),
        recurrent=frozen(recurrent),
        residual=frozen(structure.residual[whole]),
        family=structure.family,
        inputs=frozen(structure.inputs[units]),
        outputs=frozen(structure.outputs[units]),
        attributes=MappingProxyType(
            {name: tuple(values[u] for u in kept) for name, values in structure.attributes.items()}
        ),
        origin=structure.origin,
        layer=frozen(longest_path_layers(edges[:, ~recurrent], len(kept))),
    )
    return part


def _on_a_path(reachability: Reachability) -> np.ndarray:
    return reachability.from_input & reachability.to_output


@dataclass(frozen=True, eq=False)
class ContractedGraph:
    """A trimmed structure whose identities became edges, with the number of parallel ones.

    Attributes
    ----------
    units : int64 [K]
        Which units of the trimmed structure are left, in their order; below they are 0 to K - 1.
    edge_index : int64 [2, E]
        Sorted: forward edges before delayed ones, each by source, then target.
    multiplicity : int64 [E]
        Ways from source to target over identities alone, a direct edge included; at most ``2**62``.
    recurrent : bool [E]
    residual : bool [E]
        Whether the direct edge is residual.
    inputs, outputs : bool [K]
    attributes : mapping of str to tuple of length K
    family : str
    """

    units: np.ndarray
    edge_index: np.ndarray
    multiplicity: np.ndarray
    recurrent: np.ndarray
    residual: np.ndarray
    inputs: np.ndarray
    outputs: np.ndarray
    attributes: Mapping[str, tuple[Any, ...]]
    family: str


def contract(structure: Structure) -> ContractedGraph:
    """Trim a structure and replace its identities by edges.

    An identity passes its inputs on, so that each unit behind it is fed by each unit before it: the
    number of parallel ways multiplies along a way and adds up over ways. Identities are the units whose
    operator is one of :data:`nnstruct.structure.operator_kinds.IDENTITIES`. Input and output units stay
    whatever their operator, and so does an identity with a delayed or a residual edge.

    Parameters
    ----------
    structure : Structure
        Without the attribute ``operator``, no unit is an identity.

    Returns
    -------
    ContractedGraph

    Examples
    --------
    >>> from nnstruct import Structure
    >>> from nnstruct.structure.reduction import contract
    >>> operators = ["input", "skip_connect", "skip_connect", "conv3x3", "output"]
    >>> edges = [[0, 0, 0, 1, 2, 3], [1, 2, 3, 3, 3, 4]]
    >>> cell = contract(Structure(edges, 5, attributes={"operator": operators}))
    >>> cell.attributes["operator"], cell.edge_index.tolist(), cell.multiplicity.tolist()
    (('input', 'conv3x3', 'output'), [[0, 1], [1, 2]], [3, 1])
    """
    structure = structure.trim()
    kept: ContractedGraph | None = structure.__dict__.get(_KEPT)
    if kept is None:
        kept = _contracted(structure)
        if structure.num_edges <= _MOST_KEPT:  # small cells are asked for again and again
            structure.__dict__[_KEPT] = kept
    return kept


def _contracted(structure: Structure) -> ContractedGraph:
    stays = _not_contracted(structure)
    forward, delayed = structure.forward_edges, structure.recurrent_edges
    ways = _ways(forward, structure.layer, stays)
    units = np.flatnonzero(stays)
    place = np.cumsum(stays) - 1
    pairs = sorted(ways)
    added = set(map(tuple, structure.edge_index[:, structure.residual].T.tolist()))
    residual = np.array([pair in added for pair in pairs] + [False] * delayed.shape[1], dtype=bool)
    edges = np.concatenate([place[np.array(pairs, dtype=np.int64).reshape(-1, 2).T], place[delayed]], axis=1)
    multiplicity = [ways[pair] for pair in pairs] + [1] * delayed.shape[1]
    return ContractedGraph(
        units=frozen(units),
        edge_index=frozen(edges),
        multiplicity=frozen(np.array(multiplicity, dtype=np.int64)),
        recurrent=frozen(np.repeat([False, True], [len(pairs), delayed.shape[1]])),
        residual=frozen(residual),
        inputs=frozen(structure.inputs[units]),
        outputs=frozen(structure.outputs[units]),
        attributes={name: tuple(values[u] for u in units) for name, values in structure.attributes.items()},
        family=structure.family,
    )


def _not_contracted(structure: Structure) -> np.ndarray:
    stays = structure.inputs | structure.outputs
    operators = structure.attributes.get("operator")
    if operators is None:
        return np.ones(structure.num_units, dtype=bool)
    stays[structure.edge_index[:, structure.recurrent | structure.residual].ravel()] = True
    return stays | np.array([not is_identity(str(name)) for name in operators], dtype=bool)


def _ways(forward: np.ndarray, layer: np.ndarray, stays: np.ndarray) -> dict[tuple[int, int], int]:
    """The number of ways between units that stay, by source and target."""
    sources: list[dict[int, int]] = [{} for _ in stays]  # of each unit: ways from units that stay
    kept = stays.tolist()
    order = np.argsort(layer[forward[0]], kind="stable")
    for source, target in forward[:, order].T.tolist():
        reached = sources[target]
        for start, ways in ({source: 1} if kept[source] else sources[source]).items():
            reached[start] = min(MOST_PATHS, reached.get(start, 0) + ways)
    return {
        (start, target): ways
        for target in np.flatnonzero(stays).tolist()
        for start, ways in sources[target].items()
    }
