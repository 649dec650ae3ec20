"""sample(space, n): distinct structures of a Space; stier2021; the fingerprint that tells them apart."""

from __future__ import annotations

from collections import defaultdict
from itertools import combinations

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nnstruct.errors import InvalidInputError, UnknownNameError
from nnstruct.priors import PRIORS, BarabasiAlbert, DenseLayered, ErdosRenyi, sample, stier2021
from nnstruct.random import generator
from nnstruct.structure import Structure
from nnstruct.structure.families import RNN_FAMILIES
from nnstruct.structure.space import Space

SPACE = Space("rnn_tanh", units=(10, 50))


def test_every_prior_in_turn_all_distinct_and_inside_the_space():
    structures = sample(SPACE, 60, seed=0)
    assert len({structure.fingerprint for structure in structures}) == 60
    turn = [name for name in PRIORS if PRIORS[name].in_turn]
    assert [structure.origin["prior"] for structure in structures] == (turn * 7)[:60]
    assert all(SPACE.violation(structure) is None for structure in structures)


def test_the_same_seed_gives_the_same_list_and_a_longer_one_begins_with_it():
    ten = sample(SPACE, 10, seed=4)
    assert ten == sample(SPACE, 30, seed=4)[:10]
    assert ten != sample(SPACE, 10, seed=5)
    assert sample(SPACE, 0) == []


def test_a_prior_draws_the_same_alone_as_in_company():
    alone = sample(SPACE, 3, seed=1, priors=["erdos-renyi"])
    both = sample(SPACE, 6, seed=1, priors=["barabasi-albert", "erdos-renyi"])
    assert both[1::2] == alone


def test_recurrence_and_bounds_of_the_space_are_kept():
    space = Space("lstm", units=(10, 40), max_edges=50, recurrence="self")
    for structure in sample(space, 30, seed=2):
        assert structure.forward_edges.shape[1] <= 50
        assert structure.recurrent_edges.tolist() == [list(range(structure.num_units))] * 2


@settings(max_examples=12, deadline=None)
@given(
    family=st.sampled_from(["mlp", *RNN_FAMILIES]),
    fewest=st.integers(5, 30),
    width=st.integers(0, 20),
    spare=st.none() | st.integers(0, 60),
    recurrence=st.sampled_from(["layer", "self", "reverse", "random", "none"]),
    seed=st.integers(0, 2**32),
)
def test_any_space_gives_distinct_connected_structures_inside_it(
    family, fewest, width, spare, recurrence, seed
):
    max_edges = None if spare is None else fewest - 1 + spare
    space = Space(family, units=(fewest, fewest + width), max_edges=max_edges, recurrence=recurrence)
    structures = sample(space, 6, seed=seed)
    assert all(space.violation(structure) is None for structure in structures)
    assert all(nx.is_weakly_connected(s.to_networkx(recurrent=False)) for s in structures)
    assert len({structure.fingerprint for structure in structures}) == 6


def test_running_out_says_how_many_there_are():
    tiny = Space("mlp", units=(2, 3))
    # One edge; a path, a fork, a join and the triangle on three units; in the second edition the triangle
    # with one residual edge and with two as well, and a path of a state that is copied.
    for edition, most in ((None, 5), (2, 8)):
        rule = rf"n must be at most {most}, the distinct .* got 9\. Widen"
        with pytest.raises(InvalidInputError, match=rule):
            sample(tiny, 9, seed=0, edition=edition)
        assert len(sample(tiny, most, seed=0, edition=edition)) == most


def test_a_prior_that_is_dry_leaves_the_turn_to_the_others():
    fixed = DenseLayered(sizes=[5, 5])
    structures = sample(SPACE, 5, seed=0, priors=[fixed, "erdos-renyi"])
    names = [structure.origin["prior"] for structure in structures]
    assert names == ["dense-layered"] + ["erdos-renyi"] * 4


def test_priors_of_ones_own_may_be_given_as_values():
    structures = sample(SPACE, 4, seed=0, priors=[BarabasiAlbert(units=12, m=2)])
    assert {structure.num_units for structure in structures} == {12}
    assert {structure.forward_edges.shape[1] for structure in structures} == {20}


def test_priors_that_give_nothing_inside_the_space_are_errors():
    with pytest.raises(InvalidInputError, match=r"inside the space, got .*it has 60 units, not 10 to 50"):
        sample(SPACE, 4, priors=[ErdosRenyi(units=60, p=0.5)])
    with pytest.raises(InvalidInputError, match="leave room for the prior 'watts-strogatz'"):
        sample(Space("mlp", units=(10, 20), max_edges=9), 4, priors=["watts-strogatz"])
    with pytest.raises(InvalidInputError, match="connected within 2 tries"):
        sample(SPACE, 4, priors=[ErdosRenyi(units=40, p=0.001, tries=2)])


def test_bad_arguments_are_named():
    with pytest.raises(UnknownNameError, match=r"Did you mean 'watts-strogatz'\?"):
        sample(SPACE, 4, priors=["wats-strogatz"])
    for bad in ("erdos-renyi", [], 3):
        with pytest.raises(InvalidInputError, match="priors must be a sequence"):
            sample(SPACE, 4, priors=bad)
    with pytest.raises(InvalidInputError, match="priors must hold names or priors, got 3"):
        sample(SPACE, 4, priors=[3])
    for bad in (-1, 2.5, True):
        with pytest.raises(InvalidInputError, match="n must be a non-negative integer"):
            sample(SPACE, bad)
    with pytest.raises(InvalidInputError, match="seed must be a non-negative integer"):
        sample(SPACE, 4, seed=-1)
    with pytest.raises(InvalidInputError, match="space must be a Space, got 'mlp'"):
        sample("mlp", 4)


def test_stier2021_draws_the_graphs_of_the_paper():
    structures = stier2021(80, seed=0, family="gru")
    sizes = np.array([structure.num_units for structure in structures])
    assert sizes.min() >= 10
    assert sizes.max() <= 50
    assert len(set(sizes.tolist())) > 25
    for index, structure in enumerate(structures):
        n, edges = structure.num_units, structure.forward_edges.shape[1]
        parameters = dict(structure.origin["parameters"])
        if index % 2 == 0:
            assert parameters == {"units": n, "m": n // 10, "orientation": "index"}
            assert edges == (n // 10) * (n - n // 10)
        else:
            expected = {"tries": 10, "units": n, "k": n // 5, "p": 1.0, "orientation": "index"}
            assert parameters == expected
            assert edges == n * (n // 5 // 2)
        assert nx.is_weakly_connected(structure.to_networkx(recurrent=False))
        same_layer = structure.layer[structure.recurrent_edges]
        assert (same_layer[0] == same_layer[1]).all()
        assert same_layer.shape[1] == (structure.layer_sizes**2).sum()


def test_stier2021_is_seeded_and_a_longer_list_begins_with_a_shorter_one():
    assert stier2021(4, seed=1, family="mlp") == stier2021(9, seed=1, family="mlp")[:4]
    assert stier2021(4, seed=1, family="mlp") != stier2021(4, seed=2, family="mlp")
    assert stier2021(0) == []
    with pytest.raises(InvalidInputError, match="count must be a non-negative integer, got -1"):
        stier2021(-1)
    with pytest.raises(UnknownNameError, match="family must be one of"):
        stier2021(1, family="rnn")


# ---- the fingerprint on what the priors give


def _isomorphic(first: Structure, second: Structure) -> bool:
    graphs = [nx.MultiDiGraph() for _ in range(2)]
    for graph, structure in zip(graphs, (first, second), strict=True):
        for unit in range(structure.num_units):
            graph.add_node(unit, ends=(bool(structure.inputs[unit]), bool(structure.outputs[unit])))
            kinds = {name: values[unit] for name, values in structure.attributes.items()}
            graph.nodes[unit]["kinds"] = kinds
        kind = np.where(structure.recurrent, 1, np.where(structure.residual, 2, 0)).tolist()
        for (source, target), key in zip(structure.edge_index.T.tolist(), kind, strict=True):
            graph.add_edge(source, target, key=key)
    return nx.is_isomorphic(
        *graphs,
        node_match=lambda a, b: a == b,
        edge_match=lambda a, b: sorted(a) == sorted(b),
    )


@pytest.mark.parametrize(
    ("family", "units", "recurrence", "each"),
    [("mlp", (4, 6), "none", 35), ("rnn_tanh", (3, 5), "reverse", 15), ("mlp", (6, 7), "none", 25)],
)
def test_fingerprints_agree_exactly_where_structures_are_isomorphic(family, units, recurrence, each):
    space = Space(family, units=units, recurrence=recurrence)
    structures = []
    for name in PRIORS:
        for index in range(each):
            rng = generator(index, "collisions", name)
            structure = PRIORS[name].draw(space, rng).sample(index, family=family, recurrence=recurrence)
            structures.append(structure.relabel(rng.permutation(structure.num_units)))
    alike = defaultdict(list)
    for structure in structures:
        alike[structure.num_units, structure.num_edges].append(structure)
    agree = differ = 0
    for group in alike.values():
        for first, second in combinations(group, 2):
            same = first.fingerprint == second.fingerprint
            assert same == _isomorphic(first, second)
            agree, differ = agree + same, differ + (not same)
    assert differ > 50
    assert agree > 20


def test_fingerprints_count_the_connected_acyclic_graphs_of_five_units():
    # 1, 4, 24, 267 connected acyclic digraphs on 2 to 5 unlabelled nodes (OEIS A101228).
    for units, count in ((2, 1), (3, 4), (4, 24), (5, 267)):
        pairs = np.array(list(combinations(range(units), 2))).T  # [2, P]
        prints = set()
        for code in range(2 ** pairs.shape[1]):
            edges = pairs[:, (code >> np.arange(pairs.shape[1])) & 1 == 1]
            graph = nx.Graph(edges.T.tolist())
            if len(graph) == units and nx.is_connected(graph):
                prints.add(Structure(edges, units).fingerprint)
        assert len(prints) == count
