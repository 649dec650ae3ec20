"""A Benchmark: trained structures with their labels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nnstruct.benchmark import tables
from nnstruct.benchmark.contents import Contents, read_contents
from nnstruct.benchmark.labels import Labelled
from nnstruct.benchmark.targets import TARGETS
from nnstruct.checks import check_share
from nnstruct.errors import CorruptFileError, InvalidInputError
from nnstruct.random import check_seed, generator
from nnstruct.record import Record, TrainConfig
from nnstruct.structure import Structure
from nnstruct.structure.checks import check_structures
from nnstruct.structure.interchange import from_arrow

if TYPE_CHECKING:
    import pandas as pd


class Benchmark(Labelled):
    """Structures, the records of training them, and one label a structure.

    Comes from :func:`nnstruct.build` or :meth:`load`; methods return new ones.

    Parameters
    ----------
    structures : sequence of Structure
        No two with one fingerprint.
    table : pandas.DataFrame
        One row a record; the columns are the fields of :class:`nnstruct.Record`.
    configs : mapping of str to TrainConfig, optional
        By :attr:`TrainConfig.id`.
    target : str
        What the label is: ``test`` (test accuracy after the last epoch), ``val_last``,
        ``val_best``, ``val_mean3`` (mean of the last three epochs), ``val_auc`` (mean of all
        epochs), ``neg_test_loss``, ``neg_val_loss``, ``neg_log_test_loss`` or ``neg_log_val_loss``.
        Larger is better in each.

    Examples
    --------
    >>> import numpy as np
    >>> from nnstruct import Structure
    >>> from nnstruct.benchmark import Benchmark
    >>> from nnstruct.record import Record
    >>> nets = [Structure.from_layers([n, 2]) for n in (2, 3)]
    >>> curve = np.array([0.5, 0.7])
    >>> records = [
    ...     Record(net.fingerprint, "mlp", "toy", "0" * 16, "c", seed, "ok", 1 - curve, 1 - curve, curve,
    ...            0.7 + 0.1 * i + 0.01 * seed, 0.3, 10, 0.1, "none")
    ...     for i, net in enumerate(nets) for seed in range(2)
    ... ]
    >>> bench = Benchmark.from_records(nets, records)
    >>> bench.y.round(3).tolist(), bench.y_count.tolist()
    ([0.705, 0.805], [2, 2])
    >>> bench.with_target("val_last").y.tolist()
    [0.7, 0.7]
    """

    def __init__(
        self,
        structures: Sequence[Structure],
        table: pd.DataFrame,
        configs: Mapping[str, TrainConfig] | None = None,
        *,
        target: str = "test",
    ) -> None:
        TARGETS[target]
        given = check_structures(structures)
        self._all = {structure.fingerprint: structure for structure in given}
        if len(self._all) != len(given):
            raise InvalidInputError("structures", "have distinct fingerprints", len(given))
        missing = set(tables.COLUMNS) - set(table.columns)
        if missing:
            raise InvalidInputError("table", "hold every field of a Record", f"no {min(missing)!r}")
        unknown = set(table["fingerprint"]) - set(self._all)
        if unknown:
            raise InvalidInputError(
                "table", "hold records of the given structures only", f"fingerprint {min(unknown)}"
            )
        self.table = table[list(tables.COLUMNS)].sort_values(list(tables.KEY), ignore_index=True)
        repeated = self.table.duplicated(list(tables.KEY))
        if repeated.any():
            key = tuple(self.table.loc[repeated, list(tables.KEY)].iloc[0])
            raise InvalidInputError("table", "hold each record once", key)
        self.configs = dict(configs or {})
        self.target = target

    @classmethod
    def from_records(
        cls,
        structures: Sequence[Structure],
        records: Iterable[Record],
        configs: Iterable[TrainConfig] = (),
        *,
        target: str = "test",
    ) -> Benchmark:
        """A benchmark in memory from Records.

        Parameters
        ----------
        structures : sequence of Structure
            No two with one fingerprint; all that the records are of.
        records : iterable of Record
        configs : iterable of TrainConfig
            Those of the records, so that a card can tell them; others may be among them.
        target : str

        Returns
        -------
        Benchmark

        Raises
        ------
        InvalidInputError
            If two structures share a fingerprint, a record's structure is missing, or a record comes
            up twice.
        """
        table = tables.to_frame(tables.to_arrow(records))
        return cls(structures, table, {config.id: config for config in configs}, target=target)

    @classmethod
    def from_contents(cls, contents: Contents) -> Benchmark:
        """A benchmark from what a folder holds, with the label ``test``.

        Parameters
        ----------
        contents : Contents

        Returns
        -------
        Benchmark

        Raises
        ------
        CorruptFileError
            If the structure of a record is lost.
        """
        known = set(contents.structures.column("fingerprint").to_pylist())
        orphans = set(contents.records.column("fingerprint").to_pylist()) - known
        if orphans:
            raise CorruptFileError(
                f"The structures of {len(orphans)} fingerprints, such as {min(orphans)}, are lost. "
                "Run build again with all structures: their records are still there."
            )
        return cls(
            from_arrow(contents.structures), tables.to_frame(contents.records), contents.manifest.configs
        )

    @classmethod
    def load(cls, path: str | Path, *, target: str = "test") -> Benchmark:
        """Read a benchmark folder, finished or still being built, and verify every file.

        Parameters
        ----------
        path : path
        target : str

        Returns
        -------
        Benchmark

        Raises
        ------
        MissingDataError
            If there is no benchmark at ``path``.
        CorruptFileError
            If a file is missing, truncated, altered or of another kind; the message names it.
        """
        folder = Path(path)
        contents = read_contents(folder)
        try:
            return cls.from_contents(contents).with_target(target)
        except CorruptFileError as error:
            raise CorruptFileError(f"{folder}: {error}") from error

    def save(self, path: str | Path) -> Path:
        """Write the benchmark to a folder, or add it to the benchmark there; the card too.

        Parameters
        ----------
        path : path

        Returns
        -------
        Path
            The folder.

        Raises
        ------
        InvalidInputError
            If the records are of several tasks, or the folder holds those of another one.
        FolderBusyError
            If another process writes to the folder.
        CorruptFileError
            If a file of the folder is missing or damaged.
        """
        from nnstruct.benchmark.card import write_card_unless_foreign
        from nnstruct.benchmark.store import Store

        task = self._only("task_fingerprint", "save() into one folder")
        name = str(self.table["task"].iloc[0])
        with Store(path, name, task, list(self.configs.values())) as store:
            before = store.read()
            done = set(tables.keys(before.records))
            known = set(before.structures.column("fingerprint").to_pylist())
            store.add_structures(s for key, s in self._all.items() if key not in known)
            store.add_records(record for record in tables.to_records(self.table) if record.key not in done)
            store.compact()
            write_card_unless_foreign(Benchmark.from_contents(store.read()), Path(path))
        return Path(path)

    def __len__(self) -> int:
        return len(self.structures)

    def __repr__(self) -> str:
        tasks = ", ".join(repr(name) for name in sorted(set(self.table["task"])))
        return (
            f"Benchmark({len(self)} structures, {len(self.table)} records, task {tasks or 'none'}, "
            f"target {self.target!r})"
        )

    # ---- other views

    def with_target(self, name: str) -> Benchmark:
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
        return self._view(self._all, self.table, target=name)

    def select(self, fingerprints: Iterable[str]) -> Benchmark:
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
        rows = self.table[self.table["fingerprint"].isin(chosen)]
        return self._view({name: self._all[name] for name in chosen}, rows)

    def select_config(self, config_id: str) -> Benchmark:
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

    def select_family(self, family: str) -> Benchmark:
        """The records of one family and the structures that have any; an error where there is none.

        Parameters
        ----------
        family : str

        Returns
        -------
        Benchmark
        """
        return self._where("family", family)

    def select_task(self, task_fingerprint: str) -> Benchmark:
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

    def split(self, test: float = 0.2, seed: int = 0) -> tuple[Benchmark, Benchmark]:
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
        test, seed = check_share(test, "test"), check_seed(seed)
        names = sorted(self.fingerprints)
        if len(names) < 2:
            raise InvalidInputError(
                "the benchmark", "hold at least 2 labelled structures to split", len(names)
            )
        size = min(max(1, round(test * len(names))), len(names) - 1)
        order = generator(seed, "benchmark split").permutation(len(names))
        held_out = {names[i] for i in order[:size]}
        return (
            self.select(name for name in self._all if name not in held_out),
            self.select(name for name in self._all if name in held_out),
        )

    def merge(self, other: Benchmark) -> Benchmark:
        """The records of both; where both hold a record or a structure, this one's stands.

        Parameters
        ----------
        other : Benchmark

        Returns
        -------
        Benchmark
            With this one's target.
        """
        import pandas as pd

        rows = pd.concat([self.table, other.table], ignore_index=True).drop_duplicates(list(tables.KEY))
        structures = list((self._all | {k: s for k, s in other._all.items() if k not in self._all}).values())
        return Benchmark(structures, rows, other.configs | self.configs, target=self.target)

    # ---- inner parts

    def _where(self, column: str, value: str) -> Benchmark:
        rows = self.table[self.table[column] == value]
        if not len(rows):
            rule = f"be one of {', '.join(sorted(set(self.table[column])))}"
            raise InvalidInputError(column, rule, value)
        held = set(rows["fingerprint"])
        return self._view({name: s for name, s in self._all.items() if name in held}, rows)

    def _view(
        self, structures: dict[str, Structure], rows: pd.DataFrame, *, target: str | None = None
    ) -> Benchmark:
        """A benchmark of rows of this one, which need no check and no sorting."""
        if target is not None:
            TARGETS[target]
        view = object.__new__(Benchmark)
        view._all, view.configs = structures, self.configs
        view.table = rows if rows is self.table else rows.reset_index(drop=True)
        view.target = target or self.target
        return view
