"""A Gaussian process whose kernel treats each group of columns by itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import numpy as np
from scipy import linalg

from nnstruct.checks import check_integer, check_rounds
from nnstruct.encode import FeatureTable
from nnstruct.encode.table import means_and_scales
from nnstruct.errors import InvalidInputError
from nnstruct.network import Network
from nnstruct.predictors.base import PREDICTORS, digest
from nnstruct.predictors.checks import check_deviations, check_labels
from nnstruct.predictors.gp_kernel import Evidence, factorised, left_out
from nnstruct.predictors.gp_state import StoredProcess
from nnstruct.predictors.label_transform import LabelTransform
from nnstruct.predictors.noise_level import NoiseLevel
from nnstruct.predictors.repeated import NO_NAMES, Repeats, names_of, same
from nnstruct.predictors.threads import limited_threads
from nnstruct.random import generator
from nnstruct.structure import Structure

CLIP = 6.0
_CHUNK = 4_000_000  # covariances at a time
_REMEMBERED = 20_000  # rows of columns


@PREDICTORS.register("grouped-gp")
class GroupedGaussianProcess(StoredProcess):
    """Gaussian process with kernels for each group of columns (a Matern, nu 5/2, and a linear one).

    One Matern kernel over all groups comes on top.

    Columns are standardised and clipped at 6; labels are clipped at their outer fences and made normal
    by a power transform (:class:`nnstruct.predictors.label_transform.LabelTransform`). Kernel
    parameters have log-normal priors and are found by L-BFGS on at most ``fit_rows`` rows; the
    posterior is exact on at most ``max_rows`` rows. ``y_std`` is the known noise of each label and
    comes on top of the noise that is learned. A ``sample_weight`` divides the learned noise of its
    structure. A structure that comes up several times, without either, was measured so often. What its
    labels scatter is noise of a training; the rest of the noise is the structure's own: how far it is from
    what columns tell, in all its labels. Predictions of such a structure tell its own part, too.

    Parameters
    ----------
    families : "auto" or sequence of str
        Columns; see :class:`nnstruct.encode.FeatureTable`. Its groups are those of the kernel.
    label : {"yeo-johnson", "identity"}
        What is done to the labels.
    steps : int
        Most steps of L-BFGS.
    fit_rows : int
        Rows, drawn at random, that kernel parameters are fitted to.
    max_rows : int
        Rows, drawn at random, that predictions rest on. Memory grows with its square, time with its cube.
    n_jobs : int
        Processor threads.
    random_state : int

    Attributes
    ----------
    table_ : FeatureTable
    kernel_ : GroupedKernel
    kept_ : int64 [k]
        The rows of ``fit`` that the posterior rests on.
    evidence_ : float
        Log marginal likelihood of the labels of the rows that the kernel was fitted to, plus log prior.

    References
    ----------
    Rasmussen and Williams, 2006, "Gaussian Processes for Machine Learning". Duvenaud et al., 2011,
    "Additive Gaussian Processes", arXiv 1112.4394.

    Examples
    --------
    >>> from nnstruct import Structure
    >>> from nnstruct.predictors import GroupedGaussianProcess
    >>> structures = [Structure.from_layers([2, width, 2]) for width in range(1, 13)]
    >>> model = GroupedGaussianProcess().fit(structures, [float(s.num_units) for s in structures])
    >>> model.predict(structures[4:6]).round().tolist()
    [9.0, 10.0]
    """

    name = "grouped-gp"
    _takes = frozenset({"y_std"})

    def __init__(
        self,
        families: str | Sequence[str] = "auto",
        label: str = "yeo-johnson",
        steps: int = 30,
        fit_rows: int = 500,
        max_rows: int = 4000,
        n_jobs: int = 1,
        random_state: int = 0,
    ) -> None:
        self.families = families
        self.label = label
        self.steps = steps
        self.fit_rows = fit_rows
        self.max_rows = max_rows
        self.n_jobs = n_jobs
        self.random_state = random_state

    def _fit(
        self,
        structures: list[Structure],
        y: np.ndarray,
        weight: np.ndarray | None,
        y_std: np.ndarray | None = None,
    ) -> None:
        self.__dict__.pop("_rows_seen", None)
        repeats = Repeats.of(structures)
        again = weight is None and y_std is None and len(repeats.first) < len(y)
        each = [structures[row] for row in repeats.first] if again else structures
        self.table_ = FeatureTable(self.families).fit(each)
        table, groups = self.table_.transform(each), list(self.table_.groups_.values())
        if not again:
            self.fit_table(table, groups, y, weight, y_std)
            return
        self.fit_table(table, groups, repeats.means(y))
        self._rows_seen = dict(zip((s.fingerprint for s in each), table, strict=True))
        self._rest_on(structures, y)

    def fit_table(
        self,
        table: np.ndarray,
        groups: Sequence[np.ndarray],
        y: np.ndarray,
        weight: np.ndarray | None = None,
        y_std: np.ndarray | None = None,
        *,
        start: np.ndarray | None = None,
        linear: np.ndarray | None = None,
    ) -> None:
        """Learn from columns that are there already; :meth:`predict_table` goes with it.

        Parameters
        ----------
        table : float64 [n, c]
        groups : sequence of int arrays
            The columns of each group.
        y : float64 [n]
        weight, y_std : float64 [n], optional
        start : float64 [3 G + 3], optional
            Kernel parameters to search from, by default those of :meth:`GroupedKernel.start`.
        linear : float64 [G], optional
            Linear amplitudes that are likely before any label is seen; see :meth:`GroupedKernel.start`.
        """
        steps, fit_rows = (
            check_rounds(self.steps, "steps", low=0),
            check_integer(self.fit_rows, "fit_rows", low=2),
        )
        with limited_threads(check_integer(self.n_jobs, "n_jobs")):
            kept = np.arange(len(y)) if weight is None else np.flatnonzero(weight > 0)
            share = np.ones(len(kept)) if weight is None else weight[kept].max() / weight[kept]
            chosen = self._drawn(len(kept))
            kept, share = kept[chosen], share[chosen]
            noise = np.zeros(len(kept)) if y_std is None else y_std[kept]
            target, known = self._targets(y[kept], noise)
            self.centre_, self.scale_ = means_and_scales(table[kept])
            self.rows_ = self._scaled(table[kept])
            self.kept_ = kept
            part = np.arange(len(kept))
            if len(kept) > fit_rows:
                part = np.sort(generator(self._seed("fit rows")).choice(len(kept), fit_rows, replace=False))
            evidence = Evidence(groups, self.rows_[part], target[part], share[part], known[part], linear)
            self.kernel_, self.evidence_ = evidence.best(steps, start)
            self.noise_ = self.kernel_.noise * share + known  # [n]
            self.training_, self.own_, self.names_ = self.kernel_.noise, 0.0, NO_NAMES
            self._condition(target)

    def condition(
        self,
        structures: Sequence[Structure | Network],
        y: Sequence[float] | np.ndarray,
        *,
        y_std: Sequence[float] | np.ndarray | None = None,
    ) -> Self:
        """Rest predictions on other labels, with columns and kernel as they were fitted.

        It costs one Cholesky factorisation, where ``fit`` searches for the kernel's parameters, so that a
        search calls it between two fits. What is done to labels is fitted anew.

        Parameters
        ----------
        structures : sequence of Structure or Network, length n
            All that predictions are to rest on, those of ``fit`` included; one that was measured several
            times comes up so often. Of more than ``max_rows`` a random part is taken.
        y : array-like of float, shape [n]
        y_std : array-like of float, shape [n], optional
            As in :meth:`fit`.

        Returns
        -------
        self

        Raises
        ------
        NotFittedError
            Before ``fit``.
        InvalidInputError
            If a structure, a label or a deviation breaks its rule, or they are fewer than 2.
        """
        self._check_fitted()
        checked = self._checked(structures)
        if len(checked) < 2:
            raise InvalidInputError("structures", "hold at least 2", len(checked))
        labels, noise = check_labels(y, len(checked)), check_deviations(y_std, len(checked))
        self._rest_on(checked, labels, noise)
        self.num_structures_, self.training_digest_ = len(checked), digest(checked)
        return self

    def _rest_on(self, structures: list[Structure], y: np.ndarray, y_std: np.ndarray | None = None) -> None:
        """Condition on labels, those of one structure brought together, with the kernel as it is."""
        repeats = Repeats.of(structures) if y_std is None else Repeats.none(len(y))
        repeats, rows = repeats.part(self._drawn(len(repeats.first)))
        with limited_threads(check_integer(self.n_jobs, "n_jobs")):
            each = [structures[row] for row in repeats.first]
            self.rows_, self.kept_ = self._scaled(self._transformed(each)), repeats.first
            target, known = self._targets(y[rows], np.zeros(len(rows)) if y_std is None else y_std[rows])
            self.training_, self.own_ = repeats.split(target, self.kernel_.noise)
            self.names_ = names_of(each) if self.own_ else NO_NAMES
            self.noise_ = self.own_ + self.training_ / repeats.counts + repeats.means(known)
            self._condition(repeats.means(target))

    def joint(self, structures: Sequence[Structure | Network]) -> tuple[np.ndarray, np.ndarray, float]:
        """The joint normal distribution of the transformed labels without noise.

        The transform is increasing, so that ranks, and whether one structure beats another, are those of
        the labels; a value above all labels seen is possible, which :meth:`predict` is not free to say.

        Parameters
        ----------
        structures : sequence of Structure or Network, length m

        Returns
        -------
        mean : float64 [m]
        covariance : float64 [m, m]
        noise : float
            Variance of the noise of one more label, in the same units.

        Raises
        ------
        NotFittedError
            Before ``fit``.
        """
        self._check_fitted()
        checked = self._checked(structures)
        with limited_threads(check_integer(self.n_jobs, "n_jobs")):
            scaled = self._scaled(self._transformed(checked))
            cross = self.kernel_(scaled, self.rows_)  # [m, n]
            covariance = self.kernel_(scaled, scaled)
            if self.own_:
                names = names_of(checked)
                cross += self.own_ * same(names, self.names_)
                covariance += self.own_ * same(names, names)
            half = linalg.solve_triangular(self.factor_, cross.T, lower=True, check_finite=False)
            covariance -= half.T @ half
        np.fill_diagonal(covariance, np.maximum(np.diag(covariance), 1e-10))
        return cross @ self.alpha_, covariance, self.training_

    def expected(self, structures: Sequence[Structure | Network]) -> tuple[np.ndarray, np.ndarray]:
        """The mean label of each structure, and how far it may be off.

        :meth:`predict` gives the deviation of one more label, the noise of a training included; this is that
        of the mean of many, as the posterior has it. What columns cannot tell of a structure counts as noise,
        where no structure was measured more than once.

        Parameters
        ----------
        structures : sequence of Structure or Network, length m

        Returns
        -------
        mean, std : float64 [m]
            The mean is that of :meth:`predict`.

        Raises
        ------
        NotFittedError
            Before ``fit``.

        Examples
        --------
        >>> from nnstruct import Structure
        >>> structures = [Structure.from_layers([2, width, 2]) for width in range(1, 13)]
        >>> model = GroupedGaussianProcess().fit(structures, [float(s.num_units % 3) for s in structures])
        >>> bool((model.expected(structures)[1] <= model.predict(structures, return_std=True)[1]).all())
        True
        """
        self._check_fitted()
        with limited_threads(check_integer(self.n_jobs, "n_jobs")):
            checked = self._checked(structures)
            scaled = self._scaled(self._transformed(checked))
            z, variance = self._latent(scaled, names_of(checked))
        return self.transform_.expected(z, np.sqrt(variance), self.training_**0.5)

    def _drawn(self, count: int) -> np.ndarray:
        """Places of the rows that predictions rest on, all of them if they are not too many."""
        most = check_integer(self.max_rows, "max_rows", low=2)
        if count <= most:
            return np.arange(count)
        return np.sort(generator(self._seed("rows")).choice(count, most, replace=False))

    def _transformed(self, structures: list[Structure]) -> np.ndarray:
        """Columns of structures, remembered by fingerprint, since a search asks for the same again."""
        known = self.__dict__.setdefault("_rows_seen", {})
        if len(known) > _REMEMBERED:
            known.clear()
        fresh = list({s.fingerprint: s for s in structures if s.fingerprint not in known}.values())
        if fresh:
            known.update(zip((s.fingerprint for s in fresh), self.table_.transform(fresh), strict=True))
        return np.stack([known[s.fingerprint] for s in structures])

    def _targets(self, y: np.ndarray, noise: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Fit what is done to labels; the transformed ones and the variance of their known noise."""
        self.transform_ = LabelTransform(self.label).fit(y)
        self.level_ = NoiseLevel().fit(y, noise)
        slope = np.minimum(self.transform_.slope(y), 1e6)
        return self.transform_.transform(y), np.minimum(noise * slope, 10.0) ** 2

    def _condition(self, target: np.ndarray) -> None:
        self.target_ = target
        self.factor_ = factorised(self.kernel_, self.rows_, self.noise_)
        self.alpha_ = linalg.cho_solve((self.factor_, True), target, check_finite=False)

    def _scaled(self, table: np.ndarray) -> np.ndarray:
        return np.clip((table - self.centre_) / self.scale_, -CLIP, CLIP)

    def _predict(self, structures: list[Structure], return_std: bool) -> tuple[np.ndarray, np.ndarray | None]:
        return self.predict_table(self.table_.transform(structures), return_std, names_of(structures))

    def predict_table(
        self, table: np.ndarray, return_std: bool = False, names: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """Mean and standard deviation of a new label at rows of columns.

        Parameters
        ----------
        table : float64 [m, c]
        return_std : bool
        names : uint8 [m, 16], optional
            Fingerprints, by which structures are known again that were measured several times.

        Returns
        -------
        mean : float64 [m]
        std : float64 [m] or None
        """
        with limited_threads(check_integer(self.n_jobs, "n_jobs")):
            z, variance = self._latent(self._scaled(table), names)
            # Noise moves the mean of a bent label, too.
            mean, noisy = self.transform_.moments(z, np.sqrt(variance + self.training_))
            return mean, np.hypot(noisy, self.level_.predict(mean)) if return_std else None

    def _latent(self, scaled: np.ndarray, names: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        """Posterior mean and variance of transformed labels without noise of a training, float64 [m] each."""
        mean, variance = np.empty(len(scaled)), np.empty(len(scaled))
        size = max(1, _CHUNK // len(self.rows_))
        for at in range(0, len(scaled), size):
            part = scaled[at : at + size]
            cross = self.kernel_(part, self.rows_)  # [m, n]
            if self.own_ and names is not None:
                cross += self.own_ * same(names[at : at + size], self.names_)
            mean[at : at + size] = cross @ self.alpha_
            half = linalg.solve_triangular(self.factor_, cross.T, lower=True, check_finite=False)
            variance[at : at + size] = self.kernel_.diagonal(part) + self.own_ - (half**2).sum(axis=0)
        return mean, np.maximum(variance, 1e-10)

    def out_of_fold(self, fold: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Predictions of the training labels, each from those of the other folds, with the kernel as it is.

        Parameters
        ----------
        fold : int64 [k]
            The fold of each row that the posterior rests on, those of ``kept_``.

        Returns
        -------
        mean, std : float64 [k]
            Of a new label.
        """
        with limited_threads(check_integer(self.n_jobs, "n_jobs")):
            z, variance = left_out(self.factor_, self.target_, fold)
            return self.transform_.moments(z, np.sqrt(variance))
