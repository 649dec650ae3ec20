"""Own data as tasks: given splits and torch Datasets."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import Dataset, IterableDataset, Subset, TensorDataset

from nnstruct.errors import InvalidInputError
from nnstruct.tasks import Split, Task

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(60, 1, 4, 4)).astype(np.float32), np.arange(60) % 3


class Listed(Dataset):
    """A Dataset of given items that counts how often it is read."""

    def __init__(self, items: list) -> None:
        self.items, self.reads = items, 0

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> Any:
        self.reads += 1
        return self.items[index]


def pairs(task: Task, names: tuple[str, ...] = ("train", "val", "test")) -> list[tuple[bytes, int]]:
    found = []
    for name in names:
        split: Split = getattr(task, name)
        found += [(x.tobytes(), int(y)) for x, y in zip(split.inputs, split.targets, strict=True)]
    return sorted(found)


def test_given_splits_are_kept_in_their_order() -> None:
    task = Task.from_splits("own", (X[:30], Y[:30]), (X[30:40], Y[30:40]), (X[40:], Y[40:].tolist()))
    for split, rows in ((task.train, slice(30)), (task.val, slice(30, 40)), (task.test, slice(40, None))):
        assert np.array_equal(split.inputs, X[rows])
        assert np.array_equal(split.targets, Y[rows])
    assert (task.num_classes, task.input_shape, task.is_sequence) == (3, (1, 4, 4), False)


def test_a_class_that_only_the_test_has_is_counted() -> None:
    assert Task.from_splits("own", (X, Y % 2), (X, Y % 2), (X, Y)).num_classes == 3


def test_tensors_are_taken_as_arrays() -> None:
    train = torch.from_numpy(X).requires_grad_(), torch.from_numpy(Y)
    task = Task.from_splits("own", train, 0.2, (X, Y))
    assert [len(task.train), len(task.val)] == [48, 12]
    assert pairs(task, ("train", "val")) == pairs(task, ("test",))
    assert Task.from_arrays("own", torch.from_numpy(X), Y).input_shape == (1, 4, 4)


def test_held_out_duplicates_stay_together() -> None:
    x, y = np.repeat(X[:20], 3, axis=0), np.repeat(Y[:20], 3)
    for seed in range(5):
        task = Task.from_splits("own", (x, y), 0.25, (X[20:], Y[20:]), seed=seed)
        train, val = ({row.tobytes() for row in split.inputs} for split in (task.train, task.val))
        assert (len(train), len(val), len(train & val)) == (15, 5, 0)
        assert (len(task.train), len(task.val)) == (45, 15)
    other = Task.from_splits("own", (x, y), 0.25, (X[20:], Y[20:]), seed=0)
    assert other.fingerprint != task.fingerprint


def test_given_sequences_share_one_alphabet_and_one_length() -> None:
    train, val, test = (["ab", "b"], [0, 1]), (["aab"], [0]), (["cab", "a"], [0, 1])
    task = Task.from_splits("own", train, val, test, sequences=True)
    assert task.num_symbols == 4
    assert task.train.inputs.tolist() == [[1, 2, 0], [2, 0, 0]]
    assert task.test.inputs.tolist() == [[3, 1, 2], [1, 0, 0]]
    assert task.test.lengths is not None
    assert task.test.lengths.tolist() == [3, 1]
    task = Task.from_splits("own", train, val, test, sequences=True, alphabet="cbad")
    assert (task.num_symbols, task.test.inputs[0].tolist()) == (5, [1, 3, 2])
    numbers = Task.from_splits("own", ([[1, 2], [7]], [0, 1]), 0.5, ([[3]], [0]), sequences=True)
    assert (numbers.num_symbols, len(numbers.train), len(numbers.val)) == (8, 1, 1)
    assert numbers.val.lengths is not None


@pytest.mark.parametrize(
    ("splits", "options", "message"),
    [
        ((X, (X, Y), (X, Y)), {}, "train must be a pair of inputs and targets, got 'ndarray'"),
        (((X, Y), (X, Y), (X, Y, Y)), {}, "test must be a pair of inputs and targets"),
        (((X, Y), "many", (X, Y)), {}, "val must be a pair of inputs and targets, got 'str'"),
        (((X, Y), (X, Y[1:]), (X, Y)), {}, r"val\.targets must have shape \[60\], got \[59\]"),
        (((X, Y), (X, Y), (X, Y - 1)), {}, r"test\.targets must be integers from 0"),
        (((X, Y), (X, Y), (X[:0], Y[:0])), {}, r"test\.targets must not be empty"),
        (((X, Y), (X, Y), (X[:, :, 1:], Y)), {}, r"test\.inputs must have the shape of train\.inputs"),
        (((X, Y), (Y, Y), (X, Y)), {}, r"val\.inputs must have shape \[n, \.\.\.\]"),
        (((X, Y), 1.0, (X, Y)), {}, r"val must be a share above 0 and below 1, or a split, got 1\.0"),
        (((X, Y), 0, (X, Y)), {}, "val must be a share above 0 and below 1, or a split, got 0"),
        (((X, Y), 0.2, (X, Y)), {"seed": -1}, "seed must be a non-negative integer"),
        (((X[:1], Y[:1]), 0.5, (X, Y)), {}, "items must hold at least 2 distinct ones, got 1"),
        (((X, Y), 0.2, (X, Y)), {"alphabet": "ab"}, "alphabet must be None unless sequences=True"),
        (
            ((["ab"], [0]), 0.2, (["b"], [0])),
            {},
            r"train\.inputs must be numbers of one shape.*sequences=True",
        ),
        (((["ab"], [0]), 0.2, (["c"], [0])), {"sequences": True, "alphabet": "ab"}, "use the alphabet 'ab'"),
        (
            ((X, Y), 0.2, (np.where(X[7, 0, 1, 1] == X, np.inf, X), Y)),
            {},
            r"test\.inputs must be finite, got inf",
        ),
    ],
)
def test_given_splits_that_break_a_rule(splits: tuple, options: dict, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        Task.from_splits("own", *splits, **options)


@pytest.mark.parametrize("whole", [TensorDataset(torch.from_numpy(X), torch.from_numpy(Y)), None])
def test_one_dataset_is_split_like_its_arrays(whole: Dataset | None) -> None:
    dataset = whole or list(zip(X, Y.tolist(), strict=True))
    task = Task.from_dataset("own", dataset, val=0.2, test=0.3, seed=5)
    assert task.fingerprint == Task.from_arrays("own", X, Y, val=0.2, test=0.3, seed=5).fingerprint
    assert pairs(task) == sorted((x.tobytes(), int(y)) for x, y in zip(X, Y, strict=True))


def test_datasets_of_two_or_three_splits_are_kept() -> None:
    whole = TensorDataset(torch.from_numpy(X), torch.from_numpy(Y))
    train, val, test = (Subset(whole, range(*bounds)) for bounds in ((0, 30), (30, 40), (40, 60)))
    three = Task.from_dataset("own", (train, val, test))
    given = Task.from_splits("own", (X[:30], Y[:30]), (X[30:40], Y[30:40]), (X[40:], Y[40:]))
    assert three.fingerprint == given.fingerprint
    two = Task.from_dataset("own", (train, test), val=0.2, seed=3)
    drawn = Task.from_splits("own", (X[:30], Y[:30]), 0.2, (X[40:], Y[40:]), seed=3)
    assert two.fingerprint == drawn.fingerprint
    assert [len(two.train), len(two.val), len(two.test)] == [24, 6, 20]


def test_every_item_is_read_once() -> None:
    dataset = Listed(list(zip(X, Y, strict=True)))
    Task.from_dataset("own", dataset)
    assert dataset.reads == 60


def test_pictures_become_channels_first_from_0_to_1() -> None:
    image = pytest.importorskip("PIL.Image")
    grey = [(image.fromarray(np.full((5, 4), 51 * i, dtype=np.uint8)), i % 2) for i in range(6)]
    task = Task.from_dataset("own", (grey[:4], grey[4:5], grey[5:]))
    assert task.input_shape == (1, 5, 4)
    assert task.train.inputs[:, 0, 0, 0].tolist() == pytest.approx([0, 0.2, 0.4, 0.6])
    colours = RNG.integers(0, 256, (3, 5, 4, 3), dtype=np.uint8)
    items = [[(image.fromarray(pixels), 0)] for pixels in colours]
    task = Task.from_dataset("own", tuple(items))
    assert np.allclose(task.test.inputs[0] * 255, colours[2].transpose(2, 0, 1))


def test_datasets_of_sequences() -> None:
    texts = ["ab", "ba", "aab", "bb", "a"] * 4
    labels = [text.count("b") % 2 for text in texts]
    task = Task.from_dataset("own", Listed(list(zip(texts, labels, strict=True))), sequences=True)
    assert task.fingerprint == Task.from_sequences("own", texts, labels).fingerprint
    tokens = [
        (torch.tensor([1 + "ab".index(c) for c in text]), y) for text, y in zip(texts, labels, strict=True)
    ]
    assert Task.from_dataset("own", tokens, sequences=True).fingerprint == task.fingerprint


class Endless(IterableDataset):
    def __iter__(self):
        yield from zip(X, Y, strict=True)


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        (Endless(), "dataset must be a Dataset with a length and items, got 'Endless'.*Task.from_arrays"),
        ([], "dataset must not be empty, got 0"),
        ((Listed([(X[0], 0)]),), r"one Dataset, \(train, test\) or \(train, val, test\), got 1"),
        ((Listed([(X[0], 0)]), 5), "test must be a Dataset with a length and items, got 'int'"),
        ([X[0]], r"dataset\[0\] must be a pair of an input and its class, got 'ndarray'"),
        ([(X[0], 0), (X[0], 0, 1)], r"dataset\[1\] must be a pair"),
        ([(X[0], 0), (X[0], [0, 1])], r"target of dataset\[1\] must be one class, got \[2\]"),
        ([(X[0], 0), (X[0, :, 1:], 0)], r"dataset\[1\] must have the shape .* \[1, 4, 4\], got \[1, 3, 4\]"),
        ([(x, 0.5) for x in X], "targets must be integers from 0"),
        ([(x, "cat") for x in X], "targets must be integers from 0"),
        ([(text, 0) for text in "abc"], r"dataset\[0\] must be .*numbers"),
    ],
)
def test_datasets_that_break_a_rule(dataset: Any, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        Task.from_dataset("own", dataset)
