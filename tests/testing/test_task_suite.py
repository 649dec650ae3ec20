"""The suite of tasks passes a sound task, and says what is wrong with others."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nnstruct.errors import MissingDataError
from nnstruct.random import check_seed
from nnstruct.tasks import TASKS, Metric, Split, Task
from nnstruct.testing import TaskCase, check_task


def sign(*, n: int = 200, val: float = 0.15, test: float = 0.15, seed: int = 0) -> Task:
    """The task ``"sign"``: is the sum of five numbers positive?

    Examples
    --------
    >>> from nnstruct.tasks import load_task
    """
    check_seed(seed)
    x = np.random.default_rng(seed).normal(size=(n, 5)).astype(np.float32)
    return Task.from_arrays("sign", x, (x.sum(axis=1) > 0).astype(int), val=val, test=test, seed=seed)


def unnamed(**options):
    """Is the sum of five numbers positive?"""
    return sign(**options)


def without_example(**options):
    """The task ``"sign"``."""
    return sign(**options)


def under_another_name(**options):
    return replace(sign(**options), name="other")


def unsized(*, train=100, val=30, test=30, seed=0):
    return sign(seed=seed)


def global_draws(*, val=0.15, test=0.15, seed=0):
    return sign(val=val, test=test, seed=int(np.random.randint(99)))  # noqa: NPY002


def seed_blind(*, val=0.15, test=0.15, seed=0):
    check_seed(seed)
    return sign(val=val, test=test)


def one_class_untested(**options):
    task = sign(**options)
    kept = task.test.targets == 0
    return replace(task, test=Split(task.test.inputs[kept], task.test.targets[kept]))


def leaking(**options):
    task = sign(**options)
    return replace(task, test=task.train)


def black_and_white(*, val=0.15, test=0.15, seed=0):
    x = np.sign(np.random.default_rng(seed).normal(size=(200, 40))).astype(np.float32)
    return Task.from_arrays("sign", x, (x.sum(axis=1) > 0).astype(int), val=val, test=test, seed=seed)


def unscaled(**options):
    task = sign(**options)
    parts = {part: getattr(task, part) for part in ("train", "val", "test")}
    return replace(task, **{part: Split(split.inputs * 100, split.targets) for part, split in parts.items()})


def unstandardised(**options):
    task = sign(**options)
    parts = {part: getattr(task, part) for part in ("train", "val", "test")}
    real = {part: Split(split.inputs, split.inputs[:, :1] + np.float32(3)) for part, split in parts.items()}
    return replace(task, kind="regression", num_classes=0, **real)


def shifted_the_wrong_way(*, val=0.15, test=0.15, seed=0):
    check_seed(seed)
    rng = np.random.default_rng(seed)
    words = ["".join(rng.choice(list("ab"), size=12)) for _ in range(200)]
    task = Task.from_sequences("sign", words, kind="next-symbol", val=val, test=test, seed=seed)
    parts = {part: getattr(task, part) for part in ("train", "val", "test")}
    backwards = {
        part: replace(split, targets=np.roll(split.targets, 1, axis=1)) for part, split in parts.items()
    }
    return replace(task, **backwards)


def of_unbounded_score(**options):
    metric = Metric("shown", lambda scores, targets: 3.0, (0.0, 1.0))
    return replace(sign(**options), metric=metric)


def any_seed(*, val=0.15, test=0.15, seed=0):
    return sign(val=val, test=test, seed=abs(int(seed)))


def quiet_about_files(*, data=None, val=0.15, test=0.15, seed=0):
    raise MissingDataError("No file.")


def from_files(*, data=None, seed=0):
    """The task ``"sign"``.

    Examples
    --------
    >>> from nnstruct.tasks import load_task
    """
    from nnstruct.tasks.data import data_file

    return np.load(data_file("sign/x.npy", data))


def test_a_sound_task_passes(register) -> None:
    register(TASKS, "sign", sign)
    check_task("sign")
    check_task("sign", {"n": 400})
    assert len(TaskCase("sign", {"n": 400}).task.train) == 280


@pytest.mark.parametrize(
    ("broken", "sentence"),
    [
        (unnamed, 'name itself as "sign" in the first line of its docstring, got'),
        (without_example, "have an example in its docstring"),
        (under_another_name, "give a Task of its registered name, got 'other'"),
        (unsized, "have the size asked for, train=120, got 140"),
        (global_draws, "give the same data for the same seed, whatever the global state"),
        (seed_blind, "give other data for another seed"),
        (one_class_untested, r"have each of its 2 classes in test, got \[0\]"),
        (leaking, "share at most one input in thousands between train and test, got 140 of 140"),
        (black_and_white, "have more than two values in train, got 2"),
        (unscaled, "have inputs below 20, so that a network can start from them, got"),
        (unstandardised, "have training targets of mean 0 and deviation 1, got"),
        (shifted_the_wrong_way, "have the next symbols as targets in train"),
        (of_unbounded_score, "reach the bound 1 of its score, got 3"),
        (any_seed, "refuse seed=-1 with a InvalidInputError"),
        (quiet_about_files, "refuse data=.* with a MissingDataError that says 'empty does not exist"),
    ],
)
def test_a_broken_law_is_told(broken, sentence: str, register, monkeypatch) -> None:
    if broken not in (unnamed, without_example):
        monkeypatch.setattr(broken, "__doc__", sign.__doc__)
    register(TASKS, "sign", broken)
    with pytest.raises(AssertionError, match=f"^The task 'sign' must {sentence}"):
        check_task("sign")


def test_missing_files_are_an_error_of_their_own(register, monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NNSTRUCT_DATA", str(tmp_path))
    register(TASKS, "sign", from_files)
    with pytest.raises(MissingDataError, match=str(tmp_path)):
        check_task("sign")
    from os import environ

    assert environ["NNSTRUCT_DATA"] == str(tmp_path)
