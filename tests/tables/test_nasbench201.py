"""NAS-Bench-201: cells as line graphs, three tasks, isomorphic cells."""

from __future__ import annotations

import gzip
import itertools
import json

import numpy as np
import pytest
import torch

from nnstruct import tables
from nnstruct.errors import InvalidInputError, MissingDataError, UnknownNameError
from nnstruct.structure.cell_strings import OPERATORS
from nnstruct.tables.nasbench201 import cell_structure, parse_cell, unique_string

NAMES = list(OPERATORS)
HEAD = "index,arch,isomorph,c10_test_200,c100_test_200,im16_test_200,c10_test_12,c10_val_12"


def arch(*operators):
    a, b, c, d, e, f = operators
    return f"|{a}~0|+|{b}~0|{c}~1|+|{d}~0|{e}~1|{f}~2|"


C3, C1, SKIP, NONE, POOL = "nor_conv_3x3", "nor_conv_1x1", "skip_connect", "none", "avg_pool_3x3"
CELLS = [
    arch(C3, NONE, SKIP, NONE, NONE, SKIP),
    arch(SKIP, NONE, C3, NONE, NONE, SKIP),
    arch(C3, C1, POOL, SKIP, NONE, C1),
]


@pytest.fixture
def table(tmp_path):
    rows = [f"{i},{cell},0,{90 + i}.5,{70 + i},{40 + i},{80 + i},{75 + i}" for i, cell in enumerate(CELLS)]
    path = tmp_path / "t.csv.gz"
    path.write_bytes(gzip.compress("\n".join([HEAD, *rows]).encode()))
    return path


def test_rows_in_their_order(table):
    bench = tables.read("nasbench201", table, twins="keep")
    assert (bench.name, bench.task, bench.target) == ("nasbench201", "cifar10", "test")
    np.testing.assert_allclose(bench.y, [0.905, 0.915, 0.925])
    assert [s.origin["arch"] for s in bench.structures] == CELLS
    assert bench.tasks == ["cifar10", "cifar100", "imagenet16-120"]
    assert bench.targets == ["test", "test_12", "val_12"]
    np.testing.assert_allclose(bench.with_target("val_12").y, [0.75, 0.76, 0.77])
    other = tables.read("nasbench201", table, task="imagenet16-120", twins="keep")
    np.testing.assert_allclose(other.y, [0.40, 0.41, 0.42])
    assert other.targets == ["test"]


def test_isomorphic_cells_are_twins(table):
    bench = tables.read("nasbench201", table)
    np.testing.assert_allclose(bench.y, [0.91, 0.925])
    np.testing.assert_allclose(bench.y_std, [np.std([0.905, 0.915], ddof=1), np.nan])
    assert bench.y_count.tolist() == [2, 1]


def test_a_cell_is_its_line_graph():
    cell = cell_structure(parse_cell(CELLS[2]))
    assert cell.attributes["operator"] == (
        "input", "conv3x3", "conv1x1", "avgpool3x3", "identity", "none", "conv1x1", "output",
    )  # fmt: skip
    cell_edges = [(0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3)]
    expected = {(0, 1 + i) for i, (a, _) in enumerate(cell_edges) if a == 0}
    expected |= {(1 + i, 7) for i, (_, b) in enumerate(cell_edges) if b == 3}
    expected |= {
        (1 + i, 1 + j)
        for (i, x), (j, y) in itertools.product(enumerate(cell_edges), repeat=2)
        if x[1] == y[0]
    }
    assert set(map(tuple, cell.edge_index.T.tolist())) == expected
    assert np.flatnonzero(cell.inputs).tolist() == [0]
    assert np.flatnonzero(cell.outputs).tolist() == [7]
    assert cell.family == "module"


def test_the_space_has_as_many_classes_as_the_paper_says():
    """Dong and Yang (2020), section 2.1: 15,625 cells, of which 6,466 are not isomorphic."""
    cells = list(itertools.product(OPERATORS.values(), repeat=6))
    assert len(cells) == 15_625
    assert len({unique_string(cell) for cell in cells}) == 6_466


def test_json_with_seeds(tmp_path):
    items = {
        str(i): {
            "arch": cell,
            "cifar10": {"test": [90.0 + i, 92.0 + i], "val_12": 70.0, "flops": 5.0, "params": 1.5},
            "ImageNet16-120": {"test_accuracy": 40.0},
        }
        for i, cell in enumerate(CELLS)
    }
    items["2"]["cifar10"]["test"] = [93.0]
    path = tmp_path / "t.json"
    path.write_text(json.dumps(items))
    bench = tables.read("nasbench201", path, twins="keep")
    np.testing.assert_allclose(bench.y, [0.91, 0.92, 0.93])
    np.testing.assert_allclose(bench.y_std, [np.sqrt(2) / 100, np.sqrt(2) / 100, np.nan])
    assert bench.y_count.tolist() == [2, 2, 1]
    assert bench.costs.to_dict("list") == {"parameters": [1.5] * 3, "flops": [5.0] * 3}
    assert bench.tasks == ["cifar10", "imagenet16-120"]
    assert bench.targets == ["test", "val_12"]


def test_spreads_counts_and_costs_of_a_csv(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text(f"arch,c10_test_200,c10_test_200_std,c10_test_200_seeds,params\n{CELLS[0]},90,0.5,3,7\n")
    bench = tables.read("nasbench201", path)
    assert (bench.y[0], bench.y_std[0], bench.y_count[0]) == pytest.approx((0.9, 0.005, 3))
    assert bench.costs["parameters"].tolist() == [7]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("index,c10_test_200\n0,90\n", r"must have a column 'arch'"),
        (f"arch,accuracy\n{CELLS[0]},90\n", r"must have a column of accuracies such as 'c10_test_200'"),
        ("arch,c10_test_200\n|conv~0|,90\n", r"arch of row 0 must be like"),
        (
            f"arch,c10_test_200\n{CELLS[0].replace(C3, 'gelu')},90\n",
            "arch of row 0 must use none.*got 'gelu'",
        ),
        (f"arch,c10_test_200\n{CELLS[0]},ninety\n", "c10_test_200 must hold numbers"),
        (f"arch,c10_test_200\n{CELLS[0]}\n", "line 2 must hold 2 values, got 1"),
        ("arch,c10_test_200\n", "must hold at least one row"),
    ],
)
def test_what_is_no_such_table(tmp_path, text, message):
    path = tmp_path / "t.csv"
    path.write_text(text)
    with pytest.raises(InvalidInputError, match=message):
        tables.read("nasbench201", path)


def run_of(data, seed, epochs, accuracy):
    sets = {"cifar10": ["ori-test"], "cifar10-valid": ["x-valid", "ori-test"]}.get(
        data, ["x-test", "x-valid"]
    )
    evaluated = {
        f"{name}@{epoch}": accuracy + epoch / 1000 + i
        for i, name in enumerate(sets)
        for epoch in range(epochs)
    }
    return {
        "name": data,
        "seed": seed,
        "epochs": epochs,
        "params": 1.5,
        "flop": 15.0,
        "eval_acc1es": evaluated,
    }


def test_the_authors_pth_file_with_seeds(tmp_path):
    runs = {
        epochs: [
            {
                ("cifar10", 777): run_of("cifar10", 777, epochs, 90.0 + place),
                ("cifar10", 888): run_of("cifar10", 888, epochs, 92.0 + place),
                ("cifar10-valid", 777): run_of("cifar10-valid", 777, epochs, 80.0 + place),
                ("ImageNet16-120", 777): run_of("ImageNet16-120", 777, epochs, 40.0 + place),
            }
            for place in range(3)
        ]
        for epochs in (12, 200)
    }
    infos = {
        place: {key: {"arch_str": CELLS[place], "all_results": runs[epochs][place]} for key, epochs in
                (("less", 12), ("full", 200))}
        for place in range(3)
    }  # fmt: skip
    path = tmp_path / "NAS-Bench-201-v1_1-096897.pth"
    torch.save({"meta_archs": CELLS, "arch2infos": infos, "evaluated_indexes": [0, 1, 2]}, path)
    bench = tables.read("nasbench201", path, twins="keep")
    np.testing.assert_allclose(bench.y, (np.array([91.0, 92.0, 93.0]) + 0.199) / 100)
    np.testing.assert_allclose(bench.y_std, np.sqrt(2) / 100)
    assert bench.y_count.tolist() == [2, 2, 2]
    assert bench.tasks == ["cifar10", "imagenet16-120"]
    assert bench.targets == ["test", "val", "test_12", "val_12"]
    np.testing.assert_allclose(bench.with_target("val").y, (np.array([80.0, 81.0, 82.0]) + 0.199) / 100)
    np.testing.assert_allclose(bench.with_target("test_12").y, (np.array([91.0, 92.0, 93.0]) + 0.011) / 100)
    np.testing.assert_allclose(
        bench.select_task("imagenet16-120").with_target("val").y, (np.array([41.0, 42.0, 43.0]) + 0.199) / 100
    )
    assert bench.costs.to_dict("list") == {"parameters": [1.5e6] * 3, "flops": [15e6] * 3}
    twins = bench.with_twins("merge")
    assert twins.y_count.tolist() == [4, 2]


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("NATS-tss-v1_0-3ffb9.pickle.pbz2", "be a text file"),
        ("NAS-Bench-201-v1_1.pth", "be NAS-Bench-201's .pth file"),
    ],
)
def test_a_pickle_is_refused_with_the_way_out(tmp_path, name, rule):
    path = tmp_path / name
    path.write_bytes(b"\x80\x04\x95\xff\xfe")
    with pytest.raises(InvalidInputError, match=rf"must {rule}.*write a CSV from nats_bench"):
        tables.read("nasbench201", path)


def test_unknown_tables_tasks_and_files(table, tmp_path):
    with pytest.raises(UnknownNameError, match="Did you mean 'nasbench201'"):
        tables.read("nasbench202", table)
    with pytest.raises(
        UnknownNameError, match="task must be one of cifar10, cifar100, imagenet16-120, got 'mnist'"
    ):
        tables.read("nasbench201", table, task="mnist")
    with pytest.raises(MissingDataError, match="There is no file"):
        tables.read("nasbench201", tmp_path / "none.csv")
    with pytest.raises(MissingDataError, match="is not a file"):
        tables.read("nasbench201", tmp_path)
    with pytest.raises(InvalidInputError, match="twins must be one of"):
        tables.read("nasbench201", table, twins="both")
