"""Predictors see residual edges and ties, whatever the order of units; others' rows stay as they are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from strategies import structures, with_permutation

from nnstruct.encode import FeatureTable, GraphEncoder
from nnstruct.encode.columns import column_blocks, learn_columns
from nnstruct.encode.shortcuts import MEASURES, shortcut_block, shown_attributes
from nnstruct.errors import InvalidInputError
from nnstruct.properties import features
from nnstruct.structure import Structure
from nnstruct.structure.reduction import contract
from nnstruct.structure.twins import twin_groups

EDGES = [[0, 0, 1, 1, 2, 3], [1, 2, 2, 3, 4, 4]]
PLAIN = Structure(EDGES, 5)
ADDED = replace(PLAIN, residual=[False, True, False, False, True, False])
OTHER = replace(PLAIN, residual=[False, True, False, True, False, False])
TIED = replace(PLAIN, attributes={"tie": (0, 2, 2, 0, 1)})


def test_measures_by_hand():
    rows = shortcut_block([PLAIN, ADDED, TIED]).values
    named = [dict(zip(MEASURES, row, strict=True)) for row in rows.tolist()]
    assert not any(named[0].values())
    # From layer 0 to 2, and from 2 to 3.
    assert named[1] == {
        "edges": 2, "share": 2 / 6, "units": 2, "span_mean": 1.5, "span_max": 2, "depth_mean": 1 / 3,
        "tied_units": 0, "ties": 0,
    }  # fmt: skip
    assert (named[2]["tied_units"], named[2]["ties"]) == (3, 2)
    assert shown_attributes(TIED) == {
        "residual_in": (0,) * 5, "residual_out": (0,) * 5, "tied": (0, 2, 2, 0, 1),
    }  # fmt: skip


@given(with_permutation(structures(attributes=False)))
def test_no_measure_depends_on_the_order_of_units(case):
    structure, permutation = case
    before, after = shown_attributes(structure), shown_attributes(structure.relabel(permutation))
    for name, values in before.items():
        assert tuple(np.array(after[name])[permutation]) == values
    np.testing.assert_allclose(
        *(shortcut_block([s]).values for s in (structure, structure.relabel(permutation)))
    )


@pytest.mark.parametrize("contracted", [False, True])
def test_both_encodings_tell_structures_apart_that_differ_in_them_alone(contracted):
    given_structures = [PLAIN, ADDED, OTHER, TIED]
    table = FeatureTable().fit_transform(given_structures)
    assert len(np.unique(table, axis=0)) == 4
    graphs = GraphEncoder(contract=contracted).fit_transform(given_structures)
    assert len({graph.x.numpy().tobytes() for graph in graphs}) == 4


def test_structures_without_have_the_columns_and_numbers_that_they_had():
    chains = [PLAIN, Structure.from_layers([2, 3, 1])]
    assert "shortcuts" not in learn_columns(chains)
    assert all(block.group != "shortcuts" for block in column_blocks(chains, learn_columns(chains)))
    assert GraphEncoder().fit(chains).widths == GraphEncoder().fit([PLAIN]).widths
    assert PLAIN.fingerprint == "f254012723a020b391c7dae0acb88d6a"  # from before there were any


def test_an_encoder_of_a_fit_without_them_reads_structures_with_them():
    encoder = GraphEncoder().fit([PLAIN])
    np.testing.assert_array_equal(*(graph.x.numpy() for graph in encoder.transform([PLAIN, ADDED])))


def test_families_of_measures_that_show_none_are_refused_by_name():
    with pytest.raises(InvalidInputError, match="residual edges"):
        FeatureTable(families=["paper"]).fit([PLAIN, ADDED])
    FeatureTable(families=["capacity"]).fit([PLAIN, ADDED])  # they have no weight, so they do not count
    a, b = features([PLAIN, ADDED], ["capacity"])["capacity.connections"]
    assert (a, b) == (6, 4)


def test_twins_differ_by_residual_edges():
    names = ("input", "conv3x3", "skip_connect", "conv3x3", "output")
    cells = [replace(s, family="cnn", attributes={"operator": names}) for s in (PLAIN, ADDED, OTHER)]
    assert all(len(set(classes)) == 3 for classes in twin_groups(cells).tolist())


@settings(max_examples=50)
@given(structures(("cnn", "module"), attributes=False))
def test_contraction_and_trimming_keep_residual_edges(structure):
    names = tuple(("conv3x3", "skip_connect")[unit % 2] for unit in range(structure.num_units))
    structure = replace(structure, attributes={"operator": names})
    trimmed = structure.trim()
    alive = [u for u in range(structure.num_units) if u not in set(structure.dead_units.tolist())]
    place = {old: new for new, old in enumerate(alive)}
    expected = {
        (place[s], place[t])
        for s, t in structure.edge_index[:, structure.residual].T.tolist()
        if s in place and t in place
    }
    assert set(map(tuple, trimmed.edge_index[:, trimmed.residual].T.tolist())) == expected
    graph = contract(structure)
    kept = graph.units[graph.edge_index[:, graph.residual]]
    assert set(map(tuple, kept.T.tolist())) == expected
