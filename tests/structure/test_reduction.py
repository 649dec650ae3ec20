"""What trimming and contraction keep, against the definition: paths of the network unrolled in time."""

from __future__ import annotations

import pickle
from dataclasses import replace

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import structures, with_permutation

from nnstruct.structure import Structure
from nnstruct.structure.operator_kinds import operator_kind
from nnstruct.structure.reduction import MOST_PATHS, contract, trim

NAMES = ("conv3x3", "conv1x1", "skip_connect", "identity", "none", "zero")


@st.composite
def with_operators(draw: st.DrawFn, families: tuple[str, ...] = ("module", "cnn", "gru")) -> Structure:
    structure = draw(structures(families, max_units=8, attributes=False))
    size = structure.num_units
    operators = draw(st.lists(st.sampled_from(NAMES), min_size=size, max_size=size))
    return replace(structure, attributes={"operator": operators, "stage": range(size)})


def felt_in_unrolled(structure: Structure) -> set[int]:
    """Units with a copy on a path from an input to an output, where N + 1 time steps are laid out."""
    graph = nx.DiGraph()
    acts = [operator_kind(name) != "zero" for name in structure.attributes["operator"]]
    times = range(structure.num_units + 1)
    edges = [*zip(*structure.edge_index.tolist(), structure.recurrent.tolist(), strict=True)]
    graph.add_nodes_from((unit, time) for unit in np.flatnonzero(acts).tolist() for time in times)
    for source, target, delayed in edges:
        for time in times:
            if acts[source] and acts[target] and time + delayed in times:
                graph.add_edge((source, time), (target, time + delayed))
    for unit in np.flatnonzero(acts).tolist():
        for time in times:
            if structure.inputs[unit]:
                graph.add_edge("input", (unit, time))
            if structure.outputs[unit]:
                graph.add_edge((unit, time), "output")
    graph.add_nodes_from(["input", "output"])
    on_path = nx.descendants(graph, "input") & nx.ancestors(graph, "output")
    return {node[0] for node in on_path}


@given(with_operators())
def test_what_is_left_is_what_an_output_feels_at_some_time(structure: Structure) -> None:
    felt = sorted(felt_in_unrolled(structure))
    trimmed = structure.trim()
    if not felt:
        assert trimmed.num_edges == 0
        assert trimmed.num_units == (structure.inputs | structure.outputs).sum()
        assert trimmed.outputs.any()
        assert trimmed.inputs.any()
    else:
        assert trimmed.attributes["stage"] == tuple(felt)  # stages number the units
        keep = np.isin(np.arange(structure.num_units), felt)
        assert trimmed.num_edges == keep[structure.edge_index].all(axis=0).sum()
        assert not len(trimmed.dead_units)
        assert trimmed.origin == structure.origin
    assert trimmed.trim() == trimmed
    assert trim(trimmed) is trimmed
    assert trimmed.family == structure.family


@given(with_permutation(with_operators()))
def test_the_order_of_units_does_not_matter(drawn: tuple[Structure, np.ndarray]) -> None:
    structure, permutation = drawn
    structure = replace(structure, attributes={"operator": structure.attributes["operator"]})
    assert structure.relabel(permutation).trim().fingerprint == structure.trim().fingerprint


def test_a_unit_that_acts_through_delayed_edges_alone_is_alive() -> None:
    # 0 -> 1 forward; 2 is fed by 0 one step late and acts on 1 one step late; 3 feeds nobody.
    edges, late = [[0, 0, 2, 0], [1, 2, 1, 3]], [False, True, True, True]
    structure = Structure(
        edges, 4, recurrent=late, family="gru", inputs=np.array([True, False, False, False]),
        outputs=[False, True, False, False],
    )  # fmt: skip
    assert structure.trim() == structure.with_units(np.array([True, True, True, False]))


def test_a_cell_of_none_alone_keeps_its_ports_without_edges() -> None:
    cell = Structure(
        [[0, 0, 1, 2], [1, 2, 3, 3]], 4, family="cnn", origin={"prior": "cells"},
        attributes={"operator": ["input", "none", "none", "output"]},
    )  # fmt: skip
    left = cell.trim()
    assert left.attributes["operator"] == ("input", "output")
    assert (left.inputs.tolist(), left.outputs.tolist()) == ([True, False], [False, True])
    assert left.num_edges == 0
    assert dict(left.origin) == {"kind": "nothing left", "origin": {"prior": "cells"}}
    assert contract(cell).edge_index.shape == (2, 0)
    assert left.dead_units.tolist() == [0, 1]


def test_a_structure_with_nothing_to_trim_is_the_same_object() -> None:
    diamond = Structure([[0, 0, 1, 2], [1, 2, 3, 3]], num_units=4)
    assert diamond.trim() is diamond


@given(with_operators(("cnn", "module")))
def test_contraction_counts_the_ways_over_identities(structure: Structure) -> None:
    trimmed = structure.trim()
    graph = contract(structure)
    names = trimmed.attributes["operator"]
    busy = set(trimmed.edge_index[:, trimmed.recurrent | trimmed.residual].ravel().tolist())
    passes = {
        unit for unit in range(trimmed.num_units)
        if names[unit] in ("skip_connect", "identity") and unit not in busy
        and not trimmed.inputs[unit] and not trimmed.outputs[unit]
    }  # fmt: skip
    assert set(graph.units.tolist()) == set(range(trimmed.num_units)) - passes
    whole = trimmed.to_networkx(recurrent=False)
    expected = {}
    for source in graph.units.tolist():
        for target in set(graph.units.tolist()) - {source}:
            ways = [p for p in nx.all_simple_paths(whole, source, target) if set(p[1:-1]) <= passes]
            if ways:
                expected[source, target] = len(ways)
    forward = ~graph.recurrent
    pairs = graph.units[graph.edge_index[:, forward]].T.tolist()
    assert pairs == sorted(pairs)
    found = {tuple(pair): n for pair, n in zip(pairs, graph.multiplicity[forward].tolist(), strict=True)}
    assert found == expected
    assert np.array_equal(graph.units[graph.edge_index[:, graph.recurrent]], trimmed.recurrent_edges)
    assert graph.attributes["operator"] == tuple(names[u] for u in graph.units)
    assert np.array_equal(graph.inputs, trimmed.inputs[graph.units])


@pytest.mark.parametrize(("rungs", "expected"), [(61, 2**61), (70, MOST_PATHS)])
def test_numbers_of_ways_stay_within_64_bits(rungs: int, expected: int) -> None:
    # A ladder of identities in pairs: each rung doubles the ways.
    sources, targets = [], []
    for rung in range(rungs):
        joint = 3 * rung
        for side in (joint + 1, joint + 2):
            sources += [joint, side]
            targets += [side, joint + 3]
    size = 3 * rungs + 1
    operators = ["input", *["identity"] * (size - 2), "output"]
    graph = contract(Structure([sources, targets], size, attributes={"operator": operators}))
    assert graph.multiplicity.tolist() == [expected]


@given(with_operators())
def test_a_trimmed_structure_is_one_made_of_its_own_fields(structure: Structure) -> None:
    trimmed = structure.trim()
    again = pickle.loads(pickle.dumps(trimmed))  # made and checked anew
    assert again == trimmed
    assert hash(again) == hash(trimmed)
    assert again.origin == trimmed.origin
    assert np.array_equal(again.layer, trimmed.layer)
    for name in ("edge_index", "recurrent", "inputs", "outputs", "layer"):
        array = getattr(trimmed, name)
        assert array.dtype == getattr(again, name).dtype
        assert not array.flags.writeable
