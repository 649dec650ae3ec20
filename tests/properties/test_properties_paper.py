"""The paper's 23 measures against networkx, and where they are undefined."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from properties_oracles import networkx_paper, structures, undirected

from nnstruct import Structure
from nnstruct.properties import features

NAN = float("nan")


def measures(structure: Structure) -> dict[str, float]:
    row = features([structure], ("paper",), cache=False).iloc[0]
    return {name.removeprefix("paper."): float(value) for name, value in row.items()}


@given(structure=structures())
@settings(max_examples=60, deadline=None)
def test_equals_networkx(structure):
    expected = networkx_paper(structure)
    found = measures(structure)
    assert list(found) == list(expected)
    np.testing.assert_allclose(list(found.values()), list(expected.values()), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("graph", [nx.star_graph(12), nx.complete_graph(9), nx.path_graph(15)])
def test_named_graphs_equal_networkx(graph):
    structure = Structure.from_networkx(graph)
    np.testing.assert_allclose(
        list(measures(structure).values()), list(networkx_paper(structure).values()), rtol=1e-9, atol=1e-9
    )


def test_star_by_hand():
    found = measures(Structure.from_networkx(nx.star_graph(4)))
    assert (found["nodes"], found["edges"], found["diameter"], found["density"]) == (5, 4, 2, 0.4)
    assert found["average_path_length"] == pytest.approx((4 * 1 + 6 * 2) / 10)
    assert found["node_betweenness_mean"] == pytest.approx(1 / 5)  # the hub has 1, the others 0
    assert found["node_betweenness_var"] == pytest.approx(1 / 5)
    assert found["edge_betweenness_mean"] == pytest.approx(4 / 10)
    assert found["closeness_mean"] == pytest.approx((1 + 4 * 4 / 7) / 5)


def test_one_unit():
    found = measures(Structure(np.zeros((2, 0), int), 1))
    zero = {"edges", "diameter", "density", "average_path_length", "eccentricity_mean", "degree_mean"}
    zero |= {"closeness_mean", "node_betweenness_mean"}
    one = {"layers", "nodes", "sources", "sinks"}
    assert {name for name, value in found.items() if value == 0} == zero
    assert {name for name, value in found.items() if value == 1} == one
    assert {name for name, value in found.items() if np.isnan(value)} == set(found) - zero - one


def test_no_edges():
    found = measures(Structure(np.zeros((2, 0), int), 3))
    undefined = {name for name, value in found.items() if np.isnan(value)}
    assert undefined == {
        "diameter", "average_path_length", "eccentricity_mean", "eccentricity_var", "eccentricity_sd",
        "edge_betweenness_mean", "edge_betweenness_var", "edge_betweenness_sd",
    }  # fmt: skip
    assert (found["closeness_mean"], found["degree_var"], found["sources"]) == (0, 0, 3)


def test_disconnected_graph_has_no_distances_but_centralities():
    found = measures(Structure([[0, 1, 3], [1, 2, 4]], 5))
    undefined = {name for name, value in found.items() if np.isnan(value)}
    assert undefined == {
        "diameter", "average_path_length", "eccentricity_mean", "eccentricity_var", "eccentricity_sd"
    }  # fmt: skip
    graph = nx.Graph([(0, 1), (1, 2), (3, 4)])
    assert found["closeness_mean"] == pytest.approx(np.mean(list(nx.closeness_centrality(graph).values())))


def test_recurrent_edges_do_not_count():
    plain = Structure.from_layers([3, 4, 2], family="gru", recurrence="none")
    looped = plain.with_recurrence("layer")
    assert looped.num_edges > plain.num_edges
    assert measures(looped) == measures(plain)


def test_counts_of_paths_beyond_the_largest_float():
    # 3 ** 659 > 1e308 shortest paths between the ends; every distance is shared out among the edges
    # on its paths and, less one, among the units between.
    found = measures(Structure.from_layers([3] * 660))
    n, m = found["nodes"], found["edges"]
    assert found["edge_betweenness_mean"] * m == pytest.approx(found["average_path_length"], rel=1e-9)
    between = (found["average_path_length"] - 1) * n / (n - 2)
    assert found["node_betweenness_mean"] * n == pytest.approx(between, rel=1e-9)
    assert np.isfinite(found["edge_betweenness_sd"])


@given(structure=structures(max_units=10))
@settings(max_examples=40, deadline=None)
def test_logarithmic_counts_give_the_same_betweenness(structure):
    from nnstruct.properties import kernel

    graph = undirected(structure)
    n, m = structure.num_units, graph.number_of_edges()
    tails, heads = structure.forward_edges
    start, neighbour, edge = np.zeros(n + 1, int), np.zeros(2 * m, int), np.zeros(2 * m, int)
    kernel._adjacency.py_func(tails, heads, n, start, neighbour, edge)
    distance, queue, arcs, first = (np.zeros(size, int) for size in (n, n + 1, m + 1, n + 1))
    share, node_sum, arc_sum, edge_sum = np.zeros(n), np.zeros(n), np.zeros(2 * m), np.zeros(m)
    for root in range(n):
        paths = np.zeros(n)
        reached, _ = kernel._search.py_func(root, start, neighbour, distance, paths, queue, arcs, first)
        kernel._accumulate_logs.py_func(
            reached, neighbour, paths, queue, arcs, first, share, node_sum, arc_sum
        )
    np.add.at(edge_sum, edge, arc_sum)
    expected = nx.betweenness_centrality(graph, normalized=False)
    np.testing.assert_allclose(node_sum / 2, [expected[v] for v in range(n)], atol=1e-9)
    shares = nx.edge_betweenness_centrality(graph, normalized=False)
    found = dict(zip(map(frozenset, zip(tails.tolist(), heads.tolist(), strict=True)), edge_sum, strict=True))
    for pair, value in shares.items():
        assert found[frozenset(pair)] / 2 == pytest.approx(value)
