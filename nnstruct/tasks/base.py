"""What a Task is: arrays in three splits, a loss and a metric."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from nnstruct.errors import InvalidInputError
from nnstruct.random import check_seed, generator

SPLIT_NAMES = ("train", "val", "test")


@dataclass(frozen=True, eq=False)
class Split:
    """One split of a task.

    Attributes
    ----------
    inputs : int64 [n, T] for sequences of symbols, float32 [n, ...] otherwise
        Sequences are padded behind their end with symbol 0.
    targets : int64 [n]
        Classes from 0.
    lengths : int64 [n] or None
        Symbols in each sequence, without the padding; None for other inputs.
    """

    inputs: np.ndarray
    targets: np.ndarray
    lengths: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.targets)


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
    Own strings become a task in one line, see :meth:`from_sequences`; own vectors likewise, see
    :meth:`from_arrays`.

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
            _check_split(name, split, self.num_classes, self.num_symbols)
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
                    digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()

    def __repr__(self) -> str:
        sizes = "/".join(str(len(getattr(self, name))) for name in SPLIT_NAMES)
        kind = f"{self.num_symbols} symbols" if self.is_sequence else f"inputs {list(self.input_shape)}"
        return f"Task({self.name!r}, {sizes} train/val/test, {kind}, {self.num_classes} classes)"

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
        labels = _classes(targets, len(sequences))
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
        x = np.asarray(inputs, dtype=np.float32)
        if x.ndim < 2:
            raise InvalidInputError("inputs", "have shape [n, ...] with two axes or more", list(x.shape))
        y = _classes(targets, len(x))
        parts = split_by_identity([row.tobytes() for row in x], val=val, test=test, seed=seed)
        train_part, val_part, test_part = (Split(x[part], y[part]) for part in parts)
        return cls(name, train_part, val_part, test_part, num_classes=int(y.max()) + 1)


def encode_sequences(
    sequences: Sequence[str | Sequence[int]], alphabet: str | None = None
) -> list[tuple[int, ...]]:
    """Strings as tuples of symbols from 1; integer sequences as they are."""
    if not len(sequences):
        raise InvalidInputError("sequences", "not be empty", list(sequences))
    if isinstance(sequences[0], str):
        for text in sequences:
            if not isinstance(text, str):
                raise InvalidInputError("sequences", "be all strings or all integer sequences", text)
        symbols = alphabet or "".join(sorted({char for text in sequences for char in text}))  # type: ignore
        if len(set(symbols)) < len(symbols):
            raise InvalidInputError("alphabet", "hold each character once", symbols)
        code = {char: index + 1 for index, char in enumerate(symbols)}
        for text in sequences:
            for char in text:
                if char not in code:
                    raise InvalidInputError("sequences", f"use the alphabet {symbols!r}", text)
        coded = [tuple(code[char] for char in text) for text in sequences]  # type: ignore[index]
    else:
        if alphabet is not None:
            raise InvalidInputError("alphabet", "be None for integer sequences", alphabet)
        if any(isinstance(row, str) for row in sequences):
            raise InvalidInputError("sequences", "be all strings or all integer sequences", sequences[0])
        coded = [tuple(int(symbol) for symbol in row) for row in sequences]
    for row in coded:
        if not row or min(row) < 1:
            raise InvalidInputError("sequences", "each hold at least one symbol, from 1 on", row)
    return coded


def padded_split(coded: Sequence[Sequence[int]], targets: np.ndarray, longest: int) -> Split:
    """A split with inputs int64 [n, longest], padded with 0."""
    inputs = np.zeros((len(coded), longest), dtype=np.int64)
    for row, symbols in enumerate(coded):
        inputs[row, : len(symbols)] = symbols
    return Split(inputs, targets, np.array([len(symbols) for symbols in coded], dtype=np.int64))


def split_by_identity(items: Sequence, *, val: float, test: float, seed: int) -> list[np.ndarray]:
    """Positions of the train, val and test parts; equal items always share a part."""
    check_seed(seed)
    if not (val > 0 and test > 0 and val + test < 1):
        raise InvalidInputError("val and test", "be positive with a sum below 1", (val, test))
    groups: dict = {}
    group_of = np.array([groups.setdefault(item, len(groups)) for item in items])
    order = generator(seed, "split").permutation(len(groups))
    num_test = max(1, round(test * len(groups)))
    num_val = max(1, round(val * len(groups)))
    if len(groups) < num_test + num_val + 1:
        raise InvalidInputError("items", "hold at least 3 distinct ones", len(groups))
    side = np.zeros(len(groups), dtype=np.int64)
    side[order[:num_test]] = 2
    side[order[num_test : num_test + num_val]] = 1
    return [np.flatnonzero(side[group_of] == part) for part in range(3)]


def _classes(targets: np.ndarray | Sequence[int], n: int) -> np.ndarray:
    """Classes as int64 [n]; a fraction or a NaN is an error and not rounded."""
    labels = np.asarray(targets)
    if labels.shape != (n,):
        raise InvalidInputError("targets", f"have shape [{n}]", list(labels.shape))
    if not n:
        raise InvalidInputError("targets", "not be empty", [])
    if (
        labels.dtype.kind not in "biuf"
        or (labels != np.floor(labels)).any()
        or not 0 <= labels.min() <= labels.max() < 2**31
    ):
        raise InvalidInputError("targets", "be integers from 0", np.unique(labels).tolist())
    return labels.astype(np.int64)


def _check_split(name: str, split: Split, num_classes: int, num_symbols: int | None) -> None:
    inputs, targets = split.inputs, split.targets
    if not len(targets):
        raise InvalidInputError(f"{name}.targets", "not be empty", list(targets.shape))
    if targets.dtype != np.int64 or targets.shape != (len(inputs),):
        raise InvalidInputError(
            f"{name}.targets", f"be int64 [{len(inputs)}]", f"{targets.dtype} {targets.shape}"
        )
    if targets.min() < 0 or targets.max() >= num_classes:
        worst = targets.min() if targets.min() < 0 else targets.max()
        raise InvalidInputError(f"{name}.targets", f"be in 0..{num_classes - 1}", int(worst))
    if num_symbols is None:
        if inputs.dtype != np.float32:
            raise InvalidInputError(f"{name}.inputs", "be float32", str(inputs.dtype))
        if not np.isfinite(inputs).all():
            broken = inputs[~np.isfinite(inputs)]
            raise InvalidInputError(f"{name}.inputs", "be finite", float(broken[0]))
        return
    if inputs.dtype != np.int64 or inputs.ndim != 2:
        raise InvalidInputError(f"{name}.inputs", "be int64 [n, T]", f"{inputs.dtype} {inputs.shape}")
    if inputs.min() < 0 or inputs.max() >= num_symbols:
        worst = inputs.min() if inputs.min() < 0 else inputs.max()
        raise InvalidInputError(f"{name}.inputs", f"be in 0..{num_symbols - 1}", int(worst))
    lengths = split.lengths
    if lengths is None or lengths.shape != targets.shape:
        raise InvalidInputError(f"{name}.lengths", f"have shape [{len(targets)}]", lengths)
    if lengths.min() < 1 or lengths.max() > inputs.shape[1]:
        worst = lengths.min() if lengths.min() < 1 else lengths.max()
        raise InvalidInputError(f"{name}.lengths", f"be in 1..{inputs.shape[1]}", int(worst))
    beyond = np.arange(inputs.shape[1]) >= lengths[:, None]  # [n, T]
    wrong = np.flatnonzero(((inputs == 0) != beyond).any(axis=1))
    if len(wrong):
        row = int(wrong[0])
        rule = "hold symbol 0 behind the end of each sequence and nowhere else"
        raise InvalidInputError(f"{name}.inputs[{row}]", rule, inputs[row].tolist())
