"""The generated tasks ask what their definitions say, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nnstruct.errors import InvalidInputError
from nnstruct.structure import Structure
from nnstruct.tasks import SPLIT_NAMES, Split, Task, load_task
from nnstruct.tasks.embedded_reber import ALPHABET
from nnstruct.tasks.reber import is_reber
from nnstruct.tasks.signals import mackey_glass_series
from nnstruct.tasks.vectors import teacher_structure

SMALL = {"train": 200, "val": 50, "test": 100}


def splits(task: Task) -> list[Split]:
    return [getattr(task, name) for name in SPLIT_NAMES]


def in_units(task: Task, split: Split) -> np.ndarray:
    """The inputs of a series as they were before they were standardised, to about 1e-6."""
    return task.input_scale.undo(split.inputs)  # type: ignore[union-attr]


def test_copy_asks_for_what_was_shown() -> None:
    for split in splits(load_task("copy", symbols=4, length=5, delay=3, **SMALL)):
        assert split.inputs.shape[1] == 14
        np.testing.assert_array_equal(split.targets[:, -5:], split.inputs[:, :5] - 1)
        assert (split.targets[:, :-5] == -1).all()
        assert (split.inputs[:, 5:8] == 5).all()
        assert (split.inputs[:, 8] == 6).all()
        assert (split.inputs[:, 9:] == 5).all()
    with pytest.raises(InvalidInputError, match="no more than there are different strings, about 4"):
        load_task("copy", symbols=2, length=2, **SMALL)


def test_adding_asks_for_the_sum_of_what_is_marked() -> None:
    task = load_task("adding", length=11, **SMALL)
    for split in splits(task):
        values, marks = np.moveaxis(in_units(task, split), 2, 0)
        marks = marks.round(5)
        np.testing.assert_array_equal(marks[:, :5].sum(axis=1), 1)
        np.testing.assert_array_equal(marks[:, 5:].sum(axis=1), 1)
        total = task.in_units(split.targets)[:, 0]
        np.testing.assert_allclose((values * marks).sum(axis=1), total, atol=1e-5)
    assert task.train.targets.std() == pytest.approx(1, abs=1e-5)


def test_delayed_xor_and_parity_by_their_definitions() -> None:
    for split in splits(load_task("delayed-xor", length=12, delay=3, **SMALL)):
        bits = split.inputs - 1
        for t in range(12):
            wanted = bits[:, t - 3] ^ bits[:, t - 4] if t >= 4 else np.full(len(bits), -1)
            np.testing.assert_array_equal(split.targets[:, t], wanted)
    each, last = (load_task("parity", every_step=flag, **SMALL) for flag in (True, False))
    for split, other in zip(splits(each), splits(last), strict=True):
        np.testing.assert_array_equal(split.inputs, other.inputs)
        for row, length, labels, label in zip(
            split.inputs, split.lengths, split.targets, other.targets, strict=True
        ):
            assert labels[:length].tolist() == [int((row[: t + 1] == 2).sum() % 2) for t in range(length)]
            assert label == labels[length - 1]


def test_next_reber_follows_the_grammar_and_counts_find_the_end() -> None:
    for split in splits(load_task("reber-next", **SMALL)):
        for row, length in zip(split.inputs, split.lengths, strict=True):
            text = "".join(ALPHABET[symbol - 1] for symbol in row[:length])
            assert is_reber(text)
    ns = set()
    for split in splits(load_task("anbncn", max_n=12, copies=2)):
        for row, length in zip(split.inputs, split.lengths, strict=True):
            n = int(length) // 3
            assert row[:length].tolist() == [1] * n + [2] * n + [3] * n
            ns.add(n)
    assert ns == set(range(1, 13))


def valid(text: np.ndarray) -> bool:
    open_ones: list[int] = []
    for symbol in text:
        if symbol in (1, 3):  # ( and [
            open_ones.append(symbol)
        elif not open_ones or open_ones.pop() != symbol - 1:
            return False
    return not open_ones


def test_brackets_close_by_a_stack_and_neither_counts_nor_depths_tell() -> None:
    task = load_task("dyck-2", max_depth=3, **SMALL)
    for split in splits(task):
        for row, length, label in zip(split.inputs, split.lengths, split.targets, strict=True):
            text = row[:length]
            assert valid(text) == bool(label)
            depth = np.cumsum(np.where(np.isin(text, (1, 3)), 1, -1))
            assert depth.min() >= 0
            assert depth.max() <= 3
            assert depth[-1] == 0
            counts = np.bincount(text, minlength=5)
            assert counts[1] == counts[2]
            assert counts[3] == counts[4]
        assert abs(int((split.targets == 1).sum()) - len(split) / 2) <= 0.5


def test_narma_follows_its_equation_written_out() -> None:
    task = load_task("narma-10", length=25, **SMALL)
    inputs = in_units(task, task.val)[:, :, 0]
    for u, target in zip(inputs, task.in_units(task.val.targets)[:, 0], strict=True):
        y = [0.0] * 40  # y[t] for t from -14 on
        at = 14
        for t in range(25):
            past = sum(y[at + t - i] for i in range(10))
            product = 1.5 * u[t - 9] * u[t] if t >= 9 else 0.0
            y[at + t + 1] = 0.3 * y[at + t] + 0.05 * y[at + t] * past + product + 0.1
        assert target == pytest.approx(y[at + 25], abs=2e-5)


def test_mackey_glass_solves_its_equation() -> None:
    x = mackey_glass_series(np.array([0.7, 1.2]), 60, tau=17)
    # While t <= tau the past is constant, and the equation is linear: its solution is known.
    drive = 0.2 * x[0] / (1 + x[0] ** 10) / 0.1
    for t in (5, 17):
        np.testing.assert_allclose(x[t], drive + (x[0] - drive) * np.exp(-0.1 * t), rtol=1e-6)
    task = load_task("mackey-glass", length=5, every=2, ahead=1, **SMALL)
    # One unit ahead is nearly the last value; a whole period of chaos ahead is not.
    last = in_units(task, task.test)[:, -1, 0]
    assert np.corrcoef(last, task.test.targets[:, 0])[0, 1] > 0.9


def test_multi_sine_is_the_sum_of_two_neighbouring_tones() -> None:
    task = load_task("multi-sine", noise=0.0, length=40, classes=4, **SMALL)
    series, steps = in_units(task, task.test)[:, :, 0], np.arange(40)
    for row, label in zip(series, task.test.targets, strict=True):
        waves = [2 * np.pi * 1.4 ** (label + k) / 20 * steps for k in (0, 1)]
        basis = np.stack([f(w) for w in waves for f in (np.sin, np.cos)], axis=1)
        assert np.linalg.lstsq(basis, row, rcond=None)[1][0] < 1e-6
    with pytest.raises(InvalidInputError, match="classes must be an integer in"):
        load_task("multi-sine", classes=7)


def test_rows_are_those_of_the_images() -> None:
    rows, images = load_task("digits-rows"), load_task("digits")
    for split, other in zip(splits(rows), splits(images), strict=True):
        np.testing.assert_array_equal(split.inputs.reshape(len(split), 64), other.inputs)
        np.testing.assert_array_equal(split.targets, other.targets)
        assert (split.lengths == 8).all()


def test_spirals_wind_and_a_line_cannot_tell_them() -> None:
    task = load_task("two-spirals", noise=0.0)
    points, labels = task.test.inputs.astype(float), task.test.targets
    radius = np.hypot(*points.T)
    angle = np.pi * (1.5 * radius + labels)  # 2 pi * turns * radius / 2
    np.testing.assert_allclose(
        points, radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1), atol=1e-5
    )
    rows = np.c_[points, np.ones(len(points))]
    line = np.linalg.lstsq(rows, 2 * labels - 1, rcond=None)[0]
    assert ((rows @ line > 0) == labels).mean() < 0.7


def test_a_teacher_of_one_unit_is_a_function_that_can_be_inverted() -> None:
    one = Structure.from_layers([1])
    task = load_task("teacher", structure=one, inputs=3, train=500, val=10, test=100)
    targets, x = task.in_units(task.train.targets)[:, 0], task.train.inputs.astype(float)
    scale = np.abs(targets).max() * 1.0000001
    # y = a tanh(w x): for the right a, the inverse is linear in x.
    errors = []
    for a in scale * np.linspace(1, 1.2, 400):
        z = np.arctanh(targets / a)
        inside = np.abs(z) < 2
        errors.append(np.linalg.lstsq(x[inside], z[inside], rcond=None)[1][0] / inside.sum())
    assert min(errors) < 1e-5
    structure = teacher_structure(units=(4, 5), density=0.2, seed=2)
    assert structure.layer_sizes.tolist() == [4, 5]
    assert structure.num_edges >= 5
    assert load_task("teacher", seed=1).fingerprint != load_task("teacher", seed=2).fingerprint


def test_linear_regression_on_diabetes_reaches_what_its_docstring_says() -> None:
    task = load_task("diabetes", test=0.3)
    rows = [np.c_[split.inputs, np.ones(len(split))] for split in (task.train, task.test)]
    given = rows[1] @ np.linalg.lstsq(rows[0], task.train.targets, rcond=None)[0]
    tally = task.goal.tally()
    tally.add(torch.from_numpy(given), torch.from_numpy(task.test.targets))
    assert 0.35 < tally.score < 0.6
