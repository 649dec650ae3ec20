"""Operators of the search on structures whose units have attributes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nnstruct import Space, Structure
from nnstruct.errors import InvalidInputError
from nnstruct.priors import sample
from nnstruct.search import OPERATORS, Search
from nnstruct.search.attributes import mended
from nnstruct.structure.recurrence_rule import rule_of
from nnstruct.structure.units import JOINS, UNIT_ACTIVATIONS, UNIT_OPERATORS

CELLS = Space(
    "cnn",
    units=(4, 12),
    operators=UNIT_OPERATORS,
    activations=UNIT_ACTIVATIONS,
    channels=(3, 8),
    stages=3,
    joins=JOINS,
)
SPACES = [CELLS, Space("cnn", units=(4, 12)), Space("mlp", units=(4, 12), activations=UNIT_ACTIVATIONS)]
ADDS = {"change_channels": "channels", "change_stage": "stage", "change_kernel": "operator"}
POOLS = [sample(space, 32, seed=0) for space in SPACES]


@pytest.mark.parametrize("name", list(OPERATORS))
@settings(max_examples=30, deadline=None)
@given(
    which=st.integers(0, len(SPACES) - 1),
    first=st.integers(0, 31),
    second=st.integers(0, 31),
    seed=st.integers(0, 999),
)
def test_offspring_stays_inside_the_space(name, which, first, second, seed):
    space = SPACES[which]
    parents = [POOLS[which][first], POOLS[which][second]][: OPERATORS[name].arity]
    child = OPERATORS[name](parents, np.random.default_rng(seed), space)
    again = OPERATORS[name](parents, np.random.default_rng(seed), space)
    assert child == again
    if child is not None:
        assert space.violation(child) is None
        kept = set.intersection(*(set(p.attributes) for p in parents))
        lost = kept - set(child.attributes)
        assert set(child.attributes) <= kept | {ADDS.get(name)}
        # Nothing may be tied any more, and a perceptron's flow may have lost its edge.
        assert lost <= ({"tie"} if space.family == "cnn" else {"tie", "operator"})


def test_operators_seldom_fail_on_cells():
    for name in (name for name in OPERATORS if OPERATORS[name].applies_to(CELLS)):
        rng = np.random.default_rng(0)
        arity = OPERATORS[name].arity
        made = [OPERATORS[name](POOLS[0][start : start + arity], rng, CELLS) for start in range(30)]
        assert sum(child is not None for child in made) > 20


def test_a_change_of_attribute_changes_one_value_and_no_edge():
    parent, rng = POOLS[0][3], np.random.default_rng(1)
    changed = set()
    for _ in range(60):
        child = OPERATORS["change_attribute"](parent, rng, CELLS)
        # Units may be renumbered: count what differs.
        assert child.num_edges == parent.num_edges
        differ = {
            name: sum(
                abs(child.attributes[name].count(value) - parent.attributes[name].count(value))
                for value in set(child.attributes[name] + parent.attributes[name])
            )
            for name in parent.attributes
        }
        assert sum(differ.values()) == 2
        changed |= {name for name, count in differ.items() if count}
    assert changed == {"operator", "activation", "join"}


def test_a_change_of_attribute_wants_a_choice():
    change, rng = OPERATORS["change_attribute"], np.random.default_rng(0)
    parent = Structure.from_layers([2, 2], family="cnn")
    for bounds in ({}, {"operators": ("conv3x3",)}, {"channels": (1, 8), "stages": 1}):
        space = Space("cnn", units=(2, 6), **bounds)
        assert not change.applies_to(space)
        assert change(parent, rng, space) is None
    space = Space("cnn", units=(2, 6), operators=("conv3x3", "identity"))
    child = change(parent, rng, space)
    assert sorted(child.attributes["operator"]) == ["conv3x3"] * 3 + ["identity"]
    # One channel is no width for positions and momenta.
    odd = Space("cnn", units=(2, 6), operators=("conv3x3", "hamiltonian3x3"))
    assert change(parent, rng, odd) is None


def test_stages_are_lifted_along_edges_and_widths_go_with_them():
    chain = np.eye(4, k=1, dtype=bool)
    space = Space("cnn", units=(2, 9), channels=(4, 8), stages=3, operators=("identity", "hamiltonian3x3"))
    attributes = {
        "stage": (1, 0, 2, 1),
        "channels": (8, 5, 40, 12),
        "operator": ("hamiltonian3x3",) * 4,
        "join": ("sum",) * 4,
    }
    found = mended(attributes, chain, space)
    assert found["stage"] == (1, 1, 2, 2)
    assert found["channels"] == (8, 10, 32, 24)
    assert found["operator"] == ("hamiltonian3x3",) * 4
    assert found["join"] == ("sum",) * 4
    flat = mended({"stage": (1, 2), "channels": (6, 12), "operator": ("hamiltonian3x3",) * 2}, chain[:2, :2],
                  Space("cnn", units=(2, 9)))  # fmt: skip
    assert flat["stage"] == (0, 0)
    assert flat["channels"] == (3, 3)
    assert flat["operator"] == ("conv3x3", "conv3x3")


def test_units_of_other_families_keep_what_they_have():
    attributes = {"stage": (1, 0), "operator": ("add", "add")}
    assert mended(attributes, np.eye(2, k=1, dtype=bool), Space("mlp", units=(2, 9))) is attributes


def test_a_search_over_cells_asks_for_structures_of_the_space():
    search = Search(CELLS, seed=0, population=6)
    for _ in range(3):
        asked = search.ask(6)
        assert all(map(CELLS.contains, asked))
        search.tell(asked, [float(s.attributes["operator"].count("identity")) for s in asked])
    assert search.history["operator"].str.contains("change_attribute").any()


def test_a_change_of_channels_keeps_the_rest_and_changes_one_unit_or_a_stage():
    change, rng = OPERATORS["change_channels"], np.random.default_rng(0)
    spread = set()
    for parent in POOLS[0]:
        child = change(parent, rng, CELLS)
        if child is None:
            continue
        pairs = [
            sorted(zip(*(s.attributes[name] for name in ("stage", "join")), strict=True))
            for s in (parent, child)
        ]
        assert pairs[0] == pairs[1]
        assert child.num_edges == parent.num_edges
        widths = [sorted(s.attributes["channels"]) for s in (parent, child)]
        assert widths[0] != widths[1]
        spread.add(sum(a != b for a, b in zip(*widths, strict=True)))
    assert 1 in spread
    assert max(spread) > 1
    fixed = Space("cnn", units=(4, 12), channels=(8, 8))
    assert not change.applies_to(fixed)
    assert not change.applies_to(Space("mlp"))


def test_a_change_of_stage_moves_one_cell_and_what_follows():
    parent = Structure(
        [[0, 1], [1, 2]], 3, family="cnn", attributes={"stage": (0, 0, 1), "channels": (4, 4, 8)}
    )
    space = Space("cnn", units=(2, 5), channels=(2, 8), stages=3)
    change, rng = OPERATORS["change_stage"], np.random.default_rng(0)
    children = [change(parent, rng, space) for _ in range(60)]
    found = {child.attributes["stage"] for child in children if child is not None}
    # Of three cells in a row: the first moves on and takes the second along, or one of the others moves.
    assert found == {(1, 1, 1), (0, 1, 1), (0, 0, 2), (0, 0, 0)}
    for child in children:
        for unit, (stage, width) in enumerate(
            zip(child.attributes["stage"], child.attributes["channels"], strict=True)
        ):
            assert width == parent.attributes["channels"][unit] << stage >> parent.attributes["stage"][unit]
    assert not change.applies_to(Space("cnn", units=(2, 5)))


def test_a_change_of_kernel_changes_one_convolution_or_those_of_a_stage():
    change, rng = OPERATORS["change_kernel"], np.random.default_rng(0)
    other = {"conv1x1": "conv3x3", "conv3x3": "conv1x1"}
    spread = set()
    for parent in POOLS[0]:
        child = change(parent, rng, CELLS)
        if child is None:
            assert not set(other) & set(parent.attributes["operator"])
            continue
        counts = {
            name: child.attributes["operator"].count(name) - parent.attributes["operator"].count(name)
            for name in UNIT_OPERATORS
        }
        assert counts["conv1x1"] == -counts["conv3x3"] != 0
        assert not any(count for name, count in counts.items() if name not in other)
        spread.add(abs(counts["conv1x1"]))
        assert sorted(child.attributes["stage"]) == sorted(parent.attributes["stage"])
        assert child.num_edges == parent.num_edges
    assert 1 in spread
    assert max(spread) > 1
    assert not change.applies_to(Space("cnn", operators=("conv3x3", "sepconv3x3")))
    assert change(POOLS[0][0], rng, Space("cnn", units=(4, 12))) is None


@settings(max_examples=60, deadline=None)
@given(which=st.integers(0, 31), seed=st.integers(0, 999), most=st.none() | st.integers(10, 60))
def test_a_change_of_width_changes_one_layer(which, seed, most):
    parent = POOLS[2][which]
    space = Space("mlp", units=(4, 16), max_edges=most, activations=UNIT_ACTIVATIONS)
    child = OPERATORS["change_width"](parent, np.random.default_rng(seed), space)
    if child is None:
        assert most is not None
        assert parent.forward_edges.shape[1] > most - 2
        return
    assert space.violation(child) is None
    assert child.num_units != parent.num_units
    if child.num_units > parent.num_units:
        before, after = np.array(parent.layer_sizes), np.array(child.layer_sizes)
        (layer,) = np.flatnonzero(before != after)
        # Half as wide again, or twice, or as much of it as the space has room for.
        assert before[layer] < after[layer] <= 2 * before[layer]


def test_a_wider_layer_has_copies_of_its_units():
    parent = Structure(
        [[0, 0, 1, 2], [1, 2, 3, 3]], 4, attributes={"activation": ["relu", "tanh", "gelu", "relu"]}
    )
    space = Space("mlp", units=(4, 9), activations=UNIT_ACTIVATIONS)
    found = set()
    for seed in range(80):
        child = OPERATORS["change_width"](parent, np.random.default_rng(seed), space)
        if child is None or tuple(child.layer_sizes)[::2] != (1, 1) or child.num_units < 5:
            continue
        middle = np.flatnonzero(child.layer == 1)
        assert child.num_edges == 2 * len(middle)  # one from the first unit, one to the last
        kinds = [child.attributes["activation"][unit] for unit in middle]
        assert set(kinds) == {"tanh", "gelu"}
        found.add(len(middle))
    assert found == {3, 4}


RULES = ("layer", "self", "none")


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 999), name=st.sampled_from(sorted(OPERATORS)), random=st.booleans())
def test_a_structure_keeps_its_recurrence_until_it_is_changed(seed, name, random):
    rng = np.random.default_rng(seed)
    space = Space("gru", units=(3, 10), recurrences=(*RULES, "random") if random else RULES)
    layers = [[2, 2, 2], [3, 2, 2]]
    parents = [Structure.from_layers(sizes, family="gru", recurrence="self") for sizes in layers]
    child = OPERATORS[name](parents[: OPERATORS[name].arity], rng, space)
    if child is None:
        assert not OPERATORS[name].applies_to(space)
        return
    assert space.contains(child)
    rule = rule_of(child, space.recurrences)
    if name == "change_recurrence":
        assert rule != "self"
        forward = [Structure(s.forward_edges, s.num_units).fingerprint for s in (parents[0], child)]
        assert forward[0] == forward[1]
    elif max(child.layer_sizes) > 1:
        assert rule == "self"


def test_a_search_finds_the_recurrence_that_is_good():
    space = Space("rnn_tanh", units=(4, 8), recurrences=RULES)
    drawn = sample(space, 20, seed=0)
    assert {rule_of(structure, RULES) for structure in drawn} == set(RULES)
    search = Search(space, seed=0, population=6, initial=6)
    for _ in range(8):
        asked = search.ask(4)
        assert all(map(space.contains, asked))
        search.tell(asked, [float(rule_of(s, RULES) == "none") + s.num_units / 100 for s in asked])
    assert rule_of(search.best, RULES) == "none"
    assert (search.history["operator"] == "change_recurrence").any()
    assert not space.contains(Structure.from_layers([2, 2], family="rnn_tanh", recurrence="reverse"))
    assert Space(**space.to_dict()) == space
    with pytest.raises(InvalidInputError, match="recurrences must be left out for the family 'mlp'"):
        Space("mlp", recurrences=RULES)
    with pytest.raises(InvalidInputError, match="recurrences must be among"):
        Space("gru", recurrences=("layers",))
