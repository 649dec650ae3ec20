"""Some of a structure's edges, or some of its units: what goes along, and what is refused."""

from __future__ import annotations

from typing import Any

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import any_structures, with_chosen_edges, with_chosen_units

from nnstruct.errors import InvalidInputError, StructureError
from nnstruct.structure import PRUNED, Structure

DIAMOND = Structure([[0, 0, 1, 2], [1, 2, 3, 3]], num_units=4)


def edges_of(structure: Structure) -> set[tuple[int, int, bool]]:
    """Source, target, and whether the edge is delayed."""
    return set(zip(*structure.edge_index.tolist(), structure.recurrent.tolist(), strict=True))


def cut_off(edges: set[tuple[int, int, bool]], inputs: np.ndarray, outputs: np.ndarray) -> set[int]:
    """Output units that no path from an input unit reaches, by networkx."""
    graph = nx.DiGraph()
    graph.add_nodes_from(range(len(inputs)))
    graph.add_edges_from((source, target) for source, target, _ in edges)
    graph.add_edges_from(("image", int(unit)) for unit in np.flatnonzero(inputs))
    return set(np.flatnonzero(outputs).tolist()) - nx.descendants(graph, "image")


@given(any_structures)
def test_all_edges_or_all_units_are_the_structure_itself(structure: Structure) -> None:
    for same in (
        structure.with_edges(np.ones(structure.num_edges, dtype=bool)),
        structure.with_units(np.ones(structure.num_units, dtype=bool)),
    ):
        assert same == structure
        assert same.origin == structure.origin
        assert same.fingerprint == structure.fingerprint


@given(with_chosen_edges())
def test_some_edges_and_all_that_belongs_to_the_units(drawn: tuple[Structure, np.ndarray]) -> None:
    structure, keep = drawn
    part = structure.with_edges(keep, origin={"kind": PRUNED})
    columns = list(zip(*structure.edge_index.tolist(), structure.recurrent.tolist(), strict=True))
    assert edges_of(part) == {edge for edge, kept in zip(columns, keep, strict=True) if kept}
    assert np.array_equal(part.edge_index, structure.edge_index[:, keep])
    assert np.array_equal(part.inputs, structure.inputs)
    assert np.array_equal(part.outputs, structure.outputs)
    assert part.attributes == structure.attributes
    assert part.family == structure.family
    assert dict(part.origin) == {"kind": PRUNED}


@given(with_chosen_units())
def test_some_units_and_the_edges_between_them(drawn: tuple[Structure, np.ndarray]) -> None:
    structure, keep = drawn
    part = structure.with_units(keep, origin={"kind": PRUNED})
    units = np.flatnonzero(keep).tolist()
    new = {old: number for number, old in enumerate(units)}
    assert part.num_units == len(units)
    assert edges_of(part) == {
        (new[source], new[target], delayed)
        for source, target, delayed in edges_of(structure)
        if keep[source] and keep[target]
    }
    assert part.inputs.tolist() == [bool(structure.inputs[unit]) for unit in units]
    assert part.outputs.tolist() == [bool(structure.outputs[unit]) for unit in units]
    assert part.attributes == {
        name: tuple(values[unit] for unit in units) for name, values in structure.attributes.items()
    }
    assert (part.family, dict(part.origin)) == (structure.family, {"kind": PRUNED})


@given(with_chosen_units(), st.data())
def test_the_same_units_by_other_names_give_the_same_fingerprint(
    drawn: tuple[Structure, np.ndarray], data: st.DataObject
) -> None:
    structure, keep = drawn
    permutation = np.array(data.draw(st.permutations(range(structure.num_units))), dtype=np.int64)
    renamed = np.zeros_like(keep)
    renamed[permutation] = keep
    here = structure.with_units(keep, origin={"kind": PRUNED})
    there = structure.relabel(permutation).with_units(renamed, origin={"kind": PRUNED})
    assert here.fingerprint == there.fingerprint


@given(with_chosen_edges())
def test_an_output_that_loses_its_paths_is_refused_as_the_constructor_refuses_it(
    drawn: tuple[Structure, np.ndarray],
) -> None:
    structure, keep = drawn
    left = edges_of(structure.with_edges(keep, origin={"kind": PRUNED}))
    lost = cut_off(left, structure.inputs, structure.outputs)
    if lost and structure.family != "module":
        with pytest.raises(StructureError, match=f"each have a path .* 'isolated unit {min(lost)}'"):
            structure.with_edges(keep)
    else:
        part = structure.with_edges(keep)
        assert part.origin == structure.origin
        assert lost <= set(part.dead_units.tolist())


def test_hidden_units_without_a_path_are_reported() -> None:
    part = DIAMOND.with_edges(np.array([True, True, True, False]))
    assert part.dead_units.tolist() == [2]
    assert part.layer.tolist() == [0, 1, 1, 2]
    assert DIAMOND.with_edges(np.array([True, False, True, True])).layer.tolist() == [0, 1, 0, 2]


def test_units_that_cannot_be_left_out() -> None:
    keep = np.array([True, False, False, True])
    with pytest.raises(StructureError, match="outputs must each have a path from an input unit"):
        DIAMOND.with_units(keep)
    with pytest.raises(StructureError, match="outputs must mark at least one unit"):
        DIAMOND.with_units(np.array([True, True, True, False]))
    with pytest.raises(StructureError, match="inputs must mark at least one unit"):
        DIAMOND.with_units(np.array([False, True, True, True]))
    with pytest.raises(StructureError, match="num_units must be at least 1"):
        DIAMOND.with_units(np.zeros(4, dtype=bool))


@pytest.mark.parametrize(
    ("keep", "found"),
    [
        ([True, True, False], r"bool \[3\]"),
        ([1, 1, 0, 1], r"int64 \[4\]"),
        ([[True, True, False, True]], r"bool \[1, 4\]"),
        (True, r"bool \[\]"),
        (None, r"object \[\]"),
    ],
)
@pytest.mark.parametrize("method", ["with_edges", "with_units"])
def test_what_is_kept_is_bool_and_fits(method: str, keep: Any, found: str) -> None:
    with pytest.raises(InvalidInputError, match=rf"keep must be bool of shape \[4\], got '{found}'"):
        getattr(DIAMOND, method)(keep)


@given(with_chosen_units())
def test_the_arrays_of_a_part_are_its_own(drawn: tuple[Structure, np.ndarray]) -> None:
    structure, keep = drawn
    part = structure.with_units(keep, origin={"kind": PRUNED})
    for name in ("edge_index", "recurrent", "inputs", "outputs"):
        assert not getattr(part, name).flags.writeable
        assert not np.shares_memory(getattr(part, name), getattr(structure, name))
    assert keep.flags.writeable
