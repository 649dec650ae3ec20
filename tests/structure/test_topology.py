"""Layers, cycles and reachability, by both ways of computing them, against networkx."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import forward_edges, structures

from nnstruct.structure import Structure, topology
from nnstruct.structure.topology import Reachability, find_cycle, longest_path_layers, out_neighbours

digraphs = st.integers(1, 8).flatmap(
    lambda n: st.tuples(
        st.just(n),
        st.lists(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)), unique=True, max_size=3 * n).map(
            lambda pairs: np.array(pairs, dtype=np.int64).reshape(-1, 2).T
        ),
    )
)


@pytest.fixture(params=[0, 10**9], ids=["by frontier", "by unit"], autouse=True, scope="module")
def _both_ways(request: pytest.FixtureRequest) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(topology, "_SMALL", request.param)
        yield


def as_graph(edges: np.ndarray, num_units: int) -> nx.DiGraph:
    graph = nx.DiGraph()
    graph.add_nodes_from(range(num_units))
    graph.add_edges_from(edges.T.tolist())
    return graph


def longest_by_networkx(graph: nx.DiGraph) -> list[int]:
    layer: dict[int, int] = {}
    for unit in nx.topological_sort(graph):
        layer[unit] = max((layer[before] + 1 for before in graph.predecessors(unit)), default=0)
    return [layer[unit] for unit in sorted(graph)]


@given(st.integers(1, 9).flatmap(lambda n: st.tuples(st.just(n), forward_edges(n))))
def test_layers_are_longest_paths(drawn: tuple[int, np.ndarray]) -> None:
    n, edges = drawn
    graph = as_graph(edges, n)
    layer = longest_path_layers(edges, n)
    assert layer.tolist() == longest_by_networkx(graph)
    assert layer.max() == nx.dag_longest_path_length(graph)


@pytest.mark.parametrize("n", [3, 40, 500])
def test_layers_of_larger_graphs(n: int) -> None:
    graph = nx.gn_graph(n, seed=1).reverse()
    graph.add_edges_from((a, b) for a, b in nx.gnm_random_graph(n, n, seed=2).edges if a < b)
    graph.remove_edges_from([(a, b) for a, b in graph.edges if a > b])
    edges = np.array(graph.edges, dtype=np.int64).reshape(-1, 2).T
    assert longest_path_layers(edges, n).tolist() == longest_by_networkx(graph)


def test_a_long_chain_has_as_many_layers_as_units() -> None:
    chain = np.stack([np.arange(1999), np.arange(1, 2000)])
    assert longest_path_layers(chain, 2000).tolist() == list(range(2000))
    assert Reachability.of(chain, np.arange(2000) == 5, np.arange(2000) == 1990).from_input.sum() == 1995


@given(digraphs)
def test_units_on_or_behind_a_cycle_have_no_layer(drawn: tuple[int, np.ndarray]) -> None:
    n, edges = drawn
    graph = as_graph(edges, n)
    on_cycle = {u for part in nx.strongly_connected_components(graph) for u in part if len(part) > 1}
    on_cycle |= set(nx.nodes_with_selfloops(graph))
    stuck = on_cycle.union(*(nx.descendants(graph, unit) for unit in on_cycle))
    layer = longest_path_layers(edges, n)
    assert set(np.flatnonzero(layer < 0).tolist()) == stuck
    if stuck:
        cycle = find_cycle(edges, layer)
        assert cycle[0] == cycle[-1]
        assert len(set(cycle)) == len(cycle) - 1
        assert all(graph.has_edge(a, b) for a, b in itertools.pairwise(cycle))


@given(digraphs, st.data())
def test_reachability_is_that_of_networkx(drawn: tuple[int, np.ndarray], data: st.DataObject) -> None:
    n, edges = drawn
    flags = st.lists(st.booleans(), min_size=n, max_size=n).map(lambda bits: np.array(bits, dtype=bool))
    inputs, outputs = data.draw(flags), data.draw(flags)
    graph = as_graph(edges, n)
    reach = Reachability.of(edges, inputs, outputs)
    starts, ends = np.flatnonzero(inputs).tolist(), np.flatnonzero(outputs).tolist()
    fed = set(starts).union(*(nx.descendants(graph, unit) for unit in starts))
    seen = set(ends).union(*(nx.ancestors(graph, unit) for unit in ends))
    assert set(np.flatnonzero(reach.from_input).tolist()) == fed
    assert set(np.flatnonzero(reach.to_output).tolist()) == seen


@given(digraphs)
def test_compressed_rows_hold_the_neighbours(drawn: tuple[int, np.ndarray]) -> None:
    n, edges = drawn
    graph = as_graph(edges, n)
    start, target = out_neighbours(edges, n)
    for unit in range(n):
        assert sorted(target[start[unit] : start[unit + 1]].tolist()) == sorted(graph.successors(unit))


@given(structures())
def test_each_forward_edge_goes_up(structure: Structure) -> None:
    source, target = structure.forward_edges
    assert (structure.layer[target] > structure.layer[source]).all()
    for unit in np.flatnonzero(structure.layer > 0):
        assert structure.layer[source[target == unit]].max() == structure.layer[unit] - 1
