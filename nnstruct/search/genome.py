"""The form in which operators handle a structure: units in an order that every edge follows."""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from nnstruct.search.attributes import mended
from nnstruct.structure import Structure
from nnstruct.structure.families import FAMILIES
from nnstruct.structure.recurrence import recurrent_edges
from nnstruct.structure.space import Space
from nnstruct.structure.topology import longest_path_layers
from nnstruct.structure.units import NEURON_OPERATORS


@dataclass(frozen=True, eq=False)
class Genome:
    """The forward edges of a structure as a strictly upper triangular matrix.

    Because each edge leads from an earlier unit to a later one, any entry above the diagonal
    may be set and the graph stays acyclic. Recurrent edges are not part of a genome: they are
    made anew from the :class:`~nnstruct.structure.space.Space` when it is expressed.

    Parameters
    ----------
    adjacency : bool [N, N]
        ``adjacency[u, v]`` is True where unit ``u`` feeds unit ``v``; False on and below the
        diagonal.
    family : str
    inputs, outputs : bool [N]
        Units that see the input although they have an incoming edge, or that the read-out sees
        although they have an outgoing one. Units without such an edge always do.
    attributes : mapping of str to tuple of length N
    residual : bool [N, N], optional
        Which edges are residual; none, by default. An edge that goes and comes again is an ordinary one.
    recurrence : str, optional
        The rule of the recurrent edges, where the space allows several; that of the space by default.

    Examples
    --------
    >>> import numpy as np
    >>> from nnstruct import Space, Structure
    >>> from nnstruct.search.genome import Genome
    >>> rng = np.random.default_rng(0)
    >>> diamond = Structure([[0, 0, 1, 2], [1, 2, 3, 3]], num_units=4)
    >>> genome = Genome.of(diamond, rng)
    >>> genome.num_units, genome.num_edges
    (4, 4)
    >>> genome.express(Space("mlp", units=(2, 6)), rng).fingerprint == diamond.fingerprint
    True
    """

    adjacency: np.ndarray
    family: str
    inputs: np.ndarray
    outputs: np.ndarray
    attributes: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    residual: np.ndarray | None = None
    recurrence: str | None = None

    @classmethod
    def of(cls, structure: Structure, rng: np.random.Generator, *, by_depth: bool = False) -> Genome:
        """Put the units of a structure into a random order that its forward edges follow.

        Parameters
        ----------
        structure : Structure
        rng : numpy.random.Generator
        by_depth : bool
            Sort by layer and leave only ties to chance; otherwise any order that the edges
            allow may come up, so that any acyclic edge can be added.

        Returns
        -------
        Genome
            Without ties between units and, in families of neurons, without operators: what is bred follows
            no equation.
        """
        edges = structure.forward_edges
        gone = {"tie"} if structure.family == "cnn" or not _follows(structure) else {"tie", "operator"}
        if by_depth:
            order = np.lexsort((rng.random(structure.num_units), structure.layer))
        else:
            order = _random_order(edges, structure.num_units, rng)
        place = np.empty_like(order)
        place[order] = np.arange(len(order))
        adjacency = np.zeros((len(order), len(order)), dtype=bool)
        adjacency[place[edges[0]], place[edges[1]]] = True
        residual = None
        if structure.residual.any():
            source, target = place[structure.edge_index[:, structure.residual]]
            residual = np.zeros_like(adjacency)
            residual[source, target] = True
        return cls(
            adjacency,
            structure.family,
            structure.inputs[order] & adjacency.any(axis=0),
            structure.outputs[order] & adjacency.any(axis=1),
            {
                name: tuple(values[u] for u in order)
                for name, values in structure.attributes.items()
                if name not in gone
            },
            residual,
        )

    @property
    def num_units(self) -> int:
        """N."""
        return len(self.adjacency)

    @property
    def num_edges(self) -> int:
        """Forward edges."""
        return int(np.count_nonzero(self.adjacency))

    def edges(self) -> np.ndarray:
        """The forward edges, sorted by source, then target.

        Returns
        -------
        int64 [2, E]
        """
        return np.stack(np.nonzero(self.adjacency))

    def with_adjacency(self, adjacency: np.ndarray) -> Genome:
        """The same units with other edges.

        Parameters
        ----------
        adjacency : bool [N, N]
            Strictly upper triangular; it is kept, not copied.

        Returns
        -------
        Genome
            Units marked as inputs or outputs stay marked, and attributes stay as they are.
        """
        residual = None if self.residual is None else self.residual & adjacency
        return replace(self, adjacency=adjacency, residual=residual)

    def take(self, units: np.ndarray) -> Genome:
        """Some of the units, with the edges among them.

        Parameters
        ----------
        units : int64 [K]
            In an order that the edges follow; a unit may come up twice.

        Returns
        -------
        Genome
            Of K units.
        """
        return Genome(
            self.adjacency[np.ix_(units, units)],
            self.family,
            self.inputs[units],
            self.outputs[units],
            {name: tuple(values[u] for u in units) for name, values in self.attributes.items()},
            None if self.residual is None else self.residual[np.ix_(units, units)],
            self.recurrence,
        )

    def _residual_of(self, edges: np.ndarray) -> np.ndarray:
        return np.zeros(edges.shape[1], dtype=bool) if self.residual is None else self.residual[*edges]

    def fits(self, space: Space) -> bool:
        """Whether it keeps a space's bounds on family, units and forward edges.

        Parameters
        ----------
        space : Space

        Returns
        -------
        bool
            Attributes of units are not looked at.
        """
        return (
            self.family == space.family
            and space.units[0] <= self.num_units <= space.units[1]
            and (space.max_edges is None or self.num_edges <= space.max_edges)
        )

    def express(self, space: Space, rng: np.random.Generator, **origin: Any) -> Structure | None:
        """The structure that it stands for, or None where that lies outside the space.

        Parts that do not hang together are chained first; see :func:`chain_components`. Attributes
        of units are mended; see :func:`nnstruct.search.attributes.mended`.

        Parameters
        ----------
        space : Space
            Its ``recurrence`` makes the recurrent edges of a family that keeps a state, where the genome says
            no other.
        rng : numpy.random.Generator
            Drawn from by the recurrence ``random`` and where parts are chained.
        **origin
            JSON values for the origin of the structure.

        Returns
        -------
        Structure or None
        """
        joined = chain_components(self.adjacency, np.arange(self.num_units), rng)
        if joined is not self.adjacency:
            return self.with_adjacency(joined).express(space, rng, **origin)
        if not self.fits(space):
            return None
        forward, delayed = self.edges(), np.zeros((2, 0), dtype=np.int64)
        if FAMILIES[self.family].keeps_state:
            rule = self.recurrence or space.recurrence_at(0)
            seed = int(rng.integers(2**62)) if rule == "random" else 0
            layer = longest_path_layers(forward, self.num_units)
            delayed = recurrent_edges(rule, forward, layer, seed=seed)
        structure = Structure(
            np.concatenate([forward, delayed], axis=1),
            self.num_units,
            recurrent=np.repeat([False, True], [forward.shape[1], delayed.shape[1]]),
            family=self.family,
            inputs=self.inputs | ~self.adjacency.any(axis=0),
            outputs=self.outputs | ~self.adjacency.any(axis=1),
            residual=np.pad(self._residual_of(forward), (0, delayed.shape[1])),
            attributes=mended(self.attributes, self.adjacency, space),
            origin=origin,
        )
        return structure if space.attribute_violation(structure) is None else None


def _follows(structure: Structure) -> bool:
    """Whether a unit is a neuron that follows an equation."""
    return any(name in NEURON_OPERATORS for name in structure.attributes.get("operator", ()))


def components(adjacency: np.ndarray) -> np.ndarray:
    """Number of the weakly connected component of each unit.

    Parameters
    ----------
    adjacency : bool [N, N]

    Returns
    -------
    int64 [N]
        From 0, in the order of each component's first unit.

    Examples
    --------
    >>> import numpy as np
    >>> adjacency = np.zeros((4, 4), dtype=bool)
    >>> adjacency[0, 2] = adjacency[1, 3] = True
    >>> components(adjacency).tolist()
    [0, 1, 0, 1]
    """
    both = adjacency | adjacency.T
    labels = np.full(len(adjacency), -1, dtype=np.int64)
    found = 0
    for first in range(len(adjacency)):
        if labels[first] >= 0:
            continue
        fresh = np.zeros(len(adjacency), dtype=bool)
        fresh[first] = True
        while fresh.any():
            labels[fresh] = found
            fresh = both[fresh].any(axis=0) & (labels < 0)
        found += 1
    return labels


def chain_components(adjacency: np.ndarray, among: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Join what does not hang together by a chain through one random unit of each component.

    Parameters
    ----------
    adjacency : bool [N, N]
        Strictly upper triangular; left as it is.
    among : int64 [K]
        Units that the chain may touch; a component without any is left alone.
    rng : numpy.random.Generator

    Returns
    -------
    bool [N, N]
        With one edge fewer added than there are components.
    """
    labels = components(adjacency)
    if not labels.any():
        return adjacency
    shuffled = rng.permutation(among)
    _, first = np.unique(labels[shuffled], return_index=True)
    chain = np.sort(shuffled[first])
    joined = adjacency.copy()
    joined[chain[:-1], chain[1:]] = True
    return joined


def _random_order(edges: np.ndarray, num_units: int, rng: np.random.Generator) -> np.ndarray:
    following: list[list[int]] = [[] for _ in range(num_units)]
    for source, target in zip(edges[0].tolist(), edges[1].tolist(), strict=True):
        following[source].append(target)
    waiting = np.bincount(edges[1], minlength=num_units).tolist()
    priority = rng.random(num_units).tolist()
    ready = [(priority[unit], unit) for unit in range(num_units) if not waiting[unit]]
    heapq.heapify(ready)
    order = []
    while ready:
        unit = heapq.heappop(ready)[1]
        order.append(unit)
        for target in following[unit]:
            waiting[target] -= 1
            if not waiting[target]:
                heapq.heappush(ready, (priority[target], target))
    return np.array(order, dtype=np.int64)
