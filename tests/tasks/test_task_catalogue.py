"""Tasks by name, tasks of one's own, and the digits."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nnstruct.tasks
from nnstruct.errors import InvalidInputError, UnknownNameError
from nnstruct.tasks import TASKS, Split, Task, load_task


@pytest.fixture
def own_names() -> Iterator[None]:
    """Removes what a test registers."""
    before = dict(TASKS._parts)
    yield
    TASKS._parts.clear()
    TASKS._parts.update(before)


def test_all_documented_tasks_are_there() -> None:
    assert {
        "reber", "reber-embedded", "reber-stier2021", "digits", "shapes", "mnist", "fashion-mnist", "cifar10",
    } <= set(TASKS)  # fmt: skip
    assert set(nnstruct.tasks.__all__) == {
        "KINDS", "SPLIT_NAMES", "TASKS", "Goal", "Metric", "Split", "Task", "data_directory", "load_task",
    }  # fmt: skip


def test_unknown_name_and_unknown_option_name_what_is_near() -> None:
    with pytest.raises(UnknownNameError, match=r"task must be one of .*got 'rebar'\. Did you mean 'reber'\?"):
        load_task("rebar")
    with pytest.raises(InvalidInputError, match=r"option of task 'digits' must be one of seed, test, val"):
        load_task("digits", length=3)
    with pytest.raises(InvalidInputError, match=r"Did you mean 'train'\?"):
        load_task("reber", trains=100)


@pytest.mark.usefixtures("own_names")
def test_an_own_task_is_registered_with_its_options() -> None:
    @TASKS.register("majority")
    def majority(*, n: int = 300, length: int = 9, seed: int = 0) -> Task:
        """Are there more b than a?"""
        rng = np.random.default_rng(seed)
        strings = ["".join(rng.choice(list("ab"), size=length)) for _ in range(n)]
        labels = [int(text.count("b") > length // 2) for text in strings]
        return Task.from_sequences("majority", strings, labels, seed=seed)

    task = load_task("majority", n=500, length=11)
    assert task.input_shape == (11,)
    assert sum(len(split) for split in (task.train, task.val, task.test)) == 500
    for split in (task.train, task.val, task.test):
        assert (((split.inputs == 2).sum(axis=1) > 5) == split.targets).all()
    with pytest.raises(InvalidInputError, match="must be one of length, n, seed, got 'size'"):
        load_task("majority", size=3)
    TASKS.register("majority")(majority)  # a cell of a notebook that is run again
    with pytest.raises(InvalidInputError, match="task name must not be registered twice"):
        TASKS.register("majority")(lambda: task)


@pytest.mark.usefixtures("own_names")
def test_functions_with_free_keywords_without_options_or_without_a_task() -> None:
    TASKS.register("free")(lambda **options: load_task("reber", **options))
    assert len(load_task("free", train=10, val=10, test=10).train) == 10
    TASKS.register("fixed")(lambda: load_task("digits"))
    assert load_task("fixed").num_classes == 10
    with pytest.raises(InvalidInputError, match="must be one of none, as it has no options, got 'seed'"):
        load_task("fixed", seed=1)
    TASKS.register("broken")(lambda: "no task")  # type: ignore[arg-type,return-value]
    with pytest.raises(InvalidInputError, match="'broken' must be a function that returns a Task, got 'str'"):
        load_task("broken")


def test_digits_are_scaled_and_split_without_repetitions() -> None:
    task = load_task("digits", val=0.2, test=0.3, seed=4)
    parts = [task.train, task.val, task.test]
    rows = [{row.tobytes() for row in part.inputs} for part in parts]
    assert sum(len(part) for part in parts) == 1797
    assert sum(map(len, rows)) == len(set.union(*rows))
    for part in parts:
        assert part.inputs.dtype == np.float32
        assert part.inputs.shape[1:] == (64,)
        assert part.inputs.min() == 0
        assert part.inputs.max() == 1
        assert set(part.targets) == set(range(10))
        assert part.lengths is None
    assert (len(parts[1]), len(parts[2])) == (359, 539)
    assert not task.is_sequence
    assert task.fingerprint == load_task("digits", val=0.2, test=0.3, seed=4).fingerprint
    assert task.fingerprint != load_task("digits", val=0.2, test=0.3, seed=5).fingerprint


@pytest.mark.parametrize("options", [{"val": 0.0}, {"test": 1.0}, {"val": float("nan")}, {"seed": -1}])
def test_digits_refuse_bad_options(options: dict) -> None:
    with pytest.raises(InvalidInputError):
        load_task("digits", **options)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.text("abc", min_size=1, max_size=4), min_size=8, max_size=60), st.integers(0, 99))
def test_own_strings_never_stand_on_two_sides(texts: list[str], seed: int) -> None:
    labels = [len(text) % 2 for text in texts]
    if len(set(texts)) < 3:
        with pytest.raises(InvalidInputError):
            Task.from_sequences("own", texts, labels, seed=seed, alphabet="abc")
        return
    task = Task.from_sequences("own", texts, labels, seed=seed, alphabet="abc")
    sides = []
    for split in (task.train, task.val, task.test):
        rows = [tuple(row[:length]) for row, length in zip(split.inputs, split.lengths, strict=True)]
        assert [len(row) % 2 for row in rows] == split.targets.tolist()
        sides.append({"".join("?abc"[symbol] for symbol in row) for row in rows})
    assert set.union(*sides) == set(texts)
    assert sum(map(len, sides)) == len(set(texts))


GOOD = Split(np.array([[1, 2], [1, 0]]), np.array([0, 1]), np.array([2, 1]))
PIXELS = Split(np.zeros((2, 3), dtype=np.float32), np.array([0, 1]))


@pytest.mark.parametrize(
    ("split", "message"),
    [
        (Split(GOOD.inputs, np.array([0, 2]), GOOD.lengths), r"val\.targets must be in 0\.\.1, got 2"),
        (Split(GOOD.inputs, np.array([-1, 1]), GOOD.lengths), r"val\.targets must be in 0\.\.1, got -1"),
        (Split(GOOD.inputs, np.array([0.0, 1.0]), GOOD.lengths), r"val\.targets must be int64"),
        (Split(GOOD.inputs, np.array([0]), GOOD.lengths), r"val\.targets must be int64 \[2\]"),
        (Split(GOOD.inputs + 2, GOOD.targets, GOOD.lengths), r"val\.inputs must be in 0\.\.2, got 4"),
        (Split(-GOOD.inputs, GOOD.targets, GOOD.lengths), r"val\.inputs must be in 0\.\.2, got -2"),
        (Split(GOOD.inputs, GOOD.targets), r"val\.lengths must have shape \[2\]"),
        (Split(GOOD.inputs, GOOD.targets, np.array([2, 3])), r"val\.lengths must be in 1\.\.2, got 3"),
        (Split(GOOD.inputs, GOOD.targets, np.array([0, 2])), r"val\.lengths must be in 1\.\.2, got 0"),
        (Split(GOOD.inputs, GOOD.targets, np.array([2, 2])), r"val\.inputs\[1\] must hold symbol 0 behind"),
        (Split(GOOD.inputs, GOOD.targets, np.array([1, 1])), r"val\.inputs\[0\] must hold symbol 0 behind"),
        (Split(GOOD.inputs[:0], GOOD.targets[:0], GOOD.lengths), r"val\.targets must not be empty"),
    ],
)
def test_splits_that_do_not_fit_are_named(split: Split, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        Task("own", GOOD, split, GOOD, num_classes=2, num_symbols=3)


def test_vectors_that_do_not_fit_are_named() -> None:
    nan = Split(np.array([[0, np.nan, 0]], dtype=np.float32), np.array([0]))
    with pytest.raises(InvalidInputError, match=r"test\.inputs must be finite, got nan"):
        Task("own", PIXELS, PIXELS, nan, num_classes=2)
    wide = Split(np.zeros((2, 4), dtype=np.float32), np.array([0, 1]))
    with pytest.raises(
        InvalidInputError, match=r"test\.inputs must have the shape of train\.inputs, \[n, 3\]"
    ):
        Task("own", PIXELS, PIXELS, wide, num_classes=2)
    with pytest.raises(InvalidInputError, match=r"test\.inputs must be float32, got 'int64'"):
        Task("own", PIXELS, PIXELS, Split(np.zeros((2, 3), dtype=np.int64), np.array([0, 1])), num_classes=2)


@pytest.mark.parametrize(
    ("sequences", "targets", "options", "message"),
    [
        (["a", "b", "c"], [0, 1], {}, r"targets must have shape \[3\], got \[2\]"),
        (["a", "b", "c"], [0, 1, 0.5], {}, "targets must be integers from 0"),
        (["a", "b", "c"], [0, 1, float("nan")], {}, "targets must be integers from 0"),
        (["a", "b", "c"], [0, 1, float("inf")], {}, "targets must be integers from 0"),
        (["a", "b", "c"], [0, 1, -1], {}, "targets must be integers from 0"),
        (["a", "b", "c"], ["x", "y", "x"], {}, "targets must be integers from 0"),
        (["a", "", "c"], [0, 1, 0], {}, "sequences must each hold at least one symbol"),
        ([], [], {}, "targets must not be empty"),
        (["a", [1], "c"], [0, 1, 0], {}, "sequences must be all strings or all integer sequences"),
        ([[1], "b", [2]], [0, 1, 0], {}, "sequences must be all strings or all integer sequences"),
        ([[1], [0], [2]], [0, 1, 0], {}, "at least one symbol, from 1 on"),
        ([[1], [3], [2]], [0, 1, 0], {"alphabet": "abc"}, "alphabet must be None for integer sequences"),
        (["a", "b", "c"], [0, 1, 0], {"alphabet": "abca"}, "alphabet must hold each character once"),
        (["a", "b", "d"], [0, 1, 0], {"alphabet": "abc"}, "sequences must use the alphabet 'abc', got 'd'"),
        (["a", "b", "c"], [0, 1, 0], {"seed": -2}, "seed must be a non-negative integer"),
        (["a", "b", "b"], [0, 1, 1], {}, "items must hold at least 3 distinct ones"),
        (["a", "b", "c"], [0, 1, 0], {"val": 0.6, "test": 0.5}, "with a sum below 1"),
    ],
)
def test_own_data_that_break_a_rule(sequences: list, targets: list, options: dict, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        Task.from_sequences("own", sequences, targets, **options)


def test_own_arrays_that_break_a_rule() -> None:
    with pytest.raises(InvalidInputError, match="inputs must have shape"):
        Task.from_arrays("own", np.arange(5.0), [0, 1, 0, 1, 0])
    with pytest.raises(InvalidInputError, match=r"targets must have shape \[5\], got \[4\]"):
        Task.from_arrays("own", np.eye(5), [0, 1, 0, 1])
    task = Task.from_arrays("own", np.eye(5), np.array([True, False, True, False, True]))
    assert task.num_classes == 2


def test_fingerprint_sees_every_value_and_not_the_name() -> None:
    task = Task("one", GOOD, GOOD, GOOD, num_classes=2, num_symbols=3)
    assert Task("two", GOOD, GOOD, GOOD, num_classes=2, num_symbols=3).fingerprint == task.fingerprint
    other = Split(GOOD.inputs, GOOD.targets[::-1].copy(), GOOD.lengths)
    assert Task("one", GOOD, other, GOOD, num_classes=2, num_symbols=3).fingerprint != task.fingerprint
    assert Task("one", GOOD, GOOD, GOOD, num_classes=3, num_symbols=3).fingerprint != task.fingerprint
    assert Task("one", GOOD, GOOD, GOOD, num_classes=2, num_symbols=4).fingerprint != task.fingerprint
