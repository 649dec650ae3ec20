"""One earlier benchmark and family, and the forest that learned from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from nnstruct.predictors.forest_arrays import ForestArrays
from nnstruct.predictors.label_transform import LabelTransform
from nnstruct.predictors.sources.columns import Scale
from nnstruct.predictors.sources.packing import pack, unpack
from nnstruct.random import derive_seed

NAMES = ("benchmark", "task", "data", "family")
PLAIN, ADAPTED = "plain", "adapted"
LEAF, MOST_LEAVES, COLUMNS_AT_A_SPLIT = 3, 256, 0.4
_LARGEST = 1e30  # forests read float32
_DIGITS = 15  # of a fingerprint, so that it fits into int64


@dataclass(frozen=True, eq=False)
class Source:
    """What one earlier benchmark says of structures of one family.

    Attributes
    ----------
    benchmark, task, data, family : str
        Where the labels come from; sources with one ``data`` are of the same data, perhaps in other amounts.
    median : float64 [c]
        Of each column, for what is missing.
    plain, adapted : ForestArrays
        Extra trees on the columns as they are, and on columns standardised over the structures.
    seen : int64 [n]
        The structures learned from, sorted: the first 15 digits of their fingerprints.
    """

    benchmark: str
    task: str
    data: str
    family: str
    median: np.ndarray
    plain: ForestArrays
    adapted: ForestArrays
    seen: np.ndarray

    @classmethod
    def fit(
        cls,
        names: Mapping[str, str],
        fingerprints: Sequence[str],
        table: np.ndarray,
        y: np.ndarray,
        trees: int,
        seed: int,
        n_jobs: int,
    ) -> Self:
        """Learn from the structures of a benchmark and family.

        Parameters
        ----------
        names : mapping
            ``benchmark``, ``task``, ``data`` and ``family``.
        fingerprints : sequence of str, length n
        table : float64 [n, c]
            From :func:`nnstruct.predictors.sources.columns.source_table`.
        y : float64 [n]
            Clipped at its outer fences, made normal by a power transform and standardised before use.
        trees, seed, n_jobs : int

        Returns
        -------
        Source
        """
        from sklearn.ensemble import ExtraTreesRegressor

        target = LabelTransform().fit(y).transform(y)
        known = np.isfinite(table)
        median = np.array(
            [np.median(c[k]) if k.any() else 0.0 for c, k in zip(table.T, known.T, strict=True)]
        )
        columns = {PLAIN: _filled(table, median), ADAPTED: Scale.of(table).standardised(table)}
        forests = {}
        for kind, values in columns.items():
            forest = ExtraTreesRegressor(
                trees,
                min_samples_leaf=LEAF,
                max_leaf_nodes=MOST_LEAVES,
                max_features=COLUMNS_AT_A_SPLIT,
                random_state=derive_seed(seed, names["benchmark"], names["family"], kind) % 2**32,
                n_jobs=n_jobs,
            )
            # Packed at once, so that predictions do not change by saving.
            packed = pack(ForestArrays.of(forest.fit(values, target)))
            forests[kind] = unpack(packed, table.shape[1])
        return cls(
            names["benchmark"],
            names["task"],
            names["data"],
            names["family"],
            median=median,
            plain=forests[PLAIN],
            adapted=forests[ADAPTED],
            seen=keys(fingerprints),
        )

    def predict(self, table: np.ndarray) -> np.ndarray:
        """Standardised labels by the columns as they are, float64 [n].

        Parameters
        ----------
        table : float64 [n, c]

        Returns
        -------
        float64 [n]
        """
        return self.plain.predict(_filled(table, self.median))[0]

    def state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """What :meth:`from_state` needs.

        Returns
        -------
        values : dict of str to JSON values
        arrays : dict of str to array
        """
        arrays = {"median": self.median, "seen": self.seen}
        for kind in (PLAIN, ADAPTED):
            arrays |= {f"{kind}.{name}": array for name, array in pack(getattr(self, kind)).items()}
        return {name: getattr(self, name) for name in NAMES}, arrays

    @classmethod
    def from_state(cls, values: Mapping[str, Any], arrays: Mapping[str, np.ndarray], columns: int) -> Self:
        """The source that :meth:`state` told of.

        Parameters
        ----------
        values, arrays : mappings
        columns : int
            That a table has.

        Returns
        -------
        Source

        Raises
        ------
        ValueError
            If the arrays do not fit together.
        KeyError
            If something is missing.
        """
        median = np.asarray(arrays["median"], dtype=np.float64)
        if median.shape != (columns,) or not np.isfinite(median).all():
            raise ValueError(f"a source was fitted to {len(median)} columns, this version has {columns}")
        forests = {}
        for kind in (PLAIN, ADAPTED):
            start = f"{kind}."
            part = {name.removeprefix(start): a for name, a in arrays.items() if name.startswith(start)}
            forests[kind] = unpack(part, columns)
        return cls(
            str(values["benchmark"]),
            str(values["task"]),
            str(values["data"]),
            str(values["family"]),
            median=median,
            plain=forests[PLAIN],
            adapted=forests[ADAPTED],
            seen=np.asarray(arrays["seen"], dtype=np.int64),
        )


def keys(fingerprints: Sequence[str]) -> np.ndarray:
    """Fingerprints as numbers.

    Parameters
    ----------
    fingerprints : sequence of str

    Returns
    -------
    int64 [n]
        Distinct, sorted.
    """
    return np.array(sorted({int(fingerprint[:_DIGITS], 16) for fingerprint in fingerprints}), dtype=np.int64)


def _filled(table: np.ndarray, median: np.ndarray) -> np.ndarray:
    return np.clip(np.where(np.isfinite(table), table, median), -_LARGEST, _LARGEST)
