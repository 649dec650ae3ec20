"""A suite runs its checks in order, and says in one sentence what is broken."""

from __future__ import annotations

import random

import numpy as np
import pytest

from nnstruct.errors import InvalidInputError, MissingDataError
from nnstruct.registry import Registry
from nnstruct.testing.laws import (
    Suite,
    close,
    global_state,
    hold,
    other_global_state,
    refused,
    registered_once,
)


def test_checks_run_in_order_until_one_fails() -> None:
    suite, seen = Suite(), []

    @suite.law
    def first(part: int) -> None:
        seen.append("first")

    @suite.law
    def second(part: int) -> None:
        hold(part > 0, "The part", "be positive", str(part))

    @suite.law
    def third(part: int) -> None:
        seen.append("third")

    assert suite.checks() == [("first", first), ("second", second), ("third", third)]
    suite.run(1)
    with pytest.raises(AssertionError, match=r"^The part must be positive, got -1\.$"):
        suite.run(-1)
    assert seen == ["first", "third", "first"]


def test_another_error_is_handed_on_with_the_name_of_the_check() -> None:
    suite = Suite()

    @suite.law
    def it_divides(part: int) -> None:
        hold(1 / part, "The part", "divide")

    with pytest.raises(ZeroDivisionError) as caught:
        suite.run(0)
    assert caught.value.__notes__ == ["Raised by the check it_divides."]


def raising(error: Exception):
    def call() -> None:
        raise error

    return call


def test_a_refusal_is_given_back() -> None:
    error = InvalidInputError("size", "be positive", -1)
    assert refused(raising(error), "The part", "size=-1", InvalidInputError, "^size must") is error


@pytest.mark.parametrize(
    ("call", "found"),
    [
        (lambda: 7, "got 7"),
        (raising(KeyError("size")), r"got KeyError\('size'\)"),
        (raising(InvalidInputError("width", "be positive", -1)), "got 'width must be positive, got -1.'"),
    ],
)
def test_what_is_not_refused_is_told(call, found: str) -> None:
    sentence = f"The part must refuse size=-1 with a InvalidInputError that says '\\^size must', {found}"
    with pytest.raises(AssertionError, match=sentence):
        refused(call, "The part", "size=-1", InvalidInputError, "^size must")


def test_errors_may_pass() -> None:
    with pytest.raises(MissingDataError):
        refused(raising(MissingDataError("gone")), "x", "y", InvalidInputError, passing=(MissingDataError,))


@pytest.mark.parametrize("found", [np.array([0.0, 1.1]), np.array([0.0, np.nan]), np.array([0.0])])
def test_arrays_that_differ_are_told(found: np.ndarray) -> None:
    close(np.array([0.0, 1.05]), np.array([0.0, 1.0]), "The part", "be near", 0.06)
    with pytest.raises(AssertionError, match=r"The part must be near, got (a difference|the shapes)"):
        close(found, np.array([0.0, 1.0]), "The part", "be near", 0.06)


def test_a_part_under_two_names_is_told() -> None:
    registry, part = Registry("part"), object()
    with pytest.raises(AssertionError, match="'a' and no other, got no registration"):
        registered_once(registry, part, "a", "The part")
    registry.register("a")(part)
    registered_once(registry, part, "a", "The part")
    registry.register("b")(part)
    with pytest.raises(AssertionError, match="'a' and no other, got 'a', 'b'"):
        registered_once(registry, part, "a", "The part")


def test_global_state_comes_back() -> None:
    before = global_state()
    with other_global_state(5):
        first = random.random(), np.random.random()  # noqa: NPY002
        assert global_state() != before
    assert global_state() == before
    with other_global_state(5):
        assert (random.random(), np.random.random()) == first  # noqa: NPY002
