"""Measures of the units themselves, by hand."""

import numpy as np
import pytest

from nnstruct import Structure
from nnstruct.properties import features


def row(structure):
    return (
        features([structure], ("units",), cache=False)
        .iloc[0]
        .rename(lambda name: name.removeprefix("units."))
    )


def test_a_network_of_cells_by_hand():
    attributes = {
        "operator": ["conv3x3", "conv1x1", "maxpool3x3", "sepconv3x3", "gradient-flow3x3"],
        "channels": [4, 8, 8, 2, 2],
        "stage": [0, 0, 1, 1, 2],
        "activation": ["relu", "tanh", "tanh", "gelu", "relu"],
        "join": ["concat", "sum", "concat", "concat", "sum"],
    }
    cells = Structure([[0, 0, 1, 2, 3], [1, 2, 3, 3, 4]], 5, family="cnn", attributes=attributes)
    found = row(cells)
    kernels = 1 * 4 * 8 + 1 * 4 * 8 + 1 * 8 * 2 + 1 * 8 * 2 + 9 * 2 * 2
    expected = {
        "channels": 24, "channels_mean": 4.8, "channels_std": np.std([4, 8, 8, 2, 2]), "channels_min": 2,
        "channels_max": 8, "channels_out": 2, "log_kernel_parameters": np.log(kernels), "stages": 3,
        "stage_mean": 0.8, "channels_at_full_size": 12, "joined_by_sum": 0.4, "share_relu": 0.4,
        "share_tanh": 0.4, "share_gelu": 0.2, "activations": 3,
    }  # fmt: skip
    assert dict(found) == pytest.approx(expected)


def test_without_attributes_the_defaults_count():
    found = row(Structure.from_layers([3, 4]))
    assert found["channels"] == 7
    assert found["log_kernel_parameters"] == pytest.approx(np.log(12))
    assert (found["stages"], found["share_relu"], found["joined_by_sum"]) == (1, 1, 0)


def test_what_is_no_number_is_nan():
    found = row(Structure([[0], [1]], 2, family="module", attributes={"stage": ["in", "out"]}))
    assert np.isnan([found["stages"], found["stage_mean"], found["channels_at_full_size"]]).tolist() == [
        True,
        True,
        False,
    ]
    assert found["channels"] == 2
    assert np.isnan(row(Structure(np.zeros((2, 0)), 2))["log_kernel_parameters"])
