"""Centralities, paths, motifs and spectra against networkx, scipy and enumeration."""

from __future__ import annotations

import math

import graph_oracles as oracles
import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from properties_oracles import structures

from nnstruct import Structure
from nnstruct.properties import features

NAN = math.nan
ONE = Structure(np.zeros((2, 0), int), 1)
APART = Structure(np.zeros((2, 0), int), 4)
NAMED = [
    ONE,
    APART,
    Structure([[0, 1, 3], [1, 2, 4]], 5),
    Structure.from_networkx(nx.star_graph(8)),
    Structure.from_networkx(nx.complete_graph(7)),
    Structure.from_networkx(nx.path_graph(9)),
    Structure.from_networkx(nx.cycle_graph(8)),
    Structure.from_layers([3, 4, 2]),
]


def measures(structure: Structure, family: str) -> dict[str, float]:
    row = features([structure], (family,), cache=False).iloc[0]
    return {name.removeprefix(f"{family}."): float(value) for name, value in row.items()}


def undefined(structure: Structure, family: str) -> set[str]:
    return {name for name, value in measures(structure, family).items() if math.isnan(value)}


def check_centrality(structure: Structure) -> None:
    found = measures(structure, "centrality")
    expected = oracles.networkx_centrality(structure)
    np.testing.assert_allclose(list(found.values()), expected, rtol=1e-9, atol=1e-12)


def check_paths(structure: Structure) -> None:
    found = measures(structure, "paths")
    expected = oracles.brute_paths(structure)
    np.testing.assert_allclose(list(found.values()), expected, rtol=1e-9, atol=1e-9)


def check_motifs(structure: Structure) -> None:
    found, expected = measures(structure, "motifs"), oracles.networkx_motifs(structure)
    assert set(found) - set(expected) == {"modularity_greedy", "groups_greedy"}
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=1e-9, abs=1e-9, nan_ok=True), name


def check_spectra(structure: Structure) -> None:
    found = measures(structure, "spectra")
    expected = dict(zip(found, oracles.scipy_spectra(structure), strict=True))
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=1e-7, abs=1e-7, nan_ok=True), name


CHECKS = [check_centrality, check_paths, check_motifs, check_spectra]


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("structure", NAMED, ids=repr)
def test_named_graphs(check, structure):
    check(structure)


@given(structure=structures(max_units=16))
@settings(max_examples=50, deadline=None)
def test_centrality_equals_networkx(structure):
    check_centrality(structure)


@given(structure=structures(max_units=9))
@settings(max_examples=50, deadline=None)
def test_paths_equal_enumeration(structure):
    check_paths(structure)


@given(structure=structures(max_units=12))
@settings(max_examples=50, deadline=None)
def test_motifs_equal_networkx(structure):
    check_motifs(structure)


@given(structure=structures(max_units=12))
@settings(max_examples=50, deadline=None)
def test_spectra_equal_scipy(structure):
    check_spectra(structure)


@given(structure=structures(max_units=7))
@settings(max_examples=25, deadline=None)
def test_greedy_modularity_is_that_of_a_partition(structure):
    found = measures(structure, "motifs")
    _, graph = oracles.graphs(structure)
    if not graph.number_of_edges():
        assert math.isnan(found["modularity_greedy"])
        assert found["groups_greedy"] == structure.num_units
        return
    reachable = [
        (len(partition), nx.community.modularity(graph, partition))
        for partition in oracles.all_partitions(list(graph))
    ]
    assert any(
        size == found["groups_greedy"] and value == pytest.approx(found["modularity_greedy"], abs=1e-12)
        for size, value in reachable
    )


def test_greedy_joining_finds_two_cliques():
    graph = nx.disjoint_union(nx.complete_graph(5), nx.complete_graph(6))
    graph.add_edge(0, 7)
    found = measures(Structure.from_networkx(graph), "motifs")
    cliques = [set(range(5)), set(range(5, 11))]
    assert found["groups_greedy"] == 2
    assert found["modularity_greedy"] == pytest.approx(nx.community.modularity(graph, cliques))


def test_greedy_joining_is_near_networkx_on_graphs_with_groups():
    for seed in range(5):
        graph = nx.planted_partition_graph(4, 8, 0.8, 0.05, seed=seed)
        found = measures(Structure.from_networkx(graph), "motifs")["modularity_greedy"]
        groups = nx.community.greedy_modularity_communities(graph)
        assert found >= nx.community.modularity(graph, groups) - 0.06


def test_units_that_look_alike_are_joined_at_once():
    found = measures(Structure.from_layers([4, 4]), "motifs")
    assert (found["groups_greedy"], found["modularity_greedy"]) == (1, 0)
    assert found["colours_final"] == 2


def test_nothing_is_undefined_without_need():
    assert undefined(ONE, "centrality") == undefined(APART, "centrality")
    assert all("edge_betweenness" in name for name in undefined(APART, "centrality"))
    assert undefined(APART, "paths") == {"log_all_paths"}
    assert undefined(ONE, "spectra") == {
        "adjacency_second", "gap", "laplacian_second", "normalised_second", "normalised_entropy",
        "resistance", "forward_stable_rank", "forward_effective_rank", "recurrent_stable_rank",
        "recurrent_effective_rank",
    }  # fmt: skip
    split = Structure([[0, 1, 3], [1, 2, 4]], 5)
    assert undefined(split, "spectra") - undefined(Structure.from_layers([2, 2]), "spectra") == {
        "spanning_trees", "resistance"
    }  # fmt: skip


def test_path_without_way_from_input_to_output():
    at = np.arange(3)
    found = measures(Structure([[0], [1]], 3, family="module", inputs=at == 0, outputs=at == 2), "paths")
    assert math.isnan(found["length_mean"])
    assert math.isnan(found["distance_0"])
    assert math.isnan(found["communicability_input_output"])
    assert found["pairs_connected"] == 0
    assert found["log_all_paths"] == 0


def test_path_counts_beyond_the_largest_float():
    # 7 ** 900 paths, all of 899 edges.
    found = measures(Structure.from_layers([7] * 900), "paths")
    assert found["length_mean"] == pytest.approx(899)
    assert found["length_sd"] == pytest.approx(0, abs=1e-6)
    assert found["length_9_or_more"] == pytest.approx(1)
    assert found["log_all_paths"] == pytest.approx(900 * math.log(7) + 2 * math.log(7 / 6), rel=1e-12)


def test_communicability_beyond_the_largest_float():
    # exp(A) of a complete graph has the entries (e^(n-1) - 1/e) / n, and 1/e more on the diagonal.
    n = 720
    found = measures(Structure.from_networkx(nx.complete_graph(n)), "paths")
    assert found["communicability_undirected"] == pytest.approx(n - 1 - math.log(n), rel=1e-12)


def test_recurrent_edges_count_only_for_their_own_measures():
    plain = Structure.from_layers([3, 4, 2], family="gru", recurrence="none")
    looped = plain.with_recurrence("layer")
    for family in ("centrality", "paths", "motifs"):
        np.testing.assert_equal(measures(looped, family), measures(plain, family))
    before, after = measures(plain, "spectra"), measures(looped, "spectra")
    changed = {name for name in after if not np.isclose(before[name], after[name], equal_nan=True)}
    assert changed == {"recurrent_norm", "recurrent_stable_rank", "recurrent_effective_rank"}
    assert after["recurrent_norm"] == pytest.approx(4)
