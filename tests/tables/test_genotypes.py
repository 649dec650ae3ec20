"""Networks of a normal and a reduction cell: NAS-Bench-301 and the network design spaces."""

from __future__ import annotations

import json

import networkx as nx
import numpy as np
import pytest

from nnstruct import tables
from nnstruct.errors import InvalidInputError, MissingDataError
from nnstruct.structure.genotypes import Genotype, genotype_structure

PREFIX = "NetworkSelectorDatasetInfo:darts:"


def config(**changed):
    """Normal and reduction cells that differ; edge numbers as NAS-Bench-301 writes them."""
    edges = {
        "normal": {0: "skip_connect", 1: "sep_conv_3x3", 2: "dil_conv_5x5", 4: "max_pool_3x3",
                   6: "sep_conv_5x5", 7: "skip_connect", 9: "avg_pool_3x3", 13: "sep_conv_3x3"},
        "reduce": {0: "skip_connect", 1: "max_pool_3x3", 2: "sep_conv_3x3", 3: "sep_conv_3x3",
                   5: "skip_connect", 7: "skip_connect", 9: "dil_conv_3x3", 10: "avg_pool_3x3"},
    }  # fmt: skip
    inputs = {"normal": {3: "0_2", 4: "1_2", 5: "0_4"}, "reduce": {3: "0_1", 4: "0_2", 5: "0_1"}}
    found = {f"{PREFIX}edge_{cell}_{k}": name for cell, ks in edges.items() for k, name in ks.items()}
    found |= {
        f"{PREFIX}inputs_node_{cell}_{n}": text for cell, ns in inputs.items() for n, text in ns.items()
    }
    return found | {f"{PREFIX}layers": 8, f"{PREFIX}init_channels": 32} | changed


def result(**changed):
    return {
        "optimized_hyperparamater_config": config(),
        "test_accuracy": 94.0,
        "runtime": 5000,
        "info": [{"val_accuracy": 93.0, "model_parameters": 1000}],
    } | changed


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "rs" / "results_fidelity_0").mkdir(parents=True)
    other = config(**{f"{PREFIX}edge_normal_0": "sep_conv_5x5"})
    rows = [result(), result(test_accuracy=95.0), result(optimized_hyperparamater_config=other)]
    for place, row in enumerate(rows):
        (tmp_path / "rs" / "results_fidelity_0" / f"results_{place}.json").write_text(json.dumps(row))
    (tmp_path / "rs" / "notes.json").write_text("{}")
    return tmp_path


def edges_by_name(structure):
    """Which operators feed which, each numbered among its own name."""
    seen, named = {}, []
    for name in structure.attributes["operator"]:
        seen[name] = seen.get(name, -1) + 1
        named.append(f"{name}{seen[name]}" if seen[name] else name)
    return {(named[a], named[b]) for a, b in structure.edge_index.T.tolist()}


def test_rows_of_nasbench301(folder):
    kept = tables.read("nasbench301", folder, twins="keep")
    np.testing.assert_allclose(kept.y, [0.94, 0.95, 0.94])
    np.testing.assert_allclose(kept.with_target("val").y, 0.93)
    assert kept.costs.to_dict("list") == {"parameters": [1000] * 3, "seconds": [5000] * 3}
    merged = kept.with_twins("merge")
    np.testing.assert_allclose(merged.y, [0.945, 0.94])
    assert merged.y_count.tolist() == [2, 1]


def test_cells_of_nasbench301_are_a_pair(folder):
    net = tables.read("nasbench301", folder, twins="keep").structures[0]
    operators, found = net.attributes["operator"], edges_by_name(net)
    assert len(operators) == 2 + 8 + 1 + 8 + 1
    assert operators[:2] == ("input_before", "input")
    assert np.flatnonzero(net.inputs).tolist() == [0, 1]
    # Node 2 is skip(state 0) + sep3(state 1); node 3 reads states 0 and 2 by edges 2 and 4.
    assert {("input_before", "identity"), ("input", "sepconv3x3"), ("input_before", "dilconv5x5")} <= found
    assert {("identity", "maxpool3x3"), ("sepconv3x3", "maxpool3x3")} <= found
    # The normal cell's output is the sum of all eight operators' ends, and the reduction cell reads it.
    assert sum(b == "concat" for _, b in found) == 8
    assert ("concat", "maxpool3x31") in found
    # The reduction's edge 0 reads what the normal cell had as its second input, with stride.
    assert ("input", "skip_stride2") in found
    # A skip within the reduction cell (node 4 from node 2) is an identity.
    assert ("skip_stride2", "identity2") in found
    assert net.attributes["stage"] == (0,) * 11 + (1,) * 9
    assert set(net.attributes["channels"]) == {32, 64}
    assert np.flatnonzero(net.outputs).tolist() == [19]


def cell(a, b):
    return [(a, 0), (b, 1)]


def test_a_stack_reduces_after_a_third_and_two_thirds():
    genotype = Genotype(cell("sep_conv_3x3", "none"), [2], cell("max_pool_3x3", "skip_connect"), [2])
    net = genotype_structure(genotype, 6, 16, {})
    operators = net.attributes["operator"]
    assert len(operators) == 1 + 6 * 3
    assert [place for place, name in enumerate(operators) if name == "maxpool3x3"] == [1 + 2 * 3, 1 + 4 * 3]
    assert net.attributes["stage"] == (0,) + (0,) * 6 + (1,) * 6 + (2,) * 6
    assert net.attributes["channels"] == tuple(16 * 2**stage for stage in net.attributes["stage"])
    graph = nx.DiGraph(net.edge_index.T.tolist())
    # Every cell reads the outputs of the two before it: concat units are 3, 6, 9, ...
    assert set(graph.predecessors(10)) == {6}
    assert set(graph.predecessors(11)) == {9}
    assert set(graph.predecessors(4)) == {0}


def training(depth=3, width=16, accuracy=90.0, **changed):
    genotype = {
        "normal": [["sep_conv_3x3", 0], ["skip_connect", 1], ["conv_7x1_1x7", 2], ["none", 0]],
        "normal_concat": [3],
        "reduce": [["max_pool_3x3", 0], ["avg_pool_3x3", 1], ["skip_connect", 0], ["sep_conv_5x5", 2]],
        "reduce_concat": [2, 3],
    }
    return {
        "net": {"genotype": genotype, "depth": depth, "width": width, "aux": False, "drop_prob": 0.0},
        "test_ep_top1": [50.0, 8.0, 100 - accuracy],
        "min_test_top1": 8.0,
        "params": 5.0,
        "flops": 7.0,
        "rng_seed": 1,
    } | changed


def write(path, content):
    path.write_text(json.dumps(content))
    return path


def test_cells_of_the_design_spaces(tmp_path):
    bench = tables.read("nds", write(tmp_path / "DARTS_fix-w-d.json", [training(), training(accuracy=91.0)]))
    np.testing.assert_allclose(bench.y, [0.905])
    np.testing.assert_allclose(bench.with_target("test_best").y, [0.92])
    assert bench.tasks == ["cifar10"]
    assert bench.costs.to_dict("list") == {"parameters": [5.0], "flops": [7.0]}
    (pair,) = bench.structures
    assert pair.attributes["operator"] == (
        "input_before", "input", "sepconv3x3", "identity", "conv7x1-1x7", "none", "concat",
        "maxpool3x3", "avgpool3x3", "skip_stride2", "sepconv5x5", "output",
    )  # fmt: skip
    found = edges_by_name(pair)
    assert {("sepconv3x3", "conv7x1-1x7"), ("identity", "conv7x1-1x7"), ("input_before", "none")} <= found
    # The normal cell concatenates state 3 alone, the reduction cell states 2 and 3.
    assert {a for a, b in found if b == "concat"} == {"conv7x1-1x7", "none"}
    assert {a for a, b in found if b == "output"} == {
        "maxpool3x3",
        "avgpool3x3",
        "skip_stride2",
        "sepconv5x5",
    }


def test_depths_that_differ_make_stacks(tmp_path):
    content = {"top": [training(depth=3)], "mid": [training(depth=6, width=32)]}
    bench = tables.read("nds", write(tmp_path / "DARTS_in.json", content), twins="keep")
    assert bench.tasks == ["imagenet"]
    assert [s.num_units for s in bench.structures] == [1 + 5 * 3, 1 + 5 * 6]
    assert [s.attributes["channels"][0] for s in bench.structures] == [16, 32]


def test_residual_networks_are_chains(tmp_path):
    net = {
        "block_type": "res_bottleneck_block", "ds": [1, 2, 1], "ws": [16, 32, 64], "ss": [1, 2, 2],
        "bot_muls": [1.0, 0.5, 2.0], "num_gs": [1, 4, 2],
    }  # fmt: skip
    plain = {
        "block_type": "res_basic_block",
        "ds": [1, 1, 2],
        "ws": [16, 16, 16],
        "bot_muls": [],
        "num_gs": [],
    }
    path = write(tmp_path / "ResNeXt-A.json", [training(net=net), training(net=plain)])
    chain, other = tables.read("nds", path, twins="keep").structures
    assert chain.attributes["operator"] == (
        "input", "res_bottleneck_block-b1-g1", "res_bottleneck_block-b0.5-g4", "res_bottleneck_block-b0.5-g4",
        "res_bottleneck_block-b2-g2", "output",
    )  # fmt: skip
    assert chain.attributes["channels"] == (16, 16, 32, 32, 64, 64)
    assert chain.attributes["stage"] == (0, 0, 1, 1, 2, 2)
    assert chain.edge_index.tolist() == [[0, 1, 2, 3, 4], [1, 2, 3, 4, 5]]
    assert other.attributes["operator"][1:-1] == ("res_basic_block",) * 4


def broken(key, value):
    return result(
        optimized_hyperparamater_config={k: v for k, v in config(**{key: value}).items() if v is not None}
    )


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "nasbench301",
            {"test_accuracy": 1},
            "must hold 'optimized_hyperparamater_config' and 'test_accuracy'",
        ),
        (
            "nasbench301",
            broken(f"{PREFIX}inputs_node_normal_4", None),
            "which inputs node 4 of the normal cell",
        ),
        ("nasbench301", broken(f"{PREFIX}edge_reduce_5", None), "must have an operator edge_reduce_5"),
        ("nasbench301", "text", "must hold an object, or a list of them"),
        ("nds", {}, "must hold a list of trainings"),
        ("nds", [{"net": {}}], "row 0 must hold 'net' and 'test_ep_top1'"),
        ("nds", [training(net={"genotype": {"normal": []}})], "row 0 must hold a genotype of two cells"),
        ("nds", [training(net={"ds": [1], "ws": [1, 2]})], "must hold 'ds' and 'ws' of one length"),
    ],
)
def test_what_is_no_such_table(tmp_path, name, content, message):
    with pytest.raises(InvalidInputError, match=message):
        tables.read(name, write(tmp_path / "t.json", content))


def test_a_state_that_is_not_there_is_found():
    with pytest.raises(InvalidInputError, match="genotype must read states below 2 here, got 2"):
        genotype_structure(Genotype([("none", 2), ("none", 0)], [2], [], [0]), None, None, {})
    with pytest.raises(InvalidInputError, match="genotype must concatenate states below 3"):
        genotype_structure(Genotype(cell("none", "none"), [3], [], [0]), None, None, {})


def test_a_folder_without_results_is_named(tmp_path):
    with pytest.raises(MissingDataError, match=r"holds no results_\*.json"):
        tables.read("nasbench301", tmp_path)
