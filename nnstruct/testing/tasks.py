"""The laws that every task keeps."""

from __future__ import annotations

import inspect
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np

from nnstruct.errors import InvalidInputError, MissingDataError
from nnstruct.tasks import SPLIT_NAMES, TASKS, Split, Task, load_task
from nnstruct.tasks.data import VARIABLE
from nnstruct.tasks.goals import NOT_ASKED
from nnstruct.testing.laws import Suite, hold, other_global_state, refused

SMALL = {"train": 120, "val": 40, "test": 60}


class TaskCase:
    """A registered task, small where its options allow it.

    Parameters
    ----------
    name : str
        One of ``TASKS``.
    options : mapping, optional
        That make it small; by default ``train=120, val=40, test=60`` for a task that has them.

    Attributes
    ----------
    label : str
        What is held to the laws, as a sentence begins.
    """

    def __init__(self, name: str, options: Mapping[str, Any] | None = None) -> None:
        self.name, self.make = name, TASKS[name]
        self.parameters = inspect.signature(self.make).parameters
        self.options = dict(SMALL if "train" in self.parameters else {}) if options is None else dict(options)
        self.label = f"The task {name!r}"

    def load(self, **options: Any) -> Task:
        """The task with further options.

        Parameters
        ----------
        **options

        Returns
        -------
        Task
        """
        return load_task(self.name, **{**self.options, **options})

    @cached_property
    def task(self) -> Task:
        """Loaded once."""
        return self.load()

    @property
    def splits(self) -> dict[str, Split]:
        """By name."""
        return {part: getattr(self.task, part) for part in SPLIT_NAMES}


_SUITE: Suite[TaskCase] = Suite()


def check_task(name: str, options: Mapping[str, Any] | None = None) -> None:
    """Hold a registered task to every law of tasks.

    Parameters
    ----------
    name : str
        One of ``TASKS``.
    options : mapping, optional
        That make it small; by default ``train=120, val=40, test=60`` for a task that has them.

    Raises
    ------
    AssertionError
        At the first law that is broken; its sentence says which and what was found.
    MissingDataError
        If the task reads files that are not there.

    Examples
    --------
    >>> from nnstruct.testing import check_task
    >>> check_task("digits")
    """
    _SUITE.run(TaskCase(name, options))


def task_checks() -> list[tuple[str, Callable[[TaskCase], None]]]:
    """Name and function of each law of tasks, for a test that runs one a case.

    Returns
    -------
    list of (name, check)
        A check takes a :class:`TaskCase`, and raises an AssertionError where the law is broken.

    Examples
    --------
    >>> from nnstruct.testing import TaskCase, task_checks
    >>> name, check = task_checks()[0]
    >>> name
    'its_function_is_documented'
    >>> check(TaskCase("digits"))
    """
    return _SUITE.checks()


@_SUITE.law
def its_function_is_documented(case: TaskCase) -> None:
    """The first line of the docstring names the task, and there is an example."""
    text = inspect.getdoc(case.make) or ""
    first = (text.splitlines() or [""])[0]
    rule = f'name itself as "{case.name}" in the first line of its docstring'
    hold(f'"{case.name}"' in first, case.label, rule, repr(first))
    hold("Examples" in text, case.label, "have an example in its docstring")


@_SUITE.law
def missing_files_are_named(case: TaskCase) -> None:
    """A task with the option data says which file is missing, and where it may be put."""
    if "data" not in case.parameters:
        return
    with tempfile.TemporaryDirectory() as folder:
        for data, says in (
            (Path(folder) / "empty", r"empty does not exist.*NNSTRUCT_DATA"),
            (Path(folder), r"The file .* does not exist\. Put it there.*option data="),
        ):
            refused(
                partial(load_task, case.name, data=data),
                case.label, f"data={str(data)!r}, where no file is", MissingDataError, says,
            )  # fmt: skip
        for variable, says in ((folder, folder), (None, "No data directory is named")):
            with _environment(variable):
                refused(
                    lambda: load_task(case.name),
                    case.label, f"{VARIABLE}={variable!r}, where no file is", MissingDataError, says,
                )  # fmt: skip


@_SUITE.law
def it_has_its_registered_name_and_the_sizes_asked_for(case: TaskCase) -> None:
    """The Task bears the name that it is registered under; its splits have the sizes asked for."""
    hold(case.task.name == case.name, case.label, "give a Task of its registered name", repr(case.task.name))
    for part, size in case.options.items():
        if part in SPLIT_NAMES and isinstance(size, int):
            found = len(getattr(case.task, part))
            hold(found == size, case.label, f"have the size asked for, {part}={size}", str(found))


@_SUITE.law
def same_options_same_data_and_another_seed_other_data(case: TaskCase) -> None:
    """The option seed decides, and the global random state does not."""
    with other_global_state(0):
        first = case.load(seed=3).fingerprint
    with other_global_state(1):
        again = case.load(seed=3).fingerprint
    hold(first == again, case.label, "give the same data for the same seed, whatever the global state")
    hold(first != case.load(seed=4).fingerprint, case.label, "give other data for another seed")
    hold(len(first) == 16, case.label, "have a fingerprint of 16 digits", first)


@_SUITE.law
def every_class_is_trained_on_and_tested(case: TaskCase) -> None:
    """Each class stands in train and in test; real targets vary, and are standardised by train."""
    if case.task.kind == "regression":
        targets = case.task.train.targets.astype(np.float64)
        rule = "have training targets of mean 0 and deviation 1"
        found = (float(np.abs(targets.mean(axis=0)).max()), float(np.abs(targets.std(axis=0) - 1).max()))
        hold(max(found) < 1e-4, case.label, rule, str(found))
        varied = bool((case.task.test.targets.std(axis=0) > 0).all())
        hold(varied, case.label, "have test targets that vary")
        return
    for part in ("train", "test"):
        split = case.splits[part]
        classes = set(range(case.task.num_classes))
        if case.task.kind == "next-symbol":
            classes = set(np.unique(case.splits["train"].targets).tolist()) - {NOT_ASKED}
        held = set(np.unique(split.targets).tolist()) - {NOT_ASKED}
        rule = f"have each of its {len(classes)} classes in {part}"
        hold(held == classes, case.label, rule, repr(sorted(held)))


@_SUITE.law
def what_is_asked_a_step_is_asked_within_the_sequence(case: TaskCase) -> None:
    """Targets of steps lie within the lengths, and next symbols are those that follow."""
    if not case.task.goal.every_step:
        return
    for part, split in case.splits.items():
        places, lengths = np.arange(split.inputs.shape[1]), np.asarray(split.lengths)
        within = places < lengths[:, None]
        asked = split.targets != NOT_ASKED
        hold(not (asked & ~within).any(), case.label, f"ask nothing behind the end in {part}")
        hold(asked.any(axis=1).all(), case.label, f"ask something of each sequence in {part}")
        if case.task.kind == "next-symbol":
            followed = places < lengths[:, None] - 1
            same = split.targets[:, :-1] == split.inputs[:, 1:]
            hold(same[followed[:, :-1]].all(), case.label, f"have the next symbols as targets in {part}")


@_SUITE.law
def its_score_knows_its_bounds(case: TaskCase) -> None:
    """The best possible scores are worth the upper bound, and any others lie within both."""
    import torch

    task, split = case.task, case.splits["test"]
    targets = torch.from_numpy(split.targets)
    best = targets.clone() if task.kind == "regression" else _certain(targets, task.num_outputs)
    random = torch.from_numpy(np.random.default_rng(0).normal(size=best.shape)).to(best.dtype)
    low, high = task.bounds
    for scores, rule in ((best, "reach"), (random, "keep below")):
        tally = task.goal.tally()
        tally.add(scores, targets)
        kept = low <= tally.score <= high and (rule != "reach" or tally.score > high - 1e-3)
        hold(kept, case.label, f"{rule} the bound {high:g} of its score", f"{tally.score:g}")


def _certain(targets: Any, outputs: int) -> Any:
    import torch

    return 50.0 * torch.nn.functional.one_hot(targets.clamp(min=0), outputs).float()


@_SUITE.law
def no_input_stands_on_two_sides(case: TaskCase) -> None:
    """Splits share no input; published test sets are kept as they are, repetitions included."""
    parts = {part: {row.tobytes() for row in split.inputs} for part, split in case.splits.items()}
    for first, second in (("train", "val"), ("val", "test")):
        shared = len(parts[first] & parts[second])
        hold(not shared, case.label, f"share no input between {first} and {second}", f"{shared} that do")
    shared = len(parts["train"] & parts["test"])
    rule = "share at most one input in thousands between train and test"
    hold(shared <= len(parts["test"]) / 1000, case.label, rule, f"{shared} of {len(parts['test'])}")


@_SUITE.law
def inputs_are_what_networks_take(case: TaskCase) -> None:
    """Types, shapes and scales of inputs and targets."""
    task, label = case.task, case.label
    for part, split in case.splits.items():
        inputs, targets = split.inputs, split.targets
        real = np.float32 if task.kind == "regression" else np.int64
        rule = f"have targets of {real.__name__} in {part}"
        hold(targets.dtype == real, label, rule, str(targets.dtype))
        shape = (len(split), *task.input_shape)
        hold(inputs.shape == shape, label, f"have inputs of shape {shape} in {part}", str(inputs.shape))
        hold(inputs.flags.c_contiguous, label, f"have inputs in one piece in {part}")
        kind = np.float32 if task.num_symbols is None else np.int64
        hold(inputs.dtype == kind, label, f"have inputs of {kind.__name__} in {part}", str(inputs.dtype))
        if task.num_symbols is not None:
            continue
        largest = float(np.abs(inputs).max())
        rule = "have inputs below 20, so that a network can start from them"
        hold(largest < 20, label, rule, f"{largest:g} in {part}")
        axes = (2,) if task.is_series else (1, 3)
        rule = "have vectors, images of channels x height x width, or series of steps x channels"
        hold(len(task.input_shape) in axes, label, rule, str(task.input_shape))
        different = len(np.unique(inputs))
        hold(different > 2, label, f"have more than two values in {part}", str(different))


@_SUITE.law
def bad_options_are_refused(case: TaskCase) -> None:
    """Seeds and sizes that are none."""
    for options in ({"seed": -1}, {"seed": 0.5}, {"val": -1}, {"val": "many"}):
        ((name, value),) = options.items()
        refused(
            partial(case.load, **options),
            case.label, f"{name}={value!r}", InvalidInputError, passing=(MissingDataError,),
        )  # fmt: skip


@contextmanager
def _environment(data: str | None) -> Iterator[None]:
    """The environment variable of the data directory with another value, or without one."""
    before = os.environ.pop(VARIABLE, None)
    if data is not None:
        os.environ[VARIABLE] = data
    try:
        yield
    finally:
        os.environ.pop(VARIABLE, None)
        if before is not None:
            os.environ[VARIABLE] = before
