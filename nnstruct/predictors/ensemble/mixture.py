"""Members that learn with and without what earlier benchmarks say, mixed by evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from nnstruct.predictors.base import FittedState
from nnstruct.predictors.ensemble.blend import blend_weights
from nnstruct.predictors.ensemble.members import PROCESS, ColumnMembers
from nnstruct.predictors.ensemble.parts import arrays_below, arrays_under
from nnstruct.predictors.gp_kernel import LINEAR
from nnstruct.predictors.label_transform import LabelTransform

SCRATCH, POOLED, BY_SOURCE = "scratch", "pooled", "by-source"
VARIANTS = (SCRATCH, POOLED, BY_SOURCE)
PRIOR_LINEAR = 0.5
GATE = 2.0
_LEAST_SHARE = 1e-3


class MixedMembers:
    """Every member three times: from scratch, with the sources' mean, and with each source as a column.

    The three are mixed by the softmax of the log marginal likelihoods that the Gaussian process gives the
    labels. The mixture is given up if its blend predicts unseen labels worse than the blend from scratch, by
    more than two standard errors of the difference. It stands in for one :class:`ColumnMembers`.

    Parameters
    ----------
    names : sequence of str
        As for :class:`ColumnMembers`.
    seed, n_jobs : int
    own : int
        Columns of the structures themselves; the sources' mean and each source follow.

    Attributes
    ----------
    shares : dict of str to float
        What each variant counts.
    """

    def __init__(self, names: Sequence[str], seed: int, n_jobs: int, own: int) -> None:
        self.names, self.seed, self.n_jobs, self.own = tuple(names), seed, n_jobs, own
        self.variants: dict[str, ColumnMembers] = {}
        self.shares: dict[str, float] = {}

    @property
    def process(self) -> Any:
        """The Gaussian process of the variant that counts most, if there is one."""
        best = max(self.shares, key=self.shares.__getitem__)
        return self.variants[best].process

    def fit(
        self,
        table: np.ndarray,
        groups: Sequence[np.ndarray],
        y: np.ndarray,
        weight: np.ndarray,
        noise: np.ndarray | None,
        share: np.ndarray | None,
    ) -> MixedMembers:
        """Learn from all rows, and mix; arguments as in :meth:`ColumnMembers.fit`.

        Parameters
        ----------
        table : float64 [n, c]
        groups : sequence of int arrays
            Of the structures' own columns.
        y, weight : float64 [n]
        noise, share : float64 [n], optional

        Returns
        -------
        MixedMembers
            Itself.
        """
        evidence = {}
        for variant in VARIANTS:
            columns = self._columns(variant, table.shape[1])
            held = [*groups, np.arange(self.own, len(columns))] if variant != SCRATCH else list(groups)
            linear = np.full(len(held), LINEAR / len(held))
            if variant != SCRATCH:
                linear[-1] = PRIOR_LINEAR
            part = table[:, columns]
            members = ColumnMembers(self.names, self.seed, self.n_jobs, linear)
            self.variants[variant] = members.fit(part, held, y, weight, noise, share)
            process = members.process
            if process is None:
                process = members._process()
                process.fit_table(part, held, y, share, noise, linear=linear)
            evidence[variant] = process.evidence_
        told = np.array(list(evidence.values()))
        softmax = np.exp(told - told.max())
        softmax /= softmax.sum()
        self._take(dict(zip(VARIANTS, softmax.tolist(), strict=True)))
        return self

    def _take(self, shares: Mapping[str, float]) -> None:
        kept = {name: share for name, share in shares.items() if share >= _LEAST_SHARE}
        total = sum(kept.values())
        self.shares = {name: share / total for name, share in kept.items()}
        self.variants = {name: self.variants[name] for name in VARIANTS if name in {SCRATCH, *kept}}

    def _columns(self, variant: str, count: int) -> np.ndarray:
        own = np.arange(self.own)
        if variant == SCRATCH:
            return own
        return np.append(own, self.own if variant == POOLED else np.arange(self.own + 1, count))

    def unseen(
        self,
        table: np.ndarray,
        y: np.ndarray,
        weight: np.ndarray,
        noise: np.ndarray | None,
        share: np.ndarray | None,
        fold: np.ndarray,
        others: np.ndarray | None = None,
    ) -> tuple[dict[str, np.ndarray], np.ndarray, dict[str, np.ndarray]]:
        """What members say of folds that they have not seen; the gate closes here.

        Parameters
        ----------
        table, y, weight, noise, share, fold, others
            As in :meth:`ColumnMembers.unseen`.

        Returns
        -------
        means, process, elsewhere
            As in :meth:`ColumnMembers.unseen`.
        """
        count = table.shape[1]
        said = {}
        for name, members in self.variants.items():
            columns = self._columns(name, count)
            more = None if others is None else others[:, columns]
            said[name] = members.unseen(table[:, columns], y, weight, noise, share, fold, more)
        mixed = self._mixed({name: answer[:2] for name, answer in said.items()})
        if not self._opens(mixed[0], said[SCRATCH][0], y, weight):
            self._take({SCRATCH: 1.0})
            return said[SCRATCH]
        elsewhere = {
            member: np.sum([s * said[name][2][member] for name, s in self.shares.items()], axis=0)
            for member in self.names
        }
        self._take(self.shares)
        return *mixed, elsewhere

    def _opens(
        self,
        mixed: Mapping[str, np.ndarray],
        alone: Mapping[str, np.ndarray],
        y: np.ndarray,
        weight: np.ndarray,
    ) -> bool:
        transform = LabelTransform().fit(y)
        target, centre = transform.clip(y), float(np.average(transform.clip(y), weights=weight))
        errors = []
        for means in (mixed, alone):
            told = np.stack([transform.clip(means[name]) for name in self.names], axis=1)
            blend = centre + (told - centre) @ blend_weights(told, target, weight)
            errors.append((transform.clip(blend) - target) ** 2)
        worse = errors[0] - errors[1]
        mean = float(np.average(worse, weights=weight))
        return mean <= GATE * float(np.sqrt(np.average((worse - mean) ** 2, weights=weight) / len(y)))

    def _mixed(
        self, said: Mapping[str, tuple[dict[str, np.ndarray], np.ndarray]]
    ) -> tuple[dict[str, np.ndarray], np.ndarray]:
        means = {
            member: np.sum([s * said[name][0][member] for name, s in self.shares.items()], axis=0)
            for member in self.names
        }
        variance = np.sum([s * said[name][1] for name, s in self.shares.items()], axis=0)
        if PROCESS in self.names:
            for name, s in self.shares.items():
                variance = variance + s * (said[name][0][PROCESS] - means[PROCESS]) ** 2
        return means, variance

    def predict(self, table: np.ndarray) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """What each member says of rows.

        Parameters
        ----------
        table : float64 [m, c]

        Returns
        -------
        means : dict of str to float64 [m]
        process : float64 [m]
        """
        count = table.shape[1]
        return self._mixed(
            {name: self.variants[name].predict(table[:, self._columns(name, count)]) for name in self.shares}
        )

    def state(self) -> FittedState:
        """What :meth:`restore` needs.

        Returns
        -------
        FittedState
        """
        values: dict[str, Any] = {"shares": self.shares, "own": self.own, "variants": {}}
        arrays: dict[str, np.ndarray] = {}
        for name in self.shares:
            told = self.variants[name].state()
            values["variants"][name] = dict(told.values)
            arrays |= arrays_under(told.arrays, name)
        return FittedState(values, arrays)

    def restore(self, values: Mapping[str, Any], arrays: Mapping[str, np.ndarray], columns: int) -> None:
        """Bring back what :meth:`state` told of.

        Parameters
        ----------
        values, arrays : mappings
        columns : int
            Of the whole table.

        Raises
        ------
        ValueError
            If they are not whole.
        """
        self.own = int(values["own"])
        self.shares = {str(name): float(share) for name, share in values["shares"].items()}
        if not self.shares or not set(self.shares) <= set(VARIANTS) or not 0 < self.own <= columns:
            raise ValueError("the variants of the members are not whole")
        for name in self.shares:
            part = arrays_below(arrays, name)
            members = ColumnMembers(self.names, self.seed, self.n_jobs)
            members.restore(values["variants"][name], part, len(self._columns(name, columns)))
            self.variants[name] = members
