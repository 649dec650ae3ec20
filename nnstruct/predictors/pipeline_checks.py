"""Whether a pipeline out of a file is whole: all indices that trees follow lie in the arrays that are there.

Trees are walked in compiled code without bounds checks, so that a wrong number would end the interpreter.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from nnstruct.checks import is_integer


def check_pipeline(pipeline: Any) -> None:
    """Raise unless a pipeline from a file has the steps of a predictor's, and its trees are whole.

    Parameters
    ----------
    pipeline : Any
        A table, a scaler where there is one, and a regressor where there is one.

    Raises
    ------
    ValueError, TypeError, AttributeError, LookupError
        If it is something else, or a tree's links, columns or sizes do not fit its arrays.
    """
    from sklearn.ensemble._hist_gradient_boosting.predictor import TreePredictor
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.tree._tree import Tree

    if type(pipeline) is not Pipeline:
        raise TypeError(f"it is a {type(pipeline).__name__}, not a Pipeline")
    table, *others = [step for _, step in pipeline.steps]
    width = _width(table)
    if len(others) > 2 or any(type(step) is not StandardScaler for step in others[:-1]):
        raise ValueError(f"it has {len(others) + 1} steps, which are no predictor's")
    for item in _objects(others):
        if isinstance(item, Tree):
            _check_tree(item, width)
        elif isinstance(item, TreePredictor):
            _check_boosted(item, width)
        elif hasattr(item, "n_features_in_") and not (
            is_integer(item.n_features_in_) and item.n_features_in_ == width
        ):
            raise ValueError(f"a {type(item).__name__} reads {item.n_features_in_!r} columns of {width}")
        for features in getattr(item, "estimators_features_", []):
            if not np.array_equal(np.sort(features), np.arange(width)):
                raise ValueError(f"a member of the bag does not read the {width} columns of the table")


def check_table(table: Any) -> None:
    """Raise unless the table of a predictor from a file is whole.

    Parameters
    ----------
    table : Any
        A FeatureTable.

    Raises
    ------
    ValueError, AttributeError
        If it is something else, or the numbers of its columns do not fit their names.
    """
    from nnstruct.encode import FeatureTable

    if type(table) is not FeatureTable or not _named(table.columns_, table.median_):
        raise ValueError("its table of features is not whole")
    ends = [end for end in (table.low_, table.high_) if end is not None]
    if ends and (len(ends) < 2 or not all(_named(table.columns_, end) for end in ends)):
        raise ValueError("its table of features does not know the ends of its columns")


def _width(table: Any) -> int:
    from nnstruct.encode import FeatureTable
    from nnstruct.encode.weight_table import WeightTable

    if type(table) not in (FeatureTable, WeightTable):
        raise TypeError(f"its first step is a {type(table).__name__}, no table")
    inner = table if type(table) is FeatureTable else table.table_
    if inner is not None:
        check_table(inner)
    if type(table) is WeightTable:
        own = table.kept_ + ([] if inner is None else inner.columns_)
        if not _named(table.kept_, table.median_) or table.columns_ != own:
            raise ValueError("its table of weights is not whole")
    return len(table.columns_)


def _named(names: Any, medians: Any) -> bool:
    return (
        isinstance(names, list)
        and all(isinstance(name, str) for name in names)
        and isinstance(medians, np.ndarray)
        and medians.shape == (len(names),)
        and medians.dtype == np.float64
    )


def _objects(root: Any) -> Iterator[Any]:
    """Everything within estimators, lists and the like, each once."""
    waiting, seen = [root], set()
    while waiting:
        item = waiting.pop()
        if id(item) in seen or isinstance(item, str | int | float | bool | type | None):
            continue
        seen.add(id(item))
        if isinstance(item, dict):
            waiting.extend(item.values())
        elif isinstance(item, list | tuple | set):
            waiting.extend(item)
        elif isinstance(item, np.ndarray):
            waiting.extend(item.ravel().tolist() if item.dtype.hasobject else [])
        else:
            yield item
            waiting.extend(getattr(item, "__dict__", {}).values())


def _check_tree(tree: Any, width: int) -> None:
    # ``node_count`` is believed by scikit-learn; the arrays have ``capacity`` nodes.
    if not 0 < tree.node_count <= tree.capacity:
        raise ValueError(f"a tree says that it has {tree.node_count} nodes and holds {tree.capacity}")
    if tree.n_outputs != 1 or tree.max_n_classes != 1 or tree.n_features != width:
        raise ValueError(f"a tree reads {tree.n_features} columns of {width}, or has several outputs")
    if tree.value.shape != (tree.node_count, 1, 1):
        raise ValueError(f"a tree of {tree.node_count} nodes has values of shape {tree.value.shape}")
    _check_links(tree.children_left, tree.children_right, tree.feature, width)


def _check_boosted(stage: Any, width: int) -> None:
    from sklearn.ensemble._hist_gradient_boosting.common import PREDICTOR_RECORD_DTYPE

    nodes = stage.nodes
    if not isinstance(nodes, np.ndarray) or nodes.dtype != PREDICTOR_RECORD_DTYPE or nodes.ndim != 1:
        raise ValueError("a boosted tree has no array of nodes")
    for name in ("binned_left_cat_bitsets", "raw_left_cat_bitsets"):
        bits = getattr(stage, name)
        if not isinstance(bits, np.ndarray) or bits.dtype != np.uint32 or bits.shape[1:] != (8,):
            raise ValueError(f"a boosted tree has {name} of another shape")
    inner = ~nodes["is_leaf"].astype(bool)
    # No column of a table holds categories; a node that says so would look its bits up by ``bitset_idx``.
    if nodes["is_categorical"][inner].any():
        raise ValueError("a boosted tree splits a column by categories, of which no table has any")
    left, right = (np.where(inner, nodes[side].astype(np.int64), -1) for side in ("left", "right"))
    _check_links(left, right, nodes["feature_idx"].astype(np.int64), width)


def _check_links(left: np.ndarray, right: np.ndarray, feature: np.ndarray, width: int) -> None:
    place = np.arange(len(left))
    inner = left >= 0
    sound = (
        len(left) > 0
        and len(left) == len(right) == len(feature)
        and (left[inner] > place[inner]).all()
        and (right[inner] > place[inner]).all()
        and (left < len(left)).all()
        and (right < len(left)).all()
        and (left[~inner] == -1).all()
        and (right[~inner] < 0).all()
        and (feature[inner] >= 0).all()
        and (feature[inner] < width).all()
    )
    if not sound:
        raise ValueError("it holds a tree whose links lead outside of it")
