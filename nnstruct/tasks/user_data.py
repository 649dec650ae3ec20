"""Data of the user's own: arrays, sequences and torch Datasets become splits."""

from __future__ import annotations

from typing import Any

import numpy as np

from nnstruct.errors import InvalidInputError
from nnstruct.tasks.assembly import as_series, next_symbols, read_targets
from nnstruct.tasks.goals import NOT_ASKED
from nnstruct.tasks.splits import Split, encode_sequences, hold_out, padded_split, part_of


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
    parts: dict[str, Any], *, val: Any, kind: str, form: str, alphabet: str | None, ends: bool, seed: int
) -> tuple[list[Split], int | None]:
    """Train, val and test from pairs of inputs and targets, and the number of symbols of sequences.

    Parameters
    ----------
    parts : mapping of str to (inputs, targets)
        ``train``, ``test`` and, where it is given, ``val``. Series may have lengths as a third.
    val : float
        Share of the distinct train inputs that is held out where ``val`` is not given.
    kind : str
        Of the task.
    form : {"arrays", "sequences", "series"}
        What inputs are: vectors or images, sequences of symbols, series of real values.
    alphabet : str or None
        Of strings; None takes the characters that occur in any part.
    ends : bool
        Whether the end of a sequence is foretold as a next symbol.
    seed : int
        Decides what is held out.

    Returns
    -------
    splits : list of three Split
        Targets of regression as they are, not standardised yet.
    num_symbols : int or None
        None where inputs are no sequences of symbols.

    Raises
    ------
    InvalidInputError
        If a part is no pair or breaks a rule; the message names it.
    """
    held = {name: _pair(name, part, kind, form) for name, part in parts.items()}
    symbols = None
    if form != "sequences" and alphabet is not None:
        raise InvalidInputError("alphabet", "be None unless sequences=True", alphabet)
    if form == "sequences":
        coded, symbols = _encoded({name: list(part[0]) for name, part in held.items()}, alphabet)
        longest = max(len(row) for rows in coded.values() for row in rows)
        splits = {}
        for name, (_, y, _) in held.items():
            own = [len(row) for row in coded[name]]
            read = read_targets(kind, y, own, len(coded[name]), f"{name}.targets")
            wide = _widened(read, longest) if kind == "sequence-labelling" else read
            splits[name] = padded_split(coded[name], wide, longest)
            if kind == "next-symbol":
                splits[name] = next_symbols(splits[name], ends)
    elif form == "series":
        splits = {}
        for name, (x, y, steps) in held.items():
            inputs, lengths = as_series(f"{name}.inputs", x, steps)
            read = read_targets(kind, y, lengths, len(inputs), f"{name}.targets")
            splits[name] = Split(inputs, read, lengths)
            channels = splits["train"].inputs.shape[2]
            if inputs.shape[2] != channels:
                rule = f"have {channels} channels as train.inputs"
                raise InvalidInputError(f"{name}.inputs", rule, inputs.shape[2])
    else:
        splits = {
            name: Split(
                as_inputs(f"{name}.inputs", x), read_targets(kind, y, None, len(x), f"{name}.targets")
            )
            for name, (x, y, _) in held.items()
        }
    if "val" not in splits:
        train = splits["train"]
        kept, left = hold_out([row.tobytes() for row in train.inputs], val=val, seed=seed)
        splits["train"], splits["val"] = part_of(train, kept), part_of(train, left)
    return [splits[name] for name in ("train", "val", "test")], symbols


def read_dataset(field: str, dataset: Any, *, kind: str, form: str) -> tuple[Any, Any]:
    """Inputs and targets of a map-style Dataset, each item read once.

    A Pillow image becomes [channels, height, width] from 0 to 1; other values are taken as they are.

    Parameters
    ----------
    field : str
        What the Dataset is called where the caller wrote it.
    dataset : Dataset
        With a length n and items that are pairs of an input and a target, or inputs for ``next-symbol``.
    kind : str
        Of the task.
    form : {"arrays", "sequences", "series"}
        What inputs are.

    Returns
    -------
    inputs : float32 [n, ...]
        A list of strings and tuples for sequences, of arrays for series.
    targets : array [n, ...], or a list of arrays for ``sequence-labelling``, or None for ``next-symbol``

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
        value, target = _item(f"{field}[{index}]", dataset[index], kind)
        targets.append(target)
        if form == "series":
            rows[index] = _numbers(f"{field}[{index}]", value)
            continue
        if form == "sequences":
            rows[index] = value if isinstance(value, str) else tuple(np.asarray(value).tolist())
            continue
        array = _numbers(f"{field}[{index}]", value)
        if index == 0:
            rows = np.empty((n, *array.shape), dtype=np.float32)  # filled in place: no second copy
        elif array.shape != rows.shape[1:]:
            rule = f"have the shape of the first input, {list(rows.shape[1:])}"
            raise InvalidInputError(f"{field}[{index}]", rule, list(array.shape))
        rows[index] = array
    if kind == "next-symbol":
        return rows, None
    return rows, targets if kind == "sequence-labelling" else np.asarray(targets)


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


def _pair(name: str, part: Any, kind: str, form: str) -> tuple[Any, Any, Any]:
    """Inputs, targets and lengths; None where there are none."""
    if kind == "next-symbol" and not (isinstance(part, tuple) and len(part) == 2 and part[1] is None):
        return part, None, None
    if not isinstance(part, tuple | list) or len(part) not in ((2, 3) if form == "series" else (2,)):
        raise InvalidInputError(name, "be a pair of inputs and targets", type(part).__name__)
    return part[0], plain(part[1]), part[2] if len(part) == 3 else None


def _widened(targets: np.ndarray, longest: int) -> np.ndarray:
    return np.pad(targets, ((0, 0), (0, longest - targets.shape[1])), constant_values=NOT_ASKED)


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


def _item(field: str, item: Any, kind: str) -> tuple[Any, Any]:
    if kind == "next-symbol" and not isinstance(item, tuple | list):
        return plain(item), None
    if not isinstance(item, tuple | list) or len(item) != 2:
        raise InvalidInputError(field, "be a pair of an input and its class", type(item).__name__)
    value, target = (plain(part) for part in item)
    axes = {"classification": 0, "regression": 1, "sequence-labelling": 1}.get(kind, 0)
    if np.ndim(target) > axes:
        rule = "be one class" if not axes else "have one axis"
        raise InvalidInputError(f"target of {field}", rule, list(np.shape(target)))
    if hasattr(value, "getbands"):  # a Pillow image
        pixels = np.asarray(value, dtype=np.float32) / 255
        value = pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)  # [C, H, W]
    return value, np.asarray(target) if axes else np.asarray(target).item()
