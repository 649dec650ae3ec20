"""From trained Networks to a matrix of features without gaps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from nnstruct.encode.table import CONSTANT, FeatureTable, medians_and_spreads, rounded
from nnstruct.errors import InvalidInputError
from nnstruct.estimators import BaseEstimator, TransformerMixin, check_fitted
from nnstruct.network import Network
from nnstruct.properties import NETWORK_FAMILIES
from nnstruct.properties.base import check_families
from nnstruct.structure import Structure
from nnstruct.structure.checks import check_structures

# A Network never changes, and folds ask for the same ones again and again; rows go with their networks.
_rows: WeakKeyDictionary[Network, dict[str, np.ndarray]] = WeakKeyDictionary()


class WeightTable(TransformerMixin, BaseEstimator):
    """A scikit-learn transformer from trained Networks to measures of their weights.

    It learns the median of each column, which stands in for missing values, and which columns vary;
    constant ones are dropped. One column is kept if all are constant.

    Parameters
    ----------
    families : sequence of str
        Families of measures of weights; see :func:`nnstruct.properties.network_features`.
    structure : None, "auto" or sequence of str
        What columns of the structure stand beside them; none, or those of a
        :class:`nnstruct.encode.FeatureTable` with these families. With some, Structures without weights
        are taken too, as long as all are without.

    Attributes
    ----------
    weighted_ : bool
        Whether ``fit`` has seen Networks.
    columns_ : list of str, length c
        The columns kept, those of weights first.
    median_ : float64 [columns of weights kept]
    table_ : FeatureTable or None
        Of the structures, each counted once.

    Examples
    --------
    >>> import numpy as np
    >>> from nnstruct import Network, Structure
    >>> from nnstruct.encode import WeightTable
    >>> structure = Structure.from_layers([2, 1])
    >>> networks = [Network(structure, [[0.5], [w]], np.zeros((3, 1))) for w in (1.0, 2.0)]
    >>> table = WeightTable(["statnn"]).fit(networks)
    >>> table.columns_[0], table.transform(networks)[:, 0].tolist()
    ('statnn.first_kernel_mean', [0.75, 1.25])
    """

    def __init__(
        self, families: Sequence[str] = ("statnn",), structure: str | Sequence[str] | None = None
    ) -> None:
        self.families = families
        self.structure = structure

    def fit(self, networks: Sequence[Network | Structure], y: Any = None) -> WeightTable:
        """Learn the columns, their medians and which of them vary.

        Parameters
        ----------
        networks : sequence of Network, or of Structure, at least one
        y : ignored

        Returns
        -------
        self

        Raises
        ------
        InvalidInputError
            If there is none, some have weights and others not, none has and no columns of structures are
            asked for, or ``families`` is a string, empty or names one twice.
        UnknownNameError
            If a family is not registered.
        """
        names, values = self._weights(networks, learning=True)
        median, spread = medians_and_spreads(values)
        varies = spread > CONSTANT * np.maximum(1e-3, np.abs(median))
        self.table_ = None
        if self.structure is not None:
            self.table_ = FeatureTable(self.structure).fit(list(dict.fromkeys(check_structures(networks))))
        elif not varies.any():
            varies[0] = True
        self.kept_ = [name for name, kept in zip(names, varies, strict=True) if kept]
        self.median_ = median[varies]
        self.columns_ = self.kept_ + ([] if self.table_ is None else self.table_.columns_)
        return self

    def transform(self, networks: Sequence[Network | Structure]) -> np.ndarray:
        """The kept columns as a matrix, with gaps filled by the medians seen in ``fit``.

        Parameters
        ----------
        networks : sequence of Network, or of Structure as in ``fit``, length n

        Returns
        -------
        float64 [n, c]

        Raises
        ------
        InvalidInputError
            If they have weights and those of ``fit`` had none, or the other way round.
        sklearn.exceptions.NotFittedError
            Before :meth:`fit`.
        """
        check_fitted(self)
        names, values = self._weights(networks, learning=False)
        column_of = {name: column for column, name in enumerate(names)}
        found = values[:, [column_of[name] for name in self.kept_]]
        blocks = [np.where(np.isfinite(found), found, self.median_)]
        if self.table_ is not None:
            structures = check_structures(networks)
            place = {structure: row for row, structure in enumerate(dict.fromkeys(structures))}
            blocks.append(self.table_.transform(list(place))[[place[structure] for structure in structures]])
        return np.concatenate(blocks, axis=1)

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Names of the columns that :meth:`transform` returns.

        Parameters
        ----------
        input_features : ignored
            Networks have no columns; scikit-learn passes it.

        Returns
        -------
        object [c]

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before :meth:`fit`.
        """
        check_fitted(self)
        return np.array(self.columns_, dtype=object)

    def _weights(self, given: Sequence[Any], *, learning: bool) -> tuple[list[str], np.ndarray]:
        """Names of all columns of weights, none for Structures, and float64 [n, columns] with gaps."""
        families = check_families(self.families, NETWORK_FAMILIES)
        weighted = have_weights(given)
        if learning:
            self.weighted_ = weighted
            if not weighted and self.structure is None:
                raise InvalidInputError(
                    "structures", "be Networks, whose weights are read", given[0],
                    "Benchmark.networks() gives those of a benchmark built with keep_weights=True.",
                )  # fmt: skip
        elif weighted != self.weighted_:
            kind = "Networks" if self.weighted_ else "Structures"
            raise InvalidInputError("structures", f"be {kind}, as in fit", given[0])
        if not weighted:
            return [], np.zeros((len(given), 0))
        blocks = []
        for family in families:
            missing = [network for network in given if family.name not in _rows.get(network, {})]
            rows: Sequence[np.ndarray] = list(family.compute(missing)) if missing else []
            for network, row in zip(missing, rows, strict=True):
                _rows.setdefault(network, {})[family.name] = row.copy()
            blocks.append(np.stack([_rows[network][family.name] for network in given]))
        columns = [column for family in families for column in family.columns]
        return columns, rounded(np.concatenate(blocks, axis=1))


def have_weights(given: Sequence[Any], field: str = "structures") -> bool:
    """Whether these are Networks; an error where some are and others are not.

    Parameters
    ----------
    given : sequence of Network or Structure
    field : str
        What they are called where the caller wrote them.

    Returns
    -------
    bool

    Raises
    ------
    InvalidInputError
        If there is none, an item is neither, or both kinds are there.

    Examples
    --------
    >>> from nnstruct import Structure
    >>> from nnstruct.encode.weight_table import have_weights
    >>> have_weights([Structure.from_layers([2, 1])])
    False
    """
    check_structures(given, field, empty=False)
    weighted = [isinstance(item, Network) for item in given]
    if any(weighted) and not all(weighted):
        place = weighted.index(False)
        rule = "be a Network as others are, or none of them"
        raise InvalidInputError(f"{field}[{place}]", rule, given[place])
    return weighted[0]
