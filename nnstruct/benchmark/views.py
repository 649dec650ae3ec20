"""A benchmark's parts: some of its structures, of its records, or another label."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Self

import numpy as np

from nnstruct.benchmark import tables
from nnstruct.benchmark.labels import Labelled
from nnstruct.benchmark.network_rows import HoldsWeights
from nnstruct.benchmark.stored_structures import some_structures
from nnstruct.benchmark.targets import TARGETS
from nnstruct.errors import InvalidInputError
from nnstruct.record import TrainConfig
from nnstruct.structure import Structure

if TYPE_CHECKING:
    from pyarrow.dataset import Dataset


class Views(Labelled, HoldsWeights):
    """What a :class:`~nnstruct.benchmark.Benchmark` gives of itself.

    Attributes
    ----------
    configs : dict of str to TrainConfig
    """

    configs: dict[str, TrainConfig]

    def with_target(self, name: str) -> Self:
        """The same benchmark with another label.

        Parameters
        ----------
        name : str
            A name in ``TARGETS``.

        Returns
        -------
        Benchmark

        Raises
        ------
        UnknownNameError
            If no target has the name.
        """
        return self._view(self._all, target=name)

    def select(self, fingerprints: Iterable[str]) -> Self:
        """The benchmark of some structures, in the given order.

        Parameters
        ----------
        fingerprints : iterable of str

        Returns
        -------
        Benchmark
            With all records of these structures.

        Raises
        ------
        InvalidInputError
            If a fingerprint is unknown or given twice.
        """
        chosen = list(fingerprints)
        for name in chosen:
            if name not in self._all:
                raise InvalidInputError("fingerprints", "be those of structures of the benchmark", name)
        if len(set(chosen)) != len(chosen):
            raise InvalidInputError("fingerprints", "hold each fingerprint once", len(chosen))
        return self._view(some_structures(self._all, chosen), self._rows_of(chosen))

    def select_config(self, config_id: str) -> Self:
        """The records of one configuration and the structures that have any; an error where there is none.

        Parameters
        ----------
        config_id : str
            :attr:`TrainConfig.id`; :attr:`configs` holds them.

        Returns
        -------
        Benchmark
        """
        return self._where("config_id", config_id)

    def select_family(self, family: str) -> Self:
        """The records of one family and the structures that have any; an error where there is none.

        Parameters
        ----------
        family : str

        Returns
        -------
        Benchmark
        """
        return self._where("family", family)

    def select_task(self, task_fingerprint: str) -> Self:
        """The records of one task and the structures that have any; an error where there is none.

        Parameters
        ----------
        task_fingerprint : str
            :attr:`nnstruct.tasks.Task.fingerprint`.

        Returns
        -------
        Benchmark
        """
        return self._where("task_fingerprint", task_fingerprint)

    def split(self, test: float = 0.2, seed: int = 0) -> tuple[Self, Self]:
        """Two benchmarks with no structure in common, relabelled copies included.

        Depends on the set of labelled structures, not on their order. Unlabelled structures go to
        the first part.

        Parameters
        ----------
        test : float
            Share of the structures in the second part, in (0, 1).
        seed : int

        Returns
        -------
        (Benchmark, Benchmark)
            Train and test; each keeps the order of :attr:`structures`.

        Raises
        ------
        InvalidInputError
            If ``test`` or ``seed`` breaks its rule, or fewer than two structures have a label.
        """
        held_out = self._held_out(sorted(self.fingerprints), test, seed)
        return (
            self.select(name for name in self._all if name not in held_out),
            self.select(name for name in self._all if name in held_out),
        )

    def scan(self) -> Dataset:
        """The records as a pyarrow dataset, to be filtered and read in batches.

        Of a finished folder that was read whole it reads the file itself, so that nothing else need fit into
        memory; what a training cost (``seconds``, ``engine``) is not in it.

        Returns
        -------
        pyarrow.dataset.Dataset

        Examples
        --------
        >>> from nnstruct import Structure, TrainConfig, build, load_task
        >>> nets = [Structure.from_layers([n, 2]) for n in (3, 4)]
        >>> bench = build(load_task("digits"), nets, config=TrainConfig(epochs=1), workers=1)
        >>> bench.scan().to_table(columns=["seed", "status"]).to_pydict()
        {'seed': [0, 0], 'status': ['ok', 'ok']}
        """
        import pyarrow.dataset as ds

        if self._stored is not None and self._stored.path is not None:
            return ds.dataset(self._stored.path, format="parquet")
        names = tables.RECORD_SCHEMA.names
        whole = (
            self._stored.table if self._stored is not None else tables.to_arrow(tables.to_records(self.table))
        )
        return ds.dataset(whole.select(names))

    # ---- inner parts

    def _where(self, column: str, value: str) -> Self:
        found, codes = self._words(column)
        if value not in found:
            raise InvalidInputError(column, f"be one of {', '.join(found)}", value)
        rows = codes == found.index(value)
        names, of = self._words("fingerprint")
        held = {names[code] for code in np.unique(of[rows])}
        return self._view(some_structures(self._all, [name for name in self._all if name in held]), rows)

    def _rows_of(self, fingerprints: Iterable[str]) -> np.ndarray:
        """Which rows are of some structures, bool [rows]."""
        names, codes = self._words("fingerprint")
        wanted = set(fingerprints)
        return np.array([name in wanted for name in names], dtype=bool)[codes]

    def _view(
        self,
        structures: Mapping[str, Structure],
        rows: np.ndarray | None = None,
        *,
        target: str | None = None,
    ) -> Self:
        """A benchmark of rows of this one, bool [rows], which need no check and no sorting."""
        if target is not None:
            TARGETS[target]
        view = object.__new__(type(self))
        view._all, view.configs, view._weights = structures, self.configs, self._weights
        if rows is None or rows.all():
            view._stored = self._stored
            if self._is_read:
                view.table = self.table
        else:
            view._stored = None if self._stored is None else self._stored.take(rows)
            if self._is_read:
                view.table = self.table.loc[rows].reset_index(drop=True)
        view.target, view.metric = target or self.target, self.metric
        return view
