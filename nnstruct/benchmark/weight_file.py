"""Files of trained weights: float16 safetensors, one row a network.

Networks of one structure whose parameters have the same names and shapes are rows of the same tensors,
named ``<fingerprint>.<layout>/<parameter>``. The file's metadata hold one entry, ``nnstruct``: JSON with
the task and, for each of these groups, the configuration, seed and epoch of each row. Weights that are
not finite in half precision, as those of a diverged training, have a place among the ``lost`` instead.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from nnstruct.network.storage import KEY

FORMAT = 1
DTYPE = np.dtype("<f2")


class WeightKey(NamedTuple):
    """What identifies kept weights: the key of a record, and an epoch from 1 on."""

    fingerprint: str
    task_fingerprint: str
    config_id: str
    seed: int
    epoch: int


# None stands for weights that are lost because they are not finite.
Parameters = Mapping[str, np.ndarray]
Kept = tuple[WeightKey, Parameters | None]


class StoredRows(NamedTuple):
    """Rows of one structure in a file.

    Attributes
    ----------
    prefix : str
        Of the tensors' names.
    rows : list of WeightKey
    """

    prefix: str
    rows: list[WeightKey]


def halved(parameters: Parameters) -> dict[str, np.ndarray] | None:
    """Parameters in half precision; None where a value is not finite there.

    Parameters
    ----------
    parameters : mapping of str to float array

    Returns
    -------
    dict of str to float16 array, or None

    Examples
    --------
    >>> halved({"bias": np.zeros((2, 1))})["bias"].dtype, halved({"bias": np.full((2, 1), 1e6)})
    (dtype('float16'), None)
    """
    with np.errstate(over="ignore"):
        values = {name: np.ascontiguousarray(value, dtype=DTYPE) for name, value in parameters.items()}
    return values if all(np.isfinite(value).all() for value in values.values()) else None


def weight_bytes(task_fingerprint: str, kept: Iterable[Kept]) -> bytes:
    """A file of kept weights; equal weights give equal bytes, whatever their order.

    Parameters
    ----------
    task_fingerprint : str
        Of the task of all of them.
    kept : iterable of (WeightKey, parameters or None)
        Each key once; values are rounded to half precision.

    Returns
    -------
    bytes
    """
    from safetensors.numpy import save

    groups: dict[str, list[tuple[WeightKey, dict[str, np.ndarray]]]] = {}
    lost: list[list[Any]] = []
    for key, parameters in sorted(kept, key=lambda item: item[0]):
        values = None if parameters is None else halved(parameters)
        if values is None:
            lost.append([key.fingerprint, key.config_id, key.seed, key.epoch])
        else:
            groups.setdefault(_prefix(key.fingerprint, values), []).append((key, values))
    tensors = {
        f"{prefix}/{name}": np.stack([values[name] for _, values in rows])
        for prefix, rows in groups.items()
        for name in rows[0][1]
    }
    note = {
        "format": FORMAT,
        "task": task_fingerprint,
        "rows": {p: [[k.config_id, k.seed, k.epoch] for k, _ in rows] for p, rows in groups.items()},
        "lost": lost,
    }
    return save(tensors, {KEY: json.dumps(note, sort_keys=True, separators=(",", ":"))})


def groups_of(note: Mapping[str, Any]) -> tuple[list[StoredRows], list[WeightKey]]:
    """What a file's metadata say it holds.

    Parameters
    ----------
    note : mapping
        The entry of the metadata.

    Returns
    -------
    groups : list of StoredRows
    lost : list of WeightKey

    Raises
    ------
    KeyError, TypeError, ValueError
        If they say something else.
    """
    task = note["task"]
    groups = [
        StoredRows(prefix, [WeightKey(prefix.partition(".")[0], task, *row) for row in rows])
        for prefix, rows in note["rows"].items()
    ]
    return groups, [WeightKey(fingerprint, task, *row) for fingerprint, *row in note["lost"]]


def _prefix(fingerprint: str, values: Mapping[str, np.ndarray]) -> str:
    layout = json.dumps(sorted((name, list(value.shape)) for name, value in values.items()))
    return f"{fingerprint}.{hashlib.blake2b(layout.encode(), digest_size=4).hexdigest()}"
