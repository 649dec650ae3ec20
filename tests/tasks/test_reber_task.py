"""The Reber grammar and its task, against regular expressions written here."""

from __future__ import annotations

import itertools
import re
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nnstruct.errors import InvalidInputError
from nnstruct.tasks import Split, Task, load_task
from nnstruct.tasks.grammar import Grammar
from nnstruct.tasks.reber import KINDS, OWN_LETTERS, REBER, is_reber, reber_strings

REGEX = re.compile(r"B(TS*X(S|XT*V(PXT*V)*(V|PS))|PT*V(PXT*V)*(V|PS))E")

# Letters of the arcs of the eight automata found in the seed study's files, and shares in percent.
LETTERS = {
    "entry": ("PT SX TV XS PV", 12),
    "loops": ("TP TV SX XS PV", 16),
    "exits": ("TP SX TV PV XS", 12),
    "loop-for-exit": ("TP XS VT XS PV", 4),
    "letters-acdf": ("AC DF JI HG LK", 16),
    "letters-qomn": ("QO MN CA UR FD", 12),
    "letters-mnoq": ("MN OQ CA UR FD", 12),
    "letters-mnoqvw": ("MN OQ WV UR ZY", 16),
}


def decoy_regex(letters: str) -> re.Pattern[str]:
    (up, down), (s, x), (t, v), (again, stop), (p, last) = letters.split()
    rest = f"{t}*{v}({p}{again}{t}*{v})*({last}|{p}{stop})"
    return re.compile(f"B({up}{s}*{x}({stop}|{again}{rest})|{down}{rest})E")


DECOYS = {kind: decoy_regex(letters) for kind, (letters, _) in LETTERS.items()}


def strings(split: Split) -> list[str]:
    """Letters of a split, decoded without the package's help."""
    assert split.lengths is not None
    rows = zip(split.inputs.tolist(), split.lengths.tolist(), strict=True)
    return ["".join(chr(64 + symbol) for symbol in row[:length]) for row, length in rows]


def splits(task: Task) -> list[Split]:
    return [task.train, task.val, task.test]


def small(seed: int = 0, **options: object) -> Task:
    return load_task("reber", **{"train": 120, "val": 40, "test": 60, "seed": seed, **options})


def test_membership_is_that_of_the_regular_expression_for_all_short_strings() -> None:
    valid = 0
    for length in range(7):
        for inner in itertools.product("TSXPV", repeat=length):
            text = "B" + "".join(inner) + "E"
            assert is_reber(text) == bool(REGEX.fullmatch(text)), text
            valid += is_reber(text)
    assert valid == 2 + 3 + 4 + 7


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 60), st.sampled_from("BTSXPVEA"))
def test_membership_is_that_of_the_regular_expression_near_valid_strings(
    seed: int, position: int, letter: str
) -> None:
    text = reber_strings(20, seed=seed)[seed % 20]
    assert is_reber(text)
    assert REGEX.fullmatch(text)
    for changed in (
        text[:position] + letter + text[position + 1 :],
        text[:position] + letter + text[position:],
        text[:position] + text[position + 1 :],
    ):
        assert is_reber(changed) == bool(REGEX.fullmatch(changed)), changed


def test_published_examples() -> None:
    for text in ("BTSSXXTVVE", "BPVVE", "BTXXVPSE", "BPVPXVPXVPXVVE", "BTSXXTVPSE"):
        assert is_reber(text)
    for text in ("", "B", "BE", "btxse", "BTSSXXTVV", "TSXSE", "BPSXXVVE", "BTXSEE", "BTXSE "):
        assert not is_reber(text)


@pytest.mark.parametrize("kind", KINDS)
def test_no_string_of_a_decoy_is_valid_whatever_its_length(kind: str) -> None:
    """Emptiness of the product automaton, a proof rather than a sample."""
    assert not common_states(REBER, KINDS[kind].grammar)


def common_states(first: Grammar, second: Grammar) -> bool:
    frontier, seen = [(first.start, second.start)], set()
    while frontier:
        pair = frontier.pop()
        if pair in seen:
            continue
        seen.add(pair)
        if pair == (first.end, second.end):
            return True
        one, two = first.arcs.get(pair[0], {}), second.arcs.get(pair[1], {})
        frontier += [(one[letter], two[letter]) for letter in set(one) & set(two)]
    return False


def test_only_the_documented_pair_of_decoys_shares_strings() -> None:
    pairs = itertools.combinations(KINDS, 2)
    shared = [pair for pair in pairs if common_states(KINDS[pair[0]].grammar, KINDS[pair[1]].grammar)]
    assert shared == [("letters-mnoq", "letters-mnoqvw")]


@pytest.mark.parametrize("kind", KINDS)
def test_decoys_have_reber_s_counts_and_are_those_of_the_oracle(kind: str) -> None:
    grammar = KINDS[kind].grammar
    assert KINDS[kind].share == LETTERS[kind][1]
    for length in range(1, 16):
        assert grammar.count(length) == REBER.count(length)
        for rank in range(grammar.count(length)):
            assert DECOYS[kind].fullmatch(grammar.string(length, rank))


def test_only_entry_never_shows_a_foreign_pair_of_neighbours() -> None:
    valid = {pair for text in reber_strings(500, min_length=5) for pair in itertools.pairwise(text)}
    foreign = {}
    for kind, decoy in KINDS.items():
        drawn = decoy.grammar.draw(decoy.grammar.lengths(300, 11, 40), np.random.default_rng(0))
        foreign[kind] = np.mean([any(pair not in valid for pair in itertools.pairwise(t)) for t in drawn])
    assert foreign.pop("entry") == 0
    assert min(foreign.values()) > 0.9


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 2**32), st.integers(2, 90), st.integers(2, 40), st.integers(2, 40))
def test_every_seed_and_size_is_balanced_labelled_right_and_without_repetitions(
    seed: int, train: int, val: int, test: int
) -> None:
    task = load_task("reber", train=train, val=val, test=test, seed=seed)
    texts = []
    for split, size in zip(splits(task), (train, val, test), strict=True):
        assert len(split) == size
        assert 2 * int(split.targets.sum()) - size == size % 2
        for text, label in zip(strings(split), split.targets, strict=True):
            assert bool(REGEX.fullmatch(text)) == bool(label)
            assert label or any(decoy.fullmatch(text) for decoy in DECOYS.values())
        texts += strings(split)
    assert len(set(texts)) == len(texts)


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 2**32))
def test_same_seed_same_task_and_another_seed_another(seed: int) -> None:
    assert small(seed).fingerprint == small(seed).fingerprint
    assert small(seed).fingerprint != small(seed + 1).fingerprint


def test_a_known_task_stays_what_it_is() -> None:
    """Published benchmarks name this fingerprint: it may change with a new version only."""
    assert load_task("reber").fingerprint == "d492a0b927eabbb3"


def test_default_task_has_the_documented_kinds_and_equal_lengths_in_both_classes() -> None:
    task = load_task("reber")
    assert [len(split) for split in splits(task)] == [4000, 1000, 2000]
    assert (task.num_symbols, task.num_classes) == (27, 2)
    texts = [text for split in splits(task) for text in strings(split)]
    valid = [text for text in texts if REGEX.fullmatch(text)]
    invalid = [text for text in texts if not REGEX.fullmatch(text)]
    assert Counter(map(len, valid)) == Counter(map(len, invalid))
    assert min(map(len, texts)) == 11
    for kind, (_, share) in LETTERS.items():
        number = sum(bool(DECOYS[kind].fullmatch(text)) for text in invalid)
        # The strings B M O...O Q R E count for two kinds; there is one of each length.
        assert 0 <= number - 3500 * share / 100 <= 20


def test_length_tells_nothing_in_the_default_task() -> None:
    task = load_task("reber")
    for split in (task.train, task.test):
        right = [np.mean((split.lengths >= bound) == split.targets) for bound in range(11, 45)]
        assert max(right) < 0.53


def test_kinds_choose_the_decoys_and_rescale_the_shares() -> None:
    task = small(test=40, kinds=["loop-for-exit", "entry"])
    invalid = [text for split in splits(task) for text in strings(split) if not REGEX.fullmatch(text)]
    numbers = {k: sum(bool(DECOYS[k].fullmatch(t)) for t in invalid) for k in ("entry", "loop-for-exit")}
    assert len(invalid) == 100
    assert numbers == {"entry": 75, "loop-for-exit": 25}


def test_overlapping_kinds_stay_without_repetitions_when_nearly_all_strings_are_used() -> None:
    # 306 strings of 11 to 15 letters exist for each automaton.
    task = small(train=400, val=100, test=112, max_length=15, kinds=["letters-mnoq", "letters-mnoqvw"])
    texts = [text for split in splits(task) for text in strings(split)]
    assert len(texts) == len(set(texts)) == 612


def test_lengths_are_kept_within_the_bounds() -> None:
    task = small(train=20, val=10, test=10, min_length=8, max_length=12)
    lengths = np.concatenate([split.lengths for split in splits(task)])
    assert lengths.min() >= 8
    assert lengths.max() <= 12
    assert task.input_shape == (int(lengths.max()),)


def test_own_letters_are_the_four_kinds_over_reber_s_letters() -> None:
    assert list(OWN_LETTERS) == ["entry", "loops", "exits", "loop-for-exit"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"train": 1}, r"train must be an integer from 2 on, got 1\."),
        ({"test": 2.5}, r"test must be an integer from 2 on, got 2\.5\."),
        ({"val": True}, "val must be an integer"),
        ({"seed": -1}, "seed must be a non-negative integer below"),
        ({"min_length": 0}, "min_length must be a positive integer"),
        ({"max_length": "9"}, "max_length must be a positive integer"),
        ({"max_length": 10}, r"max_length must be in 11\.\.100, got 10"),
        ({"max_length": 101}, r"max_length must be in 11\.\.100, got 101"),
        ({"max_length": 12}, "at most 60 strings of one class, got 110"),
        ({"kinds": ["entrance"]}, "kinds must be a list of different names among entry, loops"),
        ({"kinds": "entry"}, "kinds must be a list"),
        ({"kinds": ["entry", "entry"]}, "kinds must be a list of different names"),
        ({"kinds": []}, "kinds must be a list"),
    ],
)
def test_bad_options_are_clear_errors(options: dict, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        small(**options)
