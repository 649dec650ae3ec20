"""Operators of the search on structures whose units have attributes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nnstruct import Space, Structure
from nnstruct.priors import sample
from nnstruct.search import OPERATORS, Search
from nnstruct.search.attributes import mended
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
ADDS = {"change_channels": "channels", "change_stage": "stage"}
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
    for name in OPERATORS:
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
