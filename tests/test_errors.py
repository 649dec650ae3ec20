"""Errors name the field, the rule and the value, share a root, and survive a process boundary."""

from __future__ import annotations

import copy
import pickle

import pytest

from nnstruct import errors
from nnstruct.errors import InvalidInputError, NnstructError, StructureError, UnknownNameError

ALL = [
    value
    for value in vars(errors).values()
    if isinstance(value, type) and issubclass(value, NnstructError) and value is not NnstructError
]


def test_the_message_names_field_rule_and_value() -> None:
    error = InvalidInputError("units", "be positive", -3, "Give at least 1.")
    assert str(error) == "units must be positive, got -3. Give at least 1."
    assert (error.field, error.rule, error.value, error.hint) == (
        "units",
        "be positive",
        -3,
        "Give at least 1.",
    )


def test_a_long_value_is_cut() -> None:
    message = str(InvalidInputError("x", "be short", "a" * 10_000))
    assert len(message) < 250
    assert message.endswith("....")


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
def test_every_error_is_also_a_standard_one(kind: type[NnstructError]) -> None:
    standard = [base for base in kind.__mro__ if base.__module__ == "builtins"]
    assert issubclass(kind, NnstructError)
    assert set(standard) - {Exception, BaseException, object}


@pytest.mark.parametrize("kind", [InvalidInputError, StructureError, UnknownNameError])
def test_errors_survive_copy_and_pickle(kind: type[InvalidInputError]) -> None:
    error = kind("field", "be right", "wrong", "Look again.")
    for twin in (copy.deepcopy(error), pickle.loads(pickle.dumps(error))):
        assert type(twin) is kind
        assert str(twin) == str(error)
        assert twin.value == "wrong"


def test_an_unknown_name_reads_as_a_sentence_although_it_is_a_key_error() -> None:
    error = UnknownNameError("prior", "be one of a, b", "c")
    assert isinstance(error, KeyError)
    assert str(error) == "prior must be one of a, b, got 'c'."
