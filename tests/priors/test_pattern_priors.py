"""Priors after known networks, each against what defines its pattern."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nnstruct import TrainConfig
from nnstruct.errors import InvalidInputError
from nnstruct.modules.parameters import count_parameters
from nnstruct.priors import (
    PRIORS,
    AutoCompressing,
    DenseNet,
    DiscretisedODE,
    Ladder,
    ResidualChain,
    ResNet,
    SmallWorldCells,
    sample,
)
from nnstruct.priors.layers import LayeredPrior
from nnstruct.random import generator
from nnstruct.structure.space import Space
from nnstruct.tasks import Task

LAYERED = [name for name in PRIORS if issubclass(PRIORS[name], LayeredPrior)]
SIZES = st.lists(st.integers(1, 4), min_size=3, max_size=7)


def graph(prior, seed=0, family="mlp"):
    return prior.sample(seed, family=family)


def matrix(prior, seed=0):
    """bool [N, N]"""
    structure = graph(prior, seed)
    joined = np.zeros((structure.num_units,) * 2, dtype=bool)
    joined[tuple(structure.forward_edges)] = True
    return joined


@pytest.mark.parametrize("name", LAYERED)
def test_layers_are_those_that_units_were_put_into(name):
    for index in range(6):
        prior = PRIORS[name].draw(Space("mlp", units=(5, 40)), generator(index, "layers"))
        assert graph(prior, index).layer_sizes.tolist() == list(prior.layer_sizes)


@pytest.mark.parametrize("name", LAYERED)
def test_at_full_density_the_expected_edges_are_exact(name):
    for index in range(6):
        drawn = PRIORS[name].draw(Space("mlp", units=(5, 40)), generator(index, "full"))
        full = {"density": 1.0} | {key: 0.0 for key in ("drop",) if hasattr(drawn, key)}
        full |= {"lateral": 1.0} if hasattr(drawn, "lateral") else {}
        prior = drawn.model_copy(update=full)
        assert graph(prior, index).num_edges == prior.expected_edges


@pytest.mark.parametrize(
    "prior",
    [
        AutoCompressing(sizes=[9, 9, 9, 9], density=0.5),
        DenseNet(sizes=[8] * 5, blocks=[3, 2], density=0.5, drop=0.4),
        ResidualChain(sizes=[9] * 7, skip=2, density=0.5, drop=0.5),
        ResNet(stem=9, blocks=[2, 1], widths=[8, 12], density=0.5),
        Ladder(encoder=[9, 9], middle=9, density=0.5, lateral=0.5),
        SmallWorldCells(cells=[20, 20, 20], k=4, p=0.5),
        SmallWorldCells(cells=[30, 10], k=2, p=0.2),
        DiscretisedODE(lift=2, width=12, steps=5, field=12, flow="gradient-flow", density=0.5),
        DiscretisedODE(lift=2, width=12, steps=5, field=12, flow="hamiltonian", density=0.6),
        DiscretisedODE(lift=2, width=12, steps=5, field=0, flow="hamiltonian", density=0.5),
    ],
    ids=lambda prior: prior.name,
)
def test_edges_are_as_many_as_expected_on_average(prior):
    mean = np.mean([prior.pairs(generator(seed, "mean")).shape[1] for seed in range(80)])
    assert mean == pytest.approx(prior.expected_edges, rel=0.05)


@settings(max_examples=40, deadline=None)
@given(sizes=SIZES, density=st.floats(0.05, 1), seed=st.integers(0, 99))
def test_an_auto_compressing_network_skips_to_the_output_only(sizes, density, seed):
    structure = graph(AutoCompressing(sizes=sizes, density=density), seed)
    source, target = structure.layer[structure.forward_edges]
    last = len(sizes) - 1
    assert ((target == source + 1) | (target == last)).all()
    out = np.unique(structure.forward_edges[0, target == last])
    assert out.tolist() == list(range(sum(sizes[:-1])))  # every unit of every layer before
    assert set(np.unique(source[target == last])) == set(range(last))


@settings(max_examples=40, deadline=None)
@given(data=st.data(), sizes=SIZES)
def test_a_layer_of_a_dense_net_sees_its_block_and_no_more(data, sizes):
    cut = data.draw(st.integers(1, len(sizes)))
    blocks = [cut, len(sizes) - cut] if cut < len(sizes) else [cut]
    structure = graph(DenseNet(sizes=sizes, blocks=blocks))
    pairs = set(zip(*structure.layer[structure.forward_edges].tolist(), strict=True))
    within = {(a, b) for b in range(len(sizes)) for a in range(b) if b < cut or a >= cut - 1}
    assert pairs == within


def test_a_dense_net_drops_pairs_of_layers_as_a_whole():
    structure = graph(DenseNet(sizes=[3] * 6, blocks=[6], drop=0.5), seed=3)
    between = np.zeros((6, 6), dtype=int)
    np.add.at(between, tuple(structure.layer[structure.forward_edges]), 1)
    apart = between[np.triu_indices(6, 2)]
    assert set(apart) == {0, 9}
    assert (np.diag(between, 1) == 9).all()


@pytest.mark.parametrize("skip", [2, 3])
def test_shortcuts_of_a_residual_chain_follow_each_other(skip):
    prior = ResidualChain(sizes=[3] * 7, skip=skip)
    structure = graph(prior)
    source, target = structure.forward_edges
    long = structure.layer[target] - structure.layer[source] > 1
    assert (structure.layer[target][long] - structure.layer[source][long] == skip).all()
    assert (structure.layer[source][long] % skip == 0).all()
    assert (source[long] % 3 == target[long] % 3).all()
    assert np.count_nonzero(long) == 3 * (6 // skip)
    none = graph(ResidualChain(sizes=[3] * 7, skip=skip, drop=1.0))
    assert (none.layer[none.forward_edges[1]] - none.layer[none.forward_edges[0]] == 1).all()


def test_a_resnet_by_hand():
    prior = ResNet(stem=2, blocks=[2, 1], widths=[2, 4], depth=3)
    assert list(prior.layer_sizes) == [2, 1, 1, 2, 1, 1, 2, 2, 2, 4]
    structure = graph(prior, family="cnn")
    layer = structure.layer[structure.forward_edges]
    shortcuts = [tuple(pair) for pair in layer.T.tolist() if pair[1] - pair[0] > 1]
    # One edge a unit within the first stage, whose width is the stem's, and a projection into the second.
    assert sorted(shortcuts) == [(0, 3)] * 2 + [(3, 6)] * 2 + [(6, 9)] * 8
    at = structure.attributes
    assert at["stage"] == (0,) * 10 + (1,) * 8
    assert set(at["join"]) == {"concat"}
    assert structure.residual.sum() == len(shortcuts)
    assert graph(prior).residual.sum() == 4  # a projection of neurons has weights
    old = ResNet(**(prior.model_dump() | {"edition": 1})).sample(0, family="cnn")
    assert not old.residual.any()
    assert old.attributes["join"] == ("concat",) * 4 + ("sum",) * 2 + ("concat",) * 2 + ("sum",) * 2 + (
        ("concat",) * 4 + ("sum",) * 4
    )
    bottleneck = ("conv1x1", "conv3x3") + ("conv1x1",) * 2
    wide = ("conv1x1",) * 2 + ("conv3x3",) * 2 + ("conv1x1",) * 4
    assert at["operator"] == ("conv3x3",) * 2 + bottleneck * 2 + wide


def test_a_ladder_joins_like_with_like():
    structure = graph(Ladder(encoder=[4, 3], middle=2))
    source, target = structure.forward_edges
    long = structure.layer[target] - structure.layer[source] > 1
    assert structure.forward_edges[:, long].T.tolist() == [
        *([unit, 12 + unit] for unit in range(4)),
        *([4 + unit, 9 + unit] for unit in range(3)),
    ]
    assert structure.num_layers == 5
    kept = graph(Ladder(encoder=[40], middle=1, lateral=0.5), seed=1).num_edges - 80
    assert 8 < kept < 32


@settings(max_examples=40, deadline=None)
@given(
    cells=st.lists(st.integers(2, 8), min_size=1, max_size=4),
    k=st.integers(2, 6),
    p=st.floats(0, 1),
    seed=st.integers(0, 99),
)
def test_small_worlds_meet_in_their_gathering_units(cells, k, p, seed):
    structure = graph(SmallWorldCells(cells=cells, k=k, p=p), seed)
    ends = np.cumsum(np.array(cells) + 1) - 1  # the gathering units
    source, target = structure.forward_edges
    for end in ends[:-1]:
        crossing = (source <= end) & (target > end)
        assert (source[crossing] == end).all()
    assert np.flatnonzero(structure.outputs).tolist() == [ends[-1]]
    for start, end, size in zip([0, *(ends[:-1] + 1)], ends, cells, strict=True):
        inside = (source >= start) & (target < end)
        assert np.count_nonzero(inside) == (size * (size - 1) // 2 if size <= k else size * (k // 2))


@pytest.mark.parametrize("tied", [1, 2, 4])
def test_a_gradient_flow_feeds_what_it_sees(tied):
    width, field, steps = 3, 4, 4
    prior = DiscretisedODE(
        lift=2, width=width, steps=steps, field=field, flow="gradient-flow", tied=tied, density=0.4
    )
    joined, kernels = matrix(prior, seed=5), []
    assert joined[:2, 2:5].all()
    for step in range(steps):
        old = 2 + step * (width + field)
        between, new = old + width, old + width + field
        kernel = joined[between:new, new : new + width]  # K, [field, width]
        assert np.array_equal(joined[old:between, between:new], kernel.T)
        assert np.array_equal(joined[old:between, new : new + width], np.eye(width, dtype=bool))
        assert kernel.any(axis=0).all()
        assert kernel.any(axis=1).all()
        kernels.append(kernel)
    for step, (first, second) in enumerate(pairwise(kernels), start=1):
        assert np.array_equal(first, second) == (step % tied != 0)


def test_a_hamiltonian_flow_moves_each_half_by_the_other():
    prior = DiscretisedODE(lift=1, width=6, steps=2, field=4, flow="hamiltonian", density=0.4)
    structure = graph(prior, seed=2)
    roles = np.array(structure.attributes["operator"])
    assert roles.tolist() == ["neuron"] * 7 + (
        (["neuron"] * 2 + ["hamiltonian-position"] * 3 + ["neuron"] * 2 + ["hamiltonian-momentum"] * 3) * 2
    )
    joined = matrix(prior, seed=2)
    y, z = np.arange(1, 4), np.arange(4, 7)
    for start in (7, 17):  # the momenta move by the new positions
        fast, slow = start + np.arange(2), start + 5 + np.arange(2)
        moved, after = start + 2 + np.arange(3), start + 7 + np.arange(3)
        assert np.array_equal(joined[np.ix_(z, fast)], joined[np.ix_(fast, moved)].T)
        assert np.array_equal(joined[np.ix_(moved, slow)], joined[np.ix_(slow, after)].T)
        assert joined[y, moved].all()
        assert joined[z, after].all()
        y, z = moved, after


def test_in_the_first_edition_both_halves_move_at_once():
    prior = DiscretisedODE(lift=1, width=6, steps=2, field=4, flow="hamiltonian", density=0.4, edition=1)
    joined = matrix(prior, seed=2)
    for old in (1, 11):
        seen, fed = (
            joined[old : old + 6, old + 6 : old + 10].T,
            joined[old + 6 : old + 10, old + 10 : old + 16],
        )
        assert np.array_equal(np.roll(seen, 3, axis=1), fed)
        assert not seen[:2, 3:].any()
        assert not seen[2:, :3].any()
        assert seen.any(axis=0).all()


def test_cells_that_are_steps_are_coupled_alike_in_both_directions():
    prior = DiscretisedODE(lift=1, width=5, steps=3, field=0, flow="hamiltonian", density=0.5)
    alone = matrix(prior, seed=1)
    assert np.array_equal(alone[6:11, 11:16], np.eye(5, dtype=bool))
    prior = DiscretisedODE(**(prior.model_dump() | {"edition": 1}))
    joined = matrix(prior, seed=1)
    for old in (1, 6, 11):
        step = joined[old : old + 5, old + 5 : old + 10]
        assert np.array_equal(step, step.T)
        assert np.diag(step).all()
    cells = graph(prior, family="cnn")
    assert cells.attributes["operator"] == ("conv3x3",) * 6 + ("hamiltonian3x3",) * 15
    assert cells.attributes["join"] == ("concat",) * 6 + ("sum",) * 15
    assert set(cells.attributes["channels"]) == {2}


def test_field_units_between_cells_leave_the_states_as_sums():
    cells = graph(DiscretisedODE(lift=1, width=2, steps=1, field=1, flow="gradient-flow"), family="cnn")
    assert cells.attributes["operator"] == ("conv3x3",) * 4 + ("identity",) * 2
    assert cells.attributes["join"] == ("concat",) * 4 + ("sum",) * 2


def test_a_space_of_cells_gets_flow_blocks_of_its_own():
    for operator in ("gradient-flow3x3", "hamiltonian3x3"):
        space = Space("cnn", units=(6, 12), operators=("conv1x1", operator), channels=(4, 4))
        prior = DiscretisedODE.draw(space, generator(0))
        assert prior.field == 0
        assert prior.flow in operator


@pytest.mark.parametrize("named", [True, False])
def test_steps_of_cells_are_flows_where_the_space_names_them_and_share_nothing_otherwise(named):
    flows = ("gradient-flow3x3", "hamiltonian3x3") if named else ()
    space = Space("cnn", units=(4, 12), operators=("conv3x3", *flows), channels=(4, 8), stages=3)
    images = Task.from_arrays("images", generator(0).normal(size=(8, 1, 8, 8)), [0, 1] * 4)
    shared = 0
    for structure in sample(space, 12, seed=0, priors=["discretised-ode"]):
        drawn = structure.origin["parameters"]
        steps = structure.attributes["operator"][drawn["lift"] + drawn["width"] :]
        assert set(steps) <= set(flows or ("conv3x3",))
        loose = replace(structure, attributes={**structure.attributes, "tie": (0,) * structure.num_units})
        numbers = [count_parameters(one, images, TrainConfig()) for one in (structure, loose)]
        shared += numbers[0] < numbers[1]
        assert named or numbers[0] == numbers[1]
    assert (shared > 0) == named


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: AutoCompressing(sizes=[2, 2]), "sizes must have at least 3 items"),
        (lambda: DenseNet(sizes=[2, 2, 2], blocks=[2]), "blocks must sum to the 3 layers"),
        (lambda: ResidualChain(sizes=[2, 2, 2], skip=1), "skip must be greater than or equal to 2"),
        (lambda: ResNet(stem=1, blocks=[1, 1], widths=[2]), "widths must be 2, one a stage"),
        (lambda: ResNet(stem=1, blocks=[1], widths=[2], depth=4), "depth must be less than or equal to 3"),
        (lambda: Ladder(encoder=[], middle=1), "encoder must have at least 1 item"),
        (lambda: SmallWorldCells(cells=[1], k=2, p=0), r"cells\.0 must be greater than or equal to 2"),
        (
            lambda: DiscretisedODE(lift=1, width=3, steps=1, field=2, flow="hamiltonian"),
            "width must be even for a Hamiltonian flow",
        ),
        (
            lambda: DiscretisedODE(lift=1, width=2, steps=1, field=1, flow="hamiltonian"),
            "field must be 0 or at least 2",
        ),
        (lambda: Ladder(encoder=[1], middle=1, density=0), "density must be greater than 0"),
    ],
)
def test_parameters_that_do_not_go_together_are_named(make, message):
    with pytest.raises(InvalidInputError, match=message):
        make()
