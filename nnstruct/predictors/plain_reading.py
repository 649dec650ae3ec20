"""Tables and forests out of skops files by numpy alone: no scikit-learn, no skops."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from nnstruct.encode import FeatureTable
from nnstruct.errors import CorruptFileError
from nnstruct.predictors.forest_arrays import ForestArrays
from nnstruct.predictors.pipeline_checks import check_table
from nnstruct.reading import parse_json, reading
from nnstruct.unpacking import check_zip, npy_header

TABLE = "nnstruct.encode.table.FeatureTable"
FORESTS = frozenset(
    {"sklearn.ensemble._forest.ExtraTreesRegressor", "sklearn.ensemble._forest.RandomForestRegressor"}
)
_PIPELINE = "sklearn.pipeline.Pipeline"
_KEYS: Mapping[str, Callable[[str], Any]] = {"str": str, "int": int, "float": float}


def read_plain(data: bytes, name: str, *, forests: bool) -> list[Any] | None:
    """The steps of a pipeline in a skops file, where all of them can be read without scikit-learn.

    Parameters
    ----------
    data : bytes
    name : str
        The file's name, for messages.
    forests : bool
        Whether a forest is read too, as arrays; otherwise a table that stands alone.

    Returns
    -------
    list of FeatureTable and ForestArrays, or None
        None where the file holds something else.

    Raises
    ------
    CorruptFileError
        If the file is damaged, or a tree's links lead outside of its arrays.
    """
    if not zipfile.is_zipfile(io.BytesIO(data)):
        raise CorruptFileError(f"{name} is not a skops file. Pickle and joblib files are never read.")
    with reading(name, "a readable skops file"), zipfile.ZipFile(io.BytesIO(data)) as archive:
        check_zip(archive, name)
        root = parse_json(archive.read("schema.json"))
        if not isinstance(root, dict) or _type(root) != _PIPELINE:
            return None
        values = _Values(archive)
        steps = [step["content"][1] for step in _state(root)["steps"]["content"]]
        kinds = [_type(step) for step in steps]
        if kinds[:1] != [TABLE] or len(kinds) > 1 + forests or not FORESTS.issuperset(kinds[1:]):
            return None
        table = FeatureTable()
        kept = {key: values.of(node) for key, node in _state(steps[0]).items() if not key.startswith("_")}
        for key, value in kept.items():
            setattr(table, key, value)
        check_table(table)
        return [table, *(_forest(_state(step), values, len(table.columns_)) for step in steps[1:])]


class _Values:
    """Plain values and arrays of a file: nothing that has a type of its own is built."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self.archive = archive

    def of(self, node: Mapping[str, Any]) -> Any:
        kind = node["__loader__"]
        if kind == "JsonNode":
            return json.loads(node["content"])
        if kind == "NdArrayNode":
            return self.array(node)
        if kind == "DictNode":
            types = [_KEYS[key["__class__"]] for key in node["key_types"]["content"]]
            pairs = zip(types, node["content"].items(), strict=True)
            return {made(key): self.of(value) for made, (key, value) in pairs}
        items = {"ListNode": list, "TupleNode": tuple}[kind]
        return items(self.of(item) for item in node["content"])

    def array(self, node: Mapping[str, Any]) -> Any:
        if node["type"] != "numpy":
            raise ValueError("an array holds objects")
        data = self.archive.read(node["file"])
        _, _, dtype, size = npy_header(file := io.BytesIO(data))
        if size > len(data) or dtype.hasobject:
            raise ValueError(f"the array {node['file']} is not whole")
        file.seek(0)
        array = np.lib.format.read_array(file, allow_pickle=False)
        return array if node["__class__"] == "ndarray" else array[()]


def _forest(state: Mapping[str, Any], values: _Values, columns: int) -> ForestArrays:
    nodes, means = [], []
    for member in state["estimators_"]["content"]:
        tree = _state(member)["tree_"]
        held = tree["content"]["content"]
        told = tree["__reduce__"]["args"]["content"]  # columns, classes of each output, outputs
        if values.of(told[0]) != columns or values.of(told[2]) != 1:
            raise ValueError(f"a tree does not read the {columns} columns of the table")
        nodes.append(values.array(held["nodes"]))
        means.append(values.array(held["values"]))
        if means[-1].shape != (len(nodes[-1]), 1, 1):
            raise ValueError(f"a tree of {len(nodes[-1])} nodes has values of shape {means[-1].shape}")
    joined = np.concatenate(nodes)
    return ForestArrays.from_arrays(
        {
            "start": np.concatenate([[0], np.cumsum([len(each) for each in nodes])]),
            "left": joined["left_child"],
            "right": joined["right_child"],
            "feature": joined["feature"],
            "threshold": joined["threshold"],
            "value": np.concatenate(means)[:, 0, 0],
        },
        columns,
    )


def _type(node: Mapping[str, Any]) -> str:
    return f"{node['__module__']}.{node['__class__']}"


def _state(node: Mapping[str, Any]) -> dict[str, Any]:
    """What an object of the file knows, by name."""
    held: dict[str, Any] = node["content"]["content"]
    return held
