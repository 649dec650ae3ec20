"""A Network's values fit its Structure, are finite and cannot be written."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from strategies import any_structures

from nnstruct.errors import InvalidInputError
from nnstruct.network import Network
from nnstruct.structure import Structure
from nnstruct.structure.families import FAMILIES


def network_of(structure: Structure, **changes: Any) -> Network:
    family = FAMILIES[structure.family]
    values: dict[str, Any] = {
        "weight": np.arange(structure.num_edges * family.gates).reshape(-1, family.gates),
        "bias": np.zeros((structure.num_units, family.biases)),
    }
    return Network(structure, **(values | changes))


@given(any_structures)
def test_every_structure_takes_values(structure: Structure) -> None:
    network = network_of(structure, tensors={"readout_weight": np.ones((2, 3))})
    assert network.structure is structure
    assert network.weight.dtype == network.bias.dtype == np.float32
    assert network.weight.shape == (structure.num_edges, FAMILIES[structure.family].gates)
    assert network.tensors["readout_weight"].dtype == np.float32


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("weight", np.ones((3, 1)), r"weight must have shape \[4, k\], got \[3, 1\]"),
        ("weight", np.ones(4), r"weight must have shape \[4, k\]"),
        ("bias", np.ones((4, 1, 1)), r"bias must have shape \[4, k\]"),
        ("bias", np.ones((5, 1)), r"bias must have shape \[4, k\]"),
        ("weight", np.array([[1.0], [np.nan], [1], [1]]), "weight must be finite, got nan"),
        ("bias", np.full((4, 1), 1e300), "bias must be finite, got inf"),
        ("tensors", {"readout_bias": np.array([np.inf])}, "readout_bias must be finite, got inf"),
        ("weight", [["a"]] * 4, "weight must hold numbers"),
        ("tensors", {"scale": {}}, "scale must hold numbers"),
    ],
)
def test_bad_values(name: str, value: Any, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        network_of(Structure.from_layers([2, 2]), **{name: value})


def test_values_are_copied_and_frozen() -> None:
    structure = Structure.from_layers([2, 2])
    weight, tensor = np.ones((4, 1), dtype=np.float32), np.ones(3, dtype=np.float32)
    network = network_of(structure, weight=weight, tensors={"input_weight": tensor})
    weight[:] = tensor[:] = 7
    assert network.weight.tolist() == [[1.0]] * 4
    assert network.tensors["input_weight"].tolist() == [1.0] * 3
    for array in (network.weight, network.bias, network.tensors["input_weight"]):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0
    with pytest.raises(TypeError):
        network.tensors["more"] = tensor  # type: ignore[index]
    with pytest.raises(AttributeError):
        network.weight = weight  # type: ignore[misc]


def test_copies_hold_the_same_values() -> None:
    network = network_of(Structure.from_layers([2, 2], family="lstm"), tensors={"scale": np.arange(3)})
    twin = copy.deepcopy(network)
    assert twin.structure == network.structure
    assert np.array_equal(twin.weight, network.weight)
    assert np.array_equal(twin.tensors["scale"], network.tensors["scale"])
    assert not twin.weight.flags.writeable
