"""Shares of paths from input to output against networkx, and what pruning by them keeps."""

from __future__ import annotations

import itertools

import networkx as nx
import numpy as np
import pytest
import torch
from torch import nn

from nnstruct import load_task
from nnstruct.errors import InvalidInputError
from nnstruct.modules import build_module
from nnstruct.network import Network
from nnstruct.priors import ErdosRenyi
from nnstruct.pruning import load_pruner, prune
from nnstruct.pruning.methods.edge_betweenness import path_shares


def by_networkx(layers: list[np.ndarray]) -> list[np.ndarray]:
    graph, sizes = nx.DiGraph(), [layers[0].shape[1], *map(len, layers)]
    for place, size in enumerate(sizes):
        graph.add_nodes_from((place, unit) for unit in range(size))
    for place, links in enumerate(layers):
        graph.add_edges_from(
            ((place, int(j)), (place + 1, int(i))) for i, j in zip(*np.nonzero(links), strict=True)
        )
    inputs = [(0, unit) for unit in range(sizes[0])]
    outputs = [(len(layers), unit) for unit in range(sizes[-1])]
    between = nx.edge_betweenness_centrality_subset(graph, inputs, outputs, normalized=False)
    found = [np.zeros(links.shape) for links in layers]
    for ((place, j), (_, i)), value in between.items():
        found[place][i, j] = value
    return found


@pytest.mark.parametrize("density", [0.3, 0.7, 1.0])
def test_shares_of_paths_are_those_of_networkx(density):
    for seed in range(4):
        rng = np.random.default_rng(seed)
        layers = [rng.random((b, a)) < density for a, b in itertools.pairwise((5, 6, 4, 3))]
        for found, expected in zip(path_shares(layers), by_networkx(layers), strict=True):
            np.testing.assert_allclose(found, expected, atol=1e-12)


def test_deep_networks_stay_within_range():
    layers = [np.ones((40, 40), dtype=bool)] * 300
    shares = path_shares(layers)
    assert all(np.isfinite(share).all() for share in shares)
    np.testing.assert_allclose(shares[0], 1.0)  # 40 * 40 pairs, evenly over 40 * 40 links
    np.testing.assert_allclose(shares[150], 1.0)


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3))


@pytest.mark.parametrize("kept", ["largest", "smallest"])
def test_what_stays_carries_the_most_or_the_least(kept):
    sparse = prune(network(), 0.6, method="random", seed=1)
    assert isinstance(sparse, nn.Sequential)
    before = [layer.weight.detach() != 0 for layer in (sparse[0], sparse[2])]
    shares = path_shares([mask.numpy() for mask in before])
    after = load_pruner("edge-betweenness", kept=kept).prune(sparse, 0.3)
    stays = [(layer.weight.detach() != 0).numpy() for layer in (after[0], after[2])]
    kept_shares = np.concatenate([share[mask] for share, mask in zip(shares, stays, strict=True)])
    gone = [share[old.numpy() & ~new] for share, old, new in zip(shares, before, stays, strict=True)]
    assert len(kept_shares) == round(0.3 * 45)
    if kept == "largest":
        assert kept_shares.min() >= np.concatenate(gone).max() - 1e-9
    else:
        assert kept_shares.max() <= np.concatenate(gone).min() + 1e-9


def test_equal_places_are_told_apart_by_magnitude():
    dense = network()
    sparse = prune(dense, 0.4, method="edge-betweenness", classes="uniform")
    assert isinstance(sparse, nn.Sequential)
    for place in (0, 2):
        weight, found = dense[place].weight.detach().abs(), sparse[place].weight.detach().abs()
        assert found[found > 0].min() > weight[found == 0].max()


def test_edges_of_a_structure_go_by_their_betweenness():
    structure = ErdosRenyi(units=14, p=0.4).sample(3, family="mlp")
    network = build_module(structure, load_task("digits"), seed=0).to_network()
    between = nx.edge_betweenness_centrality(structure.to_networkx(), normalized=False)
    expected = np.array([between[int(a), int(b)] for a, b in structure.edge_index.T])
    sparse = prune(network, 0.5, method="edge-betweenness")
    assert isinstance(sparse, Network)
    left = set(map(tuple, sparse.structure.edge_index.T.tolist()))
    stays = np.array([tuple(edge) in left for edge in structure.edge_index.T.tolist()])
    assert stays.sum() == round(0.5 * structure.num_edges)
    assert expected[stays].min() >= expected[~stays].max() - 1e-9


def test_an_option_that_breaks_its_rule_is_told():
    with pytest.raises(InvalidInputError, match="kept must be one of"):
        load_pruner("edge-betweenness", kept="middle")
