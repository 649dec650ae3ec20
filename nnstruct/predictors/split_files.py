"""Splits of an evaluation in a table that others can use: who was learned from, who was scored."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from nnstruct.errors import CorruptFileError, InvalidInputError, MissingDataError
from nnstruct.predictors.draws import TrainTestSplit

SPLIT_COLUMNS = ("split", "fingerprint", "part")
TRAIN, TEST = "train", "test"


def splits_of(predictions: pd.DataFrame) -> pd.DataFrame:
    """Every split of an evaluation.

    Parameters
    ----------
    predictions : pandas.DataFrame
        Of an :class:`nnstruct.predictors.Evaluation`.

    Returns
    -------
    pandas.DataFrame
        ``split`` (a number from 0), ``fingerprint`` and ``part``, ``train`` or ``test``; sorted.
    """
    one = predictions[predictions["predictor"] == predictions["predictor"].iloc[0]]
    everyone = np.unique(one["fingerprint"])
    keys = ["draw", "train_size"] if "train_size" in one else ["repeat", "fold"]
    rows = []
    for number, (_, fit) in enumerate(one.groupby(keys, sort=True)):
        seen = fit["trained"].to_numpy() if "trained" in fit else np.zeros(len(fit), dtype=bool)
        scored = np.unique(fit["fingerprint"][~seen])
        learned = np.setdiff1d(everyone, scored)
        for part, names in ((TRAIN, learned), (TEST, scored)):
            rows.append(pd.DataFrame({"split": number, "fingerprint": names, "part": part}))
    return pd.concat(rows, ignore_index=True)


def read_splits(given: Any, fingerprints: Sequence[str]) -> list[TrainTestSplit]:
    """Splits from a table or file as places of structures.

    Parameters
    ----------
    given : pandas.DataFrame, str or Path
        With the columns ``split``, ``fingerprint`` and ``part``; a ``.csv`` or ``.parquet`` file of such.
    fingerprints : sequence of str, length n
        Of the structures.

    Returns
    -------
    list of TrainTestSplit
        Their ``part`` is the usual number of structures that are learned from. Structures that a split does
        not name take no part in it.

    Raises
    ------
    MissingDataError, CorruptFileError
        If there is no such file, or it cannot be read.
    InvalidInputError
        If a column is missing, a fingerprint is unknown, or a split has fewer than two of either part.
    """
    table = given if isinstance(given, pd.DataFrame) else _read(Path(given))
    missing = [name for name in SPLIT_COLUMNS if name not in table]
    if missing:
        raise InvalidInputError("splits", f"have the columns {', '.join(SPLIT_COLUMNS)}", list(table.columns))
    places: dict[str, list[int]] = {}
    for place, name in enumerate(fingerprints):
        places.setdefault(name, []).append(place)
    unknown = set(table["fingerprint"]) - set(places)
    if unknown:
        raise InvalidInputError("splits", "name structures of the benchmark by fingerprint", min(unknown))
    parts = set(table["part"]) - {TRAIN, TEST}
    if parts:
        raise InvalidInputError(
            "splits", f"say {TRAIN!r} or {TEST!r} in the column part", min(map(str, parts))
        )
    found = []
    for split, rows in table.groupby("split", sort=True):
        inside, outside = (
            np.array(sorted(p for f in rows["fingerprint"][rows["part"] == part] for p in places[f]))
            for part in (TRAIN, TEST)
        )
        if min(len(inside), len(outside)) < 2 or len(np.intersect1d(inside, outside)):
            rule = "have two structures or more in either part, none in both"
            raise InvalidInputError(f"split {split}", rule, [len(inside), len(outside)])
        found.append((inside.astype(np.int64), outside.astype(np.int64)))
    if not found:
        raise InvalidInputError("splits", "hold at least one split", 0)
    usual = int(np.median([len(inside) for inside, _ in found]))
    return [TrainTestSplit(draw, usual, *pair) for draw, pair in enumerate(found)]


def _read(path: Path) -> pd.DataFrame:
    if not path.is_file():
        raise MissingDataError(f"There is no {path}.")
    try:
        return pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise CorruptFileError(f"{path} is not a readable table: {error}.") from error
