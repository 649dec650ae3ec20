"""Cross-validation and learning curves of predictors on a benchmark, beside its noise ceiling."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from sklearn.base import BaseEstimator

from nnstruct.checks import check_integer, check_rounds, check_share
from nnstruct.errors import InvalidInputError
from nnstruct.executors import LOCAL, Executor
from nnstruct.predictors.draws import (
    ALL_ROWS,
    NO_TWINS,
    UNSEEN,
    check_protocols,
    check_train_sizes,
    drawn_splits,
    fold_splits,
    held_out_split,
)  # fmt: skip
from nnstruct.predictors.ensemble import Ensemble
from nnstruct.predictors.given import GivenLabels, as_benchmark
from nnstruct.predictors.metrics import TOP_K
from nnstruct.predictors.report import Evaluation
from nnstruct.predictors.results import long_table
from nnstruct.predictors.runs import FitCrew, LabelledRows, all_predictions, named_predictors, with_training
from nnstruct.predictors.scoring import ScoringRule, ceiling_rows, curve_rows, fold_rows
from nnstruct.predictors.split_files import read_splits
from nnstruct.random import check_seed
from nnstruct.structure.twins import twin_families, twin_groups

if TYPE_CHECKING:
    from distributed import Client

OneOrSeveral: TypeAlias = str | BaseEstimator | Sequence[str | BaseEstimator] | Mapping[str, BaseEstimator]


def evaluate(
    predictors: OneOrSeveral | GivenLabels,
    bench: GivenLabels | None = None,
    *,
    folds: int = 5,
    repeats: int = 3,
    train_sizes: Sequence[int | float] | None = None,
    protocol: str | Sequence[str] = UNSEEN,
    draws: int = 10,
    splits: Any = None,
    test: GivenLabels | None = None,
    groups: Any = None,
    k: int = TOP_K,
    higher_is_better: bool = True,
    label_noise: bool = True,
    name: str | None = None,
    seed: int = 0,
    confidence: float = 0.95,
    resamples: int = 500,
    progress: bool = False,
    executor: str | Client | Executor = LOCAL,
    workers: int | None = 1,
) -> Evaluation:
    """Compare predictors on structures they have not seen: by cross-validation, or by numbers of labels.

    **Without** ``train_sizes``: repeated k-fold cross-validation. Copies of one structure (equal
    fingerprints) share a fold. In every fold a clone of each predictor is fitted to the other folds, and
    whatever it learns (medians, scales, networks) is learned there. A repeat deals the structures anew and
    gives one prediction for each; a score is taken over all of a repeat's predictions and averaged over the
    repeats. Intervals are percentiles of a bootstrap over structures (Efron and Tibshirani, 1993):
    all of a structure's predictions enter or leave together, so that repeats, which share their structures,
    do not make an interval narrower than the structures allow. They tell how far the scores would move with
    other structures from the same source, the predictors' training sets being as they are.

    **With** ``train_sizes``: ``draws`` random training sets of each size, and the rest is scored. In one draw
    a larger set holds the smaller ones (the sets are nested), so that a curve shows labels and not luck; the
    draws are independent. Scores are means over draws with their standard deviation, and their intervals
    are those of the mean by Student's t. Which rows are scored is the ``protocol``: ``unseen``, all that were
    not trained on, among them copies of trained ones where the benchmark has several rows of one structure;
    ``no-twins``, those of them without a twin in the training set; ``all-rows``, every row, trained
    ones included, as many papers do. Each is scored from the same fits.

    **With** ``test``: each predictor learns from all of ``bench`` and is asked about another benchmark, be it
    of another cell, space or task. Copies of structures that were learned from are not scored, and with
    ``no-twins`` no twins either. The ceiling is that of ``test``, and intervals are a bootstrap's over its
    structures. Labels of other tasks lie elsewhere: look at ranks then, not at R2.

    Every predictor sees the same folds or draws, and its ``fit`` is handed the benchmark's ``label_noise``
    if it has a parameter ``y_std``. Where the benchmark has ``bounds``, predictors keep to them.

    Parameters
    ----------
    predictors : one predictor or several, optional
        Predictors, names in ``PREDICTORS``, or a mapping from a label to a predictor. Any
        scikit-learn regressor that takes a list of Structures will do; one that is no
        :class:`Predictor` has neither coverage nor likelihood. ``evaluate(bench)``, without any, asks
        the default, :class:`Ensemble`.
    bench : Benchmark, pair (structures, y), str or path
        With ``structures``, ``y`` and ``noise_ceiling``; see :class:`BenchmarkLike`. A pair becomes one by
        :meth:`nnstruct.Benchmark.from_scores`; a name or the path of a folder is read.
    folds : int
        At least 2.
    repeats : int
    train_sizes : sequence of int or float, optional
        Counts (integers) or shares in (0, 1] (floats) of the rows.
    protocol : {"unseen", "no-twins", "all-rows"} or several of them
        In cross-validation ``unseen`` or ``no-twins``, where twins share a fold as copies do.
    draws : int
    splits : pandas.DataFrame or path, optional
        Splits of your own in place of folds or draws: a table with the columns ``split``, ``fingerprint`` and
        ``part`` (``train`` or ``test``), as :meth:`Evaluation.splits` gives them. Scores are means over the
        splits.
    test : Benchmark, optional
        What is scored in place of folds.
    groups : array-like [n], optional
        Classes of rows that count as twins beside those that :func:`nnstruct.predictors.twin_groups`
        finds, with ``no-twins``; the benchmark's ``groups`` by default, where it has them.
    k : int
        Of precision@k, N@k and regret@k.
    higher_is_better : bool
        Whether the best label is the largest one.
    label_noise : bool
        Whether predictors are told the noise of the labels.
    name : str, optional
        Of the benchmark, in the results; its own name by default, or else that of its task.
    seed : int
        Decides the folds, the draws, the bootstrap, and the ``random_state`` of predictors given by name.
    confidence : float
        Level of the intervals, in (0, 1).
    resamples : int
        Of the bootstrap.
    progress : bool
        Whether to show a progress bar.
    executor : str, distributed.Client or Executor
        Who fits: ``local`` processes, ``threads`` of this one, or the workers of a Dask cluster; see
        :func:`nnstruct.executors.open_executor`. A fit is one item of work, ensembles of networks included,
        which learn in one pass. Results are the same to the last bit; seconds are those of each worker.
    workers : int or None
        Processes or threads of this machine; None for one a CPU. With one, this process fits.

    Returns
    -------
    Evaluation

    Raises
    ------
    InvalidInputError
        If a label is not finite, a predictor is none, there are more folds than structures, or an option
        breaks its rule.
    NnstructError
        If workers died over a fit.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> import numpy as np
    >>> from nnstruct import Structure
    >>> from nnstruct.predictors import evaluate
    >>> structures = [Structure.from_layers([2, width, 2]) for width in range(1, 21)]
    >>> bench = SimpleNamespace(
    ...     structures=structures,
    ...     y=np.array([float(s.num_units) for s in structures]),
    ...     noise_ceiling=SimpleNamespace(value=1.0, low=1.0, high=1.0),
    ... )
    >>> result = evaluate(["bayesian-ridge", "mean"], bench, repeats=1, resamples=50)
    >>> bool(result.table.loc["bayesian-ridge", "r2"] > 0.9 > result.table.loc["mean", "r2"])
    True
    >>> curve = evaluate("bayesian-ridge", bench, train_sizes=[5, 0.5], draws=3)
    >>> curve.table["scored"].tolist()
    [15.0, 10.0]
    """
    if bench is None:
        predictors, bench = Ensemble.name, predictors
    bench = as_benchmark(bench)
    test = None if test is None else as_benchmark(test, "test")
    named = named_predictors(predictors, check_seed(seed))
    given = LabelledRows.of(bench, label_noise)
    check_rounds(resamples, "resamples", each=16 * len(given.y))
    scoring = ScoringRule(
        check_integer(k, "k"), bool(higher_is_better), check_share(confidence, "confidence"), resamples, seed
    )
    protocols = check_protocols(protocol)
    crew = FitCrew(executor, workers, progress)
    if groups is not None and NO_TWINS not in protocols:
        raise InvalidInputError("groups", f"be given with the protocol {NO_TWINS!r} only", protocol)
    if splits is not None and train_sizes is not None:
        raise InvalidInputError("train_sizes", "be left out where splits are given", train_sizes)
    if test is not None:
        for field, value in (("train_sizes", train_sizes), ("splits", splits), ("groups", groups)):
            if value is not None:
                raise InvalidInputError(field, "be left out where test is given", value)
        name = name or f"{_name(bench)} to {_name(test)}"
        learned, given = len(given.y), given.and_of(test, label_noise)
    else:
        groups = getattr(bench, "groups", None) if groups is None else groups
    twins = twin_groups(given.structures, groups) if NO_TWINS in protocols else None
    if test is not None:
        split = held_out_split(_fold_classes(given, protocols, twins), learned)
        predictions = all_predictions(named, given, [split], "Held out", crew)
        bench, given, folds, repeats = test, given.part(split.outside), 1, 1
        rows = fold_rows(named, predictions, given, protocols[0], scoring)
        predictions = predictions.rename(columns={"draw": "repeat", "part": "fold"})
    elif train_sizes is None and splits is None:
        dealt = fold_splits(_fold_classes(given, protocols, twins), folds, repeats, seed)
        predictions = all_predictions(named, given, dealt, "Cross-validation", crew)
        rows = fold_rows(named, predictions, given, protocols[0], scoring)
        predictions = predictions.rename(columns={"draw": "repeat", "part": "fold"})
    else:
        if splits is None:
            sizes = check_train_sizes(train_sizes, len(given.y), protocols)
            everything = ALL_ROWS in protocols
            dealt = drawn_splits(given.fingerprints, sizes, draws, seed, everything=everything)
        else:
            dealt = read_splits(splits, given.fingerprints)
            sizes, draws = [dealt[0].part], len(dealt)
        predictions = all_predictions(named, given, dealt, "Learning curve", crew)
        predictions = with_training(predictions, dealt, twins)
        rows = curve_rows(named, predictions, sizes, protocols, scoring)
        predictions = predictions.rename(columns={"part": "train_size"})
    rows += ceiling_rows(rows, bench)
    about = _about(bench, given, name, scoring) | {
        "folds": int(folds) if train_sizes is None and splits is None else 0,
        "repeats": int(repeats if train_sizes is None and splits is None else draws),
    }
    predictions = predictions.drop(columns=["position", "seconds"])
    return Evaluation.from_results(long_table(rows, about), predictions)


def _fold_classes(given: LabelledRows, protocols: tuple[str, ...], twins: np.ndarray | None) -> list[str]:
    """What must not stand on both sides of a fold: a name for each structure."""
    if protocols == (UNSEEN,):
        return given.fingerprints
    if protocols != (NO_TWINS,) or twins is None:
        rule = f"be {UNSEEN!r} or {NO_TWINS!r} in cross-validation, several with train_sizes only"
        raise InvalidInputError("protocol", rule, list(protocols))
    family = twin_families(twins)
    first: dict[int, str] = {}
    for number, fingerprint in zip(family.tolist(), given.fingerprints, strict=True):
        first[number] = min(first.get(number, fingerprint), fingerprint)
    return [first[number] for number in family.tolist()]


def _task(bench: Any) -> str:
    table = getattr(bench, "table", None)
    if table is not None and len(table) and "task" in table:
        return str(table["task"].iloc[0])
    return str(getattr(bench, "task", "") or "")


def _name(bench: Any) -> str:
    return str(getattr(bench, "name", "") or _task(bench))


def _about(bench: Any, given: LabelledRows, name: str | None, scoring: ScoringRule) -> dict[str, Any]:
    from nnstruct import __version__

    labels = sorted(zip(given.fingerprints, given.y.tolist(), strict=True))
    return {
        "benchmark": str(name or _name(bench)),
        "data": hashlib.blake2b(repr(labels).encode(), digest_size=8).hexdigest(),
        "task": _task(bench),
        "target": str(getattr(bench, "target", "") or ""),
        "structures": len(given.y),
        "k": scoring.k,
        "higher_is_better": scoring.higher_is_better,
        "confidence": scoring.confidence,
        "seed": scoring.seed,
        "version": __version__,
    }
