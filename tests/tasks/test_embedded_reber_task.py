"""The embedded Reber grammar and its task, against a regular expression written here."""

from __future__ import annotations

import re
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nnstruct.errors import InvalidInputError
from nnstruct.tasks import Task, load_task
from nnstruct.tasks.embedded_reber import KINDS, is_embedded_reber

REST = r"T*V(PXT*V)*(V|PS)"
INNER = re.compile(rf"B(TS*X(S|X{REST})|P{REST})E")
LETTERS = "?BEPSTVX"


def oracle(text: str) -> bool:
    return bool(
        len(text) > 8
        and text[0] + text[-1] == "BE"
        and text[1] in "TP"
        and text[1] == text[-2]
        and INNER.fullmatch(text[2:-2])
    )


def labelled(task: Task) -> list[tuple[str, int]]:
    found = []
    for split in (task.train, task.val, task.test):
        assert split.lengths is not None
        for row, length, label in zip(split.inputs, split.lengths, split.targets, strict=True):
            found.append(("".join(LETTERS[symbol] for symbol in row[:length]), int(label)))
    return found


def small(seed: int = 0, **options: object) -> Task:
    return load_task("reber-embedded", **{"train": 120, "val": 40, "test": 60, "seed": seed, **options})


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 2**32))
def test_every_seed_is_balanced_labelled_right_and_without_repetitions(seed: int) -> None:
    task = small(seed)
    found = labelled(task)
    assert len({text for text, _ in found}) == len(found) == 220
    for text, label in found:
        assert oracle(text) == is_embedded_reber(text) == bool(label)
    assert [int(split.targets.sum()) for split in (task.train, task.val, task.test)] == [60, 20, 30]
    assert task.fingerprint == small(seed).fingerprint != small(seed + 1).fingerprint


def test_most_invalid_strings_are_wrong_in_the_long_range_letter_only() -> None:
    invalid = [text for text, label in labelled(load_task("reber-embedded")) if not label]
    other = {"T": "P", "P": "T"}
    long_range = [text for text in invalid if oracle(text[:-2] + other[text[-2]] + "E")]
    assert len(long_range) == 0.7 * len(invalid) == 2450
    rest = set(invalid) - set(long_range)
    assert all(text[1] == text[-2] and not INNER.fullmatch(text[2:-2]) for text in rest)
    for kind, decoy in KINDS.items():
        if kind != "long-range":
            assert abs(sum(decoy.grammar.accepts(text) for text in rest) - 262.5) < 1


def test_lengths_and_single_letters_tell_nothing() -> None:
    found = labelled(load_task("reber-embedded"))
    valid = [text for text, label in found if label]
    invalid = [text for text, label in found if not label]
    assert Counter(map(len, valid)) == Counter(map(len, invalid))
    for position in (1, -2):
        shares = [np.mean([text[position] == "T" for text in texts]) for texts in (valid, invalid)]
        assert abs(shares[0] - shares[1]) < 0.03


def test_long_range_alone() -> None:
    found = labelled(small(kinds=["long-range"], min_length=20))
    assert all(text[1] != text[-2] and INNER.fullmatch(text[2:-2]) for text, label in found if not label)
    assert min(len(text) for text, _ in found) == 20


def test_vocabulary_is_fixed() -> None:
    assert small(train=2, val=2, test=2).num_symbols == 8
    assert load_task("reber-embedded").num_symbols == 8


def test_a_known_task_stays_what_it_is() -> None:
    """Published benchmarks name this fingerprint: it may change with a new version only."""
    assert load_task("reber-embedded").fingerprint == "ae136ae06453cb82"


@pytest.mark.parametrize(
    ("text", "member"),
    [
        ("BTBTXSETE", True),
        ("BPBPVVEPE", True),
        ("BPBPVVETE", False),
        ("BTBPVVETEE", False),
        ("BPVVE", False),
        ("BSBPVVESE", False),
    ],
)
def test_membership(text: str, member: bool) -> None:
    assert is_embedded_reber(text) is member is oracle(text)


def test_unknown_kind_is_a_clear_error() -> None:
    with pytest.raises(InvalidInputError, match="names among long-range, inner-entry"):
        small(kinds=["entry"])
