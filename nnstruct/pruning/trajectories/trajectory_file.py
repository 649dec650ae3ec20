"""Trajectories in one Parquet file, a row a step."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nnstruct.errors import CorruptFileError, InvalidInputError, MissingDataError
from nnstruct.files import parquet_bytes, write_atomically
from nnstruct.pruning.trajectories.trajectory import (
    CURVES,
    HEADER,
    SCORES,
    Trajectory,
    TrajectoryStep,
    header_json,
)
from nnstruct.random import check_seed
from nnstruct.reading import mapping, parse_json, reading
from nnstruct.record import TrainConfig
from nnstruct.structure import Structure
from nnstruct.structure.interchange import arrow_schema, from_arrow, to_arrow
from nnstruct.unpacking import read_parquet

if TYPE_CHECKING:
    import pyarrow as pa

_INTEGERS = ("step", "kept", "total", "parameters", "epochs")
_FLOATS = ("density", "seconds")
_TEXTS = ("label", "network", "task", "task_fingerprint")


def save_trajectories(trajectories: Sequence[Trajectory], path: str | Path) -> Path:
    """Write trajectories to one Parquet file with page checksums, whole or not at all.

    Parameters
    ----------
    trajectories : sequence of Trajectory
    path : path
        Of the file; folders that are missing are made.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    InvalidInputError
        If there is no trajectory.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import torch
    >>> from nnstruct import TrainConfig, load_task
    >>> from nnstruct.pruning import load_trajectories, run_trajectory, save_trajectories
    >>> config, task = TrainConfig(epochs=1), load_task("digits")
    >>> run = run_trajectory(torch.nn.Linear(64, 10), task, [0.5], config=config)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = save_trajectories([run], Path(folder) / "runs.parquet")
    ...     [again] = load_trajectories(file)
    >>> again.table.equals(run.table), again.structures == run.structures
    (True, True)
    """
    import pyarrow as pa

    if not trajectories:
        raise InvalidInputError("trajectories", "not be empty", [])
    steps = [(number, step) for number, run in enumerate(trajectories) for step in run.steps]
    structures: dict[str, Structure] = {}
    for _, step in steps:
        if step.structure is not None:
            structures.setdefault(_name(step.structure), step.structure)
    known = dict(zip(structures, to_arrow(structures.values()).to_pylist(), strict=True))
    seen: set[str] = set()
    rows = []
    for number, step in steps:
        row: dict[str, Any] = {"run": header_json(vars(trajectories[number])), "number": number}
        row |= {name: getattr(step, name) for name in (*_INTEGERS, *_FLOATS)}
        row |= {f"before_{name}": float(step.before[name]) for name in SCORES}
        row |= {f"after_{name}": float(step.after[name]) for name in SCORES}
        row |= {f"curve_{name}": np.asarray(step.curves[name], dtype=np.float64) for name in CURVES}
        name = None if step.structure is None else _name(step.structure)
        row["structure"] = name
        # A structure that several steps share, as dense networks do, is written once.
        row |= (
            {f"structure_{key}": value for key, value in known.get(name or "", {}).items()}
            if (name not in seen)
            else {}
        )
        if name is not None:
            seen.add(name)
        rows.append(row)
    file = Path(path)
    file.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(file, parquet_bytes(pa.Table.from_pylist(rows, schema=_schema())))
    return file


def load_trajectories(path: str | Path) -> list[Trajectory]:
    """The trajectories that :func:`save_trajectories` wrote.

    Parameters
    ----------
    path : path

    Returns
    -------
    list of Trajectory
        In the order in which they were written.

    Raises
    ------
    MissingDataError
        If there is no such file.
    CorruptFileError
        If the file is damaged or holds something else.

    Examples
    --------
    >>> from nnstruct.pruning import load_trajectories
    >>> load_trajectories("no-such-file.parquet")
    Traceback (most recent call last):
    ...
    nnstruct.errors.MissingDataError: There is no no-such-file.parquet.
    """
    file = Path(path)
    if not file.exists():
        raise MissingDataError(f"There is no {file}.")
    with reading(file, "a file of trajectories"):
        return _loaded(file)


def _loaded(file: Path) -> list[Trajectory]:
    table = read_parquet(file)
    missing = set(_schema().names) - set(table.column_names)
    if missing:
        raise CorruptFileError(f"{file} holds no trajectories: it has no column {min(missing)!r}.")
    structures = _structures(table)
    scalars = table.drop_columns([name for name in table.column_names if name.startswith("structure_")])
    runs: dict[int, list[dict[str, Any]]] = {}
    for row in scalars.to_pylist():
        runs.setdefault(row["number"], []).append(row)
    return [_trajectory(rows, structures) for _, rows in sorted(runs.items())]


def _schema() -> pa.Schema:
    import pyarrow as pa

    fields = [pa.field("run", pa.string(), nullable=False), pa.field("number", pa.int32(), nullable=False)]
    fields += [pa.field(name, pa.int64(), nullable=False) for name in _INTEGERS]
    fields += [pa.field(name, pa.float64(), nullable=False) for name in _FLOATS]
    scores = [f"{when}_{name}" for when in ("before", "after") for name in SCORES]
    fields += [pa.field(name, pa.float64(), nullable=False) for name in scores]
    fields += [pa.field(f"curve_{name}", pa.list_(pa.float64()), nullable=False) for name in CURVES]
    fields.append(pa.field("structure", pa.string()))
    return pa.schema(fields + [pa.field(f"structure_{f.name}", f.type) for f in arrow_schema()])


def _name(structure: Structure) -> str:
    """Equal for structures that are equal unit by unit and came about in the same way."""
    import hashlib

    text = json.dumps(dict(structure.origin), sort_keys=True)
    digest = hashlib.blake2b(f"{structure.fingerprint}{text}".encode(), digest_size=12)
    digest.update(structure.edge_index.tobytes())
    return digest.hexdigest()


def _structures(table: pa.Table) -> dict[str, Structure]:
    import pyarrow as pa
    import pyarrow.compute as pc

    held = table.filter(pc.is_valid(table.column("structure_fingerprint")))
    columns = [held.column(f"structure_{field.name}") for field in arrow_schema()]
    plain = pa.Table.from_arrays(columns, names=arrow_schema().names).cast(arrow_schema())
    return dict(zip(held.column("structure").to_pylist(), from_arrow(plain, verify=False), strict=True))


def _trajectory(rows: list[dict[str, Any]], structures: dict[str, Structure]) -> Trajectory:
    run = dict(mapping(parse_json(rows[0]["run"]), "what its steps share"))
    config = TrainConfig(**mapping(run["config"], "its configuration"))
    if set(run) != set(HEADER):
        raise ValueError(f"its steps share {', '.join(sorted(run))}, not {', '.join(HEADER)}")
    for name, key in (("method", "method"), ("schedule", "schedule")):
        if not isinstance(mapping(run[name], name).get(key), str):
            raise ValueError(f"its {name} has no name")
    if not all(isinstance(run[name], str) for name in _TEXTS):
        raise ValueError(f"{', '.join(_TEXTS)} are not all text")
    check_seed(run["seed"])
    steps = tuple(
        TrajectoryStep(
            **{name: row[name] for name in (*_INTEGERS, *_FLOATS)},
            before={name: row[f"before_{name}"] for name in SCORES},
            after={name: row[f"after_{name}"] for name in SCORES},
            curves={name: np.array(row[f"curve_{name}"], dtype=np.float64) for name in CURVES},
            structure=None if row["structure"] is None else structures[row["structure"]],
        )
        for row in rows
    )
    return Trajectory(**(run | {"config": config, "steps": steps}))
