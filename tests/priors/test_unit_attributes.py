"""Attributes of units: drawn inside the Space, by the seed alone, with the patterns' own kept."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nnstruct.errors import InvalidInputError
from nnstruct.priors import PRIORS, DenseLayered, DiscretisedODE, Prior, ResNet, draw_attributes, sample
from nnstruct.random import generator
from nnstruct.structure import Structure
from nnstruct.structure.space import Space
from nnstruct.structure.units import JOINS, UNIT_ACTIVATIONS, UNIT_DEFAULTS, UNIT_OPERATORS

CELLS = Space(
    "cnn",
    units=(5, 14),
    operators=UNIT_OPERATORS,
    activations=UNIT_ACTIVATIONS,
    channels=(4, 12),
    stages=3,
    joins=JOINS,
)
every_prior = pytest.mark.parametrize("name", list(PRIORS))


def some(names):
    return st.lists(st.sampled_from(names), unique=True, max_size=len(names)).map(tuple)


@st.composite
def cell_spaces(draw):
    operators = draw(some(UNIT_OPERATORS))
    low = draw(st.integers(1, 9))
    channels = draw(st.none() | st.just((low, low + draw(st.integers(0, 5)))))
    if operators == ("hamiltonian3x3",):
        channels = (4, 4)
    return Space(
        "cnn", units=(4, 12), operators=operators, activations=draw(some(UNIT_ACTIVATIONS)),
        channels=channels, stages=draw(st.integers(1, 4)), joins=draw(some(JOINS)),
    )  # fmt: skip


@every_prior
def test_every_prior_gives_cells_inside_a_space(name):
    structures = sample(CELLS, 4, seed=1, priors=[name])
    assert all(CELLS.violation(structure) is None for structure in structures)
    assert all(set(structure.attributes) - {"tie"} == set(UNIT_DEFAULTS) for structure in structures)


@every_prior
def test_own_attributes_are_a_value_a_unit_and_in_bounds(name):
    for index in range(6):
        prior = PRIORS[name].draw(Space("cnn", units=(5, 30)), generator(index, "own", name))
        structure = prior.sample(index, family="cnn")
        space = Space("cnn", units=(5, 30), stages=9)
        assert space.violation(structure) is None
        assert set(structure.attributes) == set(prior.cell_attributes())
        neurons = prior.sample(index, family="mlp").attributes
        assert set(neurons) == set(prior.unit_attributes("mlp"))
        assert not neurons or name == "discretised-ode"


@every_prior
def test_the_origin_and_the_space_give_the_attributes_again(name):
    for structure in sample(CELLS, 3, seed=2, priors=[name]):
        prior, seed = Prior.from_dict(structure.origin), structure.origin["seed"]
        bare = prior.sample(seed, family="cnn")
        assert draw_attributes(bare, CELLS, seed=seed, wishes=prior.cell_attributes()) == structure


@settings(max_examples=40, deadline=None)
@given(space=cell_spaces(), seed=st.integers(0, 2**32), prior=st.sampled_from(list(PRIORS)))
def test_any_space_of_cells_gets_distinct_structures_inside_it(space, seed, prior):
    structures = sample(space, 3, seed=seed, priors=[prior])
    assert [space.violation(structure) for structure in structures] == [None] * 3
    assert len({structure.fingerprint for structure in structures}) == 3
    assert structures == sample(space, 3, seed=seed, priors=[prior])
    for structure in structures:
        for field, name in (("joins", "join"), ("activations", "activation"), ("channels", "channels")):
            own = name in PRIORS[prior].draw(space, generator(0)).cell_attributes() or name == "channels"
            assert (name in structure.attributes) >= bool(getattr(space, field))
            assert bool(getattr(space, field)) or own or name not in structure.attributes
        assert ("stage" in structure.attributes) == (space.stages > 1)


def test_a_space_that_says_nothing_leaves_structures_as_they_were():
    structure = Structure.from_layers([3, 2], family="mlp")
    assert draw_attributes(structure, Space("mlp", units=(2, 9))) is structure
    named = Structure([[0], [1]], 2, family="gru", attributes={"operator": ("add", "concat")})
    assert draw_attributes(named, Space("gru", units=(2, 9))) is named
    for drawn in sample(Space("mlp", units=(5, 20)), 20, seed=0):
        assert not drawn.attributes or drawn.origin["prior"] == "discretised-ode"


def test_graphs_are_the_same_with_attributes_and_without():
    with_them = sample(Space("mlp", units=(5, 20), activations=UNIT_ACTIVATIONS), 20, seed=3)
    without = sample(Space("mlp", units=(5, 20)), 20, seed=3)
    assert [s.forward_edges.tolist() for s in with_them] == [s.forward_edges.tolist() for s in without]
    assert {value for s in with_them for value in s.attributes["activation"]} == set(UNIT_ACTIVATIONS)
    assert all(set(s.attributes) - {"operator", "tie"} == {"activation"} for s in with_them)


def test_one_graph_with_many_attributes_counts_as_many_structures():
    space = Space("cnn", units=(2, 9), operators=("conv3x3", "identity"))
    assert len(sample(space, 5, seed=0, priors=[DenseLayered(sizes=[2, 2, 2])])) == 5


def test_stages_cut_the_layers_and_double_the_channels():
    chain = Structure.from_layers([1, 2, 1, 1, 1, 1], family="cnn")
    drawn = draw_attributes(chain, Space("cnn", units=(2, 9), channels=(5, 9), stages=3), seed=4)
    assert drawn.attributes["stage"] == (0, 0, 0, 1, 1, 2, 2)
    width = drawn.attributes["channels"][0]
    assert drawn.attributes["channels"] == tuple(width << stage for stage in drawn.attributes["stage"])
    widths = {
        draw_attributes(chain, Space("cnn", units=(2, 9), channels=(5, 9)), seed=s).attributes["channels"][0]
        for s in range(60)
    }
    assert widths == {5, 6, 7, 8, 9}


def test_wishes_hold_where_the_space_allows_them():
    prior = ResNet(stem=1, blocks=[1, 1, 1], widths=[1, 1, 1], edition=1)
    bare = prior.sample(0, family="cnn")

    def drawn(**bounds):
        space = Space("cnn", units=(2, 20), **bounds)
        return draw_attributes(bare, space, seed=1, wishes=prior.cell_attributes()).attributes

    two = drawn(stages=2, joins=("sum", "concat"), operators=("conv3x3", "conv1x1"))
    assert two["stage"] == (0, 0, 0, 1, 1, 1, 1)
    assert two["operator"] == ("conv3x3",) * 7
    assert two["join"][2::2] == ("sum",) * 3
    other = drawn(joins=("concat",), operators=("conv1x1",))
    assert set(other["join"]) == {"concat"}
    assert set(other["operator"]) == {"conv1x1"}
    assert "stage" not in other


def test_hamiltonian_blocks_get_even_widths_or_none():
    prior = DiscretisedODE(lift=1, width=2, steps=2, field=0, flow="hamiltonian")
    bare, wishes = prior.sample(0, family="cnn"), prior.cell_attributes()
    even = [
        draw_attributes(bare, Space("cnn", units=(2, 9), channels=(3, 6)), seed=s, wishes=wishes)
        for s in range(20)
    ]
    assert {s.attributes["channels"][0] for s in even} == {4, 6}
    odd = draw_attributes(bare, Space("cnn", units=(2, 9), channels=(3, 3)), wishes=wishes)
    assert set(odd.attributes["operator"]) == {"conv3x3"}
    mixed = Space("cnn", units=(2, 9), operators=("hamiltonian3x3", "conv1x1"), channels=(3, 3), stages=2)
    drawn = draw_attributes(Structure.from_layers([2, 2, 2, 2], family="cnn"), mixed, seed=0)
    assert mixed.violation(drawn) is None
    assert set(drawn.attributes["operator"][:4]) == {"conv1x1"}
    assert "hamiltonian3x3" in drawn.attributes["operator"]


def test_operators_come_up_alike_often():
    space = Space("cnn", units=(2, 999), operators=("conv3x3", "conv1x1", "identity"))
    drawn = draw_attributes(Structure.from_layers([300, 300], family="cnn"), space, seed=0)
    counts = np.unique(drawn.attributes["operator"], return_counts=True)[1]
    assert counts.min() > 150


def test_bad_arguments_are_named():
    structure = Structure.from_layers([2, 2], family="cnn")
    with pytest.raises(InvalidInputError, match="structure must be of the family 'mlp', got 'cnn'"):
        draw_attributes(structure, Space("mlp"))
    with pytest.raises(InvalidInputError, match="seed must be a non-negative integer"):
        draw_attributes(structure, Space("cnn", stages=2), seed=-1)
