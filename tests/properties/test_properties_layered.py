"""The layered measures against enumeration, and where they are undefined."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from properties_oracles import brute_layered, structures

from nnstruct import Structure
from nnstruct.properties import features


def measures(structure: Structure) -> dict[str, float]:
    row = features([structure], ("layered",), cache=False).iloc[0]
    return {name.removeprefix("layered."): float(value) for name, value in row.items()}


@given(structure=structures(max_units=9))
@settings(max_examples=60, deadline=None)
def test_equals_enumeration(structure):
    found, expected = measures(structure), brute_layered(structure)
    assert set(found) == set(expected)
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=1e-9, abs=1e-12, nan_ok=True), name


def test_skip_by_hand():
    # 0 -> 1 -> 2 -> 3 with the skip 0 -> 3 and unit 4 beside 1.
    structure = Structure([[0, 1, 2, 0, 0, 4], [1, 2, 3, 3, 4, 2]], 5)
    found = measures(structure)
    assert (found["width_max"], found["longest_path"], found["skips_into_last"]) == (2, 3, 1)
    assert (found["span_max"], found["span_mean"], found["skip_share"]) == (3, 8 / 6, 1 / 6)
    assert (found["bottleneck_edges"], found["bottleneck_units"]) == (2, 1)
    assert found["log_paths"] == pytest.approx(math.log(3))
    assert (found["fan_in_max"], found["fan_out_max"]) == (2, 3)


def test_parameters_of_a_gated_structure():
    found = measures(Structure.from_layers([2, 3], family="gru"))
    assert found["parameters_forward"] == 3 * 6
    assert found["parameters_recurrent"] == 3 * (4 + 9)
    assert found["parameters_bias"] == 4 * 5
    assert found["parameters"] == 18 + 39 + 20
    assert (found["recurrent_edges"], found["recurrent_share"]) == (13, 13 / 19)


def test_dead_units_of_a_module():
    structure = Structure(
        [[0, 2, 1], [1, 3, 4]], 5, family="module", inputs=np.arange(5) == 0, outputs=np.arange(5) == 1
    )
    found = measures(structure)
    assert (found["units_to_output"], found["units_dead"]) == (2, 3)
    assert (found["inputs"], found["outputs"], found["log_paths"]) == (1, 1, 0)


def test_output_that_no_input_reaches_has_no_path_count():
    structure = Structure([[0], [1]], 3, family="module", inputs=np.arange(3) == 0, outputs=np.arange(3) == 2)
    assert math.isnan(measures(structure)["log_paths"])


@pytest.mark.parametrize("units", [1, 4])
def test_no_edges(units):
    found = measures(Structure(np.zeros((2, 0), int), units))
    undefined = {name for name, value in found.items() if math.isnan(value)}
    assert undefined == {
        "bottleneck_edges", "bottleneck_units", "span_mean", "span_sd", "span_max", "skip_share",
        "fan_in_mean", "fan_in_sd", "fan_in_max", "fan_out_mean", "fan_out_sd", "fan_out_max",
        "recurrent_share",
    }  # fmt: skip
    assert found["log_paths"] == pytest.approx(math.log(units))
    assert (found["width_last"], found["width_second_last"], found["longest_path"]) == (units, 0, 0)


def test_path_counts_beyond_the_largest_float():
    found = measures(Structure.from_layers([7] * 900))
    assert found["log_paths"] == pytest.approx(900 * math.log(7), rel=1e-12)


def test_path_counts_of_unlike_size_add_up():
    # A chain of 900 beside 900 layers of 7: one path more, far below the others.
    wide = Structure.from_layers([7] * 900)
    chain = np.stack([np.arange(6300, 7199), np.arange(6301, 7200)])
    both = Structure(np.concatenate([wide.edge_index, chain], axis=1), 7200)
    assert measures(both)["log_paths"] == pytest.approx(900 * math.log(7), rel=1e-12)
