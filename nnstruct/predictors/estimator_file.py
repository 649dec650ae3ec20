"""Fitted scikit-learn estimators in skops files, with a fixed list of what such a file may hold.

The list stands here and nowhere else: what a file says about itself widens nothing.
"""

from __future__ import annotations

import importlib
import io
import pkgutil
import sys
import zipfile
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

from nnstruct.errors import CorruptFileError
from nnstruct.estimators import asks_only
from nnstruct.predictors.pipeline_checks import check_pipeline
from nnstruct.predictors.plain_reading import read_plain
from nnstruct.reading import parse_json, reading
from nnstruct.unpacking import check_zip, npy_header

_EXTRA_TRUST = (
    "nnstruct.encode.table.FeatureTable",
    "nnstruct.encode.weight_table.WeightTable",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.gaussian_process.kernels.ConstantKernel",
    "sklearn.gaussian_process.kernels.Matern",
    "sklearn.gaussian_process.kernels.Product",
    "sklearn.gaussian_process.kernels.Sum",
    "sklearn.gaussian_process.kernels.WhiteKernel",
    "sklearn.tree._tree.Tree",
)

# Kind of node in the file, and the types that such a node may build.
ALLOWED: dict[str, frozenset[str]] = {
    "DictNode": frozenset({"builtins.dict"}),
    "ListNode": frozenset({"builtins.list"}),
    "TupleNode": frozenset({"builtins.tuple"}),
    "JsonNode": frozenset({"builtins.str"}),
    "TypeNode": frozenset({"builtins.str", "builtins.int", "builtins.float", "builtins.bool"}),
    "NdArrayNode": frozenset(
        f"numpy.{name}"
        for name in ("ndarray", "bool", "bool_", "float32", "float64", "int32", "int64", "uint8", "uint32",
                     "uint64", "intp")
    ),
    "DTypeNode": frozenset({"numpy.dtype"}),
    "RandomStateNode": frozenset({"numpy.random.mtrand.RandomState"}),
    "RandomGeneratorNode": frozenset({"numpy.random._generator.Generator"}),
    "TreeNode": frozenset({"sklearn.tree._tree.Tree"}),
    "LossNode": frozenset({"sklearn._loss._loss.CyHalfSquaredError"}),
    "ObjectNode": frozenset(
        {
            "nnstruct.encode.table.FeatureTable",
            "nnstruct.encode.weight_table.WeightTable",
            "sklearn._loss.link.IdentityLink",
            "sklearn._loss.link.Interval",
            "sklearn._loss.loss.HalfSquaredError",
            "sklearn.ensemble._bagging.BaggingRegressor",
            "sklearn.ensemble._forest.ExtraTreesRegressor",
            "sklearn.ensemble._forest.RandomForestRegressor",
            "sklearn.ensemble._hist_gradient_boosting.binning._BinMapper",
            "sklearn.ensemble._hist_gradient_boosting.gradient_boosting.HistGradientBoostingRegressor",
            "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
            "sklearn.ensemble._weight_boosting.AdaBoostRegressor",
            "sklearn.gaussian_process._gpr.GaussianProcessRegressor",
            "sklearn.gaussian_process.kernels.ConstantKernel",
            "sklearn.gaussian_process.kernels.Matern",
            "sklearn.gaussian_process.kernels.Product",
            "sklearn.gaussian_process.kernels.Sum",
            "sklearn.gaussian_process.kernels.WhiteKernel",
            "sklearn.linear_model._bayes.BayesianRidge",
            "sklearn.pipeline.Pipeline",
            "sklearn.preprocessing._data.StandardScaler",
            "sklearn.tree._classes.DecisionTreeRegressor",
            "sklearn.tree._classes.ExtraTreeRegressor",
        }
    ),
}  # fmt: skip


def dump_estimator(estimator: Any) -> bytes:
    """The bytes of a skops file that holds a fitted pipeline, or a list of them.

    Parameters
    ----------
    estimator : sklearn.pipeline.Pipeline or list of them
        Fitted.

    Returns
    -------
    bytes
    """
    return _skops_io().dumps(estimator, compression=zipfile.ZIP_DEFLATED)


def only_table(table: Any) -> Any:
    """A pipeline of nothing but a table, as files hold it.

    Parameters
    ----------
    table : FeatureTable

    Returns
    -------
    sklearn.pipeline.Pipeline
    """
    from sklearn.pipeline import Pipeline

    return Pipeline([("table", table)])


def parse_estimator(data: bytes, name: str) -> Any:
    """The pipeline in a skops file, or the list of them, built only if everything in it is allowed.

    A table that stands alone is read without skops, and so is a forest in a process that only asks
    (:func:`nnstruct.estimators.ask_only`): those come as lists of their steps.

    Parameters
    ----------
    data : bytes
    name : str
        The file's name, for messages.

    Raises
    ------
    CorruptFileError
        If the bytes are no skops file (a pickle, say), hold a type outside of the fixed list, or a tree
        whose links lead outside of its arrays.
    """
    plain = read_plain(data, name, forests=asks_only())
    if plain is not None:
        return plain
    with reading(name, "a readable skops file"), zipfile.ZipFile(io.BytesIO(data)) as archive:
        check_zip(archive, name)
        schema = parse_json(archive.read("schema.json"))
        trees: list[dict[str, Any]] = []
        said: dict[Any, set[str]] = {}
        for kind, type_name, node in _nodes(schema):
            if type_name not in ALLOWED.get(kind, frozenset()):
                raise CorruptFileError(f"{name} holds {type_name} ({kind}), which no predictor contains.")
            if kind == "TreeNode":
                trees.append(node)
            elif kind == "JsonNode":
                said.setdefault(node.get("__id__"), set()).add(str(node["content"]))
        shapes = _shapes(archive)
        for tree in trees:
            held = tree["content"]["content"]
            # A tree's constructor reads as many numbers of classes as it is told there are outputs, and some
            # releases of scikit-learn as many nodes as it is told there are.
            if said.get(tree["__reduce__"]["args"]["content"][2].get("__id__")) != {"1"}:
                raise ValueError("a tree has several outputs")
            if shapes[held["nodes"]["file"]] != (int(held["node_count"]["content"]),):
                raise ValueError("a tree says that it has another number of nodes than it holds")
    try:
        estimator = _skops_io().loads(data, trusted=list(_EXTRA_TRUST))
    except Exception as error:  # whatever a damaged file makes skops or scikit-learn raise
        raise CorruptFileError(
            f"{name} cannot be read ({type(error).__name__}: {error}). "
            "Was it saved with another version of scikit-learn? predictor.json names the versions."
        ) from error
    with reading(name, "a fitted pipeline"):
        for pipeline in estimator if type(estimator) is list else [estimator]:
            check_pipeline(pipeline)
    return estimator


def _shapes(archive: zipfile.ZipFile) -> dict[str, tuple[int, ...]]:
    shapes = {}
    for info in archive.infolist():
        if info.filename.endswith(".npy"):
            with archive.open(info) as member:
                shape, _, dtype, size = npy_header(member)
            if size > info.file_size or dtype.hasobject:
                raise ValueError(f"the array {info.filename} of shape {shape} is not whole")
            shapes[info.filename] = shape
    return shapes


def _skops_io() -> Any:
    """The module ``skops.io``, imported without what it does not use.

    As it is imported it asks scikit-learn for all estimators, and scikit-learn imports every package on its
    way, even those that it then leaves out: among them an adapter that imports torch, three seconds for a
    forest. The same walk without those packages finds the same estimators.
    """
    if "skops.io" not in sys.modules:
        from sklearn.utils import discovery

        whole = discovery.pkgutil
        discovery.pkgutil = SimpleNamespace(walk_packages=_walk)
        try:
            import skops.io
        finally:
            discovery.pkgutil = whole
    import skops.io

    return skops.io


def _walk(path: list[str], prefix: str) -> Iterator[tuple[None, str, bool]]:
    from sklearn.utils import discovery

    for found in pkgutil.iter_modules(path, prefix):
        if found.name.rpartition(".")[2] in discovery._MODULE_TO_IGNORE or "._" in found.name:
            continue
        yield None, found.name, found.ispkg
        if found.ispkg:
            yield from _walk(list(importlib.import_module(found.name).__path__), f"{found.name}.")


def _nodes(schema: Any) -> Iterator[tuple[str, str, dict[str, Any]]]:
    waiting = [schema]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            if "__loader__" in node or "__class__" in node or "__module__" in node:
                yield str(node.get("__loader__")), f"{node.get('__module__')}.{node.get('__class__')}", node
            waiting.extend(node.values())
        elif isinstance(node, list):
            waiting.extend(node)
