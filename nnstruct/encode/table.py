"""Structures as rows of numbers, for predictors that learn from tables."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np

from nnstruct.checks import check_choice
from nnstruct.encode.blindness import check_shown
from nnstruct.encode.columns import AUTO, column_blocks, learn_columns
from nnstruct.errors import InvalidInputError
from nnstruct.estimators import BaseEstimator, TransformerMixin, check_fitted
from nnstruct.network import Network
from nnstruct.properties import features
from nnstruct.structure import Structure
from nnstruct.structure.checks import check_structures

if TYPE_CHECKING:
    import pandas as pd

# Sums over units depend on their order in the last digits; what is left after rounding does not.
SIGNIFICANT_DIGITS = 10
ABSOLUTE_DECIMALS = 12
CONSTANT = 1e-9
MANY_ALIKE = 0.1  # the share of rows that must differ from the median for a column to have ends


def to_table(
    structures: Sequence[Structure | Network], families: Sequence[str] = ("paper", "layered")
) -> pd.DataFrame:
    """The features of structures, ready to learn from.

    Parameters
    ----------
    structures : sequence of Structure or Network, length n
    families : sequence of str
        Families of measures; see :func:`nnstruct.properties.features`.

    Returns
    -------
    pandas.DataFrame
        float64, n rows, columns named ``family.measure``. Values are rounded to ten
        significant digits, so that the order of the units leaves no trace in them.

    Raises
    ------
    InvalidInputError
        If there is no structure, or ``families`` is a string, empty or names an unknown one.

    Examples
    --------
    >>> from nnstruct import Structure
    >>> from nnstruct.encode import to_table
    >>> to_table([Structure.from_layers([2, 3])], ["paper"]).shape[0]
    1
    """
    import pandas as pd

    table = features(structures, families)
    return pd.DataFrame(rounded(table.to_numpy(dtype=np.float64)), columns=table.columns)


def rounded(values: np.ndarray) -> np.ndarray:
    """Values with ten significant digits, NaN where they are not finite.

    Parameters
    ----------
    values : float64 array

    Returns
    -------
    float64 array
    """
    finite = np.where(np.isfinite(values), values, np.nan)
    # Most are counts, which rounding leaves as they are; NaN differs from itself.
    places = np.nonzero((finite != np.rint(finite)) & ~np.isnan(finite))
    broken = finite[places]
    exponent = np.floor(np.log10(np.abs(broken)))
    scale = 10.0 ** np.clip(SIGNIFICANT_DIGITS - 1 - exponent, -300, ABSOLUTE_DECIMALS)
    finite[places] = np.round(broken * scale) / scale
    return finite


def medians_and_spreads(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of each column the median of what is finite, 0 without any, and how far values lie apart.

    Parameters
    ----------
    values : float64 [n, c]
        With gaps, which stand at the median.

    Returns
    -------
    medians, spreads : float64 [c]
    """
    known = np.isfinite(values)
    median = np.zeros(values.shape[1])
    for column in np.flatnonzero(known.any(axis=0)):
        median[column] = np.median(values[known[:, column], column])
    return median, np.ptp(np.where(known, values, median), axis=0)


def means_and_scales(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What to subtract from columns and to divide them by: mean and deviation, 1 for a constant column.

    Parameters
    ----------
    values : float64 [n, c]
        Without gaps.

    Returns
    -------
    means, scales : float64 [c]

    Examples
    --------
    >>> import numpy as np
    >>> means, scales = means_and_scales(np.array([[1.0, 5.0], [3.0, 5.0]]))
    >>> means.tolist(), scales.tolist()
    ([2.0, 5.0], [1.0, 1.0])
    """
    means, scales = values.mean(axis=0), values.std(axis=0)
    scales[~(scales > 1e-12 * np.maximum(1.0, np.abs(means)))] = 1.0
    return means, scales


# What a table was last asked of, so that a prediction and the question whether it is to be trusted cost one
# table; not an attribute, since estimators are copied and saved.
_beyond: WeakKeyDictionary[FeatureTable, tuple[list[Any], np.ndarray]] = WeakKeyDictionary()


def _ends(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What lies far below and above the values of each column, float64 [c] each."""
    low, high = values.min(axis=0), values.max(axis=0)
    span = high - low
    varied = (values != np.median(values, axis=0)).mean(axis=0) > MANY_ALIKE
    return np.where(varied, low - span, -np.inf), np.where(varied, high + span, np.inf)


class FeatureTable(TransformerMixin, BaseEstimator):
    """A scikit-learn transformer from structures to a matrix of features without gaps.

    What it learns in ``fit``: which columns there are, the median of each, which stands in for missing
    values (0 where a column has none), and which columns vary; the constant ones are dropped. One
    column is kept if all are constant.

    Parameters
    ----------
    families : "auto" or sequence of str
        ``auto``: all groups of columns that apply to the structures; which those are says
        :func:`nnstruct.encode.columns.column_blocks`. Otherwise families of measures; see
        :func:`nnstruct.properties.features`.
    blind : {"error", "allow"}
        What to do where structures differ in their family or in an attribute of their units and no
        column of the families chosen could show it.

    Attributes
    ----------
    columns_ : list of str, length c
        The columns kept.
    median_ : float64 [c]
    groups_ : dict of str to int64 array
        Which columns belong to each group: to each family, where families were chosen.
    learned_ : dict
        What there is to count, for ``families="auto"``.
    low_, high_ : float64 [c]
        What lies beyond counts as far from all that was seen; see :meth:`beyond`.

    Examples
    --------
    >>> from sklearn.linear_model import BayesianRidge
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from nnstruct import Structure
    >>> from nnstruct.encode import FeatureTable
    >>> structures = [Structure.from_layers([2, width, 2]) for width in range(1, 9)]
    >>> model = make_pipeline(FeatureTable(), StandardScaler(), BayesianRidge())
    >>> model.fit(structures, [s.num_edges for s in structures]).predict(structures[:1]).round(1).tolist()
    [4.0]
    >>> list(model[0].groups_)
    ['paper', 'layered', 'size']
    """

    # Tables that were saved before there was a choice have none of it.
    blind = "error"
    learned_: dict[str, Any] | None = None
    low_: np.ndarray | None = None
    high_: np.ndarray | None = None

    def __init__(self, families: str | Sequence[str] = AUTO, blind: str = "error") -> None:
        self.families = families
        self.blind = blind

    def fit(self, structures: Sequence[Structure | Network], y: Any = None) -> FeatureTable:
        """Learn the columns, their medians and which of them vary.

        Parameters
        ----------
        structures : sequence of Structure or Network, at least one
        y : ignored

        Returns
        -------
        self

        Raises
        ------
        InvalidInputError
            If there is no structure, ``families`` is another string, empty or names an unknown one, or
            no column of the families chosen shows an attribute that varies.
        """
        checked = check_structures(structures, empty=False)
        blind = check_choice(self.blind, "blind", ("error", "allow"))
        self.learned_ = learn_columns(checked) if self._is_auto() else None
        names, groups, values = self._columns(checked)  # [n, all columns]
        values = values if self.learned_ is None else rounded(values)
        if self.learned_ is None and blind == "error":
            check_shown(checked, self.families)
        median, spread = medians_and_spreads(values)
        varies = spread > CONSTANT * np.maximum(1.0, np.abs(median))
        varies[0] |= not varies.any()
        self.columns_ = [name for name, kept in zip(names, varies, strict=True) if kept]
        self.median_ = median[varies]
        self.low_, self.high_ = _ends(np.where(np.isfinite(values), values, median)[:, varies])
        of_kept = np.array(groups, dtype=object)[varies]
        self.groups_ = {
            str(group): np.flatnonzero(of_kept == group).astype(np.int64) for group in dict.fromkeys(of_kept)
        }
        return self

    def transform(self, structures: Sequence[Structure | Network]) -> np.ndarray:
        """The kept columns as a matrix, with gaps filled by the medians seen in ``fit``.

        Parameters
        ----------
        structures : sequence of Structure or Network, length n

        Returns
        -------
        float64 [n, c]

        Raises
        ------
        InvalidInputError
            If there is no structure, or this version lacks a column that was there in ``fit``.
        sklearn.exceptions.NotFittedError
            Before :meth:`fit`.
        """
        check_fitted(self)
        names, _, found = self._columns(check_structures(structures, empty=False))
        place = {name: column for column, name in enumerate(names)}
        gone = [name for name in self.columns_ if name not in place]
        if gone:
            raise InvalidInputError(
                "families",
                "have the columns seen in fit",
                gone[0],
                "Fit again with this version of nnstruct.",
            )
        values = found[:, [place[name] for name in self.columns_]]  # [n, c]
        values = values if self.learned_ is None else rounded(values)
        filled = np.where(np.isfinite(values), values, self.median_)
        if self.low_ is not None and self.high_ is not None:
            with np.errstate(invalid="ignore"):
                _beyond[self] = (list(structures), (filled < self.low_) | (filled > self.high_))
        return filled

    def beyond(self, structures: Sequence[Structure | Network]) -> np.ndarray:
        """Which structures have a column far from all that was seen in ``fit``.

        Far is what lies beyond either end by more than the whole span. Columns in which nine of ten rows were
        alike have no ends: any new value would be far.

        Parameters
        ----------
        structures : sequence of Structure or Network, length n

        Returns
        -------
        bool [n]
            All False where the table was saved by a version that kept no ends.

        Raises
        ------
        InvalidInputError
            As :meth:`transform`.
        sklearn.exceptions.NotFittedError
            Before :meth:`fit`.

        Examples
        --------
        >>> from nnstruct import Structure
        >>> from nnstruct.encode import FeatureTable
        >>> table = FeatureTable().fit([Structure.from_layers([2, width, 2]) for width in range(1, 9)])
        >>> table.beyond([Structure.from_layers([2, width, 2]) for width in (9, 40)]).tolist()
        [False, True]
        """
        return np.asarray(self.columns_beyond(structures).any(axis=1))

    def columns_beyond(self, structures: Sequence[Structure | Network]) -> np.ndarray:
        """Which columns of each structure lie far from all that was seen in ``fit``; see :meth:`beyond`.

        Parameters
        ----------
        structures : sequence of Structure or Network, length n

        Returns
        -------
        bool [n, c]
        """
        check_fitted(self)
        given = list(structures)
        if self.low_ is None or not given:
            return np.zeros((len(given), len(self.columns_)), dtype=bool)
        last = _beyond.get(self)
        same = last is not None and len(last[0]) == len(given)
        if last is None or not same or any(map(operator.is_not, last[0], given)):
            self.transform(given)
            last = _beyond[self]
        return last[1]

    def _is_auto(self) -> bool:
        return isinstance(self.families, str) and self.families == AUTO

    def _columns(self, structures: list[Structure]) -> tuple[list[str], list[str], np.ndarray]:
        """Name and group of each column, and float64 [n, columns] with gaps, not rounded for ``auto``."""
        if self.learned_ is None:
            table = to_table(structures, self.families)
            names = list(table.columns)
            return names, [name.split(".", 1)[0] for name in names], table.to_numpy(dtype=np.float64)
        blocks = column_blocks(structures, self.learned_)
        names = [name for block in blocks for name in block.names]
        groups = [block.group for block in blocks for _ in block.names]
        return names, groups, np.concatenate([block.values for block in blocks], axis=1)

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Names of the columns that :meth:`transform` returns.

        Parameters
        ----------
        input_features : ignored
            Structures have no columns; scikit-learn passes it.

        Returns
        -------
        object [c]
            Strings of the form ``family.measure``.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before :meth:`fit`.
        """
        check_fitted(self)
        return np.array(self.columns_, dtype=object)
