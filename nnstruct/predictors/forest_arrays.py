"""A fitted forest as plain arrays: quick to ask, and stored without pickle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

_NAMES = ("start", "left", "right", "feature", "threshold", "value")


@dataclass(frozen=True, eq=False)
class ForestArrays:
    """The trees of a forest, one after the other.

    Attributes
    ----------
    start : int64 [trees + 1]
        Where each tree's nodes begin.
    left, right : int32 [nodes]
        Children, counted from the tree's first node; -1 at a leaf.
    feature : int32 [nodes]
    threshold : float64 [nodes]
        A row goes left where its column, as float32, is at most this.
    value : float64 [nodes]
        Mean label of the training rows in the node.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.ensemble import ExtraTreesRegressor
    >>> table = np.arange(12.0).reshape(6, 2)
    >>> forest = ExtraTreesRegressor(5, random_state=0).fit(table, table[:, 0])
    >>> mean, variance = ForestArrays.of(forest).predict(table)
    >>> bool(np.allclose(mean, forest.predict(table)))
    True
    """

    start: np.ndarray
    left: np.ndarray
    right: np.ndarray
    feature: np.ndarray
    threshold: np.ndarray
    value: np.ndarray

    @classmethod
    def of(cls, forest: Any) -> Self:
        """The arrays of a fitted forest of scikit-learn.

        Parameters
        ----------
        forest : ExtraTreesRegressor or RandomForestRegressor
            With one output.

        Returns
        -------
        ForestArrays
        """
        trees = [member.tree_ for member in forest.estimators_]
        start = np.concatenate([[0], np.cumsum([tree.node_count for tree in trees])])
        return cls(
            start.astype(np.int64),
            np.concatenate([tree.children_left for tree in trees]).astype(np.int32),
            np.concatenate([tree.children_right for tree in trees]).astype(np.int32),
            np.concatenate([tree.feature for tree in trees]).astype(np.int32),
            np.concatenate([tree.threshold for tree in trees]).astype(np.float64),
            np.concatenate([tree.value[:, 0, 0] for tree in trees]).astype(np.float64),
        )

    def predict(self, table: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean over the trees, and variance between them.

        Parameters
        ----------
        table : float [n, c]

        Returns
        -------
        mean, variance : float64 [n]
        """
        from nnstruct.predictors.forest_kernel import walk

        rows = np.ascontiguousarray(table, dtype=np.float32)
        mean, variance = np.empty(len(rows)), np.empty(len(rows))
        walk(
            self.start, self.left, self.right, self.feature, self.threshold, self.value, rows, mean, variance
        )
        return mean, variance

    def arrays(self) -> dict[str, np.ndarray]:
        """What :meth:`from_arrays` needs.

        Returns
        -------
        dict of str to array
        """
        return {name: getattr(self, name) for name in _NAMES}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray], columns: int) -> Self:
        """The forest that :meth:`arrays` told of.

        Parameters
        ----------
        arrays : mapping of str to array
        columns : int
            Of the tables that it will be asked for.

        Returns
        -------
        ForestArrays

        Raises
        ------
        ValueError
            If a link leads outside of its tree, or a feature outside of the table.
        """
        made = cls(
            arrays["start"].astype(np.int64),
            *(arrays[name].astype(np.int32) for name in ("left", "right", "feature")),
            *(arrays[name].astype(np.float64) for name in ("threshold", "value")),
        )
        made._check(columns)
        return made

    def _check(self, columns: int) -> None:
        # Trees are walked in compiled code, without bounds checks.
        size = len(self.left)
        counts = np.diff(self.start)
        whole = len(counts) > 0 and self.start[0] == 0 and self.start[-1] == size and (counts > 0).all()
        lengths = {len(getattr(self, name)) for name in _NAMES[1:]}
        if not whole or lengths != {size}:
            raise ValueError("the trees of a forest are not whole")
        place = np.arange(size) - np.repeat(self.start[:-1], counts)
        most = np.repeat(counts, counts)
        inner = self.left >= 0
        sound = (
            (self.left[inner] > place[inner]).all()
            and (self.right[inner] > place[inner]).all()
            and (self.left < most).all()
            and (self.right < most).all()
            and (self.right[~inner] < 0).all()
            and (self.feature[inner] >= 0).all()
            and (self.feature[inner] < columns).all()
        )
        if not sound:
            raise ValueError("a forest holds a tree whose links lead outside of it")
