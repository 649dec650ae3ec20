"""Trained networks of a benchmark, a row a network, read when they are asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, cast, overload

import numpy as np

from nnstruct.benchmark import tables
from nnstruct.benchmark.weights import KeptWeights
from nnstruct.checks import check_integer
from nnstruct.errors import InvalidInputError, MissingDataError
from nnstruct.network import Network
from nnstruct.random import check_seed
from nnstruct.structure import Structure

if TYPE_CHECKING:
    import pandas as pd

_HOW = "Train with build(..., keep_weights=True)."


class NetworkRows(Sequence[Network]):
    """Networks with a table that says what they are; a network is read whenever it is indexed.

    Comes from :meth:`nnstruct.Benchmark.networks`.

    Attributes
    ----------
    table : pandas.DataFrame
        One row a network: the record's columns, ``epoch`` and ``val_then``, the validation metric after that
        epoch. Networks of one training share fingerprint, config_id and seed.
    """

    def __init__(
        self, structures: Mapping[str, Structure], table: pd.DataFrame, weights: KeptWeights
    ) -> None:
        self._structures, self.table, self._weights = structures, table, weights

    def __len__(self) -> int:
        return len(self.table)

    @overload
    def __getitem__(self, index: int) -> Network: ...

    @overload
    def __getitem__(self, index: slice) -> NetworkRows: ...

    def __getitem__(self, index: int | slice) -> Network | NetworkRows:
        if isinstance(index, slice):
            return self.take(np.arange(len(self))[index])
        row = self.table.iloc[index]
        key = (row["fingerprint"], row["task_fingerprint"], row["config_id"], int(row["seed"]))
        # Rows whose weights are lost are not in the table.
        return cast(
            Network, self._weights.network(self._structures[row["fingerprint"]], key, int(row["epoch"]))
        )

    def __iter__(self) -> Iterator[Network]:
        return (self[index] for index in range(len(self)))

    def take(self, rows: Sequence[int] | np.ndarray) -> NetworkRows:
        """Some of the networks.

        Parameters
        ----------
        rows : sequence of int
            Places in the table.

        Returns
        -------
        NetworkRows
        """
        return NetworkRows(
            self._structures, self.table.iloc[np.asarray(rows)].reset_index(drop=True), self._weights
        )

    def __repr__(self) -> str:
        return f"NetworkRows({len(self)} networks)"


class HoldsWeights:
    """What a :class:`~nnstruct.benchmark.Benchmark` says of the weights that were kept."""

    _all: Mapping[str, Structure]
    _weights: KeptWeights = KeptWeights()

    if TYPE_CHECKING:

        @cached_property
        def table(self) -> pd.DataFrame: ...

    def networks(self, *, seed: int | None = None, epoch: int | str = "last") -> NetworkRows:
        """The trained networks of the records, where ``build(keep_weights=...)`` kept their weights.

        Parameters
        ----------
        seed : int, optional
            Only those of this seed.
        epoch : int, "last" or "all"
            An epoch that was kept, each training's last one, or all of them.

        Returns
        -------
        NetworkRows
            In the order of :attr:`table`, then of epochs. Trainings without such weights, or with weights
            that were not finite, have no row.

        Raises
        ------
        MissingDataError
            If no such weights are kept.
        InvalidInputError
            If an argument breaks its rule.
        """
        if epoch not in ("last", "all"):
            if isinstance(epoch, str):
                raise InvalidInputError("epoch", "be 'last', 'all' or the number of an epoch", epoch)
            epoch = check_integer(epoch, "epoch")
        if not self._weights.files:
            raise MissingDataError(f"The benchmark holds no weights. {_HOW}")
        rows = self.table
        if seed is not None:
            rows = rows[rows["seed"] == check_seed(seed)]
        places: list[int] = []
        epochs: list[int] = []
        for place, key in enumerate(tables.frame_keys(rows)):
            kept = self._weights.finite_epochs(key)
            for number in kept[-1:] if epoch == "last" else kept:
                if epoch in ("last", "all", number):
                    places.append(place)
                    epochs.append(number)
        if not places:
            raise MissingDataError(f"The benchmark holds no weights for seed={seed}, epoch={epoch!r}. {_HOW}")
        table = rows.iloc[places].reset_index(drop=True)
        val = [curve[number - 1] for curve, number in zip(table["val"], epochs, strict=True)]
        return NetworkRows(
            self._all, table.assign(epoch=epochs, val_then=np.array(val, float)), self._weights
        )
