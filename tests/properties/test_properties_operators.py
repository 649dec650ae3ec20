"""Operator paths against enumeration, and capacity by hand."""

from __future__ import annotations

import math
from itertools import combinations

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from properties_oracles import structures

from nnstruct import Structure
from nnstruct.errors import InvalidInputError
from nnstruct.properties import PROPERTY_FAMILIES, features
from nnstruct.properties.capacity import memory_load
from nnstruct.properties.operators import operator_family

KINDS = ("a", "b", "c")


@st.composite
def cells(draw, max_units=8):
    structure = draw(structures(max_units=max_units, families=("module", "mlp")))
    n = structure.num_units
    operators = draw(st.lists(st.sampled_from([*KINDS, "d"]), min_size=n, max_size=n))
    return Structure(
        structure.edge_index,
        n,
        recurrent=structure.recurrent,
        family=structure.family,
        inputs=structure.inputs,
        outputs=structure.outputs,
        attributes={"operator": operators},
    )


def brute(cell: Structure) -> dict[str, float]:
    graph, operator = cell.to_networkx(recurrent=False), cell.attributes["operator"]
    n, inputs, outputs = cell.num_units, np.flatnonzero(cell.inputs), np.flatnonzero(cell.outputs)
    ways = [[u] for u in inputs if u in outputs]
    ways += [path for u in inputs for v in outputs if u != v for path in nx.all_simple_paths(graph, u, v)]
    expected = {f"count_{k}": operator.count(k) for k in KINDS}
    expected["count_other"] = operator.count("d")
    for k in KINDS:
        expected[f"most_{k}"] = max((sum(operator[u] == k for u in way) for way in ways), default=math.nan)
    for size in range(4):
        for chosen in combinations(KINDS, size):
            name = "+".join(chosen)
            free = [len(way) - 1 for way in ways if not any(operator[u] in chosen for u in way)]
            expected[f"shortest_without_{name}" if name else "shortest"] = min(free, default=n)
            if name:
                edges = list(graph.edges)
                expected[f"output_in_{name}"] = sum(v in outputs and operator[u] in chosen for u, v in edges)
                expected[f"input_out_{name}"] = sum(u in inputs and operator[v] in chosen for u, v in edges)
                expected[f"mean_in_{name}"] = sum(operator[u] in chosen for u, v in edges) / n
                expected[f"mean_out_{name}"] = sum(operator[v] in chosen for u, v in edges) / n
    return expected


@given(cell=cells())
@settings(max_examples=50, deadline=None)
def test_equals_enumeration(cell):
    family = operator_family("own", KINDS)
    found = dict(zip(family.measures, family.compute([cell])[0].tolist(), strict=True))
    assert found == pytest.approx(brute(cell), nan_ok=True)


@given(cell=cells(), seed=st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_relabelling_changes_nothing(cell, seed):
    other = cell.relabel(np.random.default_rng(seed).permutation(cell.num_units))
    rows = operator_family("own", KINDS).compute([cell, other])
    np.testing.assert_array_equal(rows[0], rows[1])


def test_kinds_by_name():
    names = ["input", "nor_conv_3x3", "avg_pool_3x3", "skip_connect", "none", "Identity", "output"]
    edges = [[0] * 5 + list(range(1, 6)), list(range(1, 6)) + [6] * 5]
    cell = Structure(edges, 7, attributes={"operator": names})
    row = features([cell], ("operators",), cache=False).iloc[0]
    counts = [row[f"operators.count_{kind}"] for kind in ("conv", "pool", "skip", "zero", "other")]
    assert counts == [1, 1, 2, 1, 2]
    assert row["operators.shortest_without_conv+pool+skip"] == 2
    assert row["operators.shortest_without_conv+pool+skip+zero"] == 7
    assert row["operators.output_in_conv+skip"] == 3


def test_without_operators_all_units_are_other():
    row = features([Structure.from_layers([2, 3])], ("operators",), cache=False).iloc[0]
    assert row["operators.count_other"] == 5
    assert row["operators.shortest"] == row["operators.shortest_without_conv"] == 1
    assert row["operators.mean_in_conv+pool+skip+zero"] == 0


def test_own_family_can_be_registered(monkeypatch):
    monkeypatch.setattr(PROPERTY_FAMILIES, "_parts", dict(PROPERTY_FAMILIES._parts))
    PROPERTY_FAMILIES.register("own")(operator_family("own", ["a"]))
    cell = Structure([[0], [1]], 2, attributes={"operator": ["a", "b"]})
    assert features([cell], ("own",), cache=False)["own.count_a"].tolist() == [1]


@pytest.mark.parametrize("operators", ["conv", [], ["a", "a"], [1], list("abcdefg")])
def test_bad_operators(operators):
    with pytest.raises(InvalidInputError, match="operators must"):
        operator_family("own", operators)


def capacity(structure: Structure) -> dict[str, float]:
    row = features([structure], ("capacity",), cache=False).iloc[0]
    return {name.removeprefix("capacity."): float(value) for name, value in row.items()}


def test_capacity_counts_what_lives():
    # 0 -> 1 -> 2 is alive; 3 -> 4 begins at no input.
    at = np.arange(5)
    structure = Structure(
        [[0, 1, 3, 1], [1, 2, 4, 1]],
        5,
        recurrent=np.array([False, False, False, True]),
        family="module",
        inputs=at == 0,
        outputs=at == 2,
    )
    found = capacity(structure)
    assert (found["connections"], found["connections_recurrent"], found["live_share"]) == (2, 1, 3 / 4)
    assert found["connections_per_unit"] == 2 / 3
    assert found["log_vc_dimension"] == pytest.approx(math.log(2 * 3 * math.log(2)))
    assert found["live_parameters"] == 3


def test_capacity_without_connections():
    found = capacity(Structure(np.zeros((2, 0), int), 1))
    nothing = {name for name, value in found.items() if math.isnan(value)}
    assert nothing == {"log_connections", "live_share", "width_ratio", "log_vc_dimension"}
    assert found["connections_per_unit"] == 0
    assert memory_load([Structure(np.zeros((2, 0), int), 1)], 10)[0] == math.inf


def test_gates_carry_a_weight_each():
    assert capacity(Structure.from_layers([2, 3], family="lstm"))["live_parameters"] == 4 * (6 + 4 + 9)


@pytest.mark.parametrize("samples", [0, True, 2.5])
def test_memory_load_needs_samples(samples):
    with pytest.raises(InvalidInputError, match="samples must be a positive integer"):
        memory_load([Structure.from_layers([2, 2])], samples)
