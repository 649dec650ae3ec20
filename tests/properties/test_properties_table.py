"""The door ``features``: columns, cache, workers, invariance and errors."""

from __future__ import annotations

import dataclasses
import subprocess
import sys

import networkx as nx
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from properties_oracles import structures

from nnstruct import Structure
from nnstruct.errors import InvalidInputError, UnknownNameError
from nnstruct.properties import PROPERTY_FAMILIES, feature_names, features
from nnstruct.properties.cache import ROWS, content_key

ALL = tuple(PROPERTY_FAMILIES)


@pytest.fixture
def population() -> list[Structure]:
    graphs = [nx.connected_watts_strogatz_graph(10 + i, 4, 0.5, seed=i) for i in range(30)]
    return [Structure.from_networkx(graph, family="rnn_tanh") for graph in graphs]


@given(structure=structures(), seed=st.integers(0, 1000))
@settings(max_examples=60, deadline=None)
def test_relabelling_changes_no_property(structure, seed):
    relabelled = structure.relabel(np.random.default_rng(seed).permutation(structure.num_units))
    table = features([structure, relabelled], ALL)
    np.testing.assert_allclose(table.iloc[0], table.iloc[1], rtol=1e-9, atol=1e-12)


@given(batch=st.lists(structures(max_units=8), min_size=2, max_size=6))
@settings(max_examples=30, deadline=None)
def test_a_row_depends_on_its_own_structure_alone(batch):
    together = features(batch, ALL, cache=False)
    alone = pd.concat([features([s], ALL, cache=False) for s in batch], ignore_index=True)
    pd.testing.assert_frame_equal(together, alone, check_exact=True)


def test_columns_and_index(population):
    table = features(population, ("layered", "paper"))
    assert list(table.columns) == feature_names(("layered", "paper"))
    assert list(feature_names(("paper",))) == list(PROPERTY_FAMILIES["paper"].columns)
    assert len(feature_names(("paper",))) == 23
    assert (table.dtypes == np.float64).all()
    assert table.index.equals(pd.RangeIndex(len(population)))
    assert table["paper.nodes"].tolist() == [s.num_units for s in population]


def test_every_family_says_what_it_measures():
    for name in ALL:
        family = PROPERTY_FAMILIES[name]
        assert family.name == name
        assert family.source
        assert all(family.measures.values())


def test_workers_give_the_same_bits(population):
    one = features(population, ALL, workers=1, cache=False)
    pd.testing.assert_frame_equal(one, features(population, ALL, workers=3, cache=False), check_exact=True)


def test_cache_gives_equal_results_and_saves_work(population, monkeypatch):
    computed: list[int] = []
    paper = PROPERTY_FAMILIES["paper"]

    def counted(batch):
        computed.append(len(batch))
        return paper.compute(batch)

    monkeypatch.setitem(PROPERTY_FAMILIES._parts, "paper", dataclasses.replace(paper, compute=counted))
    ROWS.clear()
    first = features(population)
    assert sum(computed) == len(population)
    again = features(population[::-1] + population[:3])
    assert sum(computed) == len(population)
    expected = pd.concat([first[::-1], first[:3]], ignore_index=True)
    pd.testing.assert_frame_equal(again, expected, check_exact=True)
    features(population, cache=False)
    assert sum(computed) == 2 * len(population)


def test_changing_a_table_leaves_the_cache_alone(population):
    table = features(population)
    before = table.copy()
    table.loc[:, :] = 0.0
    pd.testing.assert_frame_equal(features(population), before, check_exact=True)


def test_copies_in_one_call_get_equal_rows(population):
    table = features([population[0]] * 3, ALL)
    pd.testing.assert_series_equal(table.iloc[0], table.iloc[2], check_names=False, check_exact=True)


def test_key_tells_apart_what_a_family_may_measure():
    edges = [[0, 0], [1, 2]]
    first = np.array([True, False, False])
    variants = [
        Structure(edges, 3),
        Structure(edges, 3, family="gru"),
        Structure([[0, 0, 1], [1, 2, 1]], 3, recurrent=np.array([False, False, True]), family="gru"),
        Structure(edges, 3, outputs=~first & (np.arange(3) == 1)),
        Structure(edges, 3, inputs=np.ones(3, bool)),
        Structure(edges, 3, attributes={"activation": ("tanh", "tanh", "relu")}),
        Structure(edges, 3, attributes={"activation": ("tanh", "relu", "tanh")}),
    ]
    assert len({content_key(s) for s in variants}) == len(variants)


def test_generators_are_taken(population):
    assert len(features(s for s in population)) == len(population)


@pytest.mark.parametrize(
    ("structures", "options", "message"),
    [
        ([], {}, "structures must hold at least one Structure"),
        (Structure.from_layers([1, 1]), {}, r"Wrap a single one in a list: \[structure\]"),
        (5, {}, "structures must be a list of Structures, got 5"),
        ([Structure.from_layers([1, 1]), nx.Graph()], {}, r"structures\[1\] must be a Structure"),
        ([Structure.from_layers([1, 1])], {"families": "paper"}, r'Write families=\("paper",\)'),
        ([Structure.from_layers([1, 1])], {"families": ()}, "families must name at least one of capacity"),
        ([Structure.from_layers([1, 1])], {"families": [["paper"]]}, "families must hold names only"),
        ([Structure.from_layers([1, 1])], {"families": ("paper", "paper")}, "name each family once"),
        (
            [Structure.from_layers([1, 1])],
            {"workers": 0},
            "workers must be a positive integer or None, got 0",
        ),
        ([Structure.from_layers([1, 1])], {"workers": True}, "workers must be a positive integer"),
    ],
)
def test_bad_input(structures, options, message):
    with pytest.raises(InvalidInputError, match=message):
        features(structures, **options)


def test_unknown_family_names_what_is_near():
    with pytest.raises(UnknownNameError, match="Did you mean 'paper'"):
        features([Structure.from_layers([1, 1])], ("papers",))


def test_import_leaves_numba_and_pandas_alone():
    code = "import sys, nnstruct.properties; print([m for m in ('numba', 'pandas') if m in sys.modules])"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown.strip() == "[]"
