"""Columns of convolutional structures, against what the networks are that they stand for."""

from __future__ import annotations

import numpy as np
import pytest

from nnstruct import Space, Structure, load_task, priors
from nnstruct.encode import FeatureTable
from nnstruct.encode.cell_columns import cell_blocks, cell_names
from nnstruct.modules import build_module

SPACE = Space(
    "cnn",
    units=(4, 10),
    operators=["conv3x3", "conv1x1", "sepconv3x3", "maxpool3x3", "avgpool3x3", "identity"],
    activations=["relu", "tanh"],
    channels=(3, 6),
    stages=2,
    joins=["concat", "sum"],
)


def columns(structure: Structure) -> dict[str, float]:
    """All columns of one structure by name."""
    return {
        name: value
        for block in cell_blocks([structure])
        for name, value in zip(block.names, block.values[0].tolist(), strict=True)
    }


def cells(edges: list[tuple[int, int]], operator: list[str], **attributes: list) -> Structure:
    """A structure of convolution cells."""
    index = np.array(edges, dtype=np.int64).reshape(-1, 2).T
    return Structure(index, len(operator), family="cnn", attributes={"operator": operator, **attributes})


def test_weights_are_those_of_the_module() -> None:
    task = load_task("shapes", train=64, val=8, test=8)
    for structure in priors.sample(SPACE, 12, seed=3):
        parameters = build_module(structure, task).parameters_by_name()
        held = [values for name, values in parameters.items() if name in ("weight", "unit_weight")]
        weights = sum(int(np.count_nonzero(values)) for values in held)
        found = columns(structure)
        inside = np.expm1(found["cost.weights"]) - np.expm1(found["cost.on_the_image"])
        assert inside == pytest.approx(weights, rel=1e-9)


def test_a_pool_hands_on_what_a_convolution_made() -> None:
    chain = cells([(0, 1), (1, 2)], ["conv3x3", "conv3x3", "avgpool3x3"], channels=[4, 6, 6])
    found = columns(chain)
    assert found["features.convolutions_most"] == 2
    assert found["features.spatial_most"] == 2
    assert np.exp(found["features.receptive_field_most"]) == pytest.approx(7)  # 1 + 2 + 2 + 2
    assert np.expm1(found["features.learned"]) == pytest.approx(6)
    assert np.expm1(found["features.of_avgpool3x3"]) == pytest.approx(6)
    assert np.expm1(found["features.of_conv3x3"]) == pytest.approx(0)


def test_a_pool_of_the_image_learns_nothing() -> None:
    found = columns(cells([(0, 1)], ["avgpool3x3", "identity"], channels=[3, 3]))
    assert found["features.convolutions_most"] == 0
    assert found["features.nonlinear_most"] == 0
    assert found["features.learned"] == 0


def test_stages_widen_what_is_seen_and_halve_what_it_costs() -> None:
    same = cells([(0, 1)], ["conv3x3", "conv3x3"], channels=[4, 4])
    later = cells([(0, 1)], ["conv3x3", "conv3x3"], channels=[4, 4], stage=[0, 1])
    one, two = columns(same), columns(later)
    assert np.exp(one["features.receptive_field_most"]) == pytest.approx(5)
    assert np.exp(two["features.receptive_field_most"]) == pytest.approx(7)
    assert one["cost.weights"] == two["cost.weights"]
    first = 36.0  # on an image of one channel
    assert np.expm1(one["cost.multiply_adds"]) == pytest.approx(first + 144)
    assert np.expm1(two["cost.multiply_adds"]) == pytest.approx(first + 144 / 4)


def test_a_sum_mixes_no_more_features_than_it_has_channels() -> None:
    edges = [(0, 2), (1, 2)]
    added = columns(cells(edges, ["conv3x3", "conv3x3", "identity"], channels=[5, 5, 5], join=["sum"] * 3))
    beside = columns(cells(edges, ["conv3x3", "conv3x3", "identity"], channels=[5, 5, 10]))
    assert np.expm1(added["features.learned"]) == pytest.approx(5)
    assert np.expm1(beside["features.learned"]) == pytest.approx(10)
    assert np.expm1(beside["features.distinct"]) == pytest.approx(10)


def test_order_of_units_leaves_no_trace_and_other_families_have_none() -> None:
    rng = np.random.default_rng(0)
    for structure in priors.sample(SPACE, 6, seed=1):
        other = structure.relabel(rng.permutation(structure.num_units))
        for one, two in zip(cell_blocks([structure]), cell_blocks([other]), strict=True):
            np.testing.assert_allclose(one.values, two.values, rtol=1e-12)
    blocks = cell_blocks([Structure.from_layers([2, 2])])
    assert all(np.isnan(block.values).all() for block in blocks)
    assert [block.names for block in blocks] == list(cell_names())


def test_a_structure_that_no_network_can_have_has_gaps() -> None:
    back = cells([(0, 1)], ["conv3x3", "conv3x3"], stage=[1, 0])
    assert all(np.isnan(block.values).all() for block in cell_blocks([back]))


def test_the_table_has_them_for_convolutional_structures_alone() -> None:
    table = FeatureTable().fit(priors.sample(SPACE, 8, seed=0))
    assert {"cost", "features"} <= set(table.groups_)
    assert "cost" not in FeatureTable().fit(priors.sample(Space("mlp", units=(4, 8)), 8, seed=0)).groups_
