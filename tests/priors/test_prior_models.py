"""Each prior against what is known of its graph model, with networkx as the oracle."""

from __future__ import annotations

from itertools import pairwise

import networkx as nx
import numpy as np
import pytest

from nnstruct.errors import InvalidInputError, StructureError
from nnstruct.priors import (
    BarabasiAlbert,
    DenseLayered,
    ErdosRenyi,
    NewmanWattsStrogatz,
    PowerLawConfiguration,
    RandomGeometric,
    RandomLayered,
    StochasticBlock,
    WattsStrogatz,
)
from nnstruct.priors.helpers import components, networkx_seed, random_sizes
from nnstruct.priors.layers import join_components
from nnstruct.random import generator
from nnstruct.structure import Structure


def forward(prior, seed=0):
    return prior.sample(seed, family="mlp")


@pytest.mark.parametrize(("n", "m"), [(2, 1), (10, 1), (20, 3), (31, 7), (12, 11)])
@pytest.mark.parametrize("orientation", ["index", "random"])
def test_barabasi_albert_has_m_times_n_minus_m_edges(n, m, orientation):
    prior = BarabasiAlbert(units=n, m=m, orientation=orientation)
    assert forward(prior).num_edges == m * (n - m) == prior.expected_edges


@pytest.mark.parametrize(("n", "k"), [(3, 2), (10, 2), (15, 3), (20, 6), (31, 9)])
@pytest.mark.parametrize("p", [0, 0.3, 1])
def test_watts_strogatz_has_n_times_half_k_edges(n, k, p):
    prior = WattsStrogatz(units=n, k=k, p=p)
    assert forward(prior).num_edges == n * (k // 2) == prior.expected_edges


@pytest.mark.parametrize("sizes", [[1, 1], [3, 4], [2, 5, 1, 3], [1, 9]])
def test_dense_layered_has_every_edge_between_consecutive_layers(sizes):
    structure = forward(DenseLayered(sizes=sizes))
    assert structure == Structure.from_layers(sizes)
    assert structure.num_edges == sum(a * b for a, b in pairwise(sizes))
    assert structure.layer_sizes.tolist() == sizes


@pytest.mark.parametrize(
    ("prior", "oracle"),
    [
        (BarabasiAlbert(units=25, m=2), lambda seed: nx.barabasi_albert_graph(25, 2, seed=seed)),
        (WattsStrogatz(units=25, k=6, p=0.2), lambda seed: nx.watts_strogatz_graph(25, 6, 0.2, seed=seed)),
        (ErdosRenyi(units=25, p=0.5), lambda seed: nx.gnp_random_graph(25, 0.5, seed=seed)),
        (
            NewmanWattsStrogatz(units=25, k=4, p=0.5),
            lambda seed: nx.newman_watts_strogatz_graph(25, 4, 0.5, seed=seed),
        ),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_index_orientation_is_that_of_from_networkx(prior, oracle):
    for seed in range(3):
        graph = oracle(networkx_seed(generator(seed, "prior", prior.name)))
        assert nx.is_connected(graph)
        assert prior.sample(seed, family="rnn_tanh") == Structure.from_networkx(graph, family="rnn_tanh")


def test_the_oldest_unit_is_the_only_source_of_a_barabasi_albert_graph_by_index():
    by_index = forward(BarabasiAlbert(units=40, m=2))
    assert np.flatnonzero(by_index.inputs).tolist() == [0]
    in_random_order = [
        forward(BarabasiAlbert(units=40, m=2, orientation="random"), s).inputs.sum() for s in range(5)
    ]
    assert min(in_random_order) > 1


def test_a_random_order_keeps_the_undirected_graph_and_makes_a_ring_shallow():
    ring = WattsStrogatz(units=30, k=4, p=0)
    shuffled = WattsStrogatz(units=30, k=4, p=0, orientation="random")
    undirected = [nx.Graph(forward(prior).to_networkx()).to_undirected() for prior in (ring, shuffled)]
    assert nx.is_isomorphic(*undirected)
    assert forward(ring).num_layers == 30
    assert forward(shuffled).num_layers < 15


def test_newman_watts_strogatz_keeps_the_ring():
    for seed in range(5):
        edges = {
            tuple(edge) for edge in forward(NewmanWattsStrogatz(units=12, k=2, p=0.5), seed).edge_index.T
        }
        assert {(u, u + 1) for u in range(11)} | {(0, 11)} <= edges


def test_random_geometric_runs_from_left_to_right():
    prior = RandomGeometric(units=30, radius=0.5)
    for seed in range(3):
        rng = generator(seed, "prior", prior.name)
        graph = nx.random_geometric_graph(30, 0.5, seed=networkx_seed(rng))
        left_to_right = sorted(graph, key=lambda node, graph=graph: graph.nodes[node]["pos"][0])
        rank = {node: position for position, node in enumerate(left_to_right)}
        expected = {tuple(sorted((rank[u], rank[v]))) for u, v in graph.edges}
        assert {tuple(edge) for edge in forward(prior, seed).edge_index.T.tolist()} == expected


def test_stochastic_blocks_in_a_chain():
    structure = forward(StochasticBlock(sizes=[6, 6], p_within=1, p_across=0.2))
    block = np.arange(12) // 6
    within = block[structure.edge_index[0]] == block[structure.edge_index[1]]
    assert within.sum() == 2 * 15
    assert 0 < (~within).sum() < 20


def test_power_law_degrees():
    prior = PowerLawConfiguration(units=200, exponent=2.5, min_degree=3)
    structure = forward(prior)
    degree = np.bincount(structure.edge_index.ravel(), minlength=200)
    assert np.bincount(degree).argmax() == 3
    assert degree.max() > 15
    # Erasing loops and repeats leaves a few units below the least degree that was drawn.
    assert (degree < 3).mean() < 0.1
    assert (structure.edge_index[0] < structure.edge_index[1]).all()


@pytest.mark.parametrize(("units", "min_degree"), [(50, 4), (51, 5), (5, 3), (4, 3), (2, 1)])
def test_a_huge_exponent_draws_the_least_degree_for_all_but_one(units, min_degree):
    prior = PowerLawConfiguration(units=units, exponent=5000, min_degree=min_degree)
    assert prior.expected_edges == pytest.approx(units * min_degree / 2)
    degree = np.bincount(forward(prior).edge_index.ravel(), minlength=units)
    assert (degree > min_degree).sum() <= units * min_degree % 2
    assert degree.max() <= min_degree + 1


@pytest.mark.parametrize("density", [(0, 0), (0.1, 0.3), (1, 1)])
@pytest.mark.parametrize("skip", [0, 0.2])
def test_random_layers_keep_every_unit_between_first_and_last(density, skip):
    for seed in range(15):
        structure = forward(RandomLayered(units=18, layers=5, density=density, skip=skip), seed)
        assert structure.num_layers == 5
        assert structure.inputs.tolist() == (structure.layer == 0).tolist()
        assert structure.outputs.tolist() == (structure.layer == 4).tolist()
        span = np.diff(structure.layer[structure.edge_index], axis=0)
        assert (span > 1).any() <= (skip > 0)
        if density == (1, 1) and skip == 0:
            assert structure == Structure.from_layers(structure.layer_sizes.tolist())


def test_components_of_random_layers_are_joined_by_one_edge_each():
    layer = np.array([0, 0, 0, 1, 1, 1])
    joined = np.zeros((6, 6), dtype=bool)
    joined[[0, 1, 2], [3, 4, 5]] = True
    join_components(joined, layer, generator(0))
    pairs = np.stack(np.nonzero(joined))
    assert pairs.shape[1] == 5
    assert not components(pairs, 6).any()
    assert (np.diff(layer[pairs], axis=0) == 1).all()


def test_random_sizes_are_uniform_over_the_ways_to_fill_layers():
    rng = generator(0)
    drawn = [tuple(random_sizes(5, 3, rng)) for _ in range(1200)]
    ways, counts = np.unique(drawn, axis=0, return_counts=True)
    assert len(ways) == 6
    assert (ways.sum(axis=1) == 5).all()
    # Six cells of mean 200: the 0.9999 quantile of chi-squared with 5 degrees of freedom is 25.7.
    assert ((counts - 200) ** 2 / 200).sum() < 25.7


@pytest.mark.parametrize(
    "prior",
    [
        ErdosRenyi(units=30, p=0.2),
        StochasticBlock(sizes=[5, 10, 15], p_within=0.6, p_across=0.1),
        RandomGeometric(units=30, radius=0.35),
        NewmanWattsStrogatz(units=30, k=4, p=0.4),
        RandomLayered(units=40, layers=3, density=(0.6, 0.9), skip=0.3),
    ],
    ids=lambda prior: prior.name,
)
def test_expected_edges_is_the_mean_of_the_plain_model(prior):
    rng = generator(1, prior.name)
    counts = np.array([prior.pairs(rng).shape[1] for _ in range(300)])
    error = counts.std(ddof=1) / np.sqrt(len(counts))
    assert abs(counts.mean() - prior.expected_edges) < 4 * error


def test_disconnected_graphs_end_in_one_clear_error():
    with pytest.raises(StructureError, match=r"connected within 3 tries.*ErdosRenyi\(.*p=0.01") as caught:
        forward(ErdosRenyi(units=30, p=0.01, tries=3))
    assert "raise tries" in caught.value.hint


def test_graphs_are_drawn_again_until_connected():
    once = WattsStrogatz(units=14, k=2, p=1, tries=1)
    failed = [seed for seed in range(10) if not _is_drawn(once, seed)]
    assert 1 <= len(failed) <= 9
    for seed in failed:
        assert forward(WattsStrogatz(units=14, k=2, p=1, tries=100), seed).num_edges == 14


def _is_drawn(prior, seed):
    try:
        forward(prior, seed)
    except StructureError:
        return False
    return True


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ErdosRenyi(units=1, p=0.5), "units must be greater than or equal to 2, got 1."),
        (lambda: ErdosRenyi(units=5, p=-0.1), "p must be greater than or equal to 0, got -0.1."),
        (lambda: ErdosRenyi(units=5, p=0.5, tries=0), "tries must be greater than or equal to 1, got 0."),
        (lambda: BarabasiAlbert(units=5, m=5), "m must be less than units, 5, got 5."),
        (
            lambda: BarabasiAlbert(units=5, m=1, orientation="up"),
            "orientation must be 'index' or 'random', got 'up'",
        ),
        (lambda: WattsStrogatz(units=5, k=1, p=1), "k must be greater than or equal to 2, got 1."),
        (lambda: WattsStrogatz(units=5, k=5, p=1), "k must be less than units, 5, got 5."),
        (lambda: NewmanWattsStrogatz(units=5, k=6, p=1), "k must be less than units, 5, got 6."),
        (lambda: DenseLayered(sizes=[5]), "sizes must have at least 2 items"),
        (lambda: DenseLayered(sizes=[5, 0]), "sizes.1 must be greater than or equal to 1, got 0."),
        (lambda: StochasticBlock(sizes=[3, 3], p_within=2, p_across=0), "p_within must be less than or"),
        (lambda: RandomGeometric(units=5, radius=0), "radius must be greater than 0, got 0."),
        (lambda: PowerLawConfiguration(units=5, exponent=0), "exponent must be greater than 0, got 0."),
        (
            lambda: PowerLawConfiguration(units=5, exponent=2, min_degree=5),
            "min_degree must be less than units, 5, got 5.",
        ),
        (
            lambda: PowerLawConfiguration(units=4, exponent=2, min_degree=4),
            "min_degree must be less than units, 4, got 4.",
        ),
        (lambda: RandomLayered(units=5, layers=6), "layers must be at most units, 5, got 6."),
        (
            lambda: RandomLayered(units=5, layers=2, density=(0.9, 0.1)),
            r"density must be a pair \(lowest, highest\), got \(0.9, 0.1\).",
        ),
    ],
)
def test_rules_are_named_with_field_and_value(make, message):
    with pytest.raises(InvalidInputError, match=message):
        make()
