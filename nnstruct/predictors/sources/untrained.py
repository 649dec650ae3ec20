"""How well earlier benchmarks tell labels of data that none of them knows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import scipy

from nnstruct.predictors.label_transform import LabelTransform
from nnstruct.predictors.sources.source import Source

COVERED = 0.9


@dataclass(frozen=True)
class Untrained:
    """The score of a structure without any label of its task, and how far it is off.

    The answers of all sources are averaged within each data set, then over data sets. ``slope`` times that
    is the prediction. Both numbers come from leaving out each data set in turn; its benchmarks count alike.

    Attributes
    ----------
    slope : float
        Between 0 and 1.
    std : float
        Such that nine in ten labels of left-out benchmarks lie within 1.645 of it.
    kendall : dict of str to float
        Kendall's tau on each left-out source.
    """

    slope: float
    std: float
    kendall: Mapping[str, float]

    @classmethod
    def measured(cls, sources: Sequence[Source], held: Sequence[tuple[np.ndarray, np.ndarray]]) -> Self:
        """Leave out each data set in turn.

        Parameters
        ----------
        sources : sequence of Source
        held : sequence of (float64 [n, c], float64 [n])
            The table and the labels of each.

        Returns
        -------
        Untrained
            With slope 0 and deviation 1 where there is only one data set.
        """
        said, truth, share, kendall = [], [], [], {}
        for source, (table, y) in zip(sources, held, strict=True):
            others = [other for other in sources if other.data != source.data]
            if not others:
                continue
            mean = pooled(others, np.stack([other.predict(table) for other in others], axis=1))
            said.append(mean)
            truth.append(LabelTransform().fit(y).transform(y))
            alike = sum(other.data == source.data for other in sources)
            share.append(np.full(len(y), 1.0 / len(y) / alike))
            tau = float(scipy.stats.kendalltau(mean, y).statistic)
            kendall[f"{source.benchmark}.{source.family}"] = round(tau, 3) if np.isfinite(tau) else 0.0
        if not said:
            return cls(0.0, 1.0, {})
        x, z, weight = (np.concatenate(part) for part in (said, truth, share))
        scatter = float(weight @ x**2)
        slope = float(np.clip(weight @ (x * z) / scatter, 0.0, 1.0)) if scatter > 0 else 0.0
        off = np.abs(z - slope * x)
        order = np.argsort(off)
        place = int(np.searchsorted(np.cumsum(weight[order]), COVERED * weight.sum()))
        far = float(off[order][min(place, len(off) - 1)])
        return cls(slope, far / float(scipy.stats.norm.ppf(0.5 + COVERED / 2)), kendall)

    def state(self) -> dict[str, Any]:
        """What :meth:`from_state` needs.

        Returns
        -------
        dict of str to JSON values
        """
        return {"slope": self.slope, "std": self.std, "kendall": dict(self.kendall)}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """What :meth:`state` told of.

        Parameters
        ----------
        state : mapping

        Returns
        -------
        Untrained
        """
        kendall = {str(name): float(tau) for name, tau in state["kendall"].items()}
        return cls(float(state["slope"]), float(state["std"]), kendall)


def pooled(sources: Sequence[Source], said: np.ndarray) -> np.ndarray:
    """The mean over data sets of the mean over the sources of each.

    Parameters
    ----------
    sources : sequence of Source
    said : float64 [n, sources]

    Returns
    -------
    float64 [n]
    """
    data = np.array([source.data for source in sources])
    return np.mean([said[:, data == name].mean(axis=1) for name in np.unique(data)], axis=0)
