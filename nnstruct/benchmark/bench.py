"""A Benchmark: trained structures with their labels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nnstruct.benchmark import tables
from nnstruct.benchmark.contents import Contents, read_contents
from nnstruct.benchmark.manifest import DEFAULT_METRIC
from nnstruct.benchmark.score_store import holds_scores
from nnstruct.benchmark.stored_structures import StoredStructures, structures_of
from nnstruct.benchmark.targets import TARGETS
from nnstruct.benchmark.views import Views
from nnstruct.benchmark.weights import KeptWeights
from nnstruct.errors import CorruptFileError, InvalidInputError
from nnstruct.reading import reading
from nnstruct.record import Record, TrainConfig
from nnstruct.structure import Structure
from nnstruct.structure.checks import check_structures
from nnstruct.structure.panel import many

if TYPE_CHECKING:
    import pandas as pd


class Benchmark(Views):
    """Structures, the records of training them, and one label a structure.

    Comes from :func:`nnstruct.build` or :meth:`load`; methods return new ones.

    Parameters
    ----------
    structures : sequence of Structure
        No two with one fingerprint.
    table : pandas.DataFrame
        One row a record; the columns are the fields of :class:`nnstruct.Record`, ``reason`` if any failed.
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
        self._all: Mapping[str, Structure] = {structure.fingerprint: structure for structure in given}
        if len(self._all) != len(given):
            raise InvalidInputError("structures", "have distinct fingerprints", len(given))
        if tables.REASON not in table.columns:
            table = table.assign(**{tables.REASON: ""})
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
        metric: str = DEFAULT_METRIC,
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
        metric : str
            Name of the metric that scored the task.

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
        bench = cls(structures, table, {config.id: config for config in configs}, target=target)
        bench.metric = metric
        return bench

    @classmethod
    def from_scores(
        cls,
        structures: Sequence[Structure],
        y: Any,
        y_std: Any = None,
        *,
        task: str = "scores",
        name: str = "scores",
        target: str = "test",
        seeds: Any = None,
        costs: Mapping[str, Any] | None = None,
        twins: str | None = None,
        bounds: Any = None,
    ) -> Benchmark:
        """A benchmark of structures and scores that nobody here trained.

        Parameters
        ----------
        structures : sequence of Structure, length n
            Copies of one among them, perhaps.
        y : float [n], or mapping of str to float [n]
            Scores; larger is better. A mapping has those of several tasks. NaN where there is none.
        y_std : float [n], optional
            Standard deviation of one training, NaN where unknown; of several tasks a mapping like ``y``.
        task, name, target : str
            What the networks learned, what the table is called, and what the score is.
        seeds : int or int [n], optional
            Trainings of which each score is the mean; 1 by default.
        costs : mapping of str to float [n], optional
            Such as ``parameters``, ``flops``, ``seconds``.
        twins : {"merge", "keep"}, optional
            Copies of one structure (equal fingerprints) become one label, their mean, whose spread and
            count tell of its noise; or each keeps its own. By default they are merged, with a warning.
        bounds : (float, float), or mapping of str to them, optional
            The lowest and the highest score that can be, None for one without end; predictions keep to them.
            By default 0 and 1 where the target is an accuracy and all scores lie there.

        Returns
        -------
        ScoredBenchmark

        Raises
        ------
        InvalidInputError
            If lengths differ, or a value breaks its rule.

        Examples
        --------
        >>> from nnstruct import Benchmark, Structure
        >>> nets = [Structure.from_layers([n, 2]) for n in (2, 3, 4)]
        >>> bench = Benchmark.from_scores(nets, [0.7, 0.8, 0.9], y_std=[0.01, 0.02, 0.01], task="toy")
        >>> bench, round(bench.noise_ceiling.value, 2)
        (Benchmark('scores': 3 structures, 3 scores, task 'toy', target 'test', twins 'merge'), 0.98)
        """
        from nnstruct.benchmark.scored import from_scores

        return from_scores(
            structures, y, y_std, task=task, name=name, target=target, seeds=seeds, costs=costs, twins=twins,
            bounds=bounds,
        )  # fmt: skip

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
        structures = StoredStructures(contents.structures)
        orphans = set(contents.rows.words("fingerprint")[0]) - structures.keys()
        if orphans:
            raise CorruptFileError(
                f"The structures of {len(orphans)} fingerprints, such as {min(orphans)}, are lost. "
                "Run build again with all structures: their records are still there."
            )
        bench = object.__new__(cls)
        bench._all, bench._stored, bench.target = structures, contents.rows, "test"
        bench.configs, bench._weights = dict(contents.manifest.configs), contents.weights
        bench.metric = contents.manifest.task.metric
        return bench

    @classmethod
    def load(cls, path: str | Path, *, target: str | None = None) -> Benchmark:
        """Read a benchmark folder, finished or still being built, and verify every file.

        Files of weights are verified when the first network is read.

        Parameters
        ----------
        path : path
        target : str, optional
            By default ``test``, or that of the scores that were saved.

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
        with reading(folder, "a whole benchmark"):
            if holds_scores(folder):
                from nnstruct.benchmark.scored import load_scores

                loaded: Benchmark = load_scores(folder)
            else:
                loaded = cls.from_contents(read_contents(folder)).with_target("test")
        return loaded if target is None else loaded.with_target(target)

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
        (name, *_) = self.tasks
        with Store(path, name, task, list(self.configs.values()), metric=self.metric) as store:
            before = store.read()
            done = set(tables.keys(before.records))
            known = set(before.structures.column("fingerprint").to_pylist())
            store.add_structures(structures_of(self._all, [name for name in self._all if name not in known]))
            store.add_weights(self._weights.all(tables.frame_keys(self.table)))
            store.add_records(record for record in tables.to_records(self.table) if record.key not in done)
            store.compact()
            write_card_unless_foreign(Benchmark.from_contents(store.read()), Path(path))
        return Path(path)

    def __len__(self) -> int:
        return len(self.fingerprints)

    def __repr__(self) -> str:
        tasks = ", ".join(repr(name) for name in self.tasks)
        size = f"{many(len(self), 'structure')}, {many(self._num_rows, 'record')}"
        return f"Benchmark({size}, task {tasks or 'none'}, target {self.target!r})"

    def _repr_html_(self) -> str:
        from nnstruct.benchmark.shown import benchmark_panel

        return benchmark_panel(self)

    def merge(self, *others: Benchmark) -> Benchmark:
        """The records of all; where several hold a record or a structure, the first one's stands.

        Parameters
        ----------
        *others : Benchmark
            Where one is of scores from elsewhere, so is the result: labels take the place of records.

        Returns
        -------
        Benchmark
            With this one's target.
        """
        import pandas as pd

        if not all(type(other) is Benchmark for other in others):
            from nnstruct.benchmark.scored import as_scored

            return as_scored(self).merge(*others)
        parts = (self, *others)
        rows = pd.concat([part.table for part in parts], ignore_index=True).drop_duplicates(list(tables.KEY))
        structures: dict[str, Structure] = {}
        configs: dict[str, TrainConfig] = {}
        for part in parts:
            new = [name for name in part._all if name not in structures]
            structures |= zip(new, structures_of(part._all, new), strict=True)
            configs = part.configs | configs
        merged = Benchmark(list(structures.values()), rows, configs, target=self.target)
        merged.metric = self.metric
        merged._weights = KeptWeights([file for part in parts for file in part._weights.files])
        return merged
