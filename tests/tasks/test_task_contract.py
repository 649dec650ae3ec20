"""What every registered task keeps; a new task is covered by being registered.

Tasks with the option ``train`` are made small by their sizes. Tasks whose files are not at hand are
skipped where data are needed.
"""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nnstruct.tasks
from nnstruct.errors import InvalidInputError, MissingDataError
from nnstruct.tasks import SPLIT_NAMES, TASKS, Split, Task, load_task

SMALL = {"train": 120, "val": 40, "test": 60}
NAMES = list(TASKS)

every_task = pytest.mark.parametrize("name", NAMES)
every_task_with_files = pytest.mark.parametrize(
    "name", [name for name in NAMES if "data" in inspect.signature(TASKS[name]).parameters]
)


def small_options(name: str) -> dict[str, Any]:
    return SMALL if "train" in inspect.signature(TASKS[name]).parameters else {}


def small(name: str, **options: Any) -> Task:
    try:
        return load_task(name, **{**small_options(name), **options})
    except MissingDataError as error:
        pytest.skip(f"files are not at hand: {error}")


def splits(task: Task) -> dict[str, Split]:
    return {part: getattr(task, part) for part in SPLIT_NAMES}


def identities(split: Split) -> set[bytes]:
    return {row.tobytes() for row in split.inputs}


@every_task
def test_it_is_documented(name: str) -> None:
    assert f"``{name}``" in str(nnstruct.tasks.__doc__)
    text = inspect.getdoc(TASKS[name]) or ""
    assert f'"{name}"' in text.splitlines()[0]
    assert "Examples" in text


@every_task
def test_it_has_its_registered_name_and_the_sizes_asked_for(name: str) -> None:
    task = small(name)
    assert task.name == name
    for part, size in small_options(name).items():
        assert len(getattr(task, part)) == size


@every_task
def test_same_options_same_data_and_another_seed_other_data(name: str) -> None:
    first = small(name, seed=3)
    np.random.seed(0)  # noqa: NPY002
    assert first.fingerprint == small(name, seed=3).fingerprint
    assert first.fingerprint != small(name, seed=4).fingerprint
    assert len(first.fingerprint) == 16


@every_task
def test_every_class_is_trained_on_and_tested(name: str) -> None:
    task = small(name)
    for split in (task.train, task.test):
        assert set(split.targets.tolist()) == set(range(task.num_classes))


@every_task
def test_no_input_stands_on_two_sides(name: str) -> None:
    parts = {part: identities(split) for part, split in splits(small(name)).items()}
    assert not parts["train"] & parts["val"]
    assert not parts["val"] & parts["test"]
    # Published test sets are kept as they are, repetitions included; those are one in thousands.
    assert len(parts["train"] & parts["test"]) <= len(parts["test"]) / 1000


@every_task
def test_inputs_are_what_networks_take(name: str) -> None:
    task = small(name)
    for split in splits(task).values():
        assert split.targets.dtype == np.int64
        assert split.inputs.shape == (len(split), *task.input_shape)
        assert split.inputs.flags.c_contiguous
        if task.is_sequence:
            assert split.inputs.dtype == np.int64
            continue
        assert split.inputs.dtype == np.float32
        assert split.lengths is None
        assert np.abs(split.inputs).max() < 10  # scaled, so that a network can start from it
        assert len(task.input_shape) in (1, 3)  # vectors, or channels x height x width
        assert len(np.unique(split.inputs)) > 2


@every_task
@pytest.mark.parametrize("option", [{"seed": -1}, {"seed": 0.5}, {"val": -1}, {"val": "many"}])
def test_bad_options_are_refused(name: str, option: dict[str, Any]) -> None:
    with pytest.raises(InvalidInputError):
        small(name, **option)


@every_task_with_files
def test_missing_files_are_named(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(MissingDataError, match=r"empty does not exist.*NNSTRUCT_DATA"):
        load_task(name, data=tmp_path / "empty")
    with pytest.raises(MissingDataError, match=r"The file .* does not exist\. Put it there.*option data="):
        load_task(name, data=tmp_path)
    monkeypatch.setenv("NNSTRUCT_DATA", str(tmp_path))
    with pytest.raises(MissingDataError, match=str(tmp_path)):
        load_task(name)
    monkeypatch.delenv("NNSTRUCT_DATA")
    with pytest.raises(MissingDataError, match="No data directory is named"):
        load_task(name)
