"""Every prediction of an evaluation: which predictors, fitted to what, asked about what."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, clone

from nnstruct.errors import InvalidInputError, NnstructError
from nnstruct.executors import LOCAL, Lost, check_executor, open_executor
from nnstruct.predictors.base import PREDICTORS
from nnstruct.predictors.checks import check_deviations, check_labels
from nnstruct.predictors.draws import TrainTestSplit
from nnstruct.predictors.fitting import fit_with_noise, predict_with_std
from nnstruct.processes import check_workers
from nnstruct.structure import Structure
from nnstruct.structure.checks import check_structures
from nnstruct.structure.twins import have_twins


@dataclass(frozen=True, eq=False)
class LabelledRows:
    """What an evaluation takes from a benchmark, checked.

    Attributes
    ----------
    rows : list
        Structures or Networks, as the benchmark has them.
    structures : list of Structure, length n
    y : float64 [n]
    noise : float64 [n] or None
        Standard deviation of each label's noise.
    bounds : (float, float) or None
        The lowest and the highest label that can be.
    fingerprints : list of str
    """

    rows: list
    structures: list[Structure]
    y: np.ndarray
    noise: np.ndarray | None
    bounds: tuple[float, float] | None
    fingerprints: list[str]

    @classmethod
    def of(cls, bench: Any, label_noise: bool) -> LabelledRows:
        """The rows of a benchmark, with or without the noise of its labels.

        Parameters
        ----------
        bench : Benchmark
        label_noise : bool

        Returns
        -------
        LabelledRows
        """
        structures = check_structures(bench.structures, "bench.structures")
        noise = getattr(bench, "label_noise", None) if label_noise else None
        return cls(
            rows=list(bench.structures),
            structures=structures,
            y=check_labels(bench.y, len(structures), "bench.y"),
            noise=check_deviations(noise, len(structures), "bench.label_noise"),
            bounds=getattr(bench, "bounds", None),
            fingerprints=[structure.fingerprint for structure in structures],
        )

    def and_of(self, bench: Any, label_noise: bool) -> LabelledRows:
        """These rows and those of another benchmark after them; bounds are those of these.

        Parameters
        ----------
        bench : Benchmark
        label_noise : bool

        Returns
        -------
        LabelledRows
        """
        more = LabelledRows.of(bench, label_noise)
        return LabelledRows(
            rows=self.rows + more.rows,
            structures=self.structures + more.structures,
            y=np.concatenate([self.y, more.y]),
            noise=None if self.noise is None else np.concatenate([self.noise, np.zeros(len(more.y))]),
            bounds=self.bounds,
            fingerprints=self.fingerprints + more.fingerprints,
        )

    def part(self, places: np.ndarray) -> LabelledRows:
        """Some of the rows.

        Parameters
        ----------
        places : int64 [m]

        Returns
        -------
        LabelledRows
        """
        return LabelledRows(
            rows=[self.rows[i] for i in places],
            structures=[self.structures[i] for i in places],
            y=self.y[places],
            noise=None if self.noise is None else self.noise[places],
            bounds=self.bounds,
            fingerprints=[self.fingerprints[i] for i in places],
        )


def named_predictors(predictors: Any, seed: int) -> dict[str, BaseEstimator]:
    """Predictors by a label each; equal labels are numbered."""
    if isinstance(predictors, Mapping):
        items = [(str(label), predictor) for label, predictor in predictors.items()]
    else:
        single = isinstance(predictors, str | BaseEstimator)
        items = [("", predictor) for predictor in ([predictors] if single else predictors)]
    if not items:
        raise InvalidInputError("predictors", "hold at least one predictor", predictors)
    named: dict[str, BaseEstimator] = {}
    for label, given in items:
        predictor = PREDICTORS[given](random_state=seed) if isinstance(given, str) else given
        if not (hasattr(predictor, "fit") and hasattr(predictor, "predict")) or isinstance(predictor, type):
            raise InvalidInputError("predictors", "hold predictors or names of them", given)
        label = label or (given if isinstance(given, str) else "")
        label = label or getattr(predictor, "name", "") or type(predictor).__name__
        copies = sum(known == label or known.startswith(f"{label}#") for known in named)
        named[f"{label}#{copies + 1}" if copies else label] = predictor
    return named


@dataclass(frozen=True)
class FitCrew:
    """Who fits, and what is shown meanwhile.

    Attributes
    ----------
    executor : str, distributed.Client or Executor
    workers : int or None
        Processes or threads of this machine.
    progress : bool
    """

    executor: Any = LOCAL
    workers: int | None = 1
    progress: bool = False

    def __post_init__(self) -> None:
        check_executor(self.executor)
        check_workers(self.workers)


def all_predictions(
    named: Mapping[str, BaseEstimator],
    given: LabelledRows,
    splits: list[TrainTestSplit],
    what: str,
    crew: FitCrew,
) -> pd.DataFrame:
    """Every prediction of every fit, and the seconds that the fit took."""
    jobs = [(label, split) for label in named for split in splits]
    parts: dict[int, pd.DataFrame] = {}
    with ExitStack() as stack:
        workers = stack.enter_context(open_executor(crew.executor, crew.workers))
        bar = None
        if crew.progress:
            from nnstruct.progress import Progress

            bar = stack.enter_context(Progress(len(jobs), 0, what=what, unit="fits"))
            if workers.note:
                bar.say(workers.note)
        for place, found in workers.run(_fit_some, jobs, shared=(dict(named), given)):
            label, split = jobs[place]
            if isinstance(found, Lost):
                raise NnstructError(f"The predictor {label!r} could not be fitted: {found.reason}.")
            mean, std, seconds = found
            columns = {
                "fingerprint": [given.fingerprints[i] for i in split.outside],
                "predictor": label,
                "draw": split.draw,
                "part": split.part,
                "y": given.y[split.outside],
                "y_pred": mean,
                "y_std_pred": std,
                "position": split.outside,
                "seconds": seconds,
            }
            parts[place] = pd.DataFrame(columns)
            if bar is not None:
                bar.advance()
    return pd.concat([parts[place] for place in range(len(jobs))], ignore_index=True)


def _fit_some(
    shared: tuple[Mapping[str, BaseEstimator], LabelledRows], jobs: list[tuple[str, TrainTestSplit]]
) -> list[tuple[np.ndarray, np.ndarray, float]]:
    """Means and standard deviations that fits predict for what they have not seen, and seconds."""
    named, given = shared
    found = []
    for label, split in jobs:
        predictor: Any = clone(named[label])
        rows = given.rows if getattr(predictor, "reads_weights", False) else given.structures
        noise = None if given.noise is None else given.noise[split.inside]
        start = time.perf_counter()
        learned = [rows[i] for i in split.inside]
        fit_with_noise(predictor, learned, given.y[split.inside], noise, given.bounds)
        seconds = time.perf_counter() - start
        found.append((*predict_with_std(predictor, [rows[i] for i in split.outside]), seconds))
    return found


def with_training(
    predictions: pd.DataFrame, splits: list[TrainTestSplit], twins: np.ndarray | None
) -> pd.DataFrame:
    """The predictions with ``trained``, and with ``twin`` where twins are told apart."""
    trained, twin = [], []
    for split in splits:
        inside = np.zeros(1 + max(int(split.outside.max(initial=0)), int(split.inside.max())), dtype=bool)
        inside[split.inside] = True
        trained.append(inside[split.outside])
        if twins is not None:
            twin.append(have_twins(twins, split.inside)[split.outside])
    times = len(predictions) // sum(map(len, trained))
    found = predictions.assign(trained=np.tile(np.concatenate(trained), times))
    return found if twins is None else found.assign(twin=np.tile(np.concatenate(twin), times))
