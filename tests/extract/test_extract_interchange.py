"""Networks in the forms of other libraries."""

from __future__ import annotations

from pathlib import Path

import networkx as nx
import numpy as np
import pytest
import torch
from extract_modules import Tagger
from torch import nn

from nnstruct import Network, Structure
from nnstruct.errors import InvalidInputError
from nnstruct.extract import extract

MLP = extract(nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2)), torch.zeros(1, 3))
TAGGER = extract(Tagger(), torch.zeros(1, 3, dtype=torch.long))
OWN = Network(Structure.from_layers([2, 2], family="gru"), np.arange(36).reshape(12, 3), np.zeros((4, 4)))
NETWORKS = pytest.mark.parametrize("network", [MLP, TAGGER, OWN], ids=["mlp", "tagger", "own"])


@NETWORKS
def test_networkx(network: Network) -> None:
    graph = network.to_networkx()
    assert graph.number_of_nodes() == network.structure.num_units
    assert graph.number_of_edges() == network.structure.num_edges
    found = sorted((s, t, d["recurrent"], tuple(d["weight"])) for s, t, d in graph.edges(data=True))
    edges = zip(
        *network.structure.edge_index.tolist(),
        network.structure.recurrent.tolist(),
        network.weight.tolist(),
        strict=True,
    )
    assert found == sorted((s, t, r, tuple(w)) for s, t, r, w in edges)
    assert (
        Structure.from_networkx(graph, family=network.structure.family, recurrence="none")
        == network.structure
    )


@NETWORKS
def test_rustworkx(network: Network) -> None:
    graph = network.to_rustworkx()
    assert (graph.num_nodes(), graph.num_edges()) == (
        network.structure.num_units,
        network.structure.num_edges,
    )
    source, target, data = graph.weighted_edge_list()[0]
    assert [source, target] == network.structure.edge_index[:, 0].tolist()
    assert data["weight"] == network.weight[0].tolist()
    assert graph[0]["input"] == bool(network.structure.inputs[0])


@NETWORKS
def test_pyg(network: Network) -> None:
    data = network.to_pyg()
    assert np.array_equal(data.edge_attr.numpy(), network.weight)
    assert np.array_equal(data.x.numpy(), network.bias)
    assert Structure.from_pyg(data) == network.structure


def test_hetero() -> None:
    data = TAGGER.to_hetero()
    assert set(data.node_types) == {"input", "embedding", "lstm", "lstm_reverse", "linear"}
    assert sum(store.num_edges for store in data.edge_stores) == TAGGER.structure.num_edges
    own = data["lstm", "recurrent", "lstm"]
    assert own.edge_attr.shape == (2 * 16, 4)
    units = data["lstm"].unit.numpy()
    edges = set(map(tuple, units[own.edge_index.numpy()].T.tolist()))
    assert edges <= set(map(tuple, TAGGER.structure.recurrent_edges.T.tolist()))


def test_scipy() -> None:
    matrix = MLP.to_scipy(value="sum")
    x = np.zeros(9)
    x[:3] = 1.0
    expected = np.zeros(9)
    for source, target, weight in zip(*MLP.structure.edge_index, MLP.weight[:, 0], strict=True):
        expected[target] += weight * x[source]
    assert np.allclose(matrix @ x, expected)
    assert TAGGER.to_scipy(recurrent=True).nnz == TAGGER.structure.recurrent.sum()
    assert MLP.to_scipy(value="one").sum() == MLP.structure.num_edges
    assert np.allclose(MLP.to_scipy().data, np.abs(MLP.weight[:, 0]))
    with pytest.raises(InvalidInputError, match="value must be one of norm, sum, one"):
        MLP.to_scipy(value="mean")


@NETWORKS
def test_graphml(network: Network, tmp_path: Path) -> None:
    network.to_graphml(tmp_path / "graph.xml")
    graph = nx.read_graphml(tmp_path / "graph.xml", node_type=int)
    assert graph.number_of_edges() == network.structure.num_edges
    found = [
        (s, t, d["recurrent"], tuple(map(float, d["weight"].split()))) for s, t, d in graph.edges(data=True)
    ]
    structure = network.structure
    columns = (
        *structure.edge_index.tolist(),
        structure.recurrent.tolist(),
        map(tuple, network.weight.tolist()),
    )
    assert sorted(found) == sorted(zip(*columns, strict=True))


def test_graphml_is_what_networkx_writes(tmp_path: Path) -> None:
    TAGGER.to_graphml(tmp_path / "graph.xml")
    found = nx.read_graphml(tmp_path / "graph.xml", node_type=int)
    graph = TAGGER.to_networkx()
    assert found.number_of_nodes() == graph.number_of_nodes()
    for unit, data in graph.nodes(data=True):
        assert found.nodes[unit] == data | {"bias": " ".join(map(repr, data["bias"]))}
    kinds = [sorted((a, b, d["kind"]) for a, b, d in g.edges(data=True)) for g in (found, graph)]
    assert kinds[0] == kinds[1]


def test_a_networkx_graph_beyond_the_memory_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("nnstruct.network.interchange.physical_memory", lambda: 1000)
    with pytest.raises(InvalidInputError, match=r"network must fit as a networkx graph.*20 edges"):
        MLP.to_networkx()
    MLP.to_graphml(tmp_path / "graph.xml")
    assert nx.read_graphml(tmp_path / "graph.xml").number_of_edges() == 20
