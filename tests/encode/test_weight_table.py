"""Columns of trained weights: what is learned, what is kept apart, what is refused."""

from __future__ import annotations

import gc

import numpy as np
import pytest
from sklearn.base import clone

from nnstruct import Network, Structure
from nnstruct.encode import FeatureTable, WeightTable, weight_table
from nnstruct.errors import InvalidInputError, UnknownNameError
from nnstruct.properties import network_features


def drawn(count: int, seed: int = 0) -> list[Network]:
    rng = np.random.default_rng(seed)
    made = []
    for number in range(count):
        structure = Structure.from_layers([2, 2 + number % 3, 1])
        shapes = (structure.num_edges, 1), (structure.num_units, 1)
        made.append(Network(structure, *(rng.normal(size=shape) for shape in shapes)))
    return made


def test_columns_are_the_measures_that_vary():
    networks = drawn(8)
    table = WeightTable().fit(networks)
    whole = network_features(networks, ["statnn"])
    varying = [name for name in whole if whole[name].nunique() > 1]
    assert table.columns_ == varying
    np.testing.assert_allclose(table.transform(networks), whole[varying], rtol=1e-9)
    assert not any(name.startswith("statnn.readout") for name in table.columns_)


def test_gaps_are_filled_with_the_median_of_fit():
    networks = drawn(5)
    tensors = {"readout_bias": np.arange(3.0)}
    held = [Network(n.structure, n.weight, n.bias, {"readout_bias": tensors["readout_bias"] * k})
            for k, n in enumerate(networks[:3], start=1)]  # fmt: skip
    table = WeightTable().fit([*held, networks[3]])
    column = table.columns_.index("statnn.readout_bias_max")
    assert table.transform([*held, networks[4]])[:, column].tolist() == [2.0, 4.0, 6.0, 4.0]


def test_columns_of_the_structure_stand_behind():
    networks = drawn(9)
    structures = [network.structure for network in networks]
    table = WeightTable(structure=["paper"]).fit(networks)
    alone = FeatureTable(["paper"]).fit(structures)
    weights = WeightTable().fit(networks)
    assert table.get_feature_names_out().tolist() == weights.columns_ + alone.columns_
    joined = np.concatenate([weights.transform(networks), alone.transform(structures)], axis=1)
    np.testing.assert_array_equal(table.transform(networks), joined)


def test_structures_without_weights():
    structures = [network.structure for network in drawn(9)]
    table = WeightTable(structure=["paper"]).fit(structures)
    np.testing.assert_array_equal(
        table.transform(structures), FeatureTable(["paper"]).fit(structures).transform(structures)
    )


def test_equal_networks_have_one_constant_column():
    network = drawn(1)[0]
    assert WeightTable().fit([network, network]).transform([network]).shape == (1, 1)


def test_rows_are_kept_while_their_network_lives():
    networks = drawn(4)
    WeightTable().fit(networks)
    assert all(network in weight_table._rows for network in networks)
    before = len(weight_table._rows)
    del networks
    gc.collect()
    assert len(weight_table._rows) == before - 4


def test_wrong_input():
    networks = drawn(4)
    structures = [network.structure for network in networks]
    with pytest.raises(InvalidInputError, match=r"structures\[3\] must be a Network as others are"):
        WeightTable(structure="auto").fit([*networks[:3], structures[3]])
    with pytest.raises(InvalidInputError, match="structures must be Networks, whose weights are read"):
        WeightTable().fit(structures)
    with pytest.raises(InvalidInputError, match="structures must be Networks, as in fit"):
        WeightTable(structure="auto").fit(networks).transform(structures)
    with pytest.raises(InvalidInputError, match="structures must be Structures, as in fit"):
        WeightTable(structure="auto").fit(structures).transform(networks)
    with pytest.raises(UnknownNameError, match="statnn"):
        WeightTable(["statn"]).fit(networks)
    with pytest.raises(InvalidInputError, match="families must be a sequence of names"):
        WeightTable("statnn").fit(networks)
    with pytest.raises(InvalidInputError, match="structures must hold at least one"):
        WeightTable().fit([])


def test_parameters_are_kept_by_clone():
    assert clone(WeightTable(["weights"], "auto")).get_params() == {
        "families": ["weights"],
        "structure": "auto",
    }
