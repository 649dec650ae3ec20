"""Crossover: the first layers of one parent, the last layers of the other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nnstruct.search.genome import Genome
from nnstruct.search.operators.base import OPERATORS, Operator
from nnstruct.structure.space import Space

_PAIRINGS = 4


class Crossover(Operator):
    """Cuts both parents at one relative depth and joins the head of one to the tail of the other.

    Units stand in order of their layer (ties at random). With a cut at ``f`` in (0, 1), the
    child has the first ``round(f N)`` units of the first parent and the last
    ``M - round(f M)`` of the second, with all edges among the units of either part; its size
    lies between the parents' sizes. The edges that the cut severed leave stubs: the head's
    units keep theirs as outgoing, the tail's as incoming. The child gets a random number of
    joining edges, between the numbers that the two cuts severed, and stubs are paired at random
    as in the configuration model (Molloy and Reed, 1995), first of all those of units that
    would otherwise become an output in the head or an input in the tail. So degrees, both
    parts' inner wiring and the flow from head to tail are inherited. What still does not hang
    together is chained.

    Notes
    -----
    One-point crossover of sequences (Holland, 1975) carried over to graphs that have a depth;
    subgraph crossover in Cartesian genetic programming (Kalkreuth et al., 2017) joins a head
    and a tail likewise, and rewires the tail's severed inputs at random. NEAT (Stanley and
    Miikkulainen, 2002) aligns edges by the mutation that made them instead, which asks for one
    common ancestor; structures from different priors have none. Averaging the adjacency matrices
    of two parents needs units that correspond, which unlabelled graphs lack.
    """

    name = "crossover"
    arity = 2
    by_depth = True

    def apply(self, genomes: Sequence[Genome], rng: np.random.Generator, space: Space) -> Genome | None:
        first, second = genomes
        if min(first.num_units, second.num_units) < 2 or first.family != second.family:
            return None
        cut = rng.random()
        cuts = [min(max(round(cut * g.num_units), 1), g.num_units - 1) for g in genomes]
        head, tail = first.take(np.arange(cuts[0])), second.take(np.arange(cuts[1], second.num_units))
        leaving = first.adjacency[: cuts[0], cuts[0] :].sum(axis=1)  # [head], edges cut off each unit
        entering = second.adjacency[: cuts[1], cuts[1] :].sum(axis=0)  # [tail]

        needs_out = (leaving > 0) & ~head.adjacency.any(axis=1)
        needs_in = (entering > 0) & ~tail.adjacency.any(axis=0)
        severed = sorted([int(leaving.sum()), int(entering.sum())])
        fewest = max(severed[0], int(needs_out.sum()), int(needs_in.sum()))
        joins = int(rng.integers(fewest, severed[1] + 1))
        joins = min(joins, head.num_units * tail.num_units)
        if space.max_edges is not None:
            joins = min(joins, space.max_edges - head.num_edges - tail.num_edges)
        if joins < 1:
            return None
        sources = _draw_stubs(leaving, needs_out, joins, rng)
        targets = _draw_stubs(entering, needs_in, joins, rng)
        return _join(head, tail, _pair(sources, targets, head.num_units, tail.num_units, rng))


def _draw_stubs(stubs: np.ndarray, needy: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """``count`` units, each as often as it has stubs as far as that goes, one of each needy unit first."""
    if not stubs.any():
        return rng.integers(len(stubs), size=count)
    first = rng.permutation(np.flatnonzero(needy))
    rest = rng.permutation(np.repeat(np.arange(len(stubs)), stubs - needy))
    drawn = np.concatenate([first, rest])
    if len(drawn) < count:
        every = np.repeat(np.arange(len(stubs)), stubs)
        drawn = np.concatenate([drawn, rng.choice(every, count - len(drawn))])
    return drawn[:count]


def _pair(
    sources: np.ndarray, targets: np.ndarray, head: int, tail: int, rng: np.random.Generator
) -> np.ndarray:
    """Joining edges as bool [head, tail]; a pair that comes up twice is drawn again a few times."""
    joined = np.zeros((head, tail), dtype=bool)
    for _ in range(_PAIRINGS):
        targets = rng.permutation(targets)
        taken = joined[sources, targets]
        taken[np.setdiff1d(np.arange(len(sources)), _first_of_each(sources * tail + targets))] = True
        joined[sources[~taken], targets[~taken]] = True
        sources, targets = sources[taken], targets[taken]
    return joined


def _first_of_each(keys: np.ndarray) -> np.ndarray:
    return np.unique(keys, return_index=True)[1]


def _join(head: Genome, tail: Genome, joined: np.ndarray) -> Genome:
    size, cut = head.num_units + tail.num_units, head.num_units
    adjacency = np.zeros((size, size), dtype=bool)
    adjacency[:cut, :cut], adjacency[cut:, cut:], adjacency[:cut, cut:] = (
        head.adjacency,
        tail.adjacency,
        joined,
    )
    shared = [name for name in head.attributes if name in tail.attributes]
    return Genome(
        adjacency,
        head.family,
        np.concatenate([head.inputs, tail.inputs]),
        np.concatenate([head.outputs, tail.outputs]),
        {name: head.attributes[name] + tail.attributes[name] for name in shared},
        recurrence=head.recurrence,
    )


OPERATORS.register(Crossover.name)(Crossover())
