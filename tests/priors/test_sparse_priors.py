"""Expanders, small worlds of any degree, strong communities and lognormal fan-ins keep their definitions."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest

from nnstruct import Space
from nnstruct.errors import InvalidInputError
from nnstruct.priors import PRIORS, Expander, LognormalFanIn, SmallWorldFlex, StrongCommunity, sample
from nnstruct.priors.expander import regular_bipartite


@pytest.mark.parametrize(
    ("first", "second", "degree"), [(9, 9, 2), (7, 20, 3), (20, 7, 5), (6, 6, 6), (4, 5, 9)]
)
def test_all_units_of_an_expander_have_as_many_edges(first, second, degree):
    for seed in range(5):
        links = regular_bipartite(first, second, degree, np.random.default_rng(seed))
        by_side = [links.sum(1), links.sum(0)] if first <= second else [links.sum(0), links.sum(1)]
        assert set(by_side[1]) == {min(degree, first, second)}
        assert by_side[0].max() - by_side[0].min() <= 1


def test_expanders_come_near_the_bound_of_ramanujan_graphs():
    """Friedman (2008): the second singular value is at most 2 (d - 1)^(1/2) and a little."""
    for degree in (3, 6):
        links = regular_bipartite(150, 150, degree, np.random.default_rng(degree))
        first, second = np.linalg.svd(links.astype(float), compute_uv=False)[:2]
        assert first == pytest.approx(degree)
        assert second < 2 * (degree - 1) ** 0.5 + 0.15


def test_layers_are_those_that_were_given():
    for prior in (Expander(sizes=[5, 12, 4], degree=2), LognormalFanIn(sizes=[5, 12, 4], mean=2, sigma=0.8)):
        structure = prior.sample(3, family="mlp")
        assert structure.layer_sizes.tolist() == [5, 12, 4]
        assert (np.diff(structure.layer[structure.forward_edges], axis=0) == 1).all()


@pytest.mark.parametrize(("units", "degree"), [(16, 3.5), (16, 15.0), (11, 4.2), (12, 9.7)])
def test_a_flexible_small_world_has_its_edges_and_its_ring(units, degree):
    edges = round(units * degree / 2)
    ring = SmallWorldFlex(units=units, degree=degree, p=0.0).sample(0, family="relational").to_networkx()
    expected = nx.Graph()
    for unit in range(units):
        count = edges // units + (unit < edges % units)
        expected.add_edges_from((unit, (unit + far) % units) for far in range(1, count + 1))
    assert set(map(frozenset, ring.to_undirected().edges)) == set(map(frozenset, expected.edges))
    for seed in range(3):
        moved = SmallWorldFlex(units=units, degree=degree, p=0.6).sample(seed, family="relational")
        assert moved.graph_edges.shape[1] == edges


def test_half_of_the_edges_move_where_they_move_half_of_the_time():
    prior = SmallWorldFlex(units=60, degree=4.0, p=0.5)
    stays = 0
    for seed in range(30):
        source, target = prior.pairs(np.random.default_rng(seed))
        stays += int((np.minimum((target - source) % 60, (source - target) % 60) <= 2).sum())
    # Of those that move, some 4 / 57 come to lie on the ring again.
    assert stays / (30 * 120) == pytest.approx(0.5 + 0.5 * 2 / 57, abs=0.03)


def test_communities_are_strong():
    for seed in range(10):
        prior = StrongCommunity(units=30, communities=3, degree=6.0, mixing=0.2)
        pairs = prior.pairs(np.random.default_rng(seed))
        group = np.arange(30) // 10
        across = group[pairs[0]] != group[pairs[1]]
        assert pairs.shape == (2, 90)
        assert len(np.unique(np.sort(pairs, axis=0), axis=1).T) == 90
        within = np.bincount(pairs[:, ~across].ravel(), minlength=30)
        out = np.bincount(pairs[:, across].ravel(), minlength=30)
        assert (within[out > 0] > out[out > 0]).all()
        assert 10 < across.sum() <= 18


def test_fan_ins_are_lognormal():
    prior = LognormalFanIn(sizes=[600, 900], mean=40.0, sigma=0.5)
    source, target = prior.pairs(np.random.default_rng(0))
    fan_in = np.bincount(target - 600, minlength=900)
    assert fan_in.mean() == pytest.approx(40, rel=0.06)
    assert np.log(fan_in).std() == pytest.approx(0.5, rel=0.08)
    assert np.log(fan_in).mean() == pytest.approx(np.log(40) - 0.125, abs=0.06)
    assert len(np.unique(source)) == 600


def test_they_are_drawn_where_they_are_named_and_move_no_draw_otherwise():
    new = {"expander", "lognormal-fan-in", "small-world-flex", "strong-community"}
    assert {name for name in PRIORS if not PRIORS[name].in_turn} == new
    space = Space("mlp", units=(12, 20))
    everything = sample(space, len(PRIORS), seed=0)
    assert not {structure.origin["prior"] for structure in everything} & new
    named = sample(space, 8, seed=0, priors=sorted(new))
    assert {structure.origin["prior"] for structure in named} == new


def test_parameters_that_do_not_fit_are_told():
    with pytest.raises(InvalidInputError, match="degree must be at most 9"):
        SmallWorldFlex(units=10, degree=9.5, p=0.1)
    with pytest.raises(InvalidInputError, match="communities must be at most 3"):
        StrongCommunity(units=10, communities=4, degree=2.0, mixing=0.1)
    with pytest.raises(InvalidInputError, match="degree must be at most 4"):
        StrongCommunity(units=10, communities=2, degree=4.5, mixing=0.1)
