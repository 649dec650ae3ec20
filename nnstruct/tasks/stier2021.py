"""The seed study's own Reber strings, read from its two CSV files.

``reber/train_data.csv`` holds 18,750 strings (9,339 valid) and ``reber/test_data.csv`` 6,250 (3,161
valid), with the columns index, string and valid. They have 11 to 53 letters. Eight strings, all
invalid, stand twice: seven within the train file, and BMOOOOOOQRE once in each file, so that one
train string returns in the test. Nothing is removed, so that results compare with published ones.
:mod:`nnstruct.tasks.reber` says how the strings were made.

References
----------
J. Stier, H. Darji, M. Granitzer, Experiments on properties of hidden structures of sparse neural
networks (2021), arXiv:2107.12917. The files: github.com/innvariant/sparsity-experiments-2021.
"""

from __future__ import annotations

import csv
import os
from pathlib import Path

import numpy as np

from nnstruct.checks import check_number
from nnstruct.errors import InvalidInputError
from nnstruct.random import check_seed, generator
from nnstruct.tasks.base import Task
from nnstruct.tasks.data import data_file
from nnstruct.tasks.splits import Split, padded_split

NUM_SYMBOLS = 128


def reber_stier2021(*, data: str | os.PathLike[str] | None = None, val: float = 0.1, seed: int = 0) -> Task:
    """The task ``"reber-stier2021"``: the seed study's strings and its split into train and test.

    Symbols are ASCII codes (128 with the padding 0, of which 26 letters occur); class 1 is valid.

    Parameters
    ----------
    data : path, optional
        The folder that holds ``reber/train_data.csv`` and ``reber/test_data.csv``; by default the
        one that the environment variable ``NNSTRUCT_DATA`` names.
    val : float
        Share of the train file that is held out for validation, below 1. The study had no
        validation split: with ``val=0``, the faithful choice, all 18,750 strings are trained on and
        the validation split *is* the test split, so that validation scores may not be used to choose
        anything that the test is to judge.
    seed : int
        Decides which strings are held out; equal strings stay together.

    Returns
    -------
    Task

    Raises
    ------
    MissingDataError
        If a file is not there.
    InvalidInputError
        If a file is malformed (the message names the line), or ``val`` out of its range.

    Examples
    --------
    With the files in place, ``load_task("reber-stier2021", val=0)`` gives
    ``Task('reber-stier2021', 18750/6250/6250 train/val/test, 128 symbols, 2 classes)``. Without:

    >>> from nnstruct.tasks import load_task
    >>> load_task("reber-stier2021", data="not-there")
    Traceback (most recent call last):
    ...
    nnstruct.errors.MissingDataError: The data directory not-there does not exist. Set ...
    """
    check_seed(seed)
    val = check_number(val, "val", low=0, high=1, open_high=True, rule="be in 0..1, 1 excluded")
    files = {name: data_file(f"reber/{name}_data.csv", data) for name in ("train", "test")}
    texts, labels = read_strings(files["train"])
    test_texts, test_labels = read_strings(files["test"])
    longest = max(len(text) for text in texts + test_texts)
    test = _split(test_texts, test_labels, longest)
    if val == 0:
        train, held = _split(texts, labels, longest), test
    else:
        parts = _hold_out(texts, val, seed)
        train, held = (_split([texts[i] for i in part], labels[part], longest) for part in parts)
    return Task("reber-stier2021", train, held, test, num_classes=2, num_symbols=NUM_SYMBOLS)


def read_strings(path: Path) -> tuple[list[str], np.ndarray]:
    """The strings of a CSV file with the columns string and valid, and their classes.

    Parameters
    ----------
    path : Path

    Returns
    -------
    texts : list of str, length n
    classes : int64 [n]
        1 where a string is valid.

    Raises
    ------
    InvalidInputError
        If a line is malformed (the message names it), or there is none.
    """
    texts: list[str] = []
    labels: list[int] = []
    # A byte that is no UTF-8 becomes a sign that the alphabet's check then reports with its line.
    with path.open(encoding="utf-8", errors="replace", newline="") as handle:
        reader = csv.reader(handle, strict=True)
        try:
            header = next(reader, [])
            if "string" not in header or "valid" not in header:
                raise InvalidInputError(f"{path}, line 1", "name the columns string and valid", header)
            columns = header.index("string"), header.index("valid")
            for row in reader:
                text, label = _fields(row, len(header), columns, f"{path}, line {reader.line_num}")
                texts.append(text)
                labels.append(label)
        except csv.Error as error:
            where = f"{path}, line {reader.line_num}"
            raise InvalidInputError(where, "be a row of a CSV file", str(error)) from error
    if not texts:
        raise InvalidInputError(str(path), "hold at least one string", 0)
    return texts, np.array(labels, dtype=np.int64)


def _fields(row: list[str], width: int, columns: tuple[int, int], where: str) -> tuple[str, int]:
    if len(row) != width:
        raise InvalidInputError(where, f"have {width} fields", row)
    text, label = row[columns[0]], row[columns[1]]
    if not text or not all(0 < ord(letter) < NUM_SYMBOLS for letter in text):
        raise InvalidInputError(f"{where}, string", "hold at least one ASCII character and no other", text)
    if label not in ("0", "1"):
        raise InvalidInputError(f"{where}, valid", "be 0 or 1", label)
    return text, int(label)


def _split(texts: list[str], labels: np.ndarray, longest: int) -> Split:
    return padded_split([list(text.encode("ascii")) for text in texts], labels, longest)


def _hold_out(texts: list[str], share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Positions kept and positions held out, both in the file's order."""
    group_of = np.unique(np.array(texts), return_inverse=True)[1]
    sizes = np.bincount(group_of)
    order = generator(seed, "reber-stier2021", "val").permutation(len(sizes))
    if len(order) < 2:
        raise InvalidInputError("val", "be 0 where train holds one string only", share)
    before = np.cumsum(sizes[order]) - sizes[order]
    held = np.zeros(len(sizes), dtype=bool)
    held[order[before < round(share * len(texts))]] = True
    held[order[0]], held[order[-1]] = True, False
    return np.flatnonzero(~held[group_of]), np.flatnonzero(held[group_of])
