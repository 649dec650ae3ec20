"""Hypothesis strategies for Structures of every family."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from nnstruct.structure import Structure
from nnstruct.structure.families import DIRECTED_FAMILIES, FAMILIES
from nnstruct.structure.recurrence import RECURRENCES

STATEFUL = tuple(name for name in DIRECTED_FAMILIES if FAMILIES[name].recurrent)
STATELESS = tuple(name for name in DIRECTED_FAMILIES if not FAMILIES[name].recurrent)
ATTRIBUTE_VALUES: dict[str, list[Any]] = {
    "operator": ["add", "concat"],
    "activation": ["tanh", "relu", "gelu"],
    "stage": [0, 1, 2],
}


@st.composite
def forward_edges(draw: st.DrawFn, num_units: int) -> np.ndarray:
    """Edges of a directed acyclic graph in a random unit order, int64 [2, E]."""
    order = draw(st.permutations(range(num_units)))
    pairs = [(i, j) for i in range(num_units) for j in range(i + 1, num_units)]
    chosen = draw(st.lists(st.booleans(), min_size=len(pairs), max_size=len(pairs)))
    edges = [(order[i], order[j]) for (i, j), taken in zip(pairs, chosen, strict=True) if taken]
    return np.array(edges, dtype=np.int64).reshape(-1, 2).T


@st.composite
def structures(
    draw: st.DrawFn,
    families: tuple[str, ...] = DIRECTED_FAMILIES,
    *,
    min_units: int = 1,
    max_units: int = 9,
    flags: bool = True,
    attributes: bool = True,
    residual: bool = True,
) -> Structure:
    """Small Structures: any acyclic graph, any recurrent and residual edges, extra flags, attributes.

    Flags are only ever added to those by default, so that every output is reached.
    """
    family = draw(st.sampled_from(families))
    n = draw(st.integers(min_units, max_units))
    forward = draw(forward_edges(n))
    structure = Structure(forward, n, family=family)
    if FAMILIES[family].recurrent:
        name = draw(st.sampled_from(sorted(RECURRENCES)))
        seed, density = draw(st.integers(0, 99)), draw(st.sampled_from([0.1, 0.5]))
        structure = structure.with_recurrence(name, seed=seed, density=density)
    bits = st.lists(st.booleans(), min_size=n, max_size=n)
    more_inputs, more_outputs = (
        (np.array(draw(bits)), np.array(draw(bits))) if flags and draw(st.booleans()) else (False, False)
    )
    added = st.lists(st.booleans(), min_size=structure.num_edges, max_size=structure.num_edges)
    shortcuts = np.array(draw(added), dtype=bool) if residual and draw(st.booleans()) else False
    chosen = draw(st.sets(st.sampled_from(sorted(ATTRIBUTE_VALUES)))) if attributes else set()
    return Structure(
        structure.edge_index,
        n,
        recurrent=structure.recurrent,
        residual=shortcuts & ~structure.recurrent,
        family=family,
        inputs=structure.inputs | more_inputs,
        outputs=structure.outputs | more_outputs,
        attributes={
            name: draw(st.lists(st.sampled_from(ATTRIBUTE_VALUES[name]), min_size=n, max_size=n))
            for name in sorted(chosen)
        },
        origin=draw(st.sampled_from([{}, {"prior": "test", "parameters": {"p": 0.5, "sizes": [1, 2]}}])),
    )


@st.composite
def dense_layered(draw: st.DrawFn, families: tuple[str, ...] = DIRECTED_FAMILIES) -> Structure:
    """Fully connected layers, whose units are interchangeable."""
    sizes = draw(st.lists(st.integers(1, 5), min_size=1, max_size=4))
    family = draw(st.sampled_from(families))
    recurrence = draw(st.sampled_from(sorted(set(RECURRENCES) - {"random"})))
    return Structure.from_layers(sizes, family=family, recurrence=recurrence)


@st.composite
def regular(draw: st.DrawFn) -> Structure:
    """Delayed edges of a circulant graph only: every unit looks like every other."""
    n = draw(st.integers(2, 12))
    offsets = draw(st.sets(st.integers(0, n - 1), min_size=1, max_size=3))
    edges = [(u, (u + d) % n) for u in range(n) for d in sorted(offsets)]
    return delayed_only(edges, n)


def delayed_only(edges: list[tuple[int, int]], num_units: int, family: str = "rnn_tanh") -> Structure:
    """A single layer whose units are joined by delayed edges."""
    index = np.array(edges, dtype=np.int64).reshape(-1, 2).T
    return Structure(index, num_units, recurrent=np.ones(index.shape[1], dtype=bool), family=family)


any_structures = st.one_of(structures(), dense_layered(), regular())


@st.composite
def with_permutation(
    draw: st.DrawFn, source: st.SearchStrategy[Structure] = any_structures
) -> tuple[Structure, np.ndarray]:
    """A Structure and a permutation of its units."""
    structure = draw(source)
    return structure, np.array(draw(st.permutations(range(structure.num_units))), dtype=np.int64)


@st.composite
def with_chosen_edges(
    draw: st.DrawFn, source: st.SearchStrategy[Structure] = any_structures
) -> tuple[Structure, np.ndarray]:
    """A Structure and some of its edges, bool [E]."""
    structure = draw(source)
    size = structure.num_edges
    return structure, np.array(draw(st.lists(st.booleans(), min_size=size, max_size=size)), dtype=bool)


@st.composite
def with_chosen_units(
    draw: st.DrawFn, source: st.SearchStrategy[Structure] = any_structures
) -> tuple[Structure, np.ndarray]:
    """A Structure and some of its units, bool [N], an input and an output unit among them."""
    structure = draw(source)
    size = structure.num_units
    keep = np.array(draw(st.lists(st.booleans(), min_size=size, max_size=size)), dtype=bool)
    for flags in (structure.inputs, structure.outputs):
        keep[draw(st.sampled_from(np.flatnonzero(flags).tolist()))] = True
    return structure, keep
