"""Fitted predictors in folders: JSON, safetensors, skops; every file checksummed, no pickle."""

from __future__ import annotations

import hashlib
import json
import math
import shutil
import tempfile
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from nnstruct.errors import CorruptFileError, InvalidInputError
from nnstruct.files import move, sync_folder, write_and_sync
from nnstruct.predictors.base import PREDICTORS, FittedState, Predictor
from nnstruct.predictors.estimator_file import dump_estimator, parse_estimator
from nnstruct.predictors.fitted_range import FittedRange
from nnstruct.predictors.model_card import CARD, model_card
from nnstruct.predictors.nested import plain_params, with_params
from nnstruct.predictors.own_families import check_trusted, own_families, require_families
from nnstruct.predictors.trial import try_out
from nnstruct.reading import parse_json, read_bytes, reading
from nnstruct.unpacking import read_safetensors

FORMAT = 1
MANIFEST, DESCRIPTION, WEIGHTS, ESTIMATOR = (
    "manifest.json", "predictor.json", "weights.safetensors", "estimator.skops",
)  # fmt: skip
_LIBRARIES = ("nnstruct", "numpy", "scikit-learn", "skops", "torch", "torch-geometric", "safetensors")
_TRAINED_BY = "Save it again with Predictor.save(path)."


def save(
    predictor: Predictor,
    path: str | Path,
    *,
    metadata: Mapping[str, Any] | None = None,
    overwrite: bool = False,
) -> Path:
    """Write a fitted predictor to a folder.

    ``predictor.json`` holds its name in ``PREDICTORS``, parameters, small numbers, library
    versions and metadata; ``weights.safetensors`` the weights of networks; ``estimator.skops`` a
    fitted scikit-learn pipeline; ``manifest.json`` the SHA-256 of each. ``README.md`` is a card for readers,
    which is never read back. The folder appears whole or not at all.

    Parameters
    ----------
    predictor : Predictor
        Fitted, of a registered class.
    path : str or Path
        A folder that does not exist yet.
    metadata : mapping, optional
        JSON values to keep beside it, for example the benchmark and the target it was fitted to.
        The number and digest of the training structures are always kept.
    overwrite : bool
        Whether to replace a folder that an earlier call wrote.

    Returns
    -------
    Path

    Raises
    ------
    NotFittedError
        If the predictor has not been fitted.
    InvalidInputError
        If the path exists, the class is not registered, or the metadata are not JSON.

    Examples
    --------
    >>> import tempfile
    >>> from nnstruct import Structure
    >>> from nnstruct.predictors import Mean, load_predictor, save
    >>> model = Mean().fit([Structure.from_layers([1, 2]), Structure.from_layers([2, 2])], [0.0, 1.0])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     load_predictor(save(model, folder + "/mean")).mean_
    0.5
    """
    if not isinstance(predictor, Predictor):
        raise InvalidInputError("predictor", "be a Predictor", predictor)
    predictor._check_fitted()
    name = type(predictor).name
    if name not in PREDICTORS or PREDICTORS[name] is not type(predictor):
        raise InvalidInputError(
            "predictor", "be of a class registered in PREDICTORS", type(predictor).__name__
        )
    folder = Path(path)
    if folder.exists():
        _check_replaceable(folder, overwrite)
    files = _files(predictor, name, dict(metadata or {}))
    folder.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        staging.chmod(0o755)
        for file_name, data in files.items():
            write_and_sync(staging / file_name, data)
        sync_folder(staging)
        _put(staging, folder)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return folder


def load_predictor(path: str | Path, *, trusted: Collection[str] = ()) -> Predictor:
    """Read a predictor that :func:`save` wrote, after checking every byte against the manifest.

    Nothing in the folder is executed: the class is looked up in ``PREDICTORS``, weights are plain
    numbers, and a scikit-learn pipeline is built from a fixed list of types only. A property family of your
    own, which the predictor was fitted with, has to be registered; the file names the function behind it, and
    its module is imported where ``trusted`` names it too.

    Parameters
    ----------
    path : str or Path
        The folder.
    trusted : sequence of str
        Modules that may be imported for property families that are not registered: ``package.module``, or
        ``package.module:function`` as the error says. Importing a module runs it.

    Returns
    -------
    Predictor
        Its predictions equal those before. ``metadata_`` holds what was kept beside it.

    Raises
    ------
    InvalidInputError
        If the path is no such folder, the predictor's name is unknown, or a property family is neither
        registered nor trusted.
    CorruptFileError
        If a file is missing, truncated, altered, or of another kind than its name says.

    Examples
    --------
    >>> import tempfile
    >>> from nnstruct import Structure
    >>> from nnstruct.predictors import Mean, load_predictor
    >>> model = Mean().fit([Structure.from_layers([1, 2]), Structure.from_layers([2, 2])], [0.0, 1.0])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     again = load_predictor(model.save(folder + "/mean", metadata={"target": "test"}))
    >>> again.metadata_["target"], float(again.predict([Structure.from_layers([3, 3])])[0])
    ('test', 0.5)
    """
    allowed = check_trusted(trusted)
    folder = Path(path)
    if not folder.exists():
        raise InvalidInputError(
            "path", "be a folder that Predictor.save wrote", str(folder), "It does not exist."
        )
    if not folder.is_dir():
        raise InvalidInputError(
            "path", "be a folder that Predictor.save wrote", str(folder),
            f"It is a file; pickle and joblib files are never read. {_TRAINED_BY}",
        )  # fmt: skip
    with reading(folder, "a whole predictor"):
        predictor = _loaded(folder, allowed)
        try_out(predictor)
    return predictor


def _loaded(folder: Path, allowed: Collection[str]) -> Predictor:
    files = _verified(folder)
    with reading(folder / DESCRIPTION, "the description of a predictor"):
        description = parse_json(files[DESCRIPTION])
        require_families(description.get("own_families", {}), allowed, str(folder / DESCRIPTION))
        predictor = with_params(PREDICTORS[description["predictor"]](), description["params"])
        values, fitted = description["state"], description["fitted"]
        predictor.metadata_ = dict(description["metadata"])
    arrays, estimator = {}, None
    if WEIGHTS in files:
        arrays = read_safetensors(files[WEIGHTS], folder / WEIGHTS)
    if ESTIMATOR in files:
        estimator = parse_estimator(files[ESTIMATOR], str(folder / ESTIMATOR))
    with reading(folder, f"a whole {description['predictor']}"):
        predictor._set_state(FittedState(values, arrays, estimator))
        predictor.num_structures_ = int(fitted["num_structures"])
        predictor.training_digest_ = str(fitted["training_digest"])
        if "range" in fitted:
            predictor.range_ = FittedRange.from_dict(fitted["range"])
        if "bounds" in fitted:
            predictor.set_bounds(*fitted["bounds"])
    return predictor


def _files(predictor: Predictor, name: str, metadata: dict[str, Any]) -> dict[str, bytes]:
    state = predictor._get_state()
    description = {
        "format": FORMAT,
        "predictor": name,
        "params": plain_params(predictor),
        **_own_families(predictor),
        "state": dict(state.values),
        "fitted": {
            "num_structures": predictor.num_structures_,
            "training_digest": predictor.training_digest_,
            **_bounds(predictor),
            **({"range": predictor.range_.as_dict()} if predictor.range_ is not None else {}),
        },
        "metadata": metadata,
        "versions": _versions(),
    }
    try:
        files = {DESCRIPTION: (json.dumps(description, indent=2, allow_nan=False) + "\n").encode()}
    except (TypeError, ValueError) as error:
        raise InvalidInputError("metadata and params", "hold JSON values only", str(error)) from error
    if state.arrays:
        import safetensors.numpy

        files[WEIGHTS] = safetensors.numpy.save({k: np.ascontiguousarray(v) for k, v in state.arrays.items()})
    if state.estimator is not None:
        files[ESTIMATOR] = dump_estimator(state.estimator)
    files[MANIFEST] = _manifest(files)
    files[CARD] = model_card(description).encode()
    return files


def _own_families(predictor: Predictor) -> dict[str, Any]:
    found = own_families(predictor)
    return {"own_families": found} if found else {}


def _bounds(predictor: Predictor) -> dict[str, list[float | None]]:
    """The bounds as JSON, which has no infinite number; nothing where there are none."""
    if predictor.bounds_ is None:
        return {}
    return {"bounds": [bound if math.isfinite(bound) else None for bound in predictor.bounds_]}


def _manifest(files: Mapping[str, bytes]) -> bytes:
    listed = {
        name: {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        for name, data in sorted(files.items())
    }
    return (json.dumps({"format": FORMAT, "files": listed}, indent=2) + "\n").encode()


def _verified(folder: Path) -> dict[str, bytes]:
    stored = _read(folder / MANIFEST)
    manifest = _json(stored, folder / MANIFEST)
    if isinstance(manifest, dict) and isinstance(manifest.get("format"), int) and manifest["format"] > FORMAT:
        raise InvalidInputError(
            f"{folder / MANIFEST}: format", f"be at most {FORMAT}", manifest["format"], "Update nnstruct."
        )
    listed = manifest.get("files") if isinstance(manifest, dict) else None
    known = {DESCRIPTION, WEIGHTS, ESTIMATOR}
    if not isinstance(listed, dict) or DESCRIPTION not in listed or not set(listed) <= known:
        raise CorruptFileError(f"{folder / MANIFEST} is not the manifest of a predictor.")
    files = {}
    for name, expected in listed.items():
        data = files[name] = _read(folder / name)
        size = expected.get("bytes") if isinstance(expected, dict) else None
        if len(data) != size:
            raise CorruptFileError(f"{folder / name} has {len(data)} bytes, its manifest says {size}.")
        if hashlib.sha256(data).hexdigest() != expected.get("sha256"):
            raise CorruptFileError(f"{folder / name} was altered: its SHA-256 is not the manifest's.")
    if _manifest(files) != stored:
        raise CorruptFileError(f"{folder / MANIFEST} was altered: it is not what its files give.")
    return files


def _read(path: Path) -> bytes:
    try:
        return read_bytes(path)
    except FileNotFoundError as error:
        raise CorruptFileError(f"{path} is missing. A saved predictor is a whole folder.") from error


def _json(data: bytes, path: Path) -> Any:
    with reading(path, "JSON"):
        return parse_json(data)


def _versions() -> dict[str, str]:
    from importlib.metadata import PackageNotFoundError, version

    found = {}
    for library in _LIBRARIES:
        try:
            found[library] = version(library)
        except PackageNotFoundError:
            continue
    return found


def _check_replaceable(folder: Path, overwrite: bool) -> None:
    if not overwrite:
        raise InvalidInputError("path", "not exist yet", str(folder), "Pass overwrite=True to replace it.")
    # Only what save wrote is replaced; a wrong path must not cost the user another folder.
    names = {entry.name for entry in folder.iterdir()} if folder.is_dir() else {"a file"}
    if not names <= {MANIFEST, DESCRIPTION, WEIGHTS, ESTIMATOR, CARD} or (names and MANIFEST not in names):
        raise InvalidInputError("path", "be a folder that Predictor.save wrote", str(folder))


def _put(staging: Path, folder: Path) -> None:
    if folder.exists():
        retired = Path(tempfile.mkdtemp(prefix=f".{folder.name}.old.", dir=folder.parent))
        try:
            move(folder, retired / "old")
            move(staging, folder)
            sync_folder(folder.parent)
        finally:
            shutil.rmtree(retired, ignore_errors=True)
    else:
        move(staging, folder)
        sync_folder(folder.parent)
