"""A Space says which structures it holds, and which bound another one breaks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from nnstruct.errors import InvalidInputError, UnknownNameError
from nnstruct.space import Space
from nnstruct.structure import Structure


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
