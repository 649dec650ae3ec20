"""A Space says which structures it holds, and which bound another one breaks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from nnstruct.errors import InvalidInputError, UnknownNameError
from nnstruct.structure import Structure
from nnstruct.structure.space import Space


@pytest.mark.parametrize(
    ("structure", "violation"),
    [
        (Structure.from_layers([3, 2], family="gru"), None),
        (Structure.from_layers([3, 3], family="gru"), None),
        (Structure.from_layers([3, 2], family="lstm"), "its family is 'lstm', not 'gru'"),
        (Structure.from_layers([2, 1], family="gru"), "it has 3 units, not 4 to 6"),
        (Structure.from_layers([4, 3], family="gru"), "it has 7 units, not 4 to 6"),
        (Structure.from_layers([2, 3, 1], family="gru"), None),
        (Structure.from_layers([2, 2, 2], family="gru"), None),
        (
            Structure(np.stack(np.triu_indices(5, 1)), 5, family="gru"),
            "it has 10 forward edges, more than 9",
        ),
        (
            Structure([[0, 1, 2], [1, 2, 3]], 4, family="gru", outputs=np.array([False, True, False, False])),
            "unit 2 is on no path from an input to an output",
        ),
    ],
)
def test_the_first_bound_broken_is_named(structure: Structure, violation: str | None) -> None:
    space = Space("gru", units=(4, 6), max_edges=9)
    assert space.violation(structure) == violation
    assert space.contains(structure) == (violation is None)


def test_delayed_edges_do_not_count_as_forward_ones() -> None:
    structure = Structure.from_layers([3, 3], family="gru")
    assert structure.num_edges > 9
    assert Space("gru", units=(2, 6), max_edges=9).contains(structure)


def test_no_bound_on_edges_by_default() -> None:
    assert Space("mlp", units=(2, 50)).contains(Structure.from_layers([20, 20]))


@pytest.mark.parametrize(
    "units", [(1, 5), (5, 4), (2.0, 5), (2,), (2, 3, 4), 5, "23", None, (True, 5), (2, "5")]
)
def test_bad_bounds_on_units(units: Any) -> None:
    with pytest.raises(InvalidInputError, match="units must be"):
        Space("mlp", units=units)


@pytest.mark.parametrize("max_edges", [3, -1, 2.5, "10"])
def test_bad_bounds_on_edges(max_edges: Any) -> None:
    with pytest.raises(InvalidInputError, match="max_edges must be an integer, at least 4"):
        Space("mlp", units=(5, 9), max_edges=max_edges)


def test_unknown_names() -> None:
    with pytest.raises(UnknownNameError, match=r"family must be .*Did you mean 'rnn_tanh'\?"):
        Space("rnn_tan")
    with pytest.raises(UnknownNameError, match="recurrence must be"):
        Space("gru", recurrence="sideways")


def test_spaces_are_values() -> None:
    assert Space("gru", units=[4, 6]) == Space("gru", units=(4, 6))  # type: ignore[arg-type]
    assert len({Space("gru"), Space("gru"), Space("lstm")}) == 2
    with pytest.raises(AttributeError):
        Space("gru").family = "lstm"  # type: ignore[misc]


# ---- attributes of units


def cells(**attributes: Any) -> Structure:
    return Structure([[0, 1], [1, 2]], 3, family="cnn", attributes=attributes)


@pytest.mark.parametrize(
    ("bounds", "attributes", "violation"),
    [
        ({}, {}, None),
        ({}, {"operator": ["add"] * 3}, None),
        ({"operators": ["conv3x3"]}, {}, None),
        (
            {"operators": ["conv1x1", "identity"]},
            {"operator": ["conv1x1", "maxpool3x3", "identity"]},
            "the operator of unit 1 is 'maxpool3x3', none of conv1x1, identity",
        ),
        ({"activations": ["tanh"]}, {}, "the activation of unit 0 is 'relu', none of tanh"),
        (
            {"joins": ["sum"]},
            {"join": ["sum", "sum", "concat"]},
            "the join of unit 2 is 'concat', none of sum",
        ),
        ({"stages": 2}, {"stage": [0, 1, 1]}, None),
        ({}, {"stage": [0, 0, 1]}, "the stage of unit 2 is 1, not 0 to 0"),
        ({"stages": 2}, {"stage": ["a", 1, 1]}, "the stage of unit 0 is 'a', not 0 to 1"),
        ({"stages": 2}, {"stage": [0, 1, 0]}, "an edge leads back from stage 1 to stage 0"),
        ({"channels": (4, 8)}, {}, "unit 0 of stage 0 has 1 channels, not 4 to 8"),
        ({"channels": (4, 8), "stages": 2}, {"stage": [0, 1, 1], "channels": [4, 8, 16]}, None),
        (
            {"channels": (4, 8), "stages": 2},
            {"stage": [0, 1, 1], "channels": [4, 7, 8]},
            "unit 1 of stage 1 has 7 channels, not 8 to 16",
        ),
        ({"stages": 2}, {"stage": [0, 0, 1]}, None),
        ({}, {"channels": [1, 0, 1]}, "unit 1 of stage 0 has 0 channels, not 1 or more"),
        (
            {},
            {"operator": ["identity", "hamiltonian3x3", "identity"], "channels": [3, 3, 3]},
            "unit 1 is a hamiltonian3x3 with 3 channels, not an even number",
        ),
    ],
)
def test_the_first_bound_on_attributes_broken_is_named(
    bounds: dict[str, Any], attributes: dict[str, Any], violation: str | None
) -> None:
    space = Space("cnn", units=(2, 6), **bounds)
    assert space.violation(cells(**attributes)) == violation


def test_attributes_that_a_space_does_not_ask_for_are_not_looked_at() -> None:
    structure = Structure.from_layers([2, 2])
    named = Structure(
        structure.edge_index,
        4,
        attributes={"operator": ["add"] * 4, "stage": [3, 2, 1, 0], "join": ["x"] * 4},
    )
    assert Space("mlp", units=(2, 6)).contains(named)
    assert Space("mlp", units=(2, 6), activations=["relu"]).contains(named)
    assert not Space("mlp", units=(2, 6), activations=["tanh"]).contains(named)


@pytest.mark.parametrize(
    ("family", "bounds", "message"),
    [
        ("cnn", {"operators": "conv3x3"}, "operators must be a sequence of names, got 'conv3x3'"),
        ("cnn", {"operators": ["conv5x5"]}, "operators must be among conv3x3, .*, got 'conv5x5'"),
        ("cnn", {"joins": ["sum", "sum"]}, "joins must name each once"),
        ("cnn", {"joins": 3}, "joins must be a sequence of names"),
        ("mlp", {"activations": ["relu6"]}, "activations must be among relu, tanh, gelu, got 'relu6'"),
        ("mlp", {"operators": ["conv3x3"]}, "operators must be left out for the family 'mlp'"),
        ("gru", {"activations": ["relu"]}, "activations must be left out for the family 'gru'"),
        ("mlp", {"stages": 2}, "stages must be left out for the family 'mlp'"),
        ("mlp", {"channels": (1, 2)}, "channels must be left out for the family 'mlp'"),
        ("cnn", {"channels": (0, 2)}, "channels must be integers with 1 <= least <= greatest"),
        ("cnn", {"channels": (4, 2)}, "channels must be integers with 1 <= least <= greatest"),
        ("cnn", {"channels": 8}, "channels must be a pair"),
        ("cnn", {"channels": (8,)}, "channels must be a pair"),
        ("cnn", {"stages": 0}, "stages must be an integer, at least 1"),
        ("cnn", {"stages": True}, "stages must be an integer, at least 1"),
        ("cnn", {"stages": 1.5}, "stages must be an integer, at least 1"),
        ("cnn", {"operators": ["hamiltonian3x3"]}, "channels must hold an even number for 'hamiltonian3x3'"),
        ("cnn", {"operators": ["hamiltonian3x3"], "channels": (3, 3)}, "channels must hold an even number"),
    ],
)
def test_bad_bounds_on_attributes(family: str, bounds: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        Space(family, **bounds)


def test_a_space_without_attributes_looks_as_it_always_did() -> None:
    space = Space("gru", units=(4, 6), max_edges=9)
    assert repr(space) == "Space(family='gru', units=(4, 6), max_edges=9, recurrence='layer')"
    assert space.to_dict() == {"family": "gru", "units": [4, 6], "max_edges": 9, "recurrence": "layer"}
    wide = Space("cnn", operators=["identity"], channels=[4, 8], stages=2)  # type: ignore[arg-type]
    assert wide.to_dict() == {
        "family": "cnn", "units": [10, 50], "max_edges": None, "recurrence": "layer",
        "operators": ["identity"], "channels": [4, 8], "stages": 2,
    }  # fmt: skip
    assert Space(**wide.to_dict()) == wide
    assert hash(Space(**wide.to_dict())) == hash(wide)
    assert "operators=('identity',), channels=(4, 8), stages=2" in repr(wide)
