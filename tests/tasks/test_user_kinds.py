"""Own data of every kind: series, data frames, Datasets and given splits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from nnstruct.errors import InvalidInputError
from nnstruct.tasks import Split, Task

RNG = np.random.default_rng(2)
SERIES = [RNG.normal(5.0, [1.0, 20.0], size=(RNG.integers(3, 9), 2)) for _ in range(80)]
TOTALS = np.array([row.sum() for row in SERIES])
WORDS = ["".join(RNG.choice(list("abc"), size=RNG.integers(2, 9))) for _ in range(60)]


def inner(split: Split) -> np.ndarray:
    """All values of the series, float [m, D]."""
    return split.inputs[np.arange(split.inputs.shape[1]) < np.asarray(split.lengths)[:, None]]


def test_series_are_standardised_by_the_training_split_alone() -> None:
    task = Task.from_series("totals", SERIES, TOTALS, kind="regression")
    assert task.is_series
    assert task.is_sequence
    np.testing.assert_allclose(inner(task.train).mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(inner(task.train).std(axis=0), 1, atol=1e-5)
    assert np.abs(inner(task.test).mean(axis=0)).max() > 1e-3
    scale = task.input_scale
    assert scale is not None
    for split in (task.train, task.val, task.test):
        beyond = np.arange(split.inputs.shape[1]) >= np.asarray(split.lengths)[:, None]
        assert not split.inputs[beyond].any()
        found = [
            scale.undo(row[:length]).sum() for row, length in zip(split.inputs, split.lengths, strict=True)
        ]
        np.testing.assert_allclose(found, task.in_units(split.targets)[:, 0], atol=1e-3)


def test_an_array_with_lengths_is_the_same_as_ragged_series() -> None:
    longest = max(map(len, SERIES))
    wide = np.full((len(SERIES), longest, 2), 99.0)
    for row, values in zip(wide, SERIES, strict=True):
        row[: len(values)] = values
    ragged = Task.from_series("totals", SERIES, TOTALS, kind="regression")
    padded = Task.from_series("totals", wide, TOTALS, [len(row) for row in SERIES], kind="regression")
    assert ragged.fingerprint == padded.fingerprint
    raw = Task.from_series("totals", SERIES, TOTALS > 50, standardise=False)
    assert raw.input_scale is None
    assert inner(raw.train).mean() == pytest.approx(5, abs=2)
    flat = Task.from_series("flat", RNG.normal(size=(30, 7)), np.arange(30) % 2)
    assert flat.input_shape == (7, 1)


def test_a_frame_is_a_row_an_example_or_a_group_a_series() -> None:
    frame = pd.DataFrame({
        "size": RNG.normal(100, 5, size=60), "colour": RNG.choice(["red", "blue", "green"], size=60),
        "kind": RNG.choice(["x", "y"], size=60), "price": RNG.normal(size=60), "weight": RNG.normal(size=60),
    })  # fmt: skip
    rows = Task.from_dataframe("kinds", frame, "kind", features=["size", "colour"], standardise=False)
    assert (rows.num_classes, rows.input_shape) == (2, (4,))
    by_size = {np.float32(row.size_): row for row in frame.rename(columns={"size": "size_"}).itertuples()}
    for x, y in zip(rows.train.inputs, rows.train.targets, strict=True):
        row = by_size[x[0]]
        assert x[1:].tolist() == [float(row.colour == level) for level in ("blue", "green", "red")]
        assert y == ["x", "y"].index(row.kind)
    both = Task.from_dataframe("both", frame, ["price", "weight"], kind="regression")
    assert (both.num_outputs, both.input_shape) == (2, (1 + 3 + 2,))
    long = pd.DataFrame({
        "id": np.repeat(np.arange(80), [len(row) for row in SERIES]), "a": np.concatenate(SERIES)[:, 0],
        "b": np.concatenate(SERIES)[:, 1], "total": np.repeat(TOTALS, [len(row) for row in SERIES]),
    }).assign(up=lambda f: (f["a"] > 5).astype(int))  # fmt: skip
    grouped = Task.from_dataframe("totals", long, "total", features=["a", "b"], group="id", kind="regression")
    direct = Task.from_series("totals", SERIES, TOTALS, kind="regression")
    assert grouped.fingerprint == direct.fingerprint
    steps = Task.from_dataframe("up", long, "up", features=["a", "b"], group="id", kind="sequence-labelling")
    assert steps.goal.every_step
    scale = steps.input_scale
    assert scale is not None
    asked = steps.test.targets >= 0
    np.testing.assert_array_equal(scale.undo(steps.test.inputs)[asked][:, 0] > 5, steps.test.targets[asked])
    with pytest.raises(InvalidInputError, match="column must be one of size, colour"):
        Task.from_dataframe("kinds", frame, "prize")
    with pytest.raises(InvalidInputError, match=r"frame\['size'\] must have no missing value, got 1"):
        Task.from_dataframe("kinds", frame.assign(size=[np.nan, *frame["size"][1:]]), "kind")


class Pairs(torch.utils.data.Dataset):
    def __init__(self, items: list[Any]) -> None:
        self.items = items

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> Any:
        return self.items[index]


def test_datasets_of_every_kind() -> None:
    labels = [[int(sign == "a") for sign in word] for word in WORDS]
    series = Task.from_dataset(
        "t", Pairs(list(zip(SERIES, TOTALS, strict=True))), series=True, kind="regression"
    )
    direct = Task.from_series("t", [row.astype(np.float32) for row in SERIES], TOTALS, kind="regression")
    assert series.fingerprint == direct.fingerprint
    steps = Task.from_dataset(
        "a", Pairs(list(zip(WORDS, labels, strict=True))), sequences=True, kind="sequence-labelling"
    )
    expected = Task.from_sequences("a", WORDS, labels, kind="sequence-labelling")
    assert steps.fingerprint == expected.fingerprint
    following = Task.from_dataset("n", Pairs(WORDS), sequences=True, kind="next-symbol")
    assert following.fingerprint == Task.from_sequences("n", WORDS, kind="next-symbol").fingerprint
    x = torch.randn(50, 3, generator=torch.Generator().manual_seed(0))
    vectors = Task.from_dataset(
        "v", Pairs(list(zip(x, x @ torch.ones(3, 2), strict=True))), kind="regression"
    )
    assert vectors.num_outputs == 2
    with pytest.raises(InvalidInputError, match=r"target of dataset\[0\] must be one class, got \[2\]"):
        Task.from_dataset("v", Pairs(list(zip(x, x @ torch.ones(3, 2), strict=True))))


def test_given_splits_of_every_kind_are_kept() -> None:
    cuts = (slice(0, 50), slice(50, 60), slice(60, 80))
    parts = [(SERIES[cut], TOTALS[cut]) for cut in cuts]
    task = Task.from_splits("totals", *parts, series=True, kind="regression")
    for split, cut in zip((task.train, task.val, task.test), cuts, strict=True):
        np.testing.assert_allclose(task.in_units(split.targets)[:, 0], TOTALS[cut], rtol=1e-5)
    held = Task.from_splits("totals", parts[0], 0.2, parts[2], series=True, kind="regression")
    assert (len(held.train), len(held.val)) == (40, 10)
    words = [WORDS[:40], WORDS[40:50], WORDS[50:]]
    following = Task.from_splits("n", *words, sequences=True, kind="next-symbol")
    assert [len(s) for s in (following.train, following.val, following.test)] == [40, 10, 10]
    with pytest.raises(InvalidInputError, match=r"test\.inputs must have 2 channels as train\.inputs"):
        Task.from_splits(
            "t", parts[0], parts[1], (np.ones((3, 4)), [1, 2, 3]), series=True, kind="regression"
        )
    with pytest.raises(InvalidInputError, match=r"series\[1\] must have shape \[T, 2\] with a step or more"):
        Task.from_series("t", [SERIES[0], np.ones((3, 3))], [0, 1])
    with pytest.raises(InvalidInputError, match=r"lengths\[1\] must be in 1\.\.2, got 3"):
        Task.from_series("t", np.ones((3, 2, 1)), [0, 1, 1], [1, 3, 2])


def test_images_are_standardised_by_channel() -> None:
    images = RNG.normal([[[1.0]], [[9.0]]], 2.0, size=(60, 2, 4, 4))
    task = Task.from_arrays(
        "bright", images, images.mean(axis=(1, 2, 3)), kind="regression", standardise=True
    )
    np.testing.assert_allclose(task.train.inputs.mean(axis=(0, 2, 3)), 0, atol=1e-5)
    assert task.train.inputs.flags.c_contiguous
    scale = task.input_scale
    assert scale is not None
    np.testing.assert_allclose(scale.mean, [1, 9], atol=0.3)
