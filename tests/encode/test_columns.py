"""Columns that are chosen by themselves: against definitions by networkx, whatever the order of units."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import structures, with_permutation

from nnstruct.encode import FeatureTable
from nnstruct.encode.columns import column_blocks, learn_columns
from nnstruct.errors import InvalidInputError
from nnstruct.predictors import ExtraTrees, RandomForest, load_predictor
from nnstruct.predictors.feature_study import family_importance
from nnstruct.structure import Structure
from nnstruct.structure.reduction import contract
from nnstruct.testing.structures import draw_structures

NAMES = ("conv3x3", "conv1x1", "skip_connect", "none")
DIAMOND = ([[0, 0, 1, 2], [1, 2, 3, 3]], 4)


def cell(*operators: str, **attributes) -> Structure:
    return Structure(*DIAMOND, family="cnn", attributes={"operator": operators, **attributes})


@st.composite
def cells(draw: st.DrawFn) -> Structure:
    structure = draw(structures(("cnn", "module"), max_units=8, attributes=False))
    operators = st.lists(st.sampled_from(NAMES), min_size=structure.num_units, max_size=structure.num_units)
    return replace(structure, attributes={"operator": draw(operators)})


def rows_of(given_structures: list[Structure]) -> list[dict[str, float]]:
    found = column_blocks(given_structures, learn_columns(given_structures))
    names = [name for block in found for name in block.names]
    assert len(set(names)) == len(names)
    values = np.concatenate([block.values for block in found], axis=1)
    return [dict(zip(names, row, strict=True)) for row in values.tolist()]


def paths_of(structure: Structure) -> list[list[int]]:
    """All paths of one unit or more, over forward edges."""
    graph = structure.to_networkx(recurrent=False)
    units = range(structure.num_units)
    longer = [p for u in units for v in units if u != v for p in nx.all_simple_paths(graph, u, v)]
    return [*([unit] for unit in units), *longer]


def named(group: str, row: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in row.items() if name.startswith(f"{group}.") and value}


@settings(max_examples=30)
@given(cells())
def test_sequences_are_those_of_the_paths_of_what_is_left(structure: Structure) -> None:
    left = structure.trim()
    if not left.num_edges:
        return
    names = left.attributes["operator"]
    texts = [(path, " > ".join(names[unit] for unit in path)) for path in paths_of(left)]
    # One structure alone: a second with the same units keeps the groups from falling out.
    row = rows_of([structure, structure.relabel(np.arange(structure.num_units)[::-1])])[0]
    if len(set(names)) > 1:
        expected = Counter(f"ngrams.{text}" for path, text in texts if len(path) in (2, 3))
        assert named("ngrams", row) == expected
        whole = [
            (path, text) for path, text in texts if left.inputs[path[0]] and left.outputs[path[-1]]
        ]  # fmt: skip
        assert named("sequences", row) == Counter(f"sequences.{text}" for _, text in whole)
        most = {
            f"most.{name}": max((sum(names[u] == name for u in path) for path, _ in whole), default=0)
            for name in set(names)
        }
        assert named("most", row) == {name: value for name, value in most.items() if value}
        graph = contract(structure)
        chains: Counter[str] = Counter()
        forward = graph.edge_index[:, ~graph.recurrent].T.tolist()
        kept = graph.attributes["operator"]
        for (a, b), n in zip(forward, graph.multiplicity[~graph.recurrent].tolist(), strict=True):
            chains[f"contracted.{kept[a]} > {kept[b]}"] += n
            for (c, d), m in zip(forward, graph.multiplicity[~graph.recurrent].tolist(), strict=True):
                if c == b:
                    chains[f"contracted.{kept[a]} > {kept[b]} > {kept[d]}"] += n * m
        if "skip_connect" in names:
            assert named("contracted", row) == chains
    assert named("counts", row) == Counter(f"counts.operator={name}" for name in names)
    assert row["family.dead_units"] == structure.num_units - left.num_units


@settings(max_examples=30)
@given(with_permutation(cells()))
def test_the_order_of_units_changes_no_digit(drawn: tuple[Structure, np.ndarray]) -> None:
    structure, permutation = drawn
    others = [cell("input", "conv3x3", name, "output") for name in NAMES]
    table = FeatureTable().fit([structure, *others])
    np.testing.assert_array_equal(
        table.transform([structure.relabel(permutation)]), table.transform([structure])
    )


def test_diamonds_that_differ_in_an_operator_differ_in_the_table_and_in_predictions() -> None:
    names = ("conv3x3", "conv1x1", "avg_pool", "skip_connect")
    diamonds = [cell("input", first, second, "output") for first in names for second in names]
    y = [float("conv3x3" in s.attributes["operator"]) for s in diamonds]
    table = FeatureTable().fit(diamonds)
    assert len(np.unique(table.transform(diamonds), axis=0)) == 10  # as many as unordered pairs
    assert set(table.groups_) >= {"counts", "ngrams", "contracted", "sequences", "most", "units"}
    columns = np.sort(np.concatenate(list(table.groups_.values())))
    np.testing.assert_array_equal(columns, np.arange(len(table.get_feature_names_out())))
    assert np.ptp(ExtraTrees(n_estimators=20).fit(diamonds, y).predict(diamonds)) > 0.5


def test_channels_and_stages_are_counted_by_operator() -> None:
    attributes = {"channels": [4, 8, 16, 32], "stage": [0, 0, 1, 1]}
    operators = ["input", "conv3x3", "conv1x1", "output"]
    narrow = cell(*operators, **{**attributes, "channels": [1] * 4})
    row = rows_of([cell(*operators, **attributes), narrow])[0]
    assert row["channels.operator=conv3x3"] == 8
    assert row["channels.stage=1"] == 48
    assert row["channels.conv1x1@1"] == 1
    assert row["channels.conv1x1@0"] == 0


def test_families_are_told_apart_without_attributes() -> None:
    graph = Structure.from_layers([2, 3, 1], family="rnn_tanh")
    pair = [graph, replace(graph, family="rnn_relu")]
    table = FeatureTable().fit(pair)
    assert table.get_feature_names_out().tolist() == ["family.rnn_relu", "family.rnn_tanh"]
    assert table.transform(pair).tolist() == [[0, 1], [1, 0]]


def test_what_fit_has_not_seen_adds_to_no_column() -> None:
    seen = [cell("input", a, b, "output") for a in NAMES[:2] for b in NAMES[:2]]
    table = FeatureTable().fit(seen)
    strange = cell("input", "attention", "attention", "output")
    row = dict(zip(table.get_feature_names_out(), table.transform([strange])[0], strict=True))
    assert row["counts.operator=conv3x3"] == row["counts.operator=conv1x1"] == 0
    assert all(value == 0 for name, value in row.items() if name.startswith(("ngrams.", "sequences.")))


def test_cells_of_none_alone_have_a_row() -> None:
    operators = [cell("input", a, b, "output") for a in NAMES for b in NAMES]
    table = FeatureTable().fit(operators)
    empty = table.transform([cell("input", "none", "none", "output")])
    assert np.isfinite(empty).all()
    row = dict(zip(table.get_feature_names_out(), empty[0], strict=True))
    assert row["family.dead_units"] == 2
    assert row["most.conv3x3"] == row["counts.operator=conv3x3"] == 0


def test_a_saved_predictor_keeps_what_it_counts(tmp_path) -> None:
    diamonds = [cell("input", a, b, "output") for a in NAMES for b in NAMES]
    model = RandomForest(n_estimators=5).fit(diamonds, np.arange(16.0))
    again = load_predictor(model.save(tmp_path / "forest"))
    np.testing.assert_array_equal(again.predict(diamonds), model.predict(diamonds))
    groups = again.pipeline_[0].groups_
    assert {name: at.tolist() for name, at in groups.items()} == {
        name: at.tolist() for name, at in model.pipeline_[0].groups_.items()
    }


def test_importance_is_taken_by_group(tmp_path) -> None:
    from types import SimpleNamespace

    cells_ = [cell("input", a, b, c) for a in NAMES[:3] for b in NAMES[:3] for c in NAMES[:3]]
    y = np.array([s.attributes["operator"].count("conv3x3") for s in cells_], dtype=float)
    bench = SimpleNamespace(structures=cells_, y=y)
    found = family_importance(RandomForest(n_estimators=10), bench, folds=3, permutations=2)
    assert set(found.index) >= {"counts", "ngrams", "units"}
    assert found["loss"].max() > 0


# ---- families that are blind


@pytest.mark.parametrize(
    ("given_structures", "families", "what"),
    [
        ([cell("input", a, "conv1x1", "output") for a in NAMES], ["paper", "layered"], "operator"),
        ([cell("input", a, "conv1x1", "output") for a in NAMES[:2]], ["operators"], "operator"),
        ([cell(*["conv3x3"] * 4, activation=[a] * 4) for a in ("relu", "tanh")], ["paper"], "activation"),
        ([cell(*["conv3x3"] * 4, channels=[c] * 4) for c in (2, 4)], ["operators"], "channels"),
        ([Structure.from_layers([2, 2], family=f) for f in ("gru", "lstm")], ["paper"], "gru, lstm"),
        ([Structure.from_layers([2, 2], family=f) for f in ("mlp", "cnn")], ["paper", "layered"], "cnn, mlp"),
    ],
)
def test_families_that_cannot_show_what_varies_are_refused(given_structures, families, what) -> None:
    with pytest.raises(InvalidInputError, match=what) as caught:
        FeatureTable(families).fit(given_structures)
    assert 'families="auto"' in str(caught.value)
    assert families[0] in str(caught.value)
    assert FeatureTable(families, blind="allow").fit(given_structures).transform(given_structures).shape[0]
    with pytest.raises(InvalidInputError, match=what):
        RandomForest(families=families).fit(given_structures, np.arange(len(given_structures)))


@pytest.mark.parametrize(
    ("given_structures", "families"),
    [
        (draw_structures(6, seed=1), ["paper"]),
        ([Structure.from_layers([2, w], family="gru") for w in (1, 2, 3)], ["paper"]),
        ([Structure.from_layers([2, 2], family=f) for f in ("gru", "lstm")], ["layered"]),
        ([cell("input", a, "conv1x1", "output") for a in ("conv3x3", "maxpool")], ["operators"]),
        ([cell(*["conv3x3"] * 4, channels=[c] * 4) for c in (2, 4)], ["paper", "units"]),
    ],
)
def test_families_that_show_it_are_taken(given_structures, families) -> None:
    assert FeatureTable(families).fit(given_structures).columns_


def test_only_two_answers_to_blindness_are_known() -> None:
    with pytest.raises(InvalidInputError, match="blind"):
        FeatureTable(["paper"], blind="perhaps").fit([Structure.from_layers([1, 1])])
