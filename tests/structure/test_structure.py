"""What a Structure accepts, refuses, keeps immutable and counts as equal."""

from __future__ import annotations

import copy
import dataclasses
import itertools
import multiprocessing
import re
from typing import Any

import networkx as nx
import numpy as np
import pytest
from hypothesis import assume, given
from strategies import any_structures, structures, with_permutation

from nnstruct.errors import InvalidInputError, StructureError, UnknownNameError
from nnstruct.structure import Structure
from nnstruct.structure.families import FAMILIES
from nnstruct.structure.interchange import from_arrow, to_arrow

DIAMOND = np.array([[0, 0, 1, 2], [1, 2, 3, 3]])


# ---- bad input


@pytest.mark.parametrize(
    ("edges", "cycle"),
    [
        ([[0, 1, 2], [1, 2, 0]], {"0 -> 1 -> 2 -> 0", "1 -> 2 -> 0 -> 1", "2 -> 0 -> 1 -> 2"}),
        ([[0, 1], [1, 1]], {"1 -> 1"}),
        ([[0, 1, 2, 2], [1, 2, 1, 3]], {"1 -> 2 -> 1", "2 -> 1 -> 2"}),
    ],
)
def test_a_cycle_is_named(edges: list, cycle: set[str]) -> None:
    with pytest.raises(StructureError, match="no cycle of forward edges") as caught:
        Structure(edges, num_units=4)
    assert caught.value.value in cycle
    assert "Mark delayed edges as recurrent" in str(caught.value)


@given(structures(min_units=2))
def test_the_cycle_named_is_one(structure: Structure) -> None:
    forward = structure.forward_edges
    assume(forward.shape[1])
    closed = np.concatenate([forward, forward[::-1]], axis=1)
    with pytest.raises(StructureError) as caught:
        Structure(closed, structure.num_units)
    units = [int(unit) for unit in caught.value.value.split(" -> ")]
    pairs = set(map(tuple, closed.T.tolist()))
    assert units[0] == units[-1]
    assert len(units) >= 3
    assert all(pair in pairs for pair in itertools.pairwise(units))


@pytest.mark.parametrize("num_units", [0, -1])
def test_an_empty_graph(num_units: int) -> None:
    with pytest.raises(StructureError, match="num_units must be at least 1"):
        Structure(np.zeros((2, 0), dtype=np.int64), num_units)


@pytest.mark.parametrize("num_units", [2.0, "2", None, True])
def test_num_units_must_be_an_integer(num_units: Any) -> None:
    with pytest.raises(StructureError, match="num_units must be an integer"):
        Structure([[0], [1]], num_units)


@pytest.mark.parametrize("edge", [[0, 4], [4, 0], [-1, 2], [0, 2**62]])
def test_an_edge_out_of_range_is_named(edge: list[int]) -> None:
    with pytest.raises(StructureError, match=re.escape(f"name units in 0..3, got {edge}")):
        Structure([[0, edge[0]], [1, edge[1]]], 4)


def test_an_edge_given_twice_is_named() -> None:
    with pytest.raises(StructureError, match=r"hold each edge once, got \[0, 1\]"):
        Structure([[0, 1, 0], [1, 2, 1]], 3)
    with pytest.raises(StructureError, match="hold each edge once"):
        Structure([[0, 0, 0], [1, 1, 1]], 2, recurrent=[False, True, True], family="gru")


def test_a_forward_and_a_delayed_edge_may_share_their_units() -> None:
    both = Structure([[0, 0], [1, 1]], 2, recurrent=np.array([False, True]), family="gru")
    assert both.forward_edges.tolist() == both.recurrent_edges.tolist() == [[0], [1]]


@pytest.mark.parametrize(
    ("edges", "message"),
    [
        ([0, 1], "have shape"),
        ([[0, 1]], "have shape"),
        ([[0], [1], [2]], "have shape"),
        ([[0, 1], [1]], "have shape"),
        ([[0, 1], [1, 2], [2, 3]], "have shape"),
        ([[0.0], [1.0]], "hold integers, got 'float64'"),
        ([[False], [True]], "hold integers, got 'bool'"),
        ([["0"], ["1"]], "hold integers"),
    ],
)
def test_edges_of_a_wrong_shape_or_type(edges: Any, message: str) -> None:
    with pytest.raises(StructureError, match=f"edge_index must {message}"):
        Structure(edges, 4)


@pytest.mark.parametrize("name", ["recurrent", "inputs", "outputs"])
@pytest.mark.parametrize(
    "flags", [[0, 1, 0, 1], np.ones(3, dtype=bool), np.ones((2, 2), dtype=bool), [], "yes"]
)
def test_flags_must_be_bool_and_fit(name: str, flags: Any) -> None:
    with pytest.raises(StructureError, match=rf"{name} must be bool of shape \[4\]"):
        Structure(DIAMOND, 4, family="gru", **{name: flags})


@pytest.mark.parametrize("name", ["inputs", "outputs"])
def test_no_input_or_no_output(name: str) -> None:
    with pytest.raises(StructureError, match=f"{name} must mark at least one unit"):
        Structure(DIAMOND, 4, **{name: np.zeros(4, dtype=bool)})


@pytest.mark.parametrize("family", [name for name in FAMILIES if not FAMILIES[name].recurrent])
def test_a_delayed_edge_needs_a_state(family: str) -> None:
    with pytest.raises(StructureError, match=f"False for the family '{family}'") as caught:
        Structure([[0, 1], [1, 0]], 2, recurrent=[False, True], family=family)
    assert caught.value.value == [1, 0]


def test_an_unknown_family_gets_a_suggestion() -> None:
    with pytest.raises(UnknownNameError, match=r"family must be one of .*Did you mean 'rnn_tanh'\?"):
        Structure(DIAMOND, 4, family="rnn-tanh")
    with pytest.raises(UnknownNameError):
        Structure(DIAMOND, 4, family=["mlp"])  # type: ignore[arg-type]


def test_an_isolated_output_is_named() -> None:
    inputs = np.array([True, False, False, False])
    with pytest.raises(StructureError, match="path from an input unit, got 'isolated unit 3'"):
        Structure([[0, 1], [1, 2]], 4, inputs=inputs)


@pytest.mark.parametrize("family", ["mlp", "cnn", "gru"])
def test_a_pruned_network_keeps_its_family_where_units_are_cut_off(family: str) -> None:
    inputs = np.array([True, False, False, False])
    options = {"family": family, "inputs": inputs, "origin": {"kind": "pruning"}}
    structure = Structure([[0, 1], [1, 2]], 4, **options)
    assert structure.dead_units.tolist() == [3]
    assert structure.relabel([3, 2, 1, 0]).fingerprint == structure.fingerprint
    (again,) = from_arrow(to_arrow([structure]))
    assert again.fingerprint == structure.fingerprint
    assert Structure([[], []], 2, **(options | {"inputs": inputs[:2]})).num_edges == 0


def test_a_module_reports_what_is_cut_off_instead() -> None:
    structure = Structure([[0, 1], [1, 2]], 4, family="module", inputs=np.array([True, False, False, False]))
    assert structure.dead_units.tolist() == [3]


def test_an_output_reached_by_a_delayed_edge_is_not_isolated() -> None:
    inputs = np.array([True, False])
    structure = Structure([[0], [1]], 2, recurrent=[True], family="lstm", inputs=inputs)
    assert structure.dead_units.tolist() == []


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        (
            {"colour": ["red"] * 4},
            "attributes must be among operator, .*, groups, tie, got 'colour'",
        ),
        ({3: ["red"] * 4}, "attributes must be among"),
        ({"operator": ["add"] * 3}, r"attributes\['operator'\] must hold 4 values, got 3"),
        ({"operator": "plus"}, "must be a sequence of 4 values"),
        ({"operator": 3}, "must be a sequence of 4 values"),
        ({"stage": [0, 1, 2, 0.5]}, "hold strings or integers"),
        ({"stage": [0, 1, 2, None]}, "hold strings or integers"),
        ({"stage": [0, 1, 2, True]}, "hold strings or integers"),
        (["operator"], "attributes must be a mapping"),
    ],
)
def test_bad_attributes(attributes: Any, message: str) -> None:
    with pytest.raises(StructureError, match=message):
        Structure(DIAMOND, 4, attributes=attributes)


def test_attributes_take_numpy_values_and_are_sorted_by_name() -> None:
    structure = Structure(
        DIAMOND, 4, attributes={"stage": np.arange(4), "operator": np.array(["a", "b", "a", "b"])}
    )
    assert list(structure.attributes.items()) == [("operator", ("a", "b", "a", "b")), ("stage", (0, 1, 2, 3))]
    assert type(structure.attributes["stage"][1]) is int


@pytest.mark.parametrize("origin", [{"x": {1, 2}}, {"x": float("nan")}, {"x": np.int64(3)}, {"x": object()}])
def test_an_origin_that_is_not_json(origin: dict) -> None:
    with pytest.raises(StructureError, match="origin must hold JSON values only"):
        Structure(DIAMOND, 4, origin=origin)


def test_an_origin_that_is_no_mapping() -> None:
    with pytest.raises(StructureError, match="origin must be a mapping"):
        Structure(DIAMOND, 4, origin="a prior")  # type: ignore[arg-type]


def test_origins_are_kept_as_json_keeps_them() -> None:
    structure = Structure(DIAMOND, 4, origin={"prior": "x", "sizes": (1, 2), "p": 0.5})
    assert dict(structure.origin) == {"prior": "x", "sizes": [1, 2], "p": 0.5}
    assert dict(structure.with_origin(kind="pruned", parent="ab").origin) == {
        "kind": "pruned",
        "parent": "ab",
    }


# ---- values


def test_the_diamond_in_numbers() -> None:
    diamond = Structure(DIAMOND, 4)
    assert (diamond.num_units, diamond.num_edges, diamond.num_layers) == (4, 4, 3)
    assert diamond.layer.tolist() == [0, 1, 1, 2]
    assert diamond.layer_sizes.tolist() == [1, 2, 1]
    assert diamond.inputs.tolist() == [True, False, False, False]
    assert diamond.outputs.tolist() == [False, False, False, True]
    assert diamond.edge_index.dtype == diamond.layer.dtype == np.int64
    assert (
        repr(diamond) == "Structure(family='mlp', units=4, layers=3, forward=4, recurrent=0, origin='user')"
    )


@pytest.mark.parametrize("dtype", [np.int8, np.int32, np.uint64])
def test_any_integers_name_units(dtype: type) -> None:
    assert Structure(DIAMOND.astype(dtype), np.int64(4)) == Structure(DIAMOND, 4)


def test_one_unit_alone_is_input_and_output() -> None:
    alone = Structure(np.zeros((2, 0)), 1)
    assert (alone.num_edges, alone.num_layers) == (0, 1)
    assert alone.inputs.tolist() == alone.outputs.tolist() == [True]


@given(any_structures)
def test_edges_stand_in_canonical_order(structure: Structure) -> None:
    rows = np.concatenate([structure.recurrent[None], structure.edge_index]).T.tolist()
    assert rows == sorted(rows)
    shuffled = np.random.default_rng(0).permutation(structure.num_edges)
    assert structure == Structure(
        structure.edge_index[:, shuffled],
        structure.num_units,
        recurrent=structure.recurrent[shuffled],
        family=structure.family,
        inputs=structure.inputs,
        outputs=structure.outputs,
        attributes=structure.attributes,
        residual=structure.residual[shuffled],
    )


@given(any_structures)
def test_flags_by_default_are_sources_and_sinks(structure: Structure) -> None:
    plain = Structure(
        structure.edge_index, structure.num_units, recurrent=structure.recurrent, family=structure.family
    )
    graph = structure.to_networkx(recurrent=False)
    assert plain.inputs.tolist() == [graph.in_degree(unit) == 0 for unit in range(plain.num_units)]
    assert plain.outputs.tolist() == [graph.out_degree(unit) == 0 for unit in range(plain.num_units)]


@given(structures(families=("module",), flags=False), structures(families=("module",)))
def test_dead_units_agree_with_networkx(structure: Structure, other: Structure) -> None:
    n = min(structure.num_units, other.num_units)
    inputs, outputs = structure.inputs.copy(), structure.outputs.copy()
    inputs[:n] &= ~other.inputs[:n]
    outputs[:n] &= ~other.outputs[:n]
    assume(inputs.any() and outputs.any())
    changed = Structure(
        structure.edge_index,
        structure.num_units,
        recurrent=structure.recurrent,
        family="module",
        inputs=inputs,
        outputs=outputs,
    )
    graph = nx.DiGraph(changed.to_networkx())
    starts, ends = np.flatnonzero(inputs).tolist(), np.flatnonzero(outputs).tolist()
    fed = set(starts).union(*(nx.descendants(graph, unit) for unit in starts))
    seen = set(ends).union(*(nx.ancestors(graph, unit) for unit in ends))
    assert changed.dead_units.tolist() == sorted(set(graph) - (fed & seen))


# ---- immutability


@pytest.mark.parametrize("name", ["edge_index", "recurrent", "inputs", "outputs", "layer"])
def test_arrays_cannot_be_written(name: str) -> None:
    structure = Structure.from_layers([2, 2], family="gru")
    array = getattr(structure, name)
    with pytest.raises(ValueError, match="read-only"):
        array[...] = 0
    with pytest.raises(ValueError, match="read-only"):
        array[-1:] += array[-1:]
    with pytest.raises(AttributeError):
        setattr(structure, name, array.copy())


def test_reachability_mappings_and_scalars_cannot_be_written() -> None:
    structure = Structure(DIAMOND, 4, attributes={"stage": range(4)}, origin={"a": 1})
    with pytest.raises(ValueError, match="read-only"):
        structure.reachability.from_input[0] = False
    with pytest.raises(ValueError, match="read-only"):
        structure.reachability.to_output[0] = False
    with pytest.raises(TypeError):
        structure.attributes["stage"] = (0,) * 4  # type: ignore[index]
    with pytest.raises(TypeError):
        structure.origin["a"] = 2  # type: ignore[index]
    with pytest.raises(AttributeError):
        structure.num_units = 5  # type: ignore[misc]


def test_what_was_passed_in_may_change_afterwards() -> None:
    edges, flags, origin = DIAMOND.copy(), np.array([True, False, False, False]), {"a": [1]}
    stages = [0, 1, 1, 2]
    structure = Structure(edges, 4, inputs=flags, attributes={"stage": stages}, origin=origin)
    before = structure.fingerprint
    edges[:], flags[:], stages[0] = 0, True, 9
    origin["a"].append(2)
    assert structure.edge_index.tolist() == DIAMOND.tolist()
    assert structure.inputs.tolist() == [True, False, False, False]
    assert structure.attributes["stage"] == (0, 1, 1, 2)
    assert dict(structure.origin) == {"a": [1]}
    assert copy.deepcopy(structure).fingerprint == before
    assert edges.flags.writeable
    assert flags.flags.writeable


def test_new_structures_leave_the_old_one_alone() -> None:
    structure = Structure.from_layers([2, 3, 2], family="rnn_tanh")
    before = (structure.edge_index.tolist(), structure.recurrent.tolist(), dict(structure.origin))
    structure.with_recurrence("none")
    structure.relabel([6, 5, 4, 3, 2, 1, 0])
    structure.with_origin(kind="x")
    assert before == (structure.edge_index.tolist(), structure.recurrent.tolist(), dict(structure.origin))


# ---- identity


@given(with_permutation())
def test_equal_structures_share_hash_and_fingerprint(drawn: tuple[Structure, np.ndarray]) -> None:
    structure, permutation = drawn
    there = structure.relabel(permutation)
    back = there.relabel(np.argsort(permutation))
    assert back == structure
    assert hash(back) == hash(structure)
    assert len({structure, back}) == 1
    if there == structure:
        assert hash(there) == hash(structure)
    assert np.array_equal(there.layer[permutation], structure.layer)
    assert np.array_equal(there.inputs[permutation], structure.inputs)


@pytest.mark.parametrize(
    "other",
    [
        Structure(DIAMOND[:, :3], 4),
        Structure(DIAMOND, 5),
        Structure(DIAMOND, 4, family="cnn"),
        Structure(DIAMOND, 4, inputs=np.array([True, True, False, False])),
        Structure(DIAMOND, 4, outputs=np.array([False, True, False, True])),
        Structure(DIAMOND, 4, attributes={"stage": [0, 1, 1, 2]}),
        "diamond",
    ],
)
def test_each_part_of_the_identity_counts(other: object) -> None:
    diamond = Structure(DIAMOND, 4)
    assert diamond != other
    if isinstance(other, Structure):
        assert diamond.fingerprint != other.fingerprint


def test_the_kind_of_an_edge_counts() -> None:
    there = Structure([[0, 1], [1, 0]], 2, recurrent=[False, True], family="gru")
    back = Structure([[0, 1], [1, 0]], 2, recurrent=[True, False], family="gru")
    assert there != back
    assert there == back.relabel([1, 0])


def test_the_origin_does_not_count() -> None:
    diamond = Structure(DIAMOND, 4)
    renamed = diamond.with_origin(prior="x")
    assert diamond == renamed
    assert hash(diamond) == hash(renamed)
    assert diamond.fingerprint == renamed.fingerprint


@pytest.mark.parametrize("permutation", [[0, 1, 2], [0, 1, 2, 2], [1, 2, 3, 4], [0, 1, 2, 3, 4]])
def test_a_permutation_holds_each_unit_once(permutation: list[int]) -> None:
    with pytest.raises(InvalidInputError, match=r"permutation must hold each of 0..3 once"):
        Structure(DIAMOND, 4).relabel(permutation)


# ---- copies and processes


@given(any_structures)
def test_copies_are_equal_and_as_frozen(structure: Structure) -> None:
    for twin in (copy.copy(structure), copy.deepcopy(structure)):
        assert twin == structure
        assert dict(twin.origin) == dict(structure.origin)
        assert twin.fingerprint == structure.fingerprint
        assert not twin.edge_index.flags.writeable
        assert not twin.layer.flags.writeable


def _print_and_return(structure: Structure) -> tuple[str, Structure]:
    return structure.fingerprint, structure


def test_structures_travel_to_another_process_and_back() -> None:
    sent = [
        Structure.from_layers([2, 3, 1], family="lstm"),
        Structure(DIAMOND, 4, attributes={"operator": ["add"] * 4}, origin={"prior": "x"}),
    ]
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        returned = pool.map(_print_and_return, sent)
    assert [fingerprint for fingerprint, _ in returned] == [structure.fingerprint for structure in sent]
    assert [structure for _, structure in returned] == sent
    assert [dict(structure.origin) for _, structure in returned] == [dict(s.origin) for s in sent]


# ---- layers


def test_layers_are_fully_connected() -> None:
    structure = Structure.from_layers([3, 2, 4], family="rnn_relu")
    assert structure.layer_sizes.tolist() == [3, 2, 4]
    assert structure.forward_edges.shape[1] == 3 * 2 + 2 * 4
    assert structure.recurrent_edges.shape[1] == 9 + 4 + 16
    assert Structure.from_layers([3, 2, 4], family="mlp").num_edges == 14
    assert Structure.from_layers([3, 2], family="module").recurrent_edges.shape[1] == 0


@pytest.mark.parametrize("sizes", [[], [0], [2, -1], [2, 1.5], [True, 2], ["a"]])
def test_layer_sizes_must_be_positive_integers(sizes: list) -> None:
    with pytest.raises(StructureError, match="sizes must be positive integers"):
        Structure.from_layers(sizes)


def test_cells_that_differ_in_one_operator_or_port_share_no_hash() -> None:
    names = ("conv3x3", "conv1x1", "maxpool3x3", "identity")
    edges = Structure([[0, 0, 1, 2, 3], [1, 2, 3, 4, 5]], 6).edge_index
    cells = [
        Structure(edges, 6, family="cnn", attributes={"operator": operators})
        for operators in itertools.islice(itertools.product(names, repeat=6), 2_000)
    ]
    assert len({hash(cell) for cell in cells}) == 2_000
    read_twice = Structure(DIAMOND, 4, outputs=np.array([False, True, False, True]))
    assert hash(read_twice) != hash(Structure(DIAMOND, 4))
    assert hash(copy.deepcopy(cells[7])) == hash(cells[7])


def test_an_origin_is_a_copy_that_is_as_json_gives_it_back():
    inner = {"values": [1, 2.5, None, True, "x"], "deep": {"a": [[]]}}
    other = {"kind": "mine", "inner": inner, "pair": (1, 2), 3: "three"}
    origin = Structure.from_layers([1, 2]).with_origin(**{"kind": "mine", "inner": inner}).origin
    inner["values"].append("later")
    assert origin["inner"] == {"values": [1, 2.5, None, True, "x"], "deep": {"a": [[]]}}
    changed = dataclasses.replace(Structure.from_layers([1, 2]), origin=other).origin
    assert changed["pair"] == [1, 2]
    assert changed["3"] == "three"
    for wrong in (float("nan"), float("-inf"), {1, 2}, object(), 10**5000):
        with pytest.raises(StructureError, match="origin must hold JSON values only"):
            Structure.from_layers([1, 2]).with_origin(kind=wrong)
