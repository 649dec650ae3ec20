"""Data of the user's own: arrays, sequences and torch Datasets become splits."""

from __future__ import annotations

from typing import Any

import numpy as np

from nnstruct.errors import InvalidInputError
from nnstruct.tasks.splits import Split, as_classes, encode_sequences, hold_out, padded_split


def as_inputs(field: str, inputs: Any) -> np.ndarray:
    """Vectors or images as float32.

    Parameters
    ----------
    field : str
        What they are called where the caller wrote them.
    inputs : array-like or tensor, shape [n, ...]

    Returns
    -------
    float32 [n, ...]

    Raises
    ------
    InvalidInputError
        If they are no numbers of one shape, or have fewer than two axes.
    """
    x = _numbers(field, plain(inputs))
    if x.ndim < 2:
        raise InvalidInputError(field, "have shape [n, ...] with two axes or more", list(x.shape))
    return x


def given_splits(
    parts: dict[str, Any], *, val: Any, sequences: bool, alphabet: str | None, seed: int
) -> tuple[list[Split], int | None]:
    """Train, val and test from pairs of inputs and targets, and the number of symbols of sequences.

    Parameters
    ----------
    parts : mapping of str to (inputs, targets)
        ``train``, ``test`` and, where it is given, ``val``.
    val : float
        Share of the distinct train inputs that is held out where ``val`` is not given.
    sequences : bool
        Whether inputs are sequences of symbols.
    alphabet : str or None
        Of strings; None takes the characters that occur in any part.
    seed : int
        Decides what is held out.

    Returns
    -------
    splits : list of three Split
    num_symbols : int or None
        None where inputs are no sequences.

    Raises
    ------
    InvalidInputError
        If a part is no pair or breaks a rule; the message names it.
    """
    pairs = {name: _pair(name, part) for name, part in parts.items()}
    if not sequences:
        if alphabet is not None:
            raise InvalidInputError("alphabet", "be None unless sequences=True", alphabet)
        splits = {name: Split(as_inputs(f"{name}.inputs", x), y) for name, (x, y) in pairs.items()}
        symbols = None
    else:
        coded, symbols = _encoded({name: list(x) for name, (x, _) in pairs.items()}, alphabet)
        longest = max(len(row) for rows in coded.values() for row in rows)
        splits = {name: padded_split(coded[name], y, longest) for name, (_, y) in pairs.items()}
    if "val" not in splits:
        train = splits["train"]
        kept, held = hold_out([row.tobytes() for row in train.inputs], val=val, seed=seed)
        splits["train"], splits["val"] = _rows(train, kept), _rows(train, held)
    return [splits[name] for name in ("train", "val", "test")], symbols


def read_dataset(field: str, dataset: Any, *, sequences: bool = False) -> tuple[Any, np.ndarray]:
    """Inputs and targets of a map-style Dataset, each item read once.

    A Pillow image becomes [channels, height, width] from 0 to 1; other values are taken as they are.

    Parameters
    ----------
    field : str
        What the Dataset is called where the caller wrote it.
    dataset : Dataset
        With a length n and items that are pairs of an input and a class.
    sequences : bool
        Whether inputs are strings or sequences of symbols.

    Returns
    -------
    inputs : float32 [n, ...]
        A list of strings and tuples for sequences.
    targets : array [n]

    Raises
    ------
    InvalidInputError
        If the Dataset is empty or has no length, or an item breaks a rule; the message names it.
    """
    if not hasattr(dataset, "__len__") or not hasattr(dataset, "__getitem__"):
        hint = "Read an iterable dataset into arrays and pass them to Task.from_arrays."
        raise InvalidInputError(field, "be a Dataset with a length and items", type(dataset).__name__, hint)
    n = len(dataset)
    if not n:
        raise InvalidInputError(field, "not be empty", n)
    rows: Any = [None] * n
    targets: list[Any] = []
    for index in range(n):
        value, target = _item(f"{field}[{index}]", dataset[index])
        targets.append(target)
        if sequences:
            rows[index] = value if isinstance(value, str) else tuple(np.asarray(value).tolist())
            continue
        array = _numbers(f"{field}[{index}]", value)
        if index == 0:
            rows = np.empty((n, *array.shape), dtype=np.float32)  # filled in place: no second copy
        elif array.shape != rows.shape[1:]:
            rule = f"have the shape of the first input, {list(rows.shape[1:])}"
            raise InvalidInputError(f"{field}[{index}]", rule, list(array.shape))
        rows[index] = array
    return rows, np.asarray(targets)


def plain(value: Any) -> Any:
    """A torch tensor as a numpy array; anything else as it is.

    Parameters
    ----------
    value : Tensor or anything else

    Returns
    -------
    numpy.ndarray or what was given
    """
    return value.detach().cpu().numpy() if hasattr(value, "detach") else value


def _numbers(field: str, value: Any) -> np.ndarray:
    try:
        return np.asarray(value, dtype=np.float32)
    except (TypeError, ValueError) as error:
        rule, hint = "be numbers of one shape", "Sequences of symbols need sequences=True or from_sequences."
        raise InvalidInputError(field, rule, type(value).__name__, hint) from error


def _pair(name: str, part: Any) -> tuple[Any, np.ndarray]:
    if not isinstance(part, tuple | list) or len(part) != 2:
        raise InvalidInputError(name, "be a pair of inputs and targets", type(part).__name__)
    inputs, targets = part
    return inputs, as_classes(plain(targets), len(inputs), f"{name}.targets")


def _encoded(
    sequences: dict[str, list], alphabet: str | None
) -> tuple[dict[str, list[tuple[int, ...]]], int]:
    coded = encode_sequences([row for rows in sequences.values() for row in rows], alphabet)
    symbols = len(alphabet) + 1 if alphabet else max(map(max, coded)) + 1
    parts, begin = {}, 0
    for name, rows in sequences.items():
        parts[name] = coded[begin : begin + len(rows)]
        begin += len(rows)
    return parts, symbols


def _rows(split: Split, part: np.ndarray) -> Split:
    lengths = None if split.lengths is None else split.lengths[part]
    return Split(split.inputs[part], split.targets[part], lengths)


def _item(field: str, item: Any) -> tuple[Any, Any]:
    if not isinstance(item, tuple | list) or len(item) != 2:
        raise InvalidInputError(field, "be a pair of an input and its class", type(item).__name__)
    value, target = (plain(part) for part in item)
    if np.ndim(target):
        raise InvalidInputError(f"target of {field}", "be one class", list(np.shape(target)))
    if hasattr(value, "getbands"):  # a Pillow image
        pixels = np.asarray(value, dtype=np.float32) / 255
        value = pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)  # [C, H, W]
    return value, np.asarray(target).item()
