"""Every registered task keeps the laws of tasks; a new one is covered by being registered.

Tasks with the option ``train`` are made small by their sizes. Tasks whose files are not at hand are
skipped where data are needed.
"""

from __future__ import annotations

from functools import cache

import pytest

import nnstruct.tasks
from nnstruct.errors import MissingDataError
from nnstruct.tasks import TASKS
from nnstruct.testing import TaskCase, task_checks

LAWS = dict(task_checks())


@cache
def case(name: str) -> TaskCase:
    return TaskCase(name)


@pytest.mark.parametrize("name", list(TASKS))
@pytest.mark.parametrize("law", LAWS)
def test_it_keeps_the_law(name: str, law: str) -> None:
    try:
        LAWS[law](case(name))
    except MissingDataError as error:
        pytest.skip(f"files are not at hand: {error}")


@pytest.mark.parametrize("name", list(TASKS))
def test_the_package_lists_it(name: str) -> None:
    assert f"``{name}``" in str(nnstruct.tasks.__doc__)
