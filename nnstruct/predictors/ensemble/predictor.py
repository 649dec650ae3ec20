"""The default predictor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from nnstruct.checks import check_integer, check_number
from nnstruct.encode import FeatureTable
from nnstruct.errors import InvalidInputError
from nnstruct.predictors.base import PREDICTORS, FittedState, Predictor, digest
from nnstruct.predictors.checks import noise_weights
from nnstruct.predictors.ensemble.blend import Calibration, blend_weights
from nnstruct.predictors.ensemble.by_family import ByFamily
from nnstruct.predictors.ensemble.choice import COLUMNS, check_members
from nnstruct.predictors.ensemble.graphs import GRAPHS, TaughtGraphs
from nnstruct.predictors.ensemble.members import FORESTS, ColumnMembers, blended
from nnstruct.predictors.ensemble.mixture import SCRATCH, MixedMembers
from nnstruct.predictors.ensemble.perceptrons import PERCEPTRONS, Perceptrons, learning_seconds
from nnstruct.predictors.ensemble.prior import PriorColumns
from nnstruct.predictors.ensemble.stored import restore, state_of
from nnstruct.predictors.ensemble.task_columns import TaskColumns, has_names
from nnstruct.predictors.folds import grouped_folds
from nnstruct.predictors.label_transform import LabelTransform
from nnstruct.predictors.noise_level import NoiseLevel
from nnstruct.predictors.sources import SourceModels
from nnstruct.predictors.threads import limited_threads
from nnstruct.structure import Structure


@PREDICTORS.register("auto")
class Ensemble(Predictor):
    """Forests, a Gaussian process and graph networks, blended by how well each predicts unseen labels.

    Every member predicts the labels of folds that it has not seen. Non-negative least squares on these
    predictions gives the members' weights (:func:`nnstruct.predictors.ensemble.blend.blend_weights`).
    Where the forests predict beyond the outer fences of the labels, they are taken alone, since the
    other members saw clipped labels. The known noise of labels counts in every member.

    Where two families or more have :data:`nnstruct.predictors.ensemble.by_family.FEWEST_LABELS` labels each
    and there is no ``prior``, each of them is learned by itself, and of a family without labels they speak
    together (:mod:`nnstruct.predictors.ensemble.by_family`).

    Parameters
    ----------
    families : "auto" or sequence of str
        Columns; see :class:`nnstruct.encode.FeatureTable`.
    members : "auto" or sequence of str
        Among ``trees`` (extra trees with leaves of 1), ``smooth-trees`` (leaves of 5, of a
        20th of the labels where those are fewer), ``wide-trees`` (leaves of 1, every split chooses from all
        columns), ``gp`` (:class:`nnstruct.predictors.GroupedGaussianProcess`), ``perceptrons``
        (:class:`nnstruct.predictors.ensemble.perceptrons.Perceptrons`) and ``gnn``: graph networks taught by
        the others (:class:`nnstruct.predictors.ensemble.graphs.TaughtGraphs`). The last two are left out
        where ``seconds`` are too few. ``auto``: ``trees``, ``smooth-trees`` and ``gp``; ``wide-trees`` from
        200 labels on; ``gnn`` where units have operators that differ and there are at least
        :data:`nnstruct.predictors.ensemble.graphs.FEWEST_LABELS` labels, or where ``fit`` is given
        ``unlabelled`` structures; ``perceptrons`` where operators do not differ and there are at least
        :data:`nnstruct.predictors.ensemble.perceptrons.FEWEST_LABELS` labels.
    prior : None, "shipped", SourceModels, or sequence of Benchmark or folders
        Earlier benchmarks whose models' predictions become further columns, mixed with the members from
        scratch by evidence (:class:`nnstruct.predictors.ensemble.mixture.MixedMembers`): where labels are
        few. ``shipped`` are those of the package (:func:`nnstruct.predictors.sources.shipped_sources`),
        without what has learned from these very structures. Other
        :class:`nnstruct.predictors.sources.SourceModels` are fitted once and used often.
    folds : int
        At least 2; fewer where there are fewer distinct structures.
    seconds : float
        What the ``gnn`` may take to learn, and what the ``perceptrons`` may, on one core of an average
        machine. It is reckoned from the numbers of units, edges, columns and steps, so that results are the
        same on every machine.
    n_jobs : int
        Processor threads.
    random_state : int
    task : str, Task or mapping of str to these, optional
        What the labels are about, by family where they are of several tasks: measures of untrained networks
        on its training examples become columns, too (:func:`nnstruct.probes.random_features`), and ``auto``
        leaves graph networks out. A structure takes up to some seconds. To be saved it needs names of tasks.

    Attributes
    ----------
    weights_ : dict of str to float
        What each member counts; where families are learned by themselves, the mean by their labels.
    scores_ : dict of str to float
        R2 of each member on labels that it has not seen, likewise; NaN where there were no folds.
    by_family_ : ByFamily or None
        The models of families that are learned by themselves.
    prior_weights_ : dict of str to float
        What the members count that learn from scratch, with the sources' mean (``pooled``) and with each
        source (``by-source``); they sum to 1.
    table_ : FeatureTable

    Examples
    --------
    >>> from nnstruct import Structure
    >>> from nnstruct.predictors import Ensemble
    >>> structures = [Structure.from_layers([2, width, 2]) for width in range(1, 21)]
    >>> model = Ensemble().fit(structures, [float(s.num_units) for s in structures])
    >>> mean, std = model.predict(structures[8:10], return_std=True)
    >>> mean.round().tolist(), sorted(model.weights_)
    ([13.0, 14.0], ['gp', 'smooth-trees', 'trees'])
    """

    name = "auto"
    _takes = frozenset({"y_std", "unlabelled"})

    def __init__(
        self,
        families: str | Sequence[str] = "auto",
        members: str | Sequence[str] = "auto",
        prior: Any = None,
        folds: int = 5,
        seconds: float = 30.0,
        n_jobs: int = 1,
        random_state: int = 0,
        task: Any = None,
    ) -> None:
        self.families = families
        self.members = members
        self.prior = prior
        self.folds = folds
        self.seconds = seconds
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.task = task

    def _fit(
        self,
        structures: list[Structure],
        y: np.ndarray,
        weight: np.ndarray | None,
        y_std: np.ndarray | None = None,
        unlabelled: list[Structure] | None = None,
    ) -> None:
        names = check_members(self.members, structures, unlabelled, self.task)
        folds = check_integer(self.folds, "folds", low=2)
        check_number(self.seconds, "seconds", low=0.0, open_low=True)
        if unlabelled is not None and GRAPHS not in names:
            rule = f"be left out without the member {GRAPHS!r}: the others learn from labels alone"
            raise InvalidInputError("unlabelled", rule, f"{len(unlabelled)} structures")
        if weight is not None and (weight == 0).any():
            kept = np.flatnonzero(weight > 0)
            structures = [structures[i] for i in kept]
            y, weight = y[kept], weight[kept]
            y_std = None if y_std is None else y_std[kept]
        self.by_family_ = None
        if self.prior is None:
            self.by_family_ = ByFamily.fit(self, structures, y, weight, y_std, unlabelled)
        self.known_ = {structure.family for structure in structures}
        with limited_threads(check_integer(self.n_jobs, "n_jobs")):
            self.table_ = FeatureTable(self.families).fit(structures)
            if self.covers_all_families():
                self.take_shares_of_families(self.table_)
                return
            self.task_columns_ = TaskColumns.of(self.task)
            groups = list(self.table_.groups_.values())
            if self.task_columns_:
                before, found = len(self.table_.columns_), self.task_columns_.fit(structures)
                groups.append(np.arange(before, before + found.shape[1]))
            self.prior_ = PriorColumns.of(self.prior, structures)
            table = self._columns_of(structures)
            shares = np.ones(len(y)) if weight is None else weight
            trusted = shares if y_std is None else noise_weights(y, y_std, weight)
            transform = LabelTransform().fit(y)
            self.low_, self.high_, self.mean_ = (
                transform.low,
                transform.high,
                float(np.average(y, weights=trusted)),
            )
            self.level_ = NoiseLevel().fit(y, np.zeros(len(y)) if y_std is None else y_std)
            self.columns_ = self._members(names)
            self.columns_.fit(table, groups, y, trusted, y_std, weight)
            fold = _folds(structures, table, folds, self._seed("folds"))
            self.graphs_ = self._taught(names, structures, fold)
            self.perceptrons_ = self._perceptrons(names, fold)
            self._blend(structures, table, y, trusted, shares, y_std, weight, fold, unlabelled)
            self._forget_unused_prior()

    def covers_all_families(self) -> bool:
        """Whether every family with a label is learned by itself.

        Returns
        -------
        bool
        """
        return self.by_family_ is not None and self.known_ <= set(self.by_family_.models)

    def take_shares_of_families(self, table: FeatureTable) -> None:
        """Where families are all learned by themselves: what is said of the members is the mean over them.

        Parameters
        ----------
        table : FeatureTable
            Fitted to all structures.
        """
        assert self.by_family_ is not None
        self.table_, self.prior_, self.prior_weights_ = table, None, {SCRATCH: 1.0}
        self.weights_, self.scores_ = map(self.by_family_.shares, ("weights_", "scores_"))

    def _taught(
        self, names: tuple[str, ...], structures: list[Structure], fold: np.ndarray | None
    ) -> TaughtGraphs | None:
        if GRAPHS not in names or fold is None:
            return None
        graphs = TaughtGraphs(self._seed("graphs"), self.n_jobs, self.seconds)
        return graphs if graphs.share_of_steps(structures, int(fold.max()) + 1) else None

    def _members(self, names: tuple[str, ...]) -> ColumnMembers | MixedMembers:
        names = tuple(name for name in names if name in COLUMNS)
        seed = self._seed("members")
        if self.prior_ is None:
            return ColumnMembers(names, seed, self.n_jobs)
        return MixedMembers(names, seed, self.n_jobs, self._own_width())

    def _perceptrons(self, names: tuple[str, ...], fold: np.ndarray | None) -> Perceptrons | None:
        if PERCEPTRONS not in names or fold is None:
            return None
        affordable = learning_seconds(self._own_width(), int(fold.max()) + 1) <= self.seconds
        return Perceptrons(self._seed(PERCEPTRONS), self.n_jobs) if affordable else None

    def _own_width(self) -> int:
        """The columns of the structures themselves, without what earlier benchmarks say."""
        return len(self.table_.columns_) + (len(self.task_columns_.kept) if self.task_columns_ else 0)

    def _columns_of(self, structures: list[Structure]) -> np.ndarray:
        further = [part(structures) for part in (self.task_columns_, self.prior_) if part is not None]
        return np.concatenate([self.table_.transform(structures), *further], axis=1)

    def _forget_unused_prior(self) -> None:
        self.prior_weights_ = {SCRATCH: 1.0}
        if isinstance(self.columns_, MixedMembers):
            self.prior_weights_ = dict(self.columns_.shares)
            if set(self.prior_weights_) == {SCRATCH}:
                self.prior_, self.columns_ = None, self.columns_.variants[SCRATCH]

    def _blend(
        self,
        structures: list[Structure],
        table: np.ndarray,
        y: np.ndarray,
        trusted: np.ndarray,
        shares: np.ndarray,
        y_std: np.ndarray | None,
        weight: np.ndarray | None,
        fold: np.ndarray | None,
        unlabelled: list[Structure] | None,
    ) -> None:
        """Weigh the members by all labels alike, the noisy ones too: those they are judged by later."""
        names = (
            *self.columns_.names,
            *([PERCEPTRONS] if self.perceptrons_ else []),
            *([GRAPHS] if self.graphs_ else []),
        )
        clipped = np.clip(y, self.low_, self.high_)
        if fold is None:
            self.weights_ = dict.fromkeys(names, 1.0 / len(names))
            self.scores_ = dict.fromkeys(names, float("nan"))
            variance = np.full(len(y), clipped.var())
            self.calibration_ = Calibration().fit(variance, variance, np.zeros(len(y)), shares)
            return
        if self.graphs_:
            others = unlabelled
            if others is None:
                others = [] if self.task_columns_ else self.graphs_.others(structures)
            asked = self._columns_of(others) if others else None
            means, process, said_of = self.columns_.unseen(table, y, trusted, y_std, weight, fold, asked)
            teachers = np.zeros((int(fold.max()) + 2, len(others)))
            if asked is not None:
                teachers[:-1], teachers[-1] = blended(said_of), blended(self.columns_.predict(asked)[0])
            means[GRAPHS] = self.graphs_.fit(structures, y, trusted, fold, others, teachers)
        else:
            means, process, _ = self.columns_.unseen(table, y, trusted, y_std, weight, fold)
        if self.perceptrons_:
            means[PERCEPTRONS] = self.perceptrons_.fit(table[:, : self._own_width()], y, trusted, fold)
        said = np.stack([np.clip(means[name], self.low_, self.high_) for name in names], axis=1)  # [n, M]
        excess = np.array([self.graphs_.excess if name == GRAPHS and self.graphs_ else 0.0 for name in names])
        found = blend_weights(said, clipped, shares, excess)
        self.weights_ = dict(zip(names, found.tolist(), strict=True))
        total = float(np.average((clipped - np.average(clipped, weights=shares)) ** 2, weights=shares))
        errors = np.average((said - clipped[:, None]) ** 2, weights=shares, axis=0)
        scores = 1.0 - errors / total if total > 0 else np.full(len(names), np.nan)
        self.scores_ = dict(zip(names, scores.tolist(), strict=True))
        mean, spread = self._mixed(said)
        error = (self._fenced(mean, means) - y) ** 2
        process = np.where(np.isfinite(process), process, error.mean())
        self.calibration_ = Calibration().fit(error, process, spread, shares)

    def _mixed(self, said: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The blend and the variance between members, float64 [m] each, from [m, M]."""
        weights = np.array(list(self.weights_.values()))
        mean = self.mean_ + (said - self.mean_) @ weights
        total = weights.sum()
        share = weights / total if total > 0 else np.full(len(weights), 1.0 / len(weights))
        centre = said @ share
        return mean, (said - centre[:, None]) ** 2 @ share

    def _fenced(self, mean: np.ndarray, means: dict[str, np.ndarray]) -> np.ndarray:
        """The forests alone where they predict beyond the fences."""
        forests = [means[name] for name in FORESTS if name in means]
        mean = np.clip(mean, self.low_, self.high_)
        if not forests:
            return mean
        alone = np.mean(forests, axis=0)
        return np.where((alone < self.low_) | (alone > self.high_), alone, mean)

    def _predict(self, structures: list[Structure], return_std: bool) -> tuple[np.ndarray, np.ndarray | None]:
        if self.prior_ is not None and self.num_structures_ == 0:
            mean, std = self.prior_.models.score(structures)
            return mean, std if return_std else None
        if self.by_family_ is None:
            return self._together(structures, return_std)
        mean, deviation, left = self.by_family_.predict(structures, self.known_, return_std)
        if left.any():
            told = self._together([structures[i] for i in np.flatnonzero(left)], return_std)
            mean[left], deviation[left] = told[0], np.nan if told[1] is None else told[1]
        return mean, deviation if return_std else None

    def _together(
        self, structures: list[Structure], return_std: bool
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """What the model of all labels says."""
        with limited_threads(check_integer(self.n_jobs, "n_jobs")):
            table = self._columns_of(structures)
            means, process = self.columns_.predict(table)
            if self.perceptrons_:
                means[PERCEPTRONS] = self.perceptrons_.predict(table[:, : self._own_width()])
            if self.graphs_:
                means[GRAPHS] = self.graphs_.predict(structures)
            said = np.stack([np.clip(means[name], self.low_, self.high_) for name in self.weights_], axis=1)
            mean, spread = self._mixed(said)
            mean = self._fenced(mean, means)
            if not return_std:
                return mean, None
            process = np.where(np.isfinite(process), process, self.level_.predict(mean) ** 2)
            return mean, self.calibration_.std(process, spread)

    def _own_table(self) -> Any:
        return getattr(self, "table_", None)

    def without_labels(self, models: SourceModels) -> Self:
        """Predict by earlier benchmarks alone, as :func:`nnstruct.predictors.load_pretrained` says.

        Parameters
        ----------
        models : SourceModels

        Returns
        -------
        self
        """
        self.prior_, self.prior_weights_ = PriorColumns(models, models.scale([])), {}
        self.weights_, self.scores_ = {}, {}
        self.num_structures_, self.training_digest_ = 0, digest([])
        return self

    def _stored_params(self) -> dict[str, Any]:
        by_name = self.prior is None or isinstance(self.prior, str)
        own = {"prior": self.prior if by_name else None}
        return {**super()._stored_params(), **own, "task": self.task if has_names(self.task) else None}

    def _get_state(self) -> FittedState:
        return state_of(self)

    def _set_state(self, state: FittedState) -> None:
        restore(self, state)


def _folds(structures: list[Structure], table: np.ndarray, folds: int, seed: int) -> np.ndarray | None:
    """Folds that part neither copies nor structures with the same columns; None where all are one."""
    keys = [row.tobytes().hex() for row in table]
    count = min(folds, len(set(keys)))
    return None if count < 2 else grouped_folds(keys, count, seed)
