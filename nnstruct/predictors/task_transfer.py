"""Predictors across tasks: what labels of other tasks tell of one, without any of its own or with few."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats
from sklearn.base import clone
from sklearn.metrics import r2_score

from nnstruct.benchmark import Benchmark, CrossTask
from nnstruct.checks import check_integer, check_rounds, check_share
from nnstruct.errors import InvalidInputError
from nnstruct.predictors.base import Predictor
from nnstruct.predictors.comparison import corrected_t
from nnstruct.predictors.ensemble import Ensemble
from nnstruct.predictors.fitting import predict_with_std
from nnstruct.predictors.sources import SourceModels
from nnstruct.random import check_seed, generator
from nnstruct.structure import Structure
from nnstruct.structure.twins import twin_families, twin_groups

if TYPE_CHECKING:
    import pandas as pd

ALL = "all"
OTHERS, SCRATCH, BOTH, SAME = FROM = ("other tasks", "own labels", "both", "same structures elsewhere")
WORST = -1.0  # what an R2 counts at least, so that one bad fit does not hide the others


def task_transfer(
    cross: CrossTask,
    *,
    labels: Sequence[int | str] = (0, 20, ALL),
    predictor: Predictor | None = None,
    draws: int = 5,
    test: float = 0.2,
    trees: int = 50,
    confidence: float = 0.95,
    seed: int = 0,
) -> pd.DataFrame:
    """How well a task's labels are told from other tasks, from some labels of its own, and from both.

    For each draw some structures are held out, twins together; nothing learns from a label of theirs. Labels
    are mean normal scores within their task (:meth:`nnstruct.benchmark.CrossTask.labels`), so that all tasks
    have one unit. Learned from are:

    * ``other tasks``: models of all other tasks, pooled (:class:`nnstruct.predictors.SourceModels`),
    * ``own labels``: the predictor alone,
    * ``both``: the ensemble with those models as its prior,
    * ``same structures elsewhere``: no predictor, the mean label on the other tasks of the very structures
      that are held out: what there would be to know of them without this task.

    Parameters
    ----------
    cross : CrossTask
    labels : sequence of int or "all"
        Of the task itself. With 0 there are ``other tasks`` and ``same structures elsewhere``, with ``all``
        (of those not held out) ``own labels``, with a number ``own labels`` and ``both``.
    predictor : Predictor, optional
        :class:`nnstruct.predictors.Ensemble` by default.
    draws : int
        At least 2.
    test : float
        Share held out, in (0, 1).
    trees : int
        Of each forest of the models.
    confidence : float
        Of the intervals, by the corrected resampled t of Nadeau and Bengio (2003).
    seed : int

    Returns
    -------
    pandas.DataFrame
        Indexed by ``task``, ``labels`` and ``source``; ``kendall`` and ``r2``, means over draws, with
        ``kendall_low`` and so on. An R2 counts as at least -1.

    Raises
    ------
    InvalidInputError
        If a number breaks its rule, or there are fewer structures to learn from than labels asked for, or
        than 30.

    Examples
    --------
    >>> import numpy as np
    >>> from nnstruct import Benchmark, Space
    >>> from nnstruct.benchmark import CrossTask
    >>> from nnstruct.predictors import RandomForest, task_transfer
    >>> from nnstruct.priors import sample
    >>> nets = sample(Space("mlp", units=(4, 30)), n=50, seed=0)
    >>> edges = np.array([net.num_edges for net in nets])
    >>> scores = {"many": edges, "more": edges**2, "few": -edges}
    >>> cross = CrossTask({task: Benchmark.from_scores(nets, y, task=task) for task, y in scores.items()})
    >>> forest = RandomForest(n_estimators=20)
    >>> table = task_transfer(cross, labels=[0, "all"], predictor=forest, draws=2, trees=10)
    >>> bool(table.loc[("many", "all", "own labels"), "kendall"] > 0.5)
    True
    """
    import pandas as pd

    sizes = [size if size == ALL else check_integer(size, "labels", low=0) for size in labels]
    check_rounds(draws, "draws", low=2)
    check_integer(trees, "trees")
    level, share = check_share(confidence, "confidence"), check_share(test, "test")
    check_seed(seed)
    y = cross.labels("rank")
    found: dict[tuple[str, str, str], list[tuple[float, float]]] = {}
    for draw in range(draws):
        inside, outside = _split(cross.structures, share, seed, draw)
        most = max((int(size) for size in sizes if size != ALL), default=0)
        if len(inside) < most or len(outside) < 2:
            rule = f"leave at least {most} structures to learn from and 2 to predict"
            raise InvalidInputError("test", rule, share)
        for at, task in enumerate(cross.tasks):
            rng = generator(seed, "task transfer", draw, task)
            one = _OneTask(cross, y, at, inside, outside, trees, seed)
            chosen = inside[rng.permutation(len(inside))]
            for size in sizes:
                for source, said in one.answers(size, chosen, predictor):
                    key = (task, str(size), source)
                    found.setdefault(key, []).append(_scores(y[outside, at], said))
    rows = []
    for values in found.values():
        tau, r2 = np.array(values).T
        row = []
        for metric in (tau, r2):
            low, high, _ = corrected_t(metric, share / (1 - share), level)
            row += [float(metric.mean()), low, high]
        rows.append(row)
    names = ["kendall", "kendall_low", "kendall_high", "r2", "r2_low", "r2_high"]
    index = pd.MultiIndex.from_tuples(found, names=["task", "labels", "source"])
    return pd.DataFrame(rows, index=index, columns=names)


class _OneTask:
    """A task whose held out structures are to be told, and what the other tasks say."""

    def __init__(
        self,
        cross: CrossTask,
        y: np.ndarray,
        at: int,
        inside: np.ndarray,
        outside: np.ndarray,
        trees: int,
        seed: int,
    ) -> None:
        self.structures, self.y, self.at, self.seed = cross.structures, y, at, seed
        self.inside, self.outside = inside, outside
        self.others = [i for i in range(y.shape[1]) if i != at]
        train = [self.structures[i] for i in inside]
        scored = {
            cross.tasks[i]: Benchmark.from_scores(
                train, y[inside, i], task=cross.tasks[i], bounds=(None, None)
            )
            for i in self.others
        }
        self.models = SourceModels.fit(scored, trees=trees, seed=seed)
        self.asked = [self.structures[i] for i in outside]

    def answers(
        self, size: int | str, chosen: np.ndarray, predictor: Predictor | None
    ) -> Iterator[tuple[str, np.ndarray]]:
        """What is said of the held out structures, by source."""
        if size == 0:
            yield OTHERS, self.models.score(self.asked)[0]
            yield SAME, self.y[self.outside][:, self.others].mean(axis=1)
            return
        rows = self.inside if size == ALL else chosen[: int(size)]
        train, y = [self.structures[i] for i in rows], self.y[rows, self.at]
        model = Ensemble(random_state=self.seed) if predictor is None else clone(predictor)
        yield SCRATCH, predict_with_std(model.fit(train, y), self.asked)[0]
        if size != ALL:
            both = Ensemble(prior=self.models, random_state=self.seed).fit(train, y)
            yield BOTH, predict_with_std(both, self.asked)[0]


def _split(
    structures: Sequence[Structure], test: float, seed: int, draw: int
) -> tuple[np.ndarray, np.ndarray]:
    """Places to learn from and places held out; twins are on one side."""
    groups = twin_families(twin_groups(structures))
    distinct = np.unique(groups)
    order = generator(seed, "task transfer split", draw).permutation(distinct)
    held = np.isin(groups, order[: max(1, round(test * len(distinct)))])
    return np.flatnonzero(~held), np.flatnonzero(held)


def _scores(y: np.ndarray, said: np.ndarray) -> tuple[float, float]:
    tau = float(stats.kendalltau(said, y).statistic)
    return tau if np.isfinite(tau) else 0.0, max(float(r2_score(y, said)), WORST)
