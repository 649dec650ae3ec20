"""Relational graphs: structures whose edges have no direction, the same for every order of their units."""

from __future__ import annotations

from itertools import combinations

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnstruct import Space, build, load_task
from nnstruct.errors import InvalidInputError, StructureError
from nnstruct.priors import BarabasiAlbert
from nnstruct.properties import feature_names, features
from nnstruct.structure import Structure
from nnstruct.structure.interchange import from_arrow, from_pyg, to_arrow, to_pyg
from nnstruct.structure.networkx_graphs import from_networkx, to_networkx

FAMILIES = ("paper", "motifs", "spectra", "centrality")


@st.composite
def graphs(draw, most=9):
    """A graph of some nodes, named at random."""
    n = draw(st.integers(1, most))
    pairs = list(combinations(range(n), 2))
    chosen = draw(st.lists(st.booleans(), min_size=len(pairs), max_size=len(pairs)))
    graph = nx.empty_graph(n)
    graph.add_edges_from(pair for pair, taken in zip(pairs, chosen, strict=True) if taken)
    return graph


def reordered(graph, order):
    """The same graph with other names, listed in another order, each edge from the other end."""
    names = dict(zip(graph.nodes, order, strict=True))
    other = nx.Graph()
    other.add_nodes_from(sorted(names.values()))
    other.add_edges_from((names[v], names[u]) for u, v in reversed(list(graph.edges)))
    return other


def relational(graph):
    return Structure.from_networkx(graph, undirected=True)


@given(graphs(), st.randoms(use_true_random=False))
def test_every_order_of_the_nodes_has_one_fingerprint_and_one_row(graph, stream):
    order = list(graph.nodes)
    stream.shuffle(order)
    one, other = relational(graph), relational(reordered(graph, order))
    assert one.fingerprint == other.fingerprint
    assert one.layer.tolist() == [0] * one.num_units
    rows = features([one, other], FAMILIES, cache=False).to_numpy()
    np.testing.assert_allclose(rows[0], rows[1], rtol=1e-7, atol=1e-8)


def test_a_graph_in_two_orders_has_layers_that_differ_only_where_edges_have_directions():
    graph = nx.connected_watts_strogatz_graph(16, 4, 0.3, seed=1)
    other = reordered(graph, np.random.default_rng(0).permutation(16).tolist())
    directed = [Structure.from_networkx(each) for each in (graph, other)]
    assert directed[0].num_layers != directed[1].num_layers
    assert relational(graph).num_layers == relational(other).num_layers == 1
    assert directed[0].fingerprint != directed[1].fingerprint


@pytest.mark.parametrize("n", [4, 5])
def test_fingerprints_tell_apart_what_is_not_isomorphic(n):
    """As many fingerprints as there are graphs of n nodes (OEIS A000088)."""
    pairs = list(combinations(range(n), 2))
    prints = set()
    for chosen in range(2 ** len(pairs)):
        graph = nx.empty_graph(n)
        graph.add_edges_from(pair for place, pair in enumerate(pairs) if chosen >> place & 1)
        prints.add(relational(graph).fingerprint)
    assert len(prints) == {4: 11, 5: 34}[n]


@given(graphs())
def test_measures_are_those_of_the_undirected_graph(graph):
    row = features([relational(graph)], FAMILIES, cache=False).iloc[0]
    assert row["paper.edges"] == graph.number_of_edges()
    assert row["motifs.triad_030T"] == sum(nx.triangles(graph).values()) // 3
    assert row["motifs.transitivity"] == pytest.approx(nx.transitivity(graph))
    assert row["motifs.core_max"] == max(nx.core_number(graph).values())
    largest = np.linalg.eigvalsh(nx.to_numpy_array(graph)).max()
    assert row["spectra.adjacency_max"] == pytest.approx(largest, abs=1e-9)
    assert row["spectra.recurrent_norm"] == pytest.approx(largest, abs=1e-9)
    betweenness = np.mean(list(nx.betweenness_centrality(graph).values()))
    assert row["centrality.undirected_betweenness_mean"] == pytest.approx(betweenness)
    needing = [
        *("paper.layers", "paper.sources", "paper.sinks", "motifs.bifans", "motifs.triad_021C"),
        *("motifs.modularity_layers", "spectra.forward_norm", "centrality.directed_betweenness_mean"),
    ]
    assert row[needing].isna().all()


def test_colours_of_a_star_are_those_of_its_ends_and_its_middle():
    star = relational(nx.star_graph(4))
    assert features([star], ["motifs"])["motifs.colours_final"].tolist() == [2]


def test_families_that_need_directions_are_refused_by_name():
    ring = relational(nx.cycle_graph(5))
    with pytest.raises(InvalidInputError) as caught:
        features([Structure.from_layers([2, 2]), ring], ["paper", "layered", "paths"])
    assert "families must be among centrality, motifs, paper, spectra for graphs without directions" in str(
        caught.value
    )
    assert "got ['layered', 'paths']" in str(caught.value)
    mixed = features([Structure.from_layers([2, 2]), ring], ["paper"])
    assert mixed["paper.layers"].tolist()[0] == 2
    assert np.isnan(mixed["paper.layers"].iloc[1])
    assert len(mixed.columns) == len(feature_names(["paper"]))


@given(graphs())
def test_a_relational_graph_goes_everywhere_and_comes_back(graph):
    structure = relational(graph)
    assert from_pyg(to_pyg(structure)) == structure
    assert from_arrow(to_arrow([structure])) == [structure]
    again = to_networkx(structure)
    assert type(again) is nx.Graph
    assert set(map(frozenset, again.edges)) == set(map(frozenset, graph.edges))
    assert from_networkx(again, family="relational") == structure
    assert structure.trim() is structure


def test_directions_loops_and_parallel_edges_are_left_out():
    messy = nx.MultiDiGraph([(0, 1), (1, 0), (0, 1), (1, 1), (1, 2)])
    assert relational(messy) == relational(nx.path_graph(3))
    with pytest.raises(StructureError, match="undirected must be False for the family 'gru', got True"):
        Structure.from_networkx(nx.path_graph(3), family="gru", undirected=True)


WRONG = [
    ([[0], [1]], [False], {}, "recurrent must be all True for the family 'relational'"),
    ([[0], [1]], [True], {}, "edge_index must hold each edge both ways for the family 'relational'"),
    ([[0, 1, 0], [1, 0, 0]], [True] * 3, {}, "edge_index must lead to other units"),
    ([[0, 1], [1, 0]], [True] * 2, {"inputs": [True, False]}, "inputs must be all True"),
    ([[0, 1], [1, 0]], [True] * 2, {"outputs": [True, False]}, "outputs must be all True"),
]  # fmt: skip


@pytest.mark.parametrize(("edges", "recurrent", "more", "message"), WRONG)
def test_what_is_no_undirected_graph(edges, recurrent, more, message):
    with pytest.raises(StructureError) as caught:
        Structure(edges, 2, recurrent=recurrent, family="relational", **more)
    assert message in str(caught.value)


def test_a_prior_draws_one_and_a_space_holds_none():
    prior = BarabasiAlbert(units=8, m=2)
    drawn, directed = (prior.sample(3, family=family) for family in ("relational", "mlp"))
    assert drawn.graph_edges.tolist() == directed.forward_edges.tolist()
    assert drawn.num_edges == 2 * directed.num_edges
    with pytest.raises(InvalidInputError, match="family must have directions to make a space"):
        Space("relational")
    with pytest.raises(StructureError, match="family must have directions to be given recurrent edges"):
        drawn.with_recurrence("layer")


def test_what_has_no_direction_is_not_trained(tmp_path):
    with pytest.raises(InvalidInputError, match="to be trained, got 'relational'"):
        build(load_task("digits"), [relational(nx.cycle_graph(5))], out=tmp_path / "bench", workers=1)


def test_it_is_drawn_on_a_circle():
    import matplotlib.pyplot as plt

    ax = relational(nx.cycle_graph(5)).plot()
    assert ax.get_title() == "relational, 5 units, 5 edges"
    (lines, *_) = ax.collections
    ends = np.array([path.vertices for path in lines.get_paths()])
    np.testing.assert_allclose(np.linalg.norm(ends, axis=-1), 1.0)
    assert len(ends) == 5
    plt.close("all")
