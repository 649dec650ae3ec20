"""What a Task is: arrays in three splits, a loss and a metric."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from nnstruct.checks import check_choice, is_number
from nnstruct.errors import InvalidInputError
from nnstruct.random import check_seed, generator
from nnstruct.tasks.clones import ORDERS, gaussian_clone
from nnstruct.tasks.splits import (
    SPLIT_NAMES,
    Split,
    as_classes,
    check_split,
    encode_sequences,
    padded_split,
    split_by_identity,
)
from nnstruct.tasks.user_data import as_inputs, given_splits, read_dataset


@dataclass(frozen=True, eq=False)
class Task:
    """What networks are trained on: a classification task in three splits.

    The loss is cross-entropy and the metric accuracy.

    Parameters
    ----------
    name : str
    train, val, test : Split
    num_classes : int
    num_symbols : int or None
        Size of the vocabulary where inputs are sequences of symbols; None where they are vectors
        or images.

    Raises
    ------
    InvalidInputError
        If lengths, classes or symbols do not fit together, or a split is empty.

    Examples
    --------
    Own data become a task in one line: strings by :meth:`from_sequences`, vectors and images by
    :meth:`from_arrays`, a torch Dataset by :meth:`from_dataset`, and data that are already split by
    :meth:`from_splits`.

    >>> from nnstruct.tasks import Task
    >>> task = Task.from_sequences("parity", ["ab", "ba", "aab", "bb"] * 10, [1, 1, 1, 0] * 10, seed=0)
    >>> task.num_symbols, task.num_classes
    (3, 2)
    """

    name: str
    train: Split
    val: Split
    test: Split
    num_classes: int
    num_symbols: int | None = None

    def __post_init__(self) -> None:
        for name in SPLIT_NAMES:
            split: Split = getattr(self, name)
            check_split(name, split, self.num_classes, self.num_symbols)
            if not self.is_sequence and split.inputs.shape[1:] != self.input_shape:
                rule = f"have the shape of train.inputs, [n, {', '.join(map(str, self.input_shape))}]"
                raise InvalidInputError(f"{name}.inputs", rule, list(split.inputs.shape))

    @property
    def is_sequence(self) -> bool:
        """Whether inputs are sequences of symbols."""
        return self.num_symbols is not None

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one input; for sequences (longest length,)."""
        return tuple(self.train.inputs.shape[1:])

    @cached_property
    def fingerprint(self) -> str:
        """16 hexadecimal digits that depend on every value of every split, and not on the name."""
        digest = hashlib.blake2b(f"{self.num_classes}|{self.num_symbols}".encode(), digest_size=8)
        for name in SPLIT_NAMES:
            split: Split = getattr(self, name)
            for array in (split.inputs, split.targets, split.lengths):
                if array is not None:
                    digest.update(f"{array.dtype.str}{array.shape}".encode())
                    digest.update(np.ascontiguousarray(array).reshape(-1).data)
        return digest.hexdigest()

    def __repr__(self) -> str:
        sizes = "/".join(str(len(getattr(self, name))) for name in SPLIT_NAMES)
        kind = f"{self.num_symbols} symbols" if self.is_sequence else f"inputs {list(self.input_shape)}"
        return f"Task({self.name!r}, {sizes} train/val/test, {kind}, {self.num_classes} classes)"

    def clone(self, order: str, *, seed: int = 0) -> Task:
        """A task whose training and validation data are Gaussian, and whose test data are the real ones.

        As many examples of each class are drawn as there are. The moments are those of the training data, so
        that a network trained on the clone knows of them and of nothing else (Refinetti, Ingrosso and
        Goldt, 2023, arXiv:2211.11567).

        Parameters
        ----------
        order : {"mean", "covariance"}
            What is that of each class: the mean, with one variance for all inputs; or the covariance, too.
        seed : int

        Returns
        -------
        Task

        Raises
        ------
        InvalidInputError
            If the task holds sequences, or there is no such order.

        Examples
        --------
        >>> import numpy as np
        >>> from nnstruct import load_task
        >>> digits = load_task("digits")
        >>> clone = digits.clone("covariance")
        >>> np.array_equal(clone.train.targets, digits.train.targets), clone.test is digits.test
        (True, True)
        """
        order = check_choice(order, "order", ORDERS)
        if self.is_sequence:
            raise InvalidInputError("task", "hold vectors or images to have Gaussian clones", self.name)
        rng = generator(check_seed(seed), "clone", order, self.fingerprint)
        train, val = (
            gaussian_clone(self.train, getattr(self, name).targets, order, rng) for name in ("train", "val")
        )
        return replace(self, name=f"{self.name}, {order} clone", train=train, val=val)

    @classmethod
    def from_sequences(
        cls,
        name: str,
        sequences: Sequence[str | Sequence[int]],
        targets: np.ndarray | Sequence[int],
        *,
        val: float = 0.15,
        test: float = 0.15,
        seed: int = 0,
        alphabet: str | None = None,
    ) -> Task:
        """A task from own strings (or integer sequences) and their classes.

        Exact duplicates never stand on two sides of the split.

        Parameters
        ----------
        name : str
        sequences : sequence of str, or of sequences of positive int
            None may be empty. Symbol 0 is kept for the padding.
        targets : sequence of int
            Classes from 0.
        val, test : float
            Shares of the distinct sequences.
        seed : int
            Decides the split.
        alphabet : str, optional
            Order of the characters; by default those that occur, sorted. Only for strings.

        Returns
        -------
        Task

        Raises
        ------
        InvalidInputError
            If a sequence is empty or leaves the alphabet, classes are not integers from 0, or fewer
            than three distinct sequences are given.

        Examples
        --------
        >>> from nnstruct.tasks import Task
        >>> Task.from_sequences("ends-in-b", ["ab", "ba", "bb", "aa"] * 5, [1, 0, 1, 0] * 5)
        Task('ends-in-b', 10/5/5 train/val/test, 3 symbols, 2 classes)
        """
        labels = as_classes(targets, len(sequences))
        coded = encode_sequences(sequences, alphabet)
        parts = split_by_identity(coded, val=val, test=test, seed=seed)
        longest = max(len(row) for row in coded)
        splits = [padded_split([coded[i] for i in part], labels[part], longest) for part in parts]
        return cls(
            name,
            train=splits[0],
            val=splits[1],
            test=splits[2],
            num_classes=int(labels.max()) + 1,
            num_symbols=len(alphabet) + 1 if alphabet else int(max(max(row) for row in coded)) + 1,
        )

    @classmethod
    def from_arrays(
        cls,
        name: str,
        inputs: np.ndarray,
        targets: np.ndarray | Sequence[int],
        *,
        val: float = 0.15,
        test: float = 0.15,
        seed: int = 0,
    ) -> Task:
        """A task from vectors or images, float [n, ...], and their classes, int [n].

        Exact duplicates never stand on two sides of the split.

        Parameters
        ----------
        name : str
        inputs : float [n, ...]
        targets : sequence of int
            Classes from 0.
        val, test : float
            Shares of the distinct inputs.
        seed : int
            Decides the split.

        Returns
        -------
        Task

        Raises
        ------
        InvalidInputError
            If a value is not finite, classes are not integers from 0, or fewer than three distinct
            inputs are given.

        Examples
        --------
        >>> import numpy as np
        >>> from nnstruct.tasks import Task
        >>> x = np.random.default_rng(0).normal(size=(100, 3))
        >>> Task.from_arrays("sign", x, (x[:, 0] > 0).astype(int))
        Task('sign', 70/15/15 train/val/test, inputs [3], 2 classes)
        """
        x = as_inputs("inputs", inputs)
        y = as_classes(targets, len(x))
        parts = split_by_identity([row.tobytes() for row in x], val=val, test=test, seed=seed)
        train_part, val_part, test_part = (Split(x[part], y[part]) for part in parts)
        return cls(name, train_part, val_part, test_part, num_classes=int(y.max()) + 1)

    @classmethod
    def from_splits(
        cls,
        name: str,
        train: tuple[Any, Any],
        val: tuple[Any, Any] | float,
        test: tuple[Any, Any],
        *,
        sequences: bool = False,
        alphabet: str | None = None,
        seed: int = 0,
    ) -> Task:
        """A task from data that are already split.

        Given splits are kept as they are, with their order and their repetitions.

        Parameters
        ----------
        name : str
        train, test : pairs of inputs and targets
            As for :meth:`from_arrays`; with ``sequences`` as for :meth:`from_sequences`.
        val : pair, or float
            Or the share of the distinct train inputs that is held out for validation; exact
            duplicates stay together.
        sequences : bool
            Whether inputs are sequences of symbols.
        alphabet : str, optional
            Order of the characters of strings; by default those that occur in any split, sorted.
        seed : int
            Decides what is held out.

        Returns
        -------
        Task

        Raises
        ------
        InvalidInputError
            If a split breaks a rule; the message names it.

        Examples
        --------
        >>> import numpy as np
        >>> from nnstruct.tasks import Task
        >>> x = np.random.default_rng(0).normal(size=(100, 3, 8, 8))  # images of 3 channels
        >>> y = (x.mean(axis=(1, 2, 3)) > 0).astype(int)
        >>> Task.from_splits("bright", train=(x[:80], y[:80]), val=0.1, test=(x[80:], y[80:]))
        Task('bright', 72/8/20 train/val/test, inputs [3, 8, 8], 2 classes)
        """
        parts: dict[str, Any] = {"train": train, "test": test}
        if not is_number(val):
            parts["val"] = val
        splits, num_symbols = given_splits(parts, val=val, sequences=sequences, alphabet=alphabet, seed=seed)
        classes = 1 + max(int(split.targets.max()) for split in splits)
        first, second, third = splits
        return cls(name, first, second, third, num_classes=classes, num_symbols=num_symbols)

    @classmethod
    def from_dataset(
        cls,
        name: str,
        dataset: Any,
        *,
        val: float = 0.15,
        test: float = 0.15,
        sequences: bool = False,
        seed: int = 0,
    ) -> Task:
        """A task from a torch Dataset, or from one for each split.

        Every item is read once, so that a random transform is frozen; values are taken as they are,
        so that scaling belongs into the Dataset's transform.

        Parameters
        ----------
        name : str
        dataset : Dataset, or tuple of Datasets
            Anything with a length whose items are pairs of an input (tensor, array or Pillow image,
            which becomes [channels, height, width] from 0 to 1) and a class from 0. A tuple is
            (train, test) or (train, val, test) and is kept as it is.
        val, test : float
            Shares of the distinct inputs, where they are not given; exact duplicates stay together.
        sequences : bool
            Whether inputs are strings or sequences of symbols from 1.
        seed : int
            Decides the split.

        Returns
        -------
        Task

        Raises
        ------
        InvalidInputError
            If the Dataset has no length, or an item breaks a rule; the message names it.

        Examples
        --------
        >>> import torch
        >>> from torch.utils.data import TensorDataset
        >>> from nnstruct.tasks import Task
        >>> images = torch.rand(60, 1, 8, 8, generator=torch.Generator().manual_seed(0))
        >>> data = TensorDataset(images, (images.mean(dim=(1, 2, 3)) > 0.5).long())
        >>> Task.from_dataset("bright", data)
        Task('bright', 42/9/9 train/val/test, inputs [1, 8, 8], 2 classes)
        >>> Task.from_dataset("bright", (data, data), val=0.1)
        Task('bright', 54/6/60 train/val/test, inputs [1, 8, 8], 2 classes)
        """
        if not isinstance(dataset, tuple):
            inputs, targets = read_dataset("dataset", dataset, sequences=sequences)
            make = cls.from_sequences if sequences else cls.from_arrays
            return make(name, inputs, targets, val=val, test=test, seed=seed)
        if len(dataset) not in (2, 3):
            raise InvalidInputError(
                "dataset", "be one Dataset, (train, test) or (train, val, test)", len(dataset)
            )
        names = ("train", "test") if len(dataset) == 2 else SPLIT_NAMES
        parts = {
            part: read_dataset(part, one, sequences=sequences)
            for part, one in zip(names, dataset, strict=True)
        }
        return cls.from_splits(
            name, parts["train"], parts.get("val", val), parts["test"], sequences=sequences, seed=seed
        )
