"""Every registered genetic operator keeps the laws of operators; what is particular to each."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from parts import defined_parts
from strategies import structures

from nnstruct import Space, Structure
from nnstruct.search import OPERATORS, Operator
from nnstruct.search.genome import Genome, components
from nnstruct.structure.recurrence import RECURRENCES
from nnstruct.testing import operator_checks
from nnstruct.testing.operators import connected

LAWS = dict(operator_checks())
FAMILIES = ("mlp", "rnn_tanh")


@st.composite
def matings(draw: st.DrawFn, name: str, *, joined: bool = False):
    """Parents for an operator (any, or connected ones), a space and a seed."""
    family = draw(st.sampled_from(FAMILIES))
    source = structures(families=(family,), min_units=2, max_units=8)
    parents = [draw(source) for _ in range(OPERATORS[name].arity)]
    if joined:
        assume(all(connected(parent) for parent in parents))
    fewest = draw(st.integers(2, 6))
    units = (fewest, draw(st.integers(fewest, 9)))
    max_edges = draw(st.none() | st.integers(fewest - 1, 20))
    space = Space(
        family, units=units, max_edges=max_edges, recurrence=draw(st.sampled_from(sorted(RECURRENCES)))
    )
    return parents, space, draw(st.integers(0, 10**6))


@pytest.mark.parametrize("name", list(OPERATORS))
@pytest.mark.parametrize("law", LAWS)
def test_it_keeps_the_law(name: str, law: str) -> None:
    LAWS[law](OPERATORS[name])


def test_every_operator_is_registered() -> None:
    assert {type(OPERATORS[name]) for name in OPERATORS} == set(defined_parts(Operator))
    assert len(OPERATORS) >= 7


CHANGES = {
    "add_edge": (0, 1),
    "remove_edge": (0, -1),
    "rewire_edge": (0, 0),
    "add_unit": (1, None),
    "remove_unit": (-1, None),
}


@pytest.mark.parametrize("name", sorted(CHANGES))
@given(data=st.data())
def test_mutations_change_what_their_name_says(name: str, data: st.DataObject) -> None:
    parents, space, seed = data.draw(matings(name, joined=True))
    child = OPERATORS[name](parents, np.random.default_rng(seed), space)
    assume(child is not None)
    units, edges = CHANGES[name]
    assert child.num_units == parents[0].num_units + units
    if edges is not None:
        assert child.forward_edges.shape[1] == parents[0].forward_edges.shape[1] + edges


@pytest.mark.parametrize("name", sorted(CHANGES))
def test_mutations_apply_where_there_is_room(name: str) -> None:
    parent = Structure.from_layers([3, 4, 3])
    space = Space("mlp", units=(5, 20))
    children = {OPERATORS[name](parent, np.random.default_rng(i), space).fingerprint for i in range(20)}
    assert parent.fingerprint not in children


def test_none_where_an_operator_cannot_apply() -> None:
    rng = np.random.default_rng(0)
    chain = Structure([[0, 1, 2], [1, 2, 3]], 4)
    full = Structure(np.stack(np.triu_indices(4, 1)), 4)
    tight = Space("mlp", units=(4, 4), max_edges=3)
    assert OPERATORS["remove_unit"](chain, rng, tight) is None
    assert OPERATORS["add_unit"](chain, rng, tight) is None
    assert OPERATORS["add_edge"](chain, rng, tight) is None
    assert OPERATORS["remove_edge"](chain, rng, tight) is None
    assert OPERATORS["add_edge"](full, rng, Space("mlp", units=(4, 4))) is None
    assert OPERATORS["rewire_edge"](full, rng, Space("mlp", units=(4, 4))) is None
    assert OPERATORS["remove_edge"](full, rng, tight) is None  # five edges are still too many
    assert OPERATORS["add_unit"](chain, rng, Space("mlp", units=(4, 9), max_edges=3)) is None


def test_any_acyclic_edge_can_be_added() -> None:
    parent = Structure([[0, 0, 3], [1, 2, 2]], 4)  # 0 -> 1, 0 -> 2 <- 3
    space = Space("mlp", units=(2, 6))
    found = {
        frozenset(map(tuple, relabelled_edges(OPERATORS["add_edge"], parent, space, seed)))
        for seed in range(200)
    }
    edges = {(0, 1), (0, 2), (3, 2)}
    possible = {(1, 2), (2, 1), (3, 0), (0, 3), (1, 3), (3, 1)}
    assert found == {frozenset(edges | {edge}) for edge in possible}


def relabelled_edges(operator, parent: Structure, space: Space, seed: int) -> list[tuple[str, str]]:
    """The offspring's edges by the names that units have in their parent."""
    named = Structure(
        parent.edge_index, parent.num_units, attributes={"stage": tuple(range(parent.num_units))}
    )
    child = operator(named, np.random.default_rng(seed), space)
    names = child.attributes["stage"]
    return [(names[u], names[v]) for u, v in child.forward_edges.T.tolist()]


def test_new_unit_takes_degrees_and_attributes_of_another() -> None:
    parent = Structure.from_layers([2, 5, 5, 2])
    named = Structure(parent.edge_index, 14, attributes={"activation": ["tanh"] * 13 + ["relu"]})
    space = Space("mlp", units=(2, 20))
    for seed in range(30):
        child = OPERATORS["add_unit"](named, np.random.default_rng(seed), space)
        assert child.attributes["activation"].count("relu") in (1, 2)
        assert 1 <= child.forward_edges.shape[1] - parent.forward_edges.shape[1] <= 10


def named_units(structure: Structure, prefix: str) -> Structure:
    names = tuple(f"{prefix}{unit}" for unit in range(structure.num_units))
    return Structure(
        structure.edge_index, structure.num_units, attributes={"activation": names}, family=structure.family
    )


@given(data=st.data())
def test_crossover_inherits_head_and_tail(data: st.DataObject) -> None:
    source = structures(families=("mlp",), min_units=2, max_units=8, attributes=False, flags=False)
    first, second = (named_units(data.draw(source), prefix) for prefix in "ab")
    assume(connected(first) and connected(second))
    sizes = sorted([first.num_units, second.num_units])
    child = OPERATORS["crossover"](
        [first, second], np.random.default_rng(data.draw(st.integers(0, 10**6))), Space("mlp", units=(2, 8))
    )
    assert child is not None
    assert sizes[0] <= child.num_units <= sizes[1]
    names = child.attributes["activation"]
    edges = [(names[u], names[v]) for u, v in child.forward_edges.T.tolist()]
    head = [int(name[1:]) for name in names if name[0] == "a"]
    tail = [int(name[1:]) for name in names if name[0] == "b"]
    assert head
    assert tail
    # The head is the shallow end of the first parent, the tail the deep end of the second.
    left_out = np.setdiff1d(np.arange(first.num_units), head)
    assert first.layer[head].max() <= first.layer[left_out].min()
    left_out = np.setdiff1d(np.arange(second.num_units), tail)
    assert second.layer[left_out].max() <= second.layer[tail].min()
    for parent, part, prefix in ((first, head, "a"), (second, tail, "b")):
        inner = {(u, v) for u, v in parent.forward_edges.T.tolist() if u in part and v in part}
        kept = {(int(u[1:]), int(v[1:])) for u, v in edges if u[0] == v[0] == prefix}
        assert kept >= inner
        assert len(kept - inner) < len(part)  # chains that join what fell apart, no more
    assert all((u[0], v[0]) != ("b", "a") for u, v in edges)


def test_crossover_joins_about_as_many_edges_as_were_cut() -> None:
    first = Structure.from_networkx(nx.gnp_random_graph(30, 0.3, seed=1))
    second = Structure.from_networkx(nx.gnp_random_graph(30, 0.3, seed=2))
    space = Space("mlp", units=(20, 40))
    children = [
        OPERATORS["crossover"]([first, second], np.random.default_rng(seed), space) for seed in range(40)
    ]
    mean = np.mean([child.num_edges for child in children])
    assert mean == pytest.approx((first.num_edges + second.num_edges) / 2, rel=0.1)


def test_extra_inputs_and_outputs_are_carried() -> None:
    parent = Structure(
        [[0, 1, 2], [1, 2, 3]], 4, inputs=np.array([1, 0, 1, 0], bool), outputs=np.array([0, 1, 0, 1], bool)
    )
    child = OPERATORS["add_edge"](parent, np.random.default_rng(0), Space("mlp", units=(2, 9)))
    assert (child.inputs.tolist(), child.outputs.tolist()) == (
        parent.inputs.tolist(),
        parent.outputs.tolist(),
    )


@given(structures(families=FAMILIES, min_units=1, max_units=9), st.integers(0, 99), st.booleans())
def test_genome_is_in_an_order_that_edges_follow(structure: Structure, seed: int, by_depth: bool) -> None:
    genome = Genome.of(structure, np.random.default_rng(seed), by_depth=by_depth)
    assert not np.tril(genome.adjacency).any()
    assert genome.num_edges == structure.forward_edges.shape[1]
    forward = Structure(structure.forward_edges, structure.num_units)
    assert Structure(genome.edges(), genome.num_units).fingerprint == forward.fingerprint


@given(structures(families=("mlp",), min_units=1, max_units=9))
def test_components_agree_with_networkx(structure: Structure) -> None:
    genome = Genome.of(structure, np.random.default_rng(0))
    graph = nx.from_numpy_array(genome.adjacency | genome.adjacency.T)
    labels = components(genome.adjacency)
    found = {frozenset(np.flatnonzero(labels == label).tolist()) for label in set(labels.tolist())}
    assert found == {frozenset(part) for part in nx.connected_components(graph)}
