"""The tasks by name."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable
from typing import Any

from nnstruct.errors import InvalidInputError
from nnstruct.registry import Registry
from nnstruct.tasks.base import Task
from nnstruct.tasks.digits import digits
from nnstruct.tasks.embedded_reber import embedded_reber
from nnstruct.tasks.images import cifar10, fashion_mnist, mnist
from nnstruct.tasks.reber import reber
from nnstruct.tasks.shapes import shapes
from nnstruct.tasks.stier2021 import reber_stier2021

TASKS: Registry[Callable[..., Task]] = Registry("task")
TASKS.register("reber")(reber)
TASKS.register("reber-embedded")(embedded_reber)
TASKS.register("reber-stier2021")(reber_stier2021)
TASKS.register("digits")(digits)
TASKS.register("shapes")(shapes)
TASKS.register("mnist")(mnist)
TASKS.register("fashion-mnist")(fashion_mnist)
TASKS.register("cifar10")(cifar10)


def load_task(name: str, **options: Any) -> Task:
    """A task by its name.

    Parameters
    ----------
    name : str
        One of ``list(TASKS)``.
    **options
        Keywords of the function that is registered, for example sizes and ``seed``.

    Returns
    -------
    Task

    Raises
    ------
    UnknownNameError
        If no task has this name.
    InvalidInputError
        If the task has no such option, or an option breaks its rule.
    MissingDataError
        If the task reads files that are not there.
    CorruptFileError
        If such a file is damaged.

    Examples
    --------
    >>> from nnstruct.tasks import load_task
    >>> load_task("reber", train=800, val=200, test=200, seed=1)
    Task('reber', 800/200/200 train/val/test, 27 symbols, 2 classes)
    >>> load_task("reber", sed=1)
    Traceback (most recent call last):
    ...
    nnstruct.errors.InvalidInputError: option of task 'reber' must be one of kinds, max_length,
    min_length, seed, test, train, val, got 'sed'. Did you mean 'seed'?
    """
    make = TASKS[name]
    parameters = inspect.signature(make).parameters
    takes_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
    for option in options:
        if option not in parameters and not takes_any:
            near = difflib.get_close_matches(option, parameters, n=1)
            hint = f"Did you mean {near[0]!r}?" if near else ""
            known = ", ".join(sorted(parameters)) or "none, as it has no options"
            raise InvalidInputError(f"option of task {name!r}", f"be one of {known}", option, hint)
    task = make(**options)
    if not isinstance(task, Task):
        raise InvalidInputError(f"task {name!r}", "be a function that returns a Task", type(task).__name__)
    return task
