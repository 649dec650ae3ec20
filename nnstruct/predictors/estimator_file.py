"""Fitted scikit-learn estimators in skops files, with a fixed list of what such a file may hold.

The list stands here and nowhere else: what a file says about itself widens nothing.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from typing import Any

import numpy as np

from nnstruct.errors import CorruptFileError

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
    import skops.io

    return skops.io.dumps(estimator, compression=zipfile.ZIP_DEFLATED)


def parse_estimator(data: bytes, name: str) -> Any:
    """The pipeline in a skops file, or the list of them, built only if everything in it is allowed.

    Parameters
    ----------
    data : bytes
    name : str
        The file's name, for messages.

    Raises
    ------
    CorruptFileError
        If the bytes are no skops file (a pickle, say), or hold a type outside of the fixed list.
    """
    import skops.io
    from sklearn.pipeline import Pipeline

    if not zipfile.is_zipfile(io.BytesIO(data)):
        raise CorruptFileError(f"{name} is not a skops file. Pickle and joblib files are never read.")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            schema = json.loads(archive.read("schema.json"))
    except (KeyError, ValueError, RecursionError, zipfile.BadZipFile, OSError) as error:
        raise CorruptFileError(f"{name} is not a readable skops file: {error}.") from error
    for kind, type_name in _nodes(schema):
        if type_name not in ALLOWED.get(kind, frozenset()):
            raise CorruptFileError(f"{name} holds {type_name} ({kind}), which no predictor contains.")
    try:
        estimator = skops.io.loads(data, trusted=list(_EXTRA_TRUST))
    except Exception as error:  # whatever a damaged file makes skops or scikit-learn raise
        raise CorruptFileError(
            f"{name} cannot be read ({type(error).__name__}: {error}). "
            "Was it saved with another version of scikit-learn? predictor.json names the versions."
        ) from error
    for pipeline in estimator if type(estimator) is list else [estimator]:
        if type(pipeline) is not Pipeline:
            raise CorruptFileError(f"{name} holds a {type(pipeline).__name__}, not a Pipeline.")
        _check_trees(pipeline[-1], name)
    return estimator


def _nodes(schema: Any) -> Iterator[tuple[str, str]]:
    waiting = [schema]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            if "__loader__" in node or "__class__" in node or "__module__" in node:
                yield str(node.get("__loader__")), f"{node.get('__module__')}.{node.get('__class__')}"
            waiting.extend(node.values())
        elif isinstance(node, list):
            waiting.extend(node)


def _check_trees(regressor: Any, name: str) -> None:
    # A tree is walked in compiled code without bounds checks, so its links are checked here.
    members = getattr(regressor, "estimators_", [])
    for member in members:
        if hasattr(member, "tree_"):
            tree = member.tree_
            _check_links(tree.children_left, tree.children_right, tree.feature, tree.n_features, name)
        for (stage,) in getattr(member, "_predictors", []):
            nodes = stage.nodes
            inner = ~nodes["is_leaf"].astype(bool)
            left, right = (np.where(inner, nodes[side].astype(np.int64), -1) for side in ("left", "right"))
            _check_links(left, right, nodes["feature_idx"].astype(np.int64), member.n_features_in_, name)


def _check_links(
    left: np.ndarray, right: np.ndarray, feature: np.ndarray, num_features: int, name: str
) -> None:
    place = np.arange(len(left))
    inner = left >= 0
    sound = (
        len(left) > 0
        and (left[inner] > place[inner]).all()
        and (right[inner] > place[inner]).all()
        and (left < len(left)).all()
        and (right < len(left)).all()
        and (right[~inner] < 0).all()
        and (feature[inner] >= 0).all()
        and (feature[inner] < num_features).all()
    )
    if not sound:
        raise CorruptFileError(f"{name} holds a tree whose links lead outside of it.")
