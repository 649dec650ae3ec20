"""Models of several earlier benchmarks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from nnstruct.checks import check_integer
from nnstruct.errors import InvalidInputError, UnknownNameError
from nnstruct.predictors.sources.columns import FAMILIES, Scale, source_table
from nnstruct.predictors.sources.source import Source, keys
from nnstruct.predictors.sources.storage import read_folder, write_folder
from nnstruct.predictors.sources.untrained import Untrained, pooled
from nnstruct.properties import feature_names
from nnstruct.random import check_seed
from nnstruct.structure import Structure
from nnstruct.structure.families import FAMILIES as NETWORK_FAMILIES

if TYPE_CHECKING:
    from nnstruct.benchmark import Benchmark

LEAST_STRUCTURES = 30


class SourceModels:
    """For each earlier benchmark and family a model of its labels, to be asked about other structures.

    Each is a forest of extra trees on measures of the structure alone (``paper``, ``layered``, ``paths``,
    ``capacity``), once on the measures as they are, once standardised over the structures of the benchmark.
    Its label is clipped, made normal and standardised within the benchmark and family, so that the answers
    of all have one unit: standard deviations of the transformed label.

    Parameters
    ----------
    sources : sequence of Source
    untrained : Untrained, optional
        How well they tell labels of data that they know nothing of; measured where there are none.

    Attributes
    ----------
    sources : list of Source

    Examples
    --------
    >>> import numpy as np
    >>> from nnstruct import Benchmark, Space
    >>> from nnstruct.priors import sample
    >>> from nnstruct.predictors.sources import SourceModels
    >>> nets = sample(Space("mlp", units=(4, 12)), n=40, seed=0)
    >>> bench = Benchmark.from_scores(nets, [net.num_edges for net in nets], task="edges", twins="merge")
    >>> models = SourceModels.fit({"toy": bench}, trees=10)
    >>> said = models.predict(nets)
    >>> said.shape, models.names
    ((40, 1), ['toy.mlp'])
    >>> bool(np.corrcoef(said[:, 0], [net.num_edges for net in nets])[0, 1] > 0.9)
    True
    """

    def __init__(self, sources: Sequence[Source], untrained: Untrained | None = None) -> None:
        self.sources = list(sources)
        self.untrained = untrained

    @classmethod
    def fit(
        cls,
        benchmarks: Mapping[str, Benchmark | str | Path] | Sequence[Benchmark | str | Path],
        *,
        data: Mapping[str, str] | None = None,
        trees: int = 50,
        seed: int = 0,
        n_jobs: int = 1,
    ) -> Self:
        """Learn from benchmarks.

        Of a benchmark with several configurations that with most records counts; each of its tasks and
        families with at least 30 structures becomes a source.

        Parameters
        ----------
        benchmarks : mapping or sequence of Benchmark or folders
            By name; in a sequence the name is that of the folder or task.
        data : mapping of str to str, optional
            What the data of a benchmark are called, by the benchmark's name; by default as its task. What
            is learned from one data set is never used to measure how well labels of the same are told.
        trees : int
            Of each forest.
        seed, n_jobs : int

        Returns
        -------
        SourceModels

        Raises
        ------
        InvalidInputError
            If there is no benchmark, one is none, or a parameter breaks its rule.
        """
        trees, seed = check_integer(trees, "trees"), check_seed(seed)
        n_jobs = check_integer(n_jobs, "n_jobs")
        sources: list[Source] = []
        held: list[tuple[np.ndarray, np.ndarray]] = []
        for name, task, bench in _parts(benchmarks):
            table, y = source_table(bench.structures), np.asarray(bench.y, dtype=np.float64)
            family = np.array([structure.family for structure in bench.structures])
            for each in dict.fromkeys(family.tolist()):
                rows = np.flatnonzero((family == each) & np.isfinite(y))
                if len(rows) < LEAST_STRUCTURES or not np.ptp(y[rows]) or not _directed(each):
                    continue
                names = {
                    "benchmark": name,
                    "task": task,
                    "data": (data or {}).get(name, task),
                    "family": each,
                }
                prints = [bench.structures[row].fingerprint for row in rows]
                sources.append(Source.fit(names, prints, table[rows], y[rows], trees, seed, n_jobs))
                held.append((table[rows], y[rows]))
        if not sources:
            rule = f"have a family with at least {LEAST_STRUCTURES} labelled structures"
            raise InvalidInputError("benchmarks", rule, "none")
        return cls(sources, Untrained.measured(sources, held))

    def __len__(self) -> int:
        return len(self.sources)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self  # never changed in place

    @property
    def names(self) -> list[str]:
        """``benchmark.family`` of each source."""
        return [f"{source.benchmark}.{source.family}" for source in self.sources]

    def predict(self, structures: Sequence[Structure], scale: Scale | None = None) -> np.ndarray:
        """What each source says of each structure, in standard deviations of its own label.

        Parameters
        ----------
        structures : sequence of Structure, length n
            Of undirected graphs nothing is known: 0.
        scale : Scale, optional
            Of the structures of the new task (:meth:`scale`); with it come the answers by standardised
            columns too.

        Returns
        -------
        float64 [n, sources], with a scale [n, 2 sources]
        """
        known = [i for i, structure in enumerate(structures) if _directed(structure.family)]
        width = len(self.sources) * (1 if scale is None else 2)
        said = np.zeros((len(structures), width))
        if len(known):
            table = source_table([structures[i] for i in known])
            answers = [source.predict(table) for source in self.sources]
            if scale is not None:
                scaled = scale.standardised(table)
                answers += [source.adapted.predict(scaled)[0] for source in self.sources]
            said[known] = np.stack(answers, axis=1)
        return said

    def score(self, structures: Sequence[Structure]) -> tuple[np.ndarray, np.ndarray]:
        """What can be said of structures without any label of their task.

        Parameters
        ----------
        structures : sequence of Structure, length n

        Returns
        -------
        mean : float64 [n]
            In standard deviations of the transformed label of the task, from its mean.
        std : float64 [n]
            1.645 of it on both sides hold nine in ten labels of benchmarks on data that no source knew.
            1 where this could not be measured.
        """
        measured = Untrained(0.0, 1.0, {}) if self.untrained is None else self.untrained
        mean = measured.slope * pooled(self.sources, self.predict(structures))
        return mean, np.full(len(mean), measured.std)

    def scale(self, structures: Sequence[Structure]) -> Scale:
        """Centre and spread of the columns over the structures of a new task; labels are not needed.

        Parameters
        ----------
        structures : sequence of Structure

        Returns
        -------
        Scale
        """
        known = [structure for structure in structures if _directed(structure.family)]
        if not known:
            width = len(feature_names(FAMILIES))
            return Scale(np.zeros(width), np.ones(width))
        return Scale.of(source_table(known))

    def without(self, *names: str) -> Self:
        """Fewer sources.

        Parameters
        ----------
        *names : str
            Of benchmarks, tasks or data.

        Returns
        -------
        SourceModels

        Raises
        ------
        UnknownNameError
            If nothing has the name.
        """
        known = {name for s in self.sources for name in (s.benchmark, s.task, s.data)}
        for name in names:
            if name not in known:
                raise UnknownNameError("names", f"be among {', '.join(sorted(known))}", name)
        return self._chosen([s for s in self.sources if not {s.benchmark, s.task, s.data} & set(names)])

    def unaware_of(self, structures: Sequence[Structure], share: float = 0.2) -> Self:
        """Only sources that did not learn from these very structures.

        Parameters
        ----------
        structures : sequence of Structure
        share : float
            A source is left out that has seen at least this share of the distinct ones.

        Returns
        -------
        SourceModels
        """
        asked = keys([structure.fingerprint for structure in structures])
        least = share * len(asked)
        return self._chosen([s for s in self.sources if np.isin(asked, s.seen).sum() < max(least, 1)])

    def _chosen(self, sources: list[Source]) -> Self:
        return type(self)(sources, self.untrained)

    def state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """What :meth:`from_state` needs.

        Returns
        -------
        values : dict of str to JSON values
        arrays : dict of str to array
        """
        states = [source.state() for source in self.sources]
        arrays = {f"{i}.{n}": array for i, (_, held) in enumerate(states) for n, array in held.items()}
        values: dict[str, Any] = {"columns": feature_names(FAMILIES), "sources": [told for told, _ in states]}
        if self.untrained is not None:
            values["untrained"] = self.untrained.state()
        return values, arrays

    @classmethod
    def from_state(cls, values: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Self:
        """The models that :meth:`state` told of.

        Parameters
        ----------
        values, arrays : mappings

        Returns
        -------
        SourceModels

        Raises
        ------
        ValueError
            If they are not whole, or of measures that this version lacks.
        KeyError
            If something is missing.
        """
        if list(values["columns"]) != feature_names(FAMILIES):
            raise ValueError("the sources were fitted to other measures than this version has")
        by_source: list[dict[str, np.ndarray]] = [{} for _ in values["sources"]]
        for name, array in arrays.items():
            number, _, rest = name.partition(".")
            by_source[int(number)][rest] = array
        width = len(values["columns"])
        sources = [
            Source.from_state(told, held, width)
            for told, held in zip(values["sources"], by_source, strict=True)
        ]
        untrained = values.get("untrained")
        return cls(sources, None if untrained is None else Untrained.from_state(untrained))

    def save(self, folder: str | Path) -> Path:
        """Write ``sources.json`` and ``sources.safetensors``.

        Parameters
        ----------
        folder : str or Path
            Made where it is missing; files of these names are replaced.

        Returns
        -------
        Path
            The folder.
        """
        return write_folder(Path(folder), *self.state())

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """Read what :meth:`save` wrote; nothing in it is executed.

        Parameters
        ----------
        folder : str or Path

        Returns
        -------
        SourceModels

        Raises
        ------
        CorruptFileError
            If a file is missing, altered or not whole.
        """
        return read_folder(Path(folder), cls.from_state)


def _directed(family: str) -> bool:
    return not NETWORK_FAMILIES[family].undirected


def _parts(benchmarks: Any) -> Iterator[tuple[str, str, Benchmark]]:
    """Name, task and labels of every task of every benchmark."""
    from nnstruct.benchmark import Benchmark

    given = benchmarks.items() if isinstance(benchmarks, Mapping) else ((None, b) for b in benchmarks)
    taken: set[str] = set()
    for name, item in given:
        bench = item if isinstance(item, Benchmark) else Benchmark.load(item)
        named = name or (bench.tasks[0] if isinstance(item, Benchmark) else Path(item).resolve().name)
        while named in taken:
            named += "'"
        taken.add(named)
        for task, part in _labelled(bench):
            yield named, task, part


def _labelled(bench: Benchmark) -> Iterator[tuple[str, Benchmark]]:
    from nnstruct.benchmark.scored import ScoredBenchmark

    if isinstance(bench, ScoredBenchmark):
        yield from ((task, bench.select_task(task)) for task in bench.tasks)
        return
    for fingerprint, rows in bench.table.groupby("task_fingerprint", sort=True):
        config = rows["config_id"].value_counts(sort=False).sort_index().idxmax()
        yield str(rows["task"].iloc[0]), bench.select_task(str(fingerprint)).select_config(str(config))
