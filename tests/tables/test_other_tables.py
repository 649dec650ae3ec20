"""NAS-Bench-Graph, NAS-Bench-NLP, relational graphs and ONNX files."""

from __future__ import annotations

import json

import networkx as nx
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from nnstruct import tables
from nnstruct.errors import InvalidInputError, MissingDataError
from nnstruct.tables.graph2nn import ws_flex_edges
from nnstruct.tables.nasbench_graph import LINKS, OPERATORS, from_hash, graph_structure
from nnstruct.tables.nasbench_nlp import recipe_structure

# ---- NAS-Bench-Graph


def key_of(link, ops, operators=OPERATORS):
    """The authors' hash: the number of the links, then the operations as digits."""
    key = LINKS.index(link)
    for name in ops:
        key = key * (len(operators) + 1) + operators.index(name)
    return str(key)


def test_every_hash_is_read_back():
    rng = np.random.default_rng(0)
    for link in LINKS:
        ops = tuple(rng.choice(OPERATORS, size=4).tolist())
        assert from_hash(key_of(link, ops)) == (link, ops)


def test_graph_networks(tmp_path):
    scores = {"perf": 0.8, "valid_perf": 0.7, "latency": 0.01, "para": 100.0}
    keys = [key_of((0, 1, 1, 2), ("gcn", "cheb", "gin", "fc")), key_of((0, 0, 0, 0), ("skip",) * 4)]
    path = tmp_path / "cora.json"
    path.write_text(json.dumps({keys[0]: scores, keys[1]: scores | {"perf": 0.5}}))
    bench = tables.read("nasbench-graph", path)
    assert bench.tasks == ["cora"]
    assert bench.y.tolist() == [0.8, 0.5]
    assert bench.with_target("val").y.tolist() == [0.7, 0.7]
    assert bench.costs.to_dict("list") == {"parameters": [100.0] * 2, "latency": [0.01] * 2}
    first, second = bench.structures
    assert first.attributes["operator"] == ("input", "gcn", "cheb", "gin", "linear", "output")
    # cheb and gin read gcn, fc reads cheb; what nobody reads goes to the output.
    assert set(map(tuple, first.edge_index.T.tolist())) == {(0, 1), (1, 2), (1, 3), (2, 4), (3, 5), (4, 5)}
    assert second.attributes["operator"][1] == "identity"


def test_the_order_of_the_operations_does_not_matter():
    one = graph_structure([0, 1, 2, 1], ["gcn", "gin", "fc", "cheb"], {})
    other = graph_structure([0, 1, 1, 2], ["gcn", "gin", "cheb", "fc"], {})
    assert one.fingerprint == other.fingerprint
    assert one.fingerprint != graph_structure([0, 1, 1, 2], ["gcn", "cheb", "gin", "fc"], {}).fingerprint


def test_proteins_have_fewer_operations(tmp_path):
    few = ("gcn", "sage", "arma", "fc", "skip")
    path = tmp_path / "proteins.json"
    path.write_text(json.dumps({key_of((0, 1, 2, 3), ("skip", "fc", "arma", "gcn"), few): {"perf": 0.7}}))
    (net,) = tables.read("nasbench-graph", path).structures
    assert net.attributes["operator"] == ("input", "identity", "linear", "arma", "gcn", "output")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[]", "must hold an object from hash to scores"),
        ('{"0": {"accuracy": 1}}', "must hold 'perf'"),
        ('{"99999999": {"perf": 1}}', "key must be a hash to the base 10"),
        ('{"x": {"perf": 1}}', "key must be a hash"),
        (
            '{"x": {"perf": 1, "link": [0, 0, 0, 9], "ops": ["gcn", "gcn", "gcn", "gcn"]}}',
            "link must hold 4 numbers",
        ),
        (
            '{"x": {"perf": 1, "link": [0, 0, 0, 0], "ops": ["gcn", "gcn", "gcn", "mlp"]}}',
            "ops must be among",
        ),
    ],
)
def test_what_is_no_table_of_graph_networks(tmp_path, content, message):
    path = tmp_path / "cora.json"
    path.write_text(content)
    with pytest.raises(InvalidInputError, match=message):
        tables.read("nasbench-graph", path)


def test_a_pickled_bench_is_refused(tmp_path):
    path = tmp_path / "cora.bench"
    path.write_bytes(b"\x80\x04\x95\xff\xfe")
    with pytest.raises(InvalidInputError, match=r"\.bench files are pickles"):
        tables.read("nasbench-graph", path)


# ---- NAS-Bench-NLP

GRU = {
    "r": {"op": "linear", "input": ["x", "h_prev_0"]},
    "r_act": {"op": "activation_sigm", "input": ["r"]},
    "rh": {"op": "elementwise_prod", "input": ["r_act", "h_prev_0"]},
    "new": {"op": "linear", "input": ["x", "rh"]},
    "h_new_0": {"op": "blend", "input": ["r_act", "h_prev_0", "new"]},
}


def log(recipe=GRU, **changed):
    return {
        "recepie": json.dumps(recipe), "data": "data/ptb", "num_params": 10, "wall_times": [1.0, 2.0],
        "val_losses": [5.0, 4.0, 4.5], "test_losses": [5.1, 4.2, 4.1],
    } | changed  # fmt: skip


def test_logs_of_language_models(tmp_path):
    logs = [log(), log(test_losses=[5.1, 4.4, 4.1]), log({"h_new_0": {"op": "linear", "input": ["x"]}},
            val_losses=[float("nan")], test_losses=[float("nan")])]  # fmt: skip
    for place, item in enumerate(logs):
        (tmp_path / f"log_stats_model_{place}.json").write_text(json.dumps(item))
    bench = tables.read("nasbench-nlp", tmp_path)
    assert (bench.tasks, bench.targets) == (["ptb"], ["neg_test_loss", "neg_val_loss"])
    np.testing.assert_allclose(bench.y, [-4.3])
    np.testing.assert_allclose(bench.y_std, [np.std([4.2, 4.4], ddof=1)])
    np.testing.assert_allclose(bench.with_target("neg_val_loss").y, [-4.0])
    assert len(bench.unlabelled) == 1
    assert bench.costs.to_dict("list") == {"parameters": [10], "seconds": [3.0]}


def test_two_corpora_are_two_tasks(tmp_path):
    path = tmp_path / "logs.json"
    path.write_text(json.dumps([log(), log(data="data/wikitext-2", val_losses=[3.0], test_losses=[3.5])]))
    bench = tables.read("nasbench-nlp", path, task="wikitext-2", twins="keep")
    assert bench.tasks == ["ptb", "wikitext-2"]
    assert bench.y.tolist() == [-3.5]


def test_a_recurrent_cell():
    cell = recipe_structure(GRU)
    assert cell.attributes["operator"] == ("input", "state", "linear", "sigmoid", "mul", "linear", "blend")
    assert set(map(tuple, cell.forward_edges.T.tolist())) == {
        (0, 2), (1, 2), (2, 3), (3, 4), (1, 4), (0, 5), (4, 5), (3, 6), (1, 6), (5, 6),
    }  # fmt: skip
    assert cell.recurrent_edges.tolist() == [[6], [1]]
    assert np.flatnonzero(cell.inputs).tolist() == [0]
    assert np.flatnonzero(cell.outputs).tolist() == [6]


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ({"recepie": "{}"}, "must hold 'recepie', 'val_losses', 'test_losses'"),
        (log(recepie="{"), "must be a recipe"),
        (log({"f": {"op": "linear", "input": ["x"]}}), "must make h_new_0"),
        (log({"h_new_0": {"op": "linear", "input": ["y"]}}), "must make h_new_0 and read x, states"),
        (log({"h_new_0": {"op": "softmax", "input": ["x"]}}), "h_new_0 must be among linear"),
        (log(test_losses=[1.0]), "must hold a test loss for each validation loss"),
    ],
)
def test_what_is_no_log(tmp_path, item, message):
    path = tmp_path / "log.json"
    path.write_text(json.dumps(item))
    with pytest.raises(InvalidInputError, match=message):
        tables.read("nasbench-nlp", path)


# ---- relational graphs


def names_of(*rows):
    """Fifteen columns, of which the reader knows five."""
    return np.array(
        [["talklinear", "dense", n, kind, s, p, "sum", seed, *["1"] * 7] for n, kind, s, p, seed in rows]
    )


@pytest.fixture
def results(tmp_path):
    folder = tmp_path / "mlp_cifar10"
    folder.mkdir()
    rows = [("16.0", "ws", "0.25", "0.3", "1.0"), ("16.0", "ws", "1.0", "0.0", "1.0")]
    np.save(folder / "names_mlp_cifar10_epoch2.npy", names_of(*rows))
    values = np.zeros((2, 3, 8))
    values[:, :, 3] = [[30.0, 31.0, 32.0], [40.0, 40.0, 40.0]]
    np.save(folder / "results_mlp_cifar10_epoch2.npy", values)
    np.save(folder / "results_mlp_cifar10_epoch1.npy", values + 10)
    return folder


def test_relational_graphs(results):
    bench = tables.read("graph2nn", results)
    assert bench.tasks == ["cifar10"]
    np.testing.assert_allclose(bench.y, [0.69, 0.60])
    np.testing.assert_allclose(bench.y_std, [0.01, 0.0], atol=1e-12)
    assert bench.y_count.tolist() == [3, 3]
    first, complete = bench.structures
    assert first.family == "relational"
    assert (first.num_units, first.graph_edges.shape[1]) == (16, 16 * 4 // 2)
    assert complete.graph_edges.shape[1] == 16 * 15 // 2
    assert first.graph_edges.T.tolist() == [list(edge) for edge in ws_flex_edges(16, 0.25, 0.3, 1)]


@pytest.mark.parametrize(
    ("n", "sparsity", "p"), [(16, 0.25, 0.0), (16, 0.3, 0.4), (64, 0.1, 1.0), (20, 0.77, 0.2)]
)
def test_graphs_are_watts_strogatz_flex(n, sparsity, p):
    edges = ws_flex_edges(n, sparsity, p, 7)
    graph = nx.Graph(edges)
    assert nx.is_connected(graph)
    assert graph.number_of_nodes() == n
    # Rewiring keeps the number of edges, unless the ring itself has some twice.
    ring = ws_flex_edges(n, sparsity, 0.0, 7)
    assert len(edges) == len(ring)
    assert all(u < v for u, v in edges)
    steps = [min((v - u) % n, (u - v) % n) for u, v in ring]
    assert max(steps) - min(np.bincount(steps)[1:].nonzero()[0] + 1) <= round(sparsity * n / 2)
    assert (edges == ring) == (p == 0)
    assert ws_flex_edges(n, sparsity, p, 7) == edges
    if p:
        assert ws_flex_edges(n, sparsity, p, 8) != edges


def test_a_ring_of_even_degree_is_networkx_s():
    assert ws_flex_edges(12, 4 / 12, 0.0, 1) == sorted(
        tuple(sorted(edge)) for edge in nx.watts_strogatz_graph(12, 4, 0).edges
    )


def test_what_is_no_folder_of_results(results, tmp_path):
    with pytest.raises(MissingDataError, match=r"holds no names_<task>_epoch<e>\.npy"):
        tables.read("graph2nn", tmp_path)
    names = results / "names_mlp_cifar10_epoch2.npy"
    for changed, message in (
        (np.zeros((2, 15)), "must hold names of 15 columns of text"),
        (
            names_of(("16", "ba", "0.25", "0.3", "1"), ("16", "ws", "1", "0", "1")),
            "kind of graph must be 'ws'",
        ),
        (
            names_of(("16", "ws", "half", "0.3", "1"), ("16", "ws", "1", "0", "1")),
            "names must hold nodes, sparsity",
        ),
        (
            names_of(("16", "ws", "0.01", "0.3", "1"), ("16", "ws", "1", "0", "1")),
            "sparsity must give a mean degree",
        ),
        (names_of(("16", "ws", "0.25", "0.3", "1")), "must hold results of 1 graphs"),
    ):
        np.save(names, changed)
        with pytest.raises(InvalidInputError, match=message):
            tables.read("graph2nn", results)
    np.save(names, np.array([[None] * 15] * 2, dtype=object), allow_pickle=True)
    with pytest.raises(InvalidInputError, match="must be a numpy array without pickles"):
        tables.read("graph2nn", results)


# ---- ONNX


def model(channels=4, groups=1, **metadata):
    """conv3x3, relu, conv3x3 (grouped), a skip, pools, flatten, gemm."""
    rng = np.random.default_rng(0)
    kept = {
        "a": rng.normal(size=(channels, 3, 3, 3)), "b": rng.normal(size=(channels, channels // groups, 3, 3)),
        "w": rng.normal(size=(10, channels)), "c": rng.normal(size=10),
    }  # fmt: skip
    three = {"kernel_shape": [3, 3], "pads": [1] * 4}
    nodes = [
        helper.make_node("Conv", ["x", "a"], ["1"], **three),
        helper.make_node("Relu", ["1"], ["2"]),
        helper.make_node("Conv", ["2", "b"], ["3"], group=groups, **three),
        helper.make_node("Add", ["2", "3"], ["4"]),
        helper.make_node("MaxPool", ["4"], ["5"], kernel_shape=[2, 2]),
        helper.make_node("GlobalAveragePool", ["5"], ["6"]),
        helper.make_node("Flatten", ["6"], ["7"]),
        helper.make_node("Gemm", ["7", "w", "c"], ["y"], transB=1),
    ]
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 8, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 10])],
        [numpy_helper.from_array(value.astype(np.float32), name) for name, value in kept.items()],
    )
    made = helper.make_model(graph)
    helper.set_model_props(made, {key: str(value) for key, value in metadata.items()})
    return made


def test_a_folder_of_onnx_files(tmp_path):
    (tmp_path / "deep").mkdir()
    onnx.save(model(accuracy=91.5), tmp_path / "a.onnx")
    onnx.save(model(8, note="x", test_acc=80.0), tmp_path / "deep" / "b.onnx")
    bench = tables.read("onnx-bench", tmp_path)
    assert bench.tasks == ["cifar10"]
    np.testing.assert_allclose(bench.y, [0.915, 0.8])
    net = bench.structures[0]
    assert net.attributes["operator"] == (
        "input", "conv3x3", "relu", "conv3x3", "add", "maxpool2x2", "globalavgpool", "flatten", "linear",
    )  # fmt: skip
    assert net.attributes["channels"] == (3, *(4,) * 7, 10)
    assert set(map(tuple, net.edge_index.T.tolist())) == {
        (0, 1), (1, 2), (2, 3), (2, 4), (3, 4), (4, 5), (5, 6), (6, 7), (7, 8),
    }  # fmt: skip
    assert np.flatnonzero(net.outputs).tolist() == [8]
    assert bench.costs["parameters"].tolist() == [4 * 27 + 4 * 36 + 50, 8 * 27 + 8 * 72 + 90]


def test_groups_are_in_the_name(tmp_path):
    onnx.save(model(4, groups=4, accuracy=0.5), tmp_path / "a.onnx")
    onnx.save(model(4, groups=2, accuracy=0.6), tmp_path / "b.onnx")
    bench = tables.read("onnx-bench", tmp_path)
    assert [net.attributes["operator"][3] for net in bench.structures] == ["dwconv3x3", "conv3x3-g2"]
    assert bench.y.tolist() == [0.5, 0.6]


def test_a_csv_beside_onnx_files(tmp_path):
    onnx.save(model(), tmp_path / "a.onnx")
    onnx.save(model(8), tmp_path / "b.onnx")
    (tmp_path / "scores.csv").write_text("file,accuracy,dataset\na.onnx,0.9,cifar10\nb.onnx,0.7,addnist\n")
    bench = tables.read("onnx-bench", tmp_path / "scores.csv", task="addnist")
    assert bench.tasks == ["cifar10", "addnist"]
    assert bench.y.tolist() == [0.7]


def test_what_is_no_collection_of_onnx_files(tmp_path):
    with pytest.raises(MissingDataError, match="holds no ONNX file"):
        tables.read("onnx-bench", tmp_path)
    onnx.save(model(), tmp_path / "a.onnx")
    with pytest.raises(InvalidInputError, match="must hold its accuracy in its metadata"):
        tables.read("onnx-bench", tmp_path)
    (tmp_path / "scores.csv").write_text("file,accuracy\nnone.onnx,0.9\n")
    with pytest.raises(MissingDataError, match=r"There is no file .*none\.onnx"):
        tables.read("onnx-bench", tmp_path / "scores.csv")


def test_every_table_is_tried_here():
    assert tables.names() == [
        "graph2nn", "macro", "nasbench-graph", "nasbench-nlp", "nasbench101", "nasbench201", "nasbench301",
        "nds", "onnx-bench",
    ]  # fmt: skip
    assert list(tables.TABLES) == tables.names()
