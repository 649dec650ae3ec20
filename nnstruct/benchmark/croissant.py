"""Croissant 1.1: a benchmark folder described for machines, with its responsible-AI fields."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from nnstruct.errors import MissingDataError
from nnstruct.files import write_atomically

NAME = "croissant.json"
_TERMS = (
    "citeAs column containedIn equivalentProperty extract field fileObject fileProperty fileSet format "
    "includes isLiveDataset jsonPath key md5 parentField path recordSet references regex repeated replace "
    "samplingRate separator source subField transform"
)
_CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/",
    "sc": "https://schema.org/",
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    **{term: f"cr:{term}" for term in _TERMS.split()},
}
_PARQUET, _TENSORS = "application/x-parquet", "application/octet-stream"
_KEYS = {"structures": ["fingerprint"], "records": ["fingerprint", "task", "config_id", "seed"]}


def croissant(folder: str | Path) -> dict[str, Any]:
    """The metadata of a benchmark folder, from its manifest and the columns of its tables.

    Parameters
    ----------
    folder : path
        Of a benchmark that is saved.

    Returns
    -------
    dict
        JSON-LD.

    Raises
    ------
    MissingDataError
        If the folder has no manifest.
    """
    import pyarrow.parquet as pq

    folder = Path(folder)
    if not (folder / "manifest.json").exists():
        raise MissingDataError(f"There is no benchmark in {folder}.")
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    task, files = manifest["task"]["name"], manifest["files"]
    objects, sets = [], []
    for path, known in sorted(files.items()):
        parquet = path.endswith(".parquet")
        objects.append(
            {
                "@type": "cr:FileObject", "@id": path, "name": path, "contentUrl": path,
                "contentSize": f"{known['bytes']} B", "sha256": known["sha256"],
                "encodingFormat": _PARQUET if parquet else _TENSORS,
            }
        )  # fmt: skip
        if parquet:
            sets.append(_record_set(path, pq.read_schema(folder / path)))
    structures = sum(known["rows"] for path, known in files.items() if path.startswith("data/structures"))
    records = sum(known["rows"] for path, known in files.items() if path.startswith("data/records"))
    return {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": ["http://mlcommons.org/croissant/1.1", "http://mlcommons.org/croissant/RAI/1.0"],
        "name": f"structures-trained-on-{task}",
        "description": f"{structures} structures of neural networks and the records of {records} trainings "
        f"on {task}, each from several seeds: what a predictor of performance from structure learns from.",
        "license": "https://opensource.org/license/mit",
        "keywords": ["neural architecture search", "performance prediction", "sparse neural networks"],
        "version": "1.0.0",
        "creator": {"@type": "sc:Organization", "name": "The nnstruct developers"},
        "citeAs": "The nnstruct developers: nnstruct predicts a network's performance from its structure.",
        "distribution": objects,
        "recordSet": sets,
        "rai:dataCollection": "Structures were drawn at random from graph priors, or come from pruning, and "
        "were trained by nnstruct as recipe.toml and manifest.json say; no person took part.",
        "rai:dataCollectionType": ["Experiments", "Simulations"],
        "rai:dataUseCases": "Training and comparing predictors of performance from structure; measuring the "
        "noise of training; starting guided searches.",
        "rai:dataLimitations": "One task, one protocol and small networks: scores say nothing of others, of "
        "longer training or of larger networks. Labels carry the noise of the seeds.",
        "rai:dataBiases": "The priors and the bounds of the recipe decide which structures are there.",
        "rai:personalSensitiveInformation": "None: graphs, scores and settings alone.",
        "rai:dataSocialImpact": "Spares trainings, and with them energy, to those who study structures.",
        "rai:hasSyntheticData": True,
    }  # fmt: skip


def write_croissant(folder: str | Path) -> Path:
    """Write ``croissant.json`` into a benchmark folder.

    Parameters
    ----------
    folder : path

    Returns
    -------
    Path
        Of the file.

    Raises
    ------
    MissingDataError
        If the folder has no manifest.

    Examples
    --------
    >>> import tempfile
    >>> from nnstruct import load_benchmark
    >>> from nnstruct.benchmark import write_croissant
    >>> folder = load_benchmark("reber-mini").save(tempfile.mkdtemp())
    >>> write_croissant(folder).name
    'croissant.json'
    """
    target = Path(folder) / NAME
    write_atomically(target, (json.dumps(croissant(folder), indent=1) + "\n").encode())
    return target


def _record_set(path: str, schema: Any) -> dict[str, Any]:
    name = Path(path).stem
    kept = [field for field in schema if _kind(field.type) is not None]
    found: dict[str, Any] = {"@type": "cr:RecordSet", "@id": name, "name": name}
    if name in _KEYS:
        found["key"] = [{"@id": f"{name}/{column}"} for column in _KEYS[name]]
    return found | {"field": [_field(name, path, column) for column in kept]}


def _field(name: str, path: str, column: Any) -> dict[str, Any]:
    import pyarrow.types as kinds

    source = {"fileObject": {"@id": path}, "extract": {"column": column.name}}
    field = {
        "@type": "cr:Field", "@id": f"{name}/{column.name}", "name": column.name,
        "dataType": _kind(column.type), "source": source,
    }  # fmt: skip
    if kinds.is_list(column.type) or kinds.is_large_list(column.type):
        field |= {"isArray": True, "arrayShape": "-1"}
    return field


def _kind(kind: Any) -> str | None:
    """The type of Croissant for one of Arrow; None for what it has no word for."""
    import pyarrow.types as kinds

    if kinds.is_list(kind) or kinds.is_large_list(kind):
        return _kind(kind.value_type)
    if kinds.is_boolean(kind):
        return "sc:Boolean"
    if kinds.is_integer(kind):
        return "sc:Integer"
    if kinds.is_floating(kind):
        return "sc:Float"
    return "sc:Text" if kinds.is_string(kind) or kinds.is_large_string(kind) else None
