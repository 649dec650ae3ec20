"""The automaton behind the string tasks: counting, ranking, drawing."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nnstruct.errors import InvalidInputError
from nnstruct.tasks.grammar import Grammar, apportion
from nnstruct.tasks.reber import REBER

UNEVEN = Grammar({0: {"a": 0, "b": 1, "c": 2}, 1: {"a": 2, "b": 2}}, start=0, end=2)


@pytest.mark.parametrize("length", range(1, 7))
def test_count_and_string_enumerate_exactly_what_is_accepted(length: int) -> None:
    accepted = {
        "".join(text) for text in itertools.product("abc", repeat=length) if UNEVEN.accepts("".join(text))
    }
    ranked = [UNEVEN.string(length, rank) for rank in range(UNEVEN.count(length))]
    assert len(set(ranked)) == len(ranked)
    assert set(ranked) == accepted


def test_a_rank_beyond_the_last_string_is_an_error() -> None:
    with pytest.raises(InvalidInputError, match=r"rank must be in 0\.\.1, got 2"):
        REBER.string(5, 2)


def test_the_end_takes_no_more_letters() -> None:
    assert REBER.accepts("BTXSE")
    assert not REBER.accepts("BTXSEE")
    assert not REBER.accepts("")


def test_lengths_are_those_of_fair_walks_without_repetitions() -> None:
    """The expectation in closed form against the process that it stands for."""
    wanted, means = 600, []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        found: set[str] = set()
        while len(found) < wanted:
            state: object = REBER.start
            letters = ""
            while state != REBER.end:
                steps = sorted(REBER.arcs[state].items())
                letter, state = steps[int(rng.random() * len(steps))]
                letters += letter
            if len(letters) >= 11:
                found.add(letters)
        means.append(np.mean([len(text) for text in found]))
    lengths = REBER.lengths(wanted, 11, 60)
    expected = sum(length * number for length, number in lengths.items()) / wanted
    assert abs(np.mean(means) - expected) < 0.25


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 400), st.integers(5, 12), st.integers(0, 10))
def test_lengths_sum_up_and_never_exceed_what_exists(n: int, low: int, span: int) -> None:
    capacity = sum(REBER.count(length) for length in range(low, low + span + 1))
    if n > capacity:
        with pytest.raises(InvalidInputError, match=f"at most {capacity} strings"):
            REBER.lengths(n, low, low + span)
        return
    lengths = REBER.lengths(n, low, low + span)
    assert sum(lengths.values()) == n
    assert all(0 <= number <= REBER.count(length) for length, number in lengths.items())


def test_every_string_can_be_asked_for() -> None:
    capacity = sum(REBER.count(length) for length in range(5, 31))
    lengths = REBER.lengths(capacity, 5, 30)
    assert all(lengths[length] == REBER.count(length) for length in range(5, 31))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6))
def test_draw_gives_different_strings_of_the_lengths_asked_for(seed: int) -> None:
    wanted = {5: 2, 9: 11, 14: 20, 40: 3}
    drawn = REBER.draw(wanted, np.random.default_rng(seed))
    assert len(set(drawn)) == len(drawn)
    assert Counter(map(len, drawn)) == wanted
    assert all(REBER.accepts(text) for text in drawn)


def test_draw_leaves_out_the_excluded_and_says_when_too_few_are_left() -> None:
    rng = np.random.default_rng(0)
    assert REBER.draw({5: 1}, rng, exclude={"BTXSE"}) == ["BPVVE"]
    with pytest.raises(InvalidInputError, match="at most 1 strings of 5 letters"):
        REBER.draw({5: 2}, rng, exclude={"BTXSE"})


def test_draw_is_uniform_among_strings_of_one_length() -> None:
    rng = np.random.default_rng(0)
    seen = Counter(REBER.draw({8: 1}, rng)[0] for _ in range(2100))
    assert len(seen) == REBER.count(8) == 7
    assert max(seen.values()) < 380
    assert min(seen.values()) > 220


@given(st.integers(0, 1000), st.lists(st.floats(0.1, 10), min_size=1, max_size=8))
def test_apportion_is_whole_and_within_one_of_the_share(n: int, shares: list[float]) -> None:
    parts = apportion(n, shares)
    assert sum(parts) == n
    for part, share in zip(parts, shares, strict=True):
        assert abs(part - n * share / sum(shares)) < 1 + 1e-6
