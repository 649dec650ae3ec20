"""NAS-Bench-Macro: chains of blocks; a benchmark of two spaces."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest

import nnstruct as ns
from nnstruct import tables
from nnstruct.errors import InvalidInputError
from nnstruct.tables.macro import macro_structure, without_identities

CODES = ["02012100", "11111221", "02001000", "02010000"]


@pytest.fixture
def table(tmp_path):
    rows = [f"{code},{90 + i},{91 + i},{92 + i},{91 + i},{1000 * i},{5 * i}" for i, code in enumerate(CODES)]
    path = tmp_path / "macro.csv"
    path.write_text("\n".join(["arch,acc1,acc2,acc3,mean_acc,params,flops", *rows]))
    return path


def test_rows_seeds_and_costs(table):
    bench = tables.read("macro", table, twins="keep")
    np.testing.assert_allclose(bench.y, [0.91, 0.92, 0.93, 0.94])
    np.testing.assert_allclose(bench.y_std, 0.01)
    assert bench.y_count.tolist() == [3] * 4
    assert bench.costs.to_dict("list") == {"parameters": [0, 1000, 2000, 3000], "flops": [0, 5, 10, 15]}
    assert (bench.tasks, bench.name) == (["cifar10"], "macro")


def test_the_authors_json_says_the_same(table, tmp_path):
    content = {
        code: {
            "test_acc": [90.0 + i, 91.0 + i, 92.0 + i],
            "mean_acc": 91.0 + i,
            "std": 0.8,
            "params": 1000 * i,
            "flops": 5 * i,
        }
        for i, code in enumerate(CODES)
    }
    path = tmp_path / "nas-bench-macro_cifar10.json"
    path.write_text(json.dumps(content))
    one, other = (tables.read("macro", p) for p in (table, path))
    assert one.structures == other.structures
    np.testing.assert_array_equal(one.y, other.y)
    np.testing.assert_array_equal(one.y_std, other.y_std)
    assert one.costs.equals(other.costs)


def test_a_network_is_a_chain():
    net = macro_structure("02012100")
    assert net.attributes["operator"] == (
        "input", "conv1x1", "mbconv5x5-e6", "conv1x1", "mbconv3x3-e3", "mbconv5x5-e6",
        "mbconv3x3-e3", "identity", "identity", "output",
    )  # fmt: skip
    assert net.attributes["channels"] == (32, 64, 64, 128, 128, 128, 256, 256, 256, 256)
    assert net.attributes["stage"] == (0, 1, 1, 2, 2, 2, 3, 3, 3, 3)
    assert net.edge_index.tolist() == [list(range(9)), list(range(1, 10))]


def test_networks_that_are_equal_without_identities_are_twins(table):
    codes = ["".join(code) for code in itertools.product("012", repeat=8)]
    # Of a stage of two blocks there are 3 * 3, of one of three 3 * (1 + 2 + 4).
    assert len({without_identities(code) for code in codes}) == 9 * 21 * 21
    bench = tables.read("macro", table)
    np.testing.assert_allclose(bench.y, [0.91, 0.92, 0.935])
    assert bench.y_count.tolist() == [3, 3, 6]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("m.csv", "arch,mean_acc\n02012100,90\n", "must have a column 'acc1'"),
        ("m.csv", "arch,acc1\n0201210,90\n", "arch of row 0 must be eight digits of 0, 1 and 2"),
        ("m.json", "[]", "must hold an object from code to scores"),
        ("m.json", '{"02012100": {"mean_acc": 90}}', "must have a list 'test_acc' for every code"),
        ("m.json", "{", "must be JSON"),
    ],
)
def test_what_is_no_such_table(tmp_path, name, text, message):
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(InvalidInputError, match=message):
        tables.read("macro", path)


def test_one_predictor_learns_from_two_spaces(tmp_path):
    """Accuracy rises with the convolutions of a network in either space; labels are of one task."""
    rng = np.random.default_rng(0)
    cells = []
    for _ in range(60):
        drawn = rng.choice(["none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3"], size=6)
        text = "|{}~0|+|{}~0|{}~1|+|{}~0|{}~1|{}~2|".format(*drawn)
        cells.append(f"{text},{50 + 7 * np.sum(np.char.find(drawn, 'conv') >= 0)}")
    (tmp_path / "cells.csv").write_text("\n".join(["arch,c10_test_200", *cells]))
    codes = ["".join(rng.choice(list("012"), size=8)) for _ in range(60)]
    rows = [f"{code},{80 + sum(digit != '0' for digit in code)}" for code in dict.fromkeys(codes)]
    (tmp_path / "macro.csv").write_text("\n".join(["arch,acc1", *rows]))
    both = tables.read("nasbench201", tmp_path / "cells.csv", twins="keep").merge(
        tables.read("macro", tmp_path / "macro.csv", twins="keep")
    )
    assert both.tasks == ["cifar10"]
    assert {s.num_units for s in both.structures} == {8, 10}
    forest = ns.predictors.RandomForest(n_estimators=50, random_state=0)
    found = ns.evaluate(forest, both, folds=3, repeats=1, resamples=20)
    assert found.table["r2"].iloc[0] > 0.8
