"""The drawn shapes: balanced, independent splits, and as hard as asked for."""

from __future__ import annotations

import numpy as np
import pytest

from nnstruct.errors import InvalidInputError
from nnstruct.tasks import Task, load_task
from nnstruct.tasks.shapes import SHAPES


def linear_accuracy(task: Task) -> float:
    """Test accuracy of ridge regression onto the classes."""
    x, y = (
        np.c_[np.ones(len(split)), split.inputs.reshape(len(split), -1)] for split in (task.train, task.test)
    )
    classes = np.eye(task.num_classes)[task.train.targets]
    weight = np.linalg.solve(x.T @ x + np.eye(x.shape[1]), x.T @ classes)
    return float(((y @ weight).argmax(axis=1) == task.test.targets).mean())


def test_classes_are_balanced_and_grey_values_have_256_steps() -> None:
    task = load_task("shapes", train=404, val=80, test=83)
    assert task.num_classes == len(SHAPES) == 8
    assert sorted(np.bincount(task.train.targets)) == [50] * 4 + [51] * 4
    assert sorted(np.bincount(task.test.targets)) == [10] * 5 + [11] * 3
    steps = (task.train.inputs.astype(np.float64) + 1) * 127.5
    assert np.abs(steps - steps.round()).max() < 1e-4
    assert (steps.min(), steps.max()) == (0, 255)


def test_a_split_does_not_hang_on_the_sizes_of_the_others() -> None:
    first = load_task("shapes", train=64, val=40, test=48)
    second = load_task("shapes", train=128, val=16, test=48)
    assert np.array_equal(first.test.inputs, second.test.inputs)
    assert not np.array_equal(first.train.inputs[:8], second.train.inputs[:8])


def test_difficulty_moves_a_linear_model_from_all_to_chance() -> None:
    found = [
        linear_accuracy(load_task("shapes", train=1600, val=8, test=400, difficulty=level))
        for level in (0, 0.25, 0.5, 1)
    ]
    assert found[0] == 1
    assert 0.55 < found[1] < 0.95
    assert 0.2 < found[2] < 0.45
    assert found[3] < 0.22


def test_the_first_images_are_what_they_are_called() -> None:
    task = load_task("shapes", train=80, val=8, test=8, difficulty=0)
    mean = {name: task.train.inputs[task.train.targets == i, 0].mean(axis=0) for i, name in enumerate(SHAPES)}
    ink = {name: image > 0 for name, image in mean.items()}
    middle = np.s_[7:9, 7:9]
    assert not ink["ring"][middle].any()
    assert not ink["frame"][middle].any()
    for name in ("disc", "square", "cross", "bar", "triangle"):
        assert ink[name][middle].all()
    for name in ("disc", "ring", "square", "frame", "cross"):  # as they are after a quarter turn
        assert np.allclose(mean[name], np.rot90(mean[name]), atol=0.1)
    assert ink["bar"].sum(axis=1).max() == 12
    assert ink["bar"].sum(axis=0).max() == 4


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"difficulty": 1.1}, r"difficulty must be in 0\.\.1, got 1\.1"),
        ({"difficulty": float("nan")}, r"difficulty must be in 0\.\.1, got nan"),
        ({"difficulty": "hard"}, r"difficulty must be in 0\.\.1, got 'hard'"),
        ({"difficulty": True}, r"difficulty must be in 0\.\.1, got True"),
        ({"train": 7}, "train must be an integer from 8 on, got 7"),
        ({"test": 100.0}, r"test must be an integer from 8 on, got 100\.0"),
    ],
)
def test_options_out_of_range(option: dict, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        load_task("shapes", **option)
