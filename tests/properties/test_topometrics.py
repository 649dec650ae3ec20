"""Measures of sparse networks against networkx, full spectra and enumeration."""

from __future__ import annotations

import itertools
import math

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from properties_oracles import structures

from nnstruct import Structure, load_task
from nnstruct.errors import InvalidInputError
from nnstruct.modules import build_module
from nnstruct.network import Network
from nnstruct.properties import bipartite, bipartite_graphs, features, network_features, topology_distance
from nnstruct.properties.weight_tensors import weight_tensors

NAN = math.nan


def sparse_layers(seed: int, sizes=(6, 8, 7, 4), density: float = 0.4) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.random((b, a)) < density for a, b in itertools.pairwise(sizes)]


def structure_of(layers: list[np.ndarray], family: str = "module") -> Structure:
    """Of extracted modules outputs may hang in the air, as those of sparse layers do."""
    starts = np.cumsum([0, layers[0].shape[1], *(len(links) for links in layers)])
    pairs = [
        np.stack([np.nonzero(links)[1] + starts[k], np.nonzero(links)[0] + starts[k + 1]])
        for k, links in enumerate(layers)
    ]
    inputs, outputs = (np.zeros(starts[-1], dtype=bool) for _ in range(2))
    inputs[: starts[1]], outputs[starts[-2] :] = True, True
    return Structure(
        np.concatenate(pairs, axis=1), int(starts[-1]), inputs=inputs, outputs=outputs, family=family
    )


def gap_by_adjacency(links: np.ndarray) -> float:
    """Of the eigenvalues of the whole adjacency matrix, the third in size, as the authors take it."""
    graph = nx.Graph()
    graph.add_edges_from((("t", int(i)), ("s", int(j))) for i, j in zip(*np.nonzero(links), strict=True))
    targets = [degree for node, degree in graph.degree if node[0] == "t"]
    sources = [degree for node, degree in graph.degree if node[0] == "s"]
    if min(len(targets), len(sources)) < 2 or min(np.mean(targets), np.mean(sources)) < 3:
        return NAN
    values = np.sort(np.abs(np.linalg.eigvalsh(nx.to_numpy_array(graph))))[::-1]
    return math.sqrt(np.mean(targets) - 1) + math.sqrt(np.mean(sources) - 1) - values[2]


def by_definition(structure: Structure) -> dict[str, float]:
    directed = structure.to_networkx(recurrent=False)
    graph, nodes = nx.Graph(directed), range(structure.num_units)
    out, into = dict(directed.out_degree), dict(directed.in_degree)
    sources = [v for v in nodes if not structure.inputs[v] and out[v] and not into[v]]
    sinks = [v for v in nodes if not structure.outputs[v] and into[v] and not out[v]]
    on_a_way = {
        edge
        for a in nodes
        for b in nodes
        if structure.inputs[a] and structure.outputs[b]
        for path in nx.all_simple_paths(directed, a, b)
        for edge in itertools.pairwise(path)
    }
    layers = {v: int(structure.layer[v]) for v in nodes}
    blocks = {}
    for a, b in directed.edges:
        blocks.setdefault((layers[a], layers[b]), []).append((a, b))
    matrices = []
    for (first, second), edges in sorted(blocks.items()):
        rows = [v for v in nodes if layers[v] == second]
        columns = [v for v in nodes if layers[v] == first]
        matrices.append(np.array([[(b, a) in edges for b in columns] for a in rows]))
    gaps = [gap for gap in map(gap_by_adjacency, matrices) if gap == gap]
    singular = [np.linalg.svd(m, compute_uv=False) for m in matrices]
    spectral = [s[0] - s[1] for s, m in zip(singular, matrices, strict=True)
                if min(m.any(1).sum(), m.any(0).sum()) > 1]  # fmt: skip
    size = sum(matrix.size for matrix in matrices)
    hops = [nx.single_source_shortest_path_length(directed, v, cutoff=2) for v in nodes]
    components = nx.number_connected_components(graph)
    return {
        "density": directed.number_of_edges() / size if size else NAN,
        "sources": len(sources),
        "sinks": len(sinks),
        "disconnected": nx.number_of_isolates(directed),
        "removable_out": sum(out[v] for v in sources),
        "removable_in": sum(into[v] for v in sinks),
        "removable": len(set(directed.edges) - on_a_way),
        "cut_edges": sum(
            nx.number_connected_components(nx.restricted_view(graph, [], [edge])) > components
            for edge in graph.edges
        ),
        "cut_units": sum(
            nx.number_connected_components(nx.restricted_view(graph, [v], [])) > components
            for v in nodes
            if graph.degree[v]
        ),
        "motifs": sum(
            nx.is_connected(graph.subgraph(three)) for three in itertools.combinations(graph.nodes, 3)
        ),
        "core_mean": np.mean(list(nx.core_number(graph).values())),
        "hop_1": np.mean([sum(d == 1 for d in hop.values()) for hop in hops]),
        "hop_2": np.mean([len(hop) - 1 for hop in hops]),
        "ramanujan_gap": np.mean(gaps) if gaps else NAN,
        "ramanujan_share": np.mean([gap >= 0 for gap in gaps]) if gaps else NAN,
        "spectral_gap": np.mean(spectral) if spectral else NAN,
    }


def check(structure: Structure) -> None:
    row = features([structure], ("topometrics",), cache=False).iloc[0]
    for name, value in by_definition(structure).items():
        assert row[f"topometrics.{name}"] == pytest.approx(value, rel=1e-7, abs=1e-7, nan_ok=True), name


@pytest.mark.parametrize("seed", range(3))
def test_sparse_layers_have_the_measures_of_their_definitions(seed):
    check(structure_of(sparse_layers(seed, density=(0.15, 0.35, 0.6)[seed])))


@given(structure=structures(max_units=10))
@settings(max_examples=25, deadline=None)
def test_any_structure_has_the_measures_of_their_definitions(structure):
    check(structure)


def test_the_mean_difference_of_bound_goes_over_sources_of_one_degree():
    links = sparse_layers(3, sizes=(40, 12), density=0.5)[0]
    degrees = links.sum(0)
    gaps = [
        gap_by_adjacency(links[:, degrees == degree])
        for degree in np.unique(degrees)
        if (degrees == degree).sum() >= 3
    ]
    gaps = [gap for gap in gaps if gap == gap]
    assert len(gaps) > 1
    assert bipartite.mean_difference_of_bound(links) == pytest.approx(np.mean(gaps))
    assert math.isnan(bipartite.mean_difference_of_bound(np.zeros((4, 4), dtype=bool)))


@pytest.mark.parametrize("dense", [True, False])
def test_many_bipartite_graphs_at_a_time_are_as_each_alone(monkeypatch, dense):
    if not dense:
        monkeypatch.setattr(bipartite_graphs, "_DENSE", 3)
    rng = np.random.default_rng(0)
    alone = [
        rng.random((a, b)) < p
        for a, b, p in ((9, 12, 0.6), (20, 7, 0.5), (2, 2, 1), (1, 5, 1), (30, 40, 0.2))
    ]
    group, source, target = (
        np.concatenate(part)
        for part in zip(
            *((np.full(m.sum(), k), *np.nonzero(m)[::-1]) for k, m in enumerate(alone)), strict=True
        )
    )
    order = rng.permutation(len(group))
    graphs = bipartite_graphs.BipartiteGraphs(group[order], source[order], target[order], 40)
    wanted = [bipartite.ramanujan_gap(links) for links in alone]
    np.testing.assert_allclose(graphs.gaps(), wanted, atol=1e-9)
    wanted = [bipartite.spectral_gap(links) for links in alone]
    np.testing.assert_allclose(graphs.first - graphs.second, wanted, atol=1e-9)
    chosen, kind = graphs.by_degree_of_source()
    parts = bipartite_graphs.BipartiteGraphs(kind, graphs.source[chosen], graphs.target[chosen], 40).gaps()
    for number, links in enumerate(alone):
        own = np.unique(kind[graphs.group[chosen] == number])
        mean = np.mean([gap for gap in parts[own] if gap == gap] or [NAN])
        np.testing.assert_allclose(mean, bipartite.mean_difference_of_bound(links), atol=1e-9)


def test_large_layers_have_the_same_two_values(monkeypatch):
    matrix = np.random.default_rng(0).random((30, 40))
    wanted = np.linalg.svd(matrix, compute_uv=False)[:2]
    assert bipartite.two_largest(matrix) == pytest.approx(wanted)
    monkeypatch.setattr(bipartite, "_DENSE", 1)
    assert bipartite.two_largest(matrix) == pytest.approx(wanted)


def test_a_trained_network_expands_by_its_weights():
    structure = structure_of(sparse_layers(1, density=0.5), "mlp")
    network = build_module(structure, load_task("digits"), seed=1).to_network()
    assert isinstance(network, Network)
    row = network_features([network], ["expansion"]).iloc[0]
    strengths = [np.sqrt((each.tensor**2).sum(2)) for each in weight_tensors(network)]
    singular = [np.linalg.svd(strength, compute_uv=False) for strength in strengths]
    gaps = [values[0] - values[1] for values in singular]
    ramanujan = [gap for gap in (gap_by_adjacency(s > 0) for s in strengths) if gap == gap]
    assert row["expansion.weighted_gap_mean"] == pytest.approx(np.mean(gaps))
    assert row["expansion.weighted_gap_min"] == pytest.approx(min(gaps))
    assert row["expansion.ramanujan_gap"] == pytest.approx(np.mean(ramanujan))
    total, there = sum(s.size for s in strengths), sum(int((s > 0).sum()) for s in strengths)
    assert row["expansion.density"] == pytest.approx(there / total)
    assert row["expansion.strength_in"] == pytest.approx(np.concatenate([s.sum(1) for s in strengths]).mean())


# ---- the distance of two topologies


def least_of_all_matchings(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Over every order of the units, by sets."""
    mine, yours = ([set(np.flatnonzero(row)) for row in links] for links in (ours, theirs))

    def apart(a: set, b: set) -> float:
        return len(a ^ b) / len(a | b) if a | b else 0.0

    orders = itertools.permutations(range(len(mine)))
    return min(np.mean([apart(mine[i], yours[j]) for i, j in enumerate(order)]) for order in orders)


@pytest.mark.parametrize("seed", range(4))
def test_units_are_matched_as_well_as_can_be(seed):
    ours, theirs = (sparse_layers(2 * seed + k, sizes=(7, 5), density=0.35) for k in (0, 1))
    assert topology_distance(ours, theirs) == pytest.approx([least_of_all_matchings(ours[0], theirs[0])])
    assert topology_distance(theirs, ours) == pytest.approx(topology_distance(ours, theirs))


def test_the_order_of_hidden_units_does_not_count_but_that_of_inputs_does():
    layers = sparse_layers(5, sizes=(12, 9, 7, 4))
    assert all(len(np.unique(links, axis=0)) == len(links) for links in layers)
    rng, inputs, shuffled = np.random.default_rng(0), np.arange(12), []
    for links in layers:
        order = rng.permutation(len(links))
        shuffled.append(links[order][:, inputs])
        inputs = order
    assert topology_distance(layers, shuffled) == [0.0] * 3
    moved = [layers[0][:, np.roll(np.arange(12), 1)], *layers[1:]]
    assert topology_distance(layers, moved)[0] > 0.2


def test_structures_are_compared_by_their_layers():
    full = Structure.from_layers([4, 5, 3])
    assert topology_distance(full, full) == [0.0, 0.0]
    half = [np.ones((5, 4), dtype=bool), np.ones((3, 5), dtype=bool)]
    half[0][:, :2] = False
    assert topology_distance(full, half) == pytest.approx([0.5, 0.0])


def test_topologies_that_cannot_be_compared_are_told():
    with pytest.raises(InvalidInputError, match="second must have layers"):
        topology_distance(Structure.from_layers([4, 5]), Structure.from_layers([5, 4]))
    with pytest.raises(InvalidInputError, match="consecutive"):
        topology_distance(Structure([[0, 0, 1], [1, 2, 2]], 3), Structure.from_layers([1, 1, 1]))
    with pytest.raises(InvalidInputError, match="as many inputs"):
        topology_distance([np.ones((2, 3)), np.ones((2, 3))], [np.ones((2, 3))])
    with pytest.raises(InvalidInputError, match="matrix"):
        topology_distance([], [np.ones((2, 3))])
