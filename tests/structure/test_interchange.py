"""Structures survive networkx, PyG, Arrow and Parquet; what cannot be one is refused by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from strategies import any_structures
from torch_geometric.data import Batch

from nnstruct.errors import CorruptFileError, InvalidInputError, StructureError, UnknownNameError
from nnstruct.structure import UNIT_ATTRIBUTES, Structure
from nnstruct.structure.interchange import arrow_schema, from_arrow, from_pyg, to_arrow, to_pyg
from nnstruct.structure.networkx_graphs import from_networkx, to_networkx

SAMPLE = [
    Structure.from_layers([2, 3, 1], family="lstm"),
    Structure([[0, 1], [1, 2]], 4, attributes={"operator": ["add"] * 4, "stage": [0, 1, 2, 3]}),
    Structure(np.zeros((2, 0)), 1, family="module", origin={"prior": "x", "sizes": [1]}),
    Structure([[0, 1], [1, 0]], 2, recurrent=[False, True], family="gru"),
]


# ---- networkx


@given(any_structures)
def test_networkx_gives_the_structure_back(structure: Structure) -> None:
    graph = structure.to_networkx()
    back = from_networkx(graph, family=structure.family, recurrence="none")
    assert back == structure
    assert graph.number_of_edges() == structure.num_edges
    assert [graph.nodes[unit]["layer"] for unit in graph] == structure.layer.tolist()


@given(any_structures)
def test_networkx_without_delayed_edges(structure: Structure) -> None:
    graph = structure.to_networkx(recurrent=False)
    assert nx.is_directed_acyclic_graph(graph)
    assert not graph.is_multigraph()
    assert set(graph.edges) == set(map(tuple, structure.forward_edges.T.tolist()))


def test_node_order_decides_the_numbers_and_the_orientation() -> None:
    graph = nx.Graph()
    graph.add_nodes_from(["c", "a", "b"])
    graph.add_edges_from([("a", "c"), ("b", "a"), ("b", "c")])
    structure = from_networkx(graph)
    # c is 0, a is 1, b is 2; each edge leads from the lower number to the higher.
    assert structure.edge_index.T.tolist() == [[0, 1], [0, 2], [1, 2]]


@given(st.integers(2, 12), st.floats(0.3, 1.0), st.randoms(use_true_random=False))
def test_any_undirected_graph_becomes_acyclic(n: int, p: float, random: Any) -> None:
    graph = nx.gnp_random_graph(n, p, seed=random.randrange(1000))
    graph.remove_nodes_from(list(nx.isolates(graph)))
    if not graph:
        return
    nodes = list(graph)
    random.shuffle(nodes)
    shuffled = nx.Graph()
    shuffled.add_nodes_from(nodes)
    shuffled.add_edges_from(graph.edges)
    structure = from_networkx(shuffled)
    assert structure.num_edges == graph.number_of_edges()
    assert (structure.edge_index[0] < structure.edge_index[1]).all()
    found = {frozenset((nodes[a], nodes[b])) for a, b in structure.edge_index.T}
    assert found == set(map(frozenset, graph.edges))


def test_a_view_of_a_graph_is_oriented_by_its_node_order() -> None:
    graph = nx.complete_graph(6).subgraph([5, 1, 3])
    structure = from_networkx(graph)
    assert structure.edge_index.T.tolist() == [[0, 1], [0, 2], [1, 2]]


def test_a_directed_graph_keeps_its_direction() -> None:
    graph = nx.DiGraph([(0, 1), (2, 1), (2, 0)])
    assert from_networkx(graph).edge_index.T.tolist() == [[0, 1], [2, 0], [2, 1]]
    with pytest.raises(StructureError, match=r"no cycle of forward edges, got '\d -> \d -> \d -> \d'"):
        from_networkx(nx.DiGraph([(0, 1), (1, 2), (2, 0)]))


def test_marked_edges_are_delayed_and_no_others_are_added() -> None:
    graph = nx.DiGraph([(0, 1), (1, 2)])
    graph.add_edge(2, 0, recurrent=True)
    structure = from_networkx(graph, family="rnn_tanh")
    assert structure.recurrent_edges.T.tolist() == [[2, 0]]
    unmarked = from_networkx(nx.DiGraph([(0, 1), (1, 2)]), family="rnn_tanh", recurrence="self")
    assert unmarked.recurrent_edges.T.tolist() == [[0, 0], [1, 1], [2, 2]]


def test_recurrence_and_its_seed_are_passed_on() -> None:
    graph = nx.path_graph(20)
    one, two = (from_networkx(graph, family="gru", recurrence="random", seed=seed) for seed in (1, 2))
    assert one != two
    assert one == from_networkx(graph, family="gru", recurrence="random", seed=1)
    assert from_networkx(graph, family="module").recurrent_edges.shape[1] == 0


def test_multigraphs() -> None:
    graph = nx.MultiDiGraph([(0, 1)])
    graph.add_edge(0, 1, recurrent=True)
    structure = from_networkx(graph, family="gru")
    assert structure.forward_edges.tolist() == structure.recurrent_edges.tolist() == [[0], [1]]
    for kind in (nx.MultiDiGraph, nx.MultiGraph):
        with pytest.raises(StructureError, match="hold each edge once"):
            from_networkx(kind([(0, 1), (0, 1)]))
    assert from_networkx(nx.MultiGraph([(0, 1), (1, 2)])).num_edges == 2


def test_nodes_say_what_they_are_where_all_of_them_do() -> None:
    graph = nx.DiGraph([(0, 1), (1, 2)])
    nx.set_node_attributes(graph, {0: True, 1: True, 2: False}, "input")
    nx.set_node_attributes(graph, {0: "relu", 1: "tanh", 2: "relu"}, "activation")
    nx.set_node_attributes(graph, {0: 1}, "stage")
    structure = from_networkx(graph)
    assert structure.inputs.tolist() == [True, True, False]
    assert dict(structure.attributes) == {"activation": ("relu", "tanh", "relu")}


def test_an_isolated_node_is_named_with_what_to_do() -> None:
    graph = nx.Graph([("a", "b")])
    graph.add_node("lonely")
    with pytest.raises(
        StructureError, match=r"no isolated node beside connected ones, got 'lonely'.*isolates"
    ):
        from_networkx(graph)
    graph.remove_nodes_from(list(nx.isolates(graph)))
    assert from_networkx(graph).num_units == 2


def test_nodes_without_any_edge_are_one_layer() -> None:
    assert from_networkx(nx.empty_graph(4)).layer_sizes.tolist() == [4]


@pytest.mark.parametrize("kind", [nx.Graph, nx.DiGraph, nx.MultiGraph])
def test_an_empty_graph(kind: type[nx.Graph]) -> None:
    with pytest.raises(StructureError, match="graph must have at least one node, got 'an empty graph'"):
        from_networkx(kind())


def test_a_loop_is_a_cycle_unless_delayed() -> None:
    with pytest.raises(StructureError, match="got '1 -> 1'"):
        from_networkx(nx.Graph([(0, 1), (1, 1)]))
    graph = nx.Graph([(0, 1)])
    graph.add_edge(1, 1, recurrent=True)
    assert from_networkx(graph, family="lstm").recurrent_edges.tolist() == [[1], [1]]


def test_an_unknown_family() -> None:
    with pytest.raises(UnknownNameError, match="family must be one of"):
        from_networkx(nx.path_graph(3), family="perceptron")


# ---- PyG


@given(any_structures)
def test_pyg_gives_the_structure_back(structure: Structure) -> None:
    data = structure.to_pyg()
    back = from_pyg(data)
    assert back == structure
    assert dict(back.origin) == dict(structure.origin)
    data.validate(raise_on_error=True)
    assert (data.num_nodes, data.num_edges) == (structure.num_units, structure.num_edges)


def test_pyg_data_are_copies_and_can_be_batched() -> None:
    structure = SAMPLE[0]
    data = structure.to_pyg()
    data.edge_index[:] = 0
    assert structure == Structure.from_layers([2, 3, 1], family="lstm")
    batch = Batch.from_data_list([SAMPLE[0].to_pyg(), SAMPLE[3].to_pyg()])
    assert batch.num_nodes == SAMPLE[0].num_units + SAMPLE[3].num_units
    assert from_pyg(batch[1]) == SAMPLE[3]


@pytest.mark.parametrize("name", ["edge_index", "recurrent", "inputs", "outputs", "family", "origin"])
def test_pyg_data_of_another_make_name_what_is_missing(name: str) -> None:
    data = SAMPLE[0].to_pyg()
    del data[name]
    with pytest.raises(InvalidInputError, match=f"data must hold '{name}'"):
        from_pyg(data)


# ---- Arrow and Parquet


def same_with_origin(first: list[Structure], second: list[Structure]) -> bool:
    return first == second and [dict(s.origin) for s in first] == [dict(s.origin) for s in second]


@given(st.lists(any_structures, max_size=4))
def test_arrow_gives_the_structures_back(structures: list[Structure]) -> None:
    table = to_arrow(structures)
    assert table.schema == arrow_schema()
    assert table["fingerprint"].to_pylist() == [s.fingerprint for s in structures]
    assert same_with_origin(from_arrow(table), structures)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(any_structures, max_size=4))
def test_parquet_gives_the_structures_back(tmp_path: Path, structures: list[Structure]) -> None:
    path = tmp_path / "structures.parquet"
    pq.write_table(to_arrow(structures), path, write_page_checksum=True)
    assert same_with_origin(from_arrow(pq.read_table(path, page_checksum_verification=True)), structures)


def test_slices_chunks_and_other_orders_of_columns() -> None:
    table = to_arrow(SAMPLE)
    assert from_arrow(table.slice(1, 2)) == SAMPLE[1:3]
    chunked = pa.concat_tables([to_arrow(SAMPLE[:1]), to_arrow(SAMPLE[1:])])
    assert from_arrow(chunked) == SAMPLE
    reordered = chunked.select(chunked.column_names[::-1]).append_column("note", pa.array(["x"] * 4))
    assert from_arrow(reordered) == SAMPLE


def with_column(name: str, row: int, value: Any) -> pa.Table:
    table = to_arrow(SAMPLE)
    values = table[name].to_pylist()
    values[row] = value
    field = arrow_schema().field(name).with_nullable(True)
    return table.set_column(table.column_names.index(name), field, pa.array(values, field.type))


@pytest.mark.parametrize(
    ("name", "row", "value"),
    [
        ("fingerprint", 2, "0" * 32),
        ("fingerprint", 0, None),
        ("family", 0, "gru"),
        ("edge_target", 1, [1, 3]),
        ("edge_recurrent", 3, [False, False]),
        ("unit_input", 0, [True] * 6),
        ("unit_attributes", 1, "{}"),
        ("num_units", 1, 5),
    ],
)
def test_a_changed_row_is_found_by_its_fingerprint(name: str, row: int, value: Any) -> None:
    with pytest.raises(CorruptFileError, match=f"row {row}: "):
        from_arrow(with_column(name, row, value))


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("edge_target", [1], "no structure can be read"),
        ("edge_target", [1, 9], "name units in 0..3"),
        ("edge_target", [1, 0], "no cycle of forward edges"),
        ("edge_source", None, "no structure can be read"),
        ("edge_recurrent", [True], "recurrent must be bool"),
        ("unit_attributes", "{", "no structure can be read"),
        ("unit_attributes", "[1]", "attributes must be a mapping"),
        ("origin", None, "no structure can be read"),
        ("family", "perceptron", "family must be one of"),
        ("num_units", 0, "num_units must be at least 1"),
    ],
)
@pytest.mark.parametrize("verify", [True, False])
def test_a_row_that_holds_no_structure_is_named(name: str, value: Any, message: str, verify: bool) -> None:
    with pytest.raises(CorruptFileError, match=f"row 1: .*{message}"):
        from_arrow(with_column(name, 1, value), verify=verify)


def test_verification_can_be_that_of_a_few_rows() -> None:
    many = SAMPLE * (64 // len(SAMPLE) + 1)
    table = to_arrow(many)
    stored = table["fingerprint"].to_pylist()
    stored[1] = "0" * 32  # of 32 rows, evenly spread over 64 or more, it is none
    field = table.schema.get_field_index("fingerprint")
    table = table.set_column(field, table.schema.field(field), [stored])
    assert from_arrow(table, verify=False) == many
    for broken, verify in ((table, True), (with_column("fingerprint", 2, "0" * 32), False)):
        with pytest.raises(CorruptFileError, match=r"the fingerprint 0+ does not fit"):
            from_arrow(broken, verify=verify)


def test_a_missing_column_is_named() -> None:
    with pytest.raises(InvalidInputError, match=r"columns of arrow_schema\(\), got \"no 'origin'\""):
        from_arrow(to_arrow(SAMPLE).drop_columns(["origin"]))


@pytest.mark.parametrize("function", [from_networkx, to_networkx, to_pyg, arrow_schema])
def test_every_attribute_that_travels_is_named(function) -> None:
    assert [name for name in UNIT_ATTRIBUTES if f"``{name}``" not in function.__doc__] == []


@pytest.mark.parametrize(
    "way",
    [
        lambda s: from_networkx(to_networkx(s), family=s.family),
        lambda s: from_pyg(to_pyg(s)),
        lambda s: from_arrow(to_arrow([s]))[0],
    ],
)
def test_every_attribute_travels(way) -> None:
    values = {
        "operator": ["conv3x3", "identity"], "activation": ["tanh", "gelu"], "stage": [0, 1],
        "channels": [4, 8], "join": ["sum", "concat"], "width": [7, 1], "kernel": [3, "1x7"],
        "stride": [2, 1], "dilation": [1, 4], "groups": [1, 8], "tie": [0, 1],
    }  # fmt: skip
    assert set(values) == set(UNIT_ATTRIBUTES)
    structure = Structure([[0], [1]], 2, family="cnn", attributes=values)
    assert way(structure) == structure
