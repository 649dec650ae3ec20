"""Units and edges as arrays, and as standardised PyG graphs."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest
import torch
from hypothesis import given
from sklearn.exceptions import NotFittedError
from strategies import any_structures, with_permutation

from nnstruct.encode import EDGE_FEATURES, GRAPH_FEATURES, NODE_FEATURES, GraphEncoder, encode_graph
from nnstruct.encode.packed import pack_graphs
from nnstruct.errors import InvalidInputError
from nnstruct.structure import Structure
from nnstruct.structure.reduction import contract


def column(structure: Structure, name: str) -> np.ndarray:
    return encode_graph(structure).nodes[:, NODE_FEATURES.index(name)]


@given(with_permutation())
def test_relabelling_permutes_the_rows_and_changes_no_value(case):
    structure, permutation = case
    before, after = encode_graph(structure), encode_graph(structure.relabel(permutation))
    np.testing.assert_allclose(after.nodes[permutation], before.nodes, rtol=0, atol=1e-5)
    np.testing.assert_array_equal(after.graph, before.graph)

    def edges(graph, names):
        rows = np.column_stack([names[graph.edge_index].T, graph.edges])
        return rows[np.lexsort(rows.T[::-1])]

    identity = np.arange(structure.num_units)
    np.testing.assert_array_equal(edges(before, np.asarray(permutation)), edges(after, identity))


@given(any_structures)
def test_every_value_is_finite_and_every_shape_documented(structure):
    graph = encode_graph(structure)
    n, m = structure.num_units, graph.edge_index.shape[1]
    assert graph.nodes.shape == (n, len(NODE_FEATURES))
    assert graph.edges.shape == (m, len(EDGE_FEATURES))
    assert graph.graph.shape == (len(GRAPH_FEATURES),)
    for array in (graph.nodes, graph.edges, graph.graph):
        assert array.dtype == np.float32
        assert np.isfinite(array).all()
        assert not array.flags.writeable


@given(any_structures)
def test_every_edge_is_a_message_each_way_and_flags_say_which(structure):
    graph = encode_graph(structure)
    messages = {
        (int(s), int(t), kind)
        for (s, t), row in zip(graph.edge_index.T, graph.edges, strict=True)
        for kind in range(4)
        if row[kind]
    }
    forward = {(int(s), int(t)) for s, t in structure.forward_edges.T}
    delayed = {(int(s), int(t)) for s, t in structure.recurrent_edges.T if s != t}
    expected = {(s, t, 0) for s, t in forward} | {(t, s, 1) for s, t in forward}
    expected |= {(s, t, 2) for s, t in delayed} | {(t, s, 3) for s, t in delayed}
    assert messages == expected
    loops = structure.recurrent_edges[0][structure.recurrent_edges[0] == structure.recurrent_edges[1]]
    assert np.flatnonzero(column(structure, "self_loop")).tolist() == sorted(loops.tolist())


def test_a_diamond_by_hand():
    diamond = Structure([[0, 0, 1, 2, 0], [1, 2, 3, 3, 3]], num_units=4)
    assert column(diamond, "input").tolist() == [1, 0, 0, 0]
    assert column(diamond, "output").tolist() == [0, 0, 0, 1]
    np.testing.assert_allclose(column(diamond, "log_in"), np.log1p([0, 1, 1, 3]), rtol=1e-6)
    np.testing.assert_allclose(column(diamond, "log_out"), np.log1p([3, 1, 1, 0]), rtol=1e-6)
    assert column(diamond, "depth").tolist() == [0, 0.5, 0.5, 1]
    assert column(diamond, "height").tolist() == [1, 0.5, 0.5, 0]
    np.testing.assert_allclose(column(diamond, "log_paths_in"), np.log([1, 1, 1, 3]), atol=1e-6)
    np.testing.assert_allclose(column(diamond, "log_paths_out"), np.log([3, 1, 1, 1]), atol=1e-6)
    np.testing.assert_allclose(column(diamond, "log_flow"), np.log([4, 4 / 3, 4 / 3, 4]), rtol=1e-5)
    assert column(diamond, "in<=4").tolist() == [0, 0, 0, 1]
    skip = encode_graph(diamond).edges[
        [list(map(int, e)) for e in encode_graph(diamond).edge_index.T].index([0, 3])
    ]
    np.testing.assert_allclose(skip, [1, 0, 0, 0, np.log(3), 1.0, 0.0], rtol=1e-6)


def test_path_counts_equal_networkx():
    graph = nx.gnp_random_graph(12, 0.4, seed=4, directed=True)
    dag = nx.DiGraph((u, v) for u, v in graph.edges if u < v)
    dag = nx.convert_node_labels_to_integers(dag)
    structure = Structure.from_networkx(dag)
    sources = [u for u in dag if dag.in_degree(u) == 0]
    expected = [sum(1 if s == u else len(list(nx.all_simple_paths(dag, s, u))) for s in sources) for u in dag]
    np.testing.assert_allclose(np.exp(column(structure, "log_paths_in")), expected, rtol=1e-5)


def test_paths_beyond_the_range_of_floats_are_counted():
    deep = Structure.from_layers([20] * 300)
    assert column(deep, "log_paths_in").max() == pytest.approx(299 * np.log(20))
    np.testing.assert_allclose(column(deep, "log_flow"), np.log(300), rtol=1e-6)


@given(any_structures)
def test_flow_that_leaves_the_sources_arrives_at_the_sinks(structure):
    flow = np.exp(column(structure, "log_flow").astype(np.float64)) / structure.num_units
    sinks = np.bincount(structure.forward_edges[0], minlength=structure.num_units) == 0
    assert flow[sinks].sum() == pytest.approx(1.0, rel=1e-4)


def test_nodes_are_standardised_by_what_fit_saw():
    train = [Structure.from_layers([2, width, 1]) for width in (2, 3, 4, 5)]
    encoder = GraphEncoder().fit(train)
    x = torch.cat([graph.x for graph in encoder.transform(train)])
    varied = x.std(dim=0) > 0
    np.testing.assert_allclose(x.mean(dim=0), 0.0, atol=1e-5)
    np.testing.assert_allclose(x[:, varied].std(dim=0, unbiased=False), 1.0, atol=1e-4)
    huge = encoder.transform([Structure.from_layers([200, 200])])[0]
    assert huge.x.abs().max() <= 8.0
    assert encoder.widths == (x.shape[1], huge.edge_attr.shape[1], huge.graph_attr.shape[1])


def test_attributes_and_families_are_one_hot_and_new_ones_are_zeros():
    def pair(kind, family="mlp"):
        return Structure([[0], [1]], num_units=2, family=family, attributes={"activation": ["relu", kind]})

    encoder = GraphEncoder().fit([pair("tanh"), pair("relu", family="cnn")])
    assert encoder.attribute_values_ == {"activation": ["relu", "tanh"]}
    known, strange = encoder.transform([pair("tanh"), pair("gelu", family="module")])
    assert known.x[:, -2:].tolist() == [[1, 0], [0, 1]]
    assert strange.x[:, -2:].tolist() == [[1, 0], [0, 0]]
    assert known.graph_attr[0, -2:].tolist() == [0, 1]
    assert strange.graph_attr[0, -2:].tolist() == [0, 0]
    plain = encoder.transform([Structure([[0], [1]], num_units=2)])[0]
    assert plain.x[:, -2:].sum() == 0


def test_the_number_1_and_the_text_1_are_two_values():
    def unit(stage):
        return Structure([[0], [1]], num_units=2, attributes={"stage": [stage, stage]})

    encoder = GraphEncoder().fit([unit(1), unit("1")])
    rows = [graph.x[0, -2:].tolist() for graph in encoder.transform([unit(1), unit("1")])]
    assert sorted(rows) == [[0, 1], [1, 0]]


def test_the_state_brings_the_encoder_back():
    structures = [
        Structure([[0, 1], [1, 2]], num_units=3, attributes={"activation": ["relu", kind, "relu"]})
        for kind in ("relu", "tanh")
    ]
    encoder = GraphEncoder().fit(structures)
    copy = GraphEncoder.from_state(*encoder.state())
    for ours, theirs in zip(encoder.transform(structures), copy.transform(structures), strict=True):
        for name in ("x", "edge_index", "edge_attr", "graph_attr"):
            assert torch.equal(ours[name], theirs[name])
    values, arrays = encoder.state()
    with pytest.raises(InvalidInputError, match="node_mean"):
        GraphEncoder.from_state(values, arrays | {"node_mean": np.zeros(2)})


def test_changing_a_graph_does_not_change_the_next_one():
    structures = [Structure.from_layers([2, 2]), Structure.from_layers([3, 2])]
    encoder = GraphEncoder().fit(structures)
    first = encoder.transform(structures)[0]
    before = {name: first[name].clone() for name in ("x", "edge_index", "edge_attr")}
    for name in before:
        first[name].zero_()
    again = encoder.transform(structures)[0]
    assert all(torch.equal(again[name], value) for name, value in before.items())


def test_bad_input_is_named():
    with pytest.raises(NotFittedError):
        GraphEncoder().transform([Structure.from_layers([1, 1])])
    with pytest.raises(InvalidInputError, match="at least one Structure"):
        GraphEncoder().fit([])
    fitted = GraphEncoder().fit([Structure.from_layers([1, 1])])
    for door in (GraphEncoder().fit, fitted.transform):
        with pytest.raises(
            InvalidInputError, match=r"be a list of Structures, .* Wrap a single one in a list"
        ):
            door(Structure.from_layers([1, 1]))
    with pytest.raises(InvalidInputError, match=r"structures\[1\] must be a Structure, got 'x'"):
        GraphEncoder().fit([Structure.from_layers([1, 1]), "x"])


def test_relabelled_copies_are_not_given_each_others_rows():
    chain = Structure([[0, 1], [1, 2]], num_units=3)
    turned = chain.relabel([2, 1, 0])
    assert chain.fingerprint == turned.fingerprint
    assert column(chain, "input").tolist() == [1, 0, 0]
    assert column(turned, "input").tolist() == [0, 0, 1]


def test_attributes_that_are_numbers_become_one_column_of_their_logarithm():
    def cells(first, second):
        attributes = {"channels": [first, second], "operator": ["conv3x3", "identity"]}
        return Structure([[0], [1]], num_units=2, family="cnn", attributes=attributes)

    structures = [cells(1, 3), cells(7, 15)]
    encoder = GraphEncoder().fit(structures)
    assert list(encoder.attribute_values_) == ["operator"]
    logs = np.log1p([1, 3, 7, 15])
    column = np.concatenate([graph.x[:, -1] for graph in encoder.transform(structures)])
    np.testing.assert_allclose(column, (logs - logs.mean()) / logs.std(), rtol=1e-5)
    without = encoder.transform([Structure([[0], [1]], num_units=2, family="cnn")])[0]
    assert without.x[:, -1].tolist() == [0, 0]
    copy = GraphEncoder.from_state(*encoder.state())
    assert torch.equal(copy.transform(structures)[0].x, encoder.transform(structures)[0].x)
    assert copy.widths == encoder.widths


def test_contraction_is_that_of_the_structure():
    rng = np.random.default_rng(0)
    names = ["conv3x3", "skip_connect", "none", "conv1x1"]
    for trial in range(40):
        graph = nx.gnp_random_graph(9, 0.4, seed=trial, directed=True)
        edges = np.array([(u, v) for u, v in graph.edges if u < v]).reshape(-1, 2).T
        operators = ["input", *rng.choice(names, 7).tolist(), "output"]
        structure = Structure(edges, 9, family="module", attributes={"operator": operators})
        reduced, packed = contract(structure), pack_graphs([structure], contract=True)
        trimmed = structure.trim()
        kept = [trimmed.attributes["operator"][unit] for unit in reduced.units]
        assert kept == [operators[unit] for unit in packed.unit]
        counts = np.diff(packed.first)
        receiver, kind = np.divmod(np.repeat(np.arange(len(counts)), counts), 4)
        found = {
            (int(s), int(r)): float(c)
            for s, r, k, c in zip(packed.sender, receiver, kind, packed.copies, strict=True)
            if k == 0
        }
        pairs = zip(reduced.edge_index.T.tolist(), reduced.multiplicity.tolist(), strict=True)
        assert found == {(s, t): min(16.0, copies) for (s, t), copies in pairs}
        expected = np.zeros(len(kept))
        np.add.at(expected, reduced.edge_index[1], reduced.multiplicity)
        log_in = packed.nodes[:, NODE_FEATURES.index("log_in")]
        np.testing.assert_allclose(log_in, np.log1p(expected), rtol=1e-6)


def test_many_structures_packed_together_are_those_packed_alone():
    structures = [Structure.from_layers([2, width, 2], family="rnn_tanh").with_recurrence("self")
                  for width in (1, 4)]  # fmt: skip
    structures += [Structure([[0, 0, 1], [1, 2, 2]], 3), Structure(np.zeros((2, 0), np.int64), 2)]
    together = pack_graphs(structures)
    for place, structure in enumerate(structures):
        alone = pack_graphs([structure])
        units = slice(*together.unit_start[place : place + 2])
        np.testing.assert_array_equal(together.nodes[units], alone.nodes)
        np.testing.assert_array_equal(together.graph[place], alone.graph[0])
        first = together.first[4 * units.start : 4 * units.stop + 1]
        np.testing.assert_array_equal(first - first[0], alone.first)
        np.testing.assert_array_equal(together.sender[first[0] : first[-1]] - units.start, alone.sender)
    assert len(pack_graphs([])) == 0
