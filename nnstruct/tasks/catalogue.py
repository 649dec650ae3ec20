"""The tasks by name."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from nnstruct.errors import InvalidInputError, nearest
from nnstruct.registry import Registry
from nnstruct.tasks.base import Task
from nnstruct.tasks.digits import digits
from nnstruct.tasks.embedded_reber import embedded_reber
from nnstruct.tasks.images import cifar10, fashion_mnist, mnist
from nnstruct.tasks.languages import anbncn, dyck2, next_reber
from nnstruct.tasks.memory import adding, copy, delayed_xor, parity
from nnstruct.tasks.reber import reber
from nnstruct.tasks.rows import digit_rows, mnist_rows
from nnstruct.tasks.shapes import shapes
from nnstruct.tasks.signals import mackey_glass, multi_sine, narma10
from nnstruct.tasks.small_tables import breast_cancer, diabetes, iris, wine
from nnstruct.tasks.stier2021 import reber_stier2021
from nnstruct.tasks.vectors import teacher, two_spirals

TASKS: Registry[Callable[..., Task]] = Registry("task")
TASKS.register("reber")(reber)
TASKS.register("reber-embedded")(embedded_reber)
TASKS.register("reber-stier2021")(reber_stier2021)
TASKS.register("reber-next")(next_reber)
TASKS.register("anbncn")(anbncn)
TASKS.register("dyck-2")(dyck2)
TASKS.register("parity")(parity)
TASKS.register("copy")(copy)
TASKS.register("delayed-xor")(delayed_xor)
TASKS.register("adding")(adding)
TASKS.register("narma-10")(narma10)
TASKS.register("mackey-glass")(mackey_glass)
TASKS.register("multi-sine")(multi_sine)
TASKS.register("digits-rows")(digit_rows)
TASKS.register("mnist-rows")(mnist_rows)
TASKS.register("digits")(digits)
TASKS.register("shapes")(shapes)
TASKS.register("mnist")(mnist)
TASKS.register("fashion-mnist")(fashion_mnist)
TASKS.register("cifar10")(cifar10)
TASKS.register("two-spirals")(two_spirals)
TASKS.register("teacher")(teacher)
TASKS.register("iris")(iris)
TASKS.register("wine")(wine)
TASKS.register("breast-cancer")(breast_cancer)
TASKS.register("diabetes")(diabetes)


def task_of(given: Any) -> Task:
    """A task from what a caller hands over.

    Parameters
    ----------
    given : Task or str
        A name stands for the task as :func:`load_task` gives it.

    Returns
    -------
    Task

    Raises
    ------
    InvalidInputError
        If it is neither.
    UnknownNameError
        If there is no task of the name.
    """
    if isinstance(given, str):
        return load_task(given)
    if not isinstance(given, Task):
        raise InvalidInputError("task", "be a Task or the name of one", given)
    return given


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
            known = ", ".join(sorted(parameters)) or "none, as it has no options"
            hint = nearest(option, parameters)
            raise InvalidInputError(f"option of task {name!r}", f"be one of {known}", option, hint)
    task = make(**options)
    if not isinstance(task, Task):
        raise InvalidInputError(f"task {name!r}", "be a function that returns a Task", type(task).__name__)
    return task
