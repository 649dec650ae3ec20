"""What earlier benchmarks say of structures, as further columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np

from nnstruct.errors import InvalidInputError
from nnstruct.predictors.base import FittedState
from nnstruct.predictors.ensemble.parts import arrays_below, arrays_under
from nnstruct.predictors.sources import SourceModels, shipped_sources
from nnstruct.predictors.sources.columns import Scale
from nnstruct.structure import Structure

SHIPPED = "shipped"


class PriorColumns:
    """The answers of source models to structures of a new task: their mean, then one of each.

    Parameters
    ----------
    models : SourceModels
    scale : Scale
        Of the structures of the new task.
    """

    def __init__(self, models: SourceModels, scale: Scale) -> None:
        self.models, self.scale = models, scale

    @classmethod
    def of(cls, prior: Any, structures: Sequence[Structure]) -> PriorColumns | None:
        """The columns that a predictor's parameter ``prior`` stands for.

        Parameters
        ----------
        prior : None, "shipped", SourceModels, or mapping or sequence of Benchmark or folders
            Of the shipped ones those are left out that have learned from these very structures.
        structures : sequence of Structure
            Of the new task.

        Returns
        -------
        PriorColumns or None
            None where there is no source.

        Raises
        ------
        InvalidInputError
            If ``prior`` is something else.
        """
        if prior is None:
            return None
        if isinstance(prior, SourceModels):
            models = prior
        elif isinstance(prior, str):
            if prior != SHIPPED:
                rule = "be None, 'shipped', SourceModels or benchmarks"
                raise InvalidInputError("prior", rule, prior, "A single folder goes into a list.")
            models = shipped_sources().unaware_of(structures)
        elif isinstance(prior, Mapping | Sequence):
            models = SourceModels.fit(prior)
        else:
            raise InvalidInputError("prior", "be None, 'shipped', SourceModels or benchmarks", prior)
        return cls(models, models.scale(structures)) if len(models) else None

    def __call__(self, structures: Sequence[Structure]) -> np.ndarray:
        """The columns of structures.

        Parameters
        ----------
        structures : sequence of Structure, length n

        Returns
        -------
        float64 [n, 1 + 2 sources]
        """
        said = self.models.predict(structures, self.scale)
        return np.concatenate([said.mean(axis=1, keepdims=True), said], axis=1)

    def state(self) -> FittedState:
        """What :meth:`from_state` needs.

        Returns
        -------
        FittedState
        """
        values, arrays = self.models.state()
        arrays = arrays_under(arrays, "models")
        return FittedState(values, {**arrays, "centre": self.scale.centre, "spread": self.scale.spread})

    @classmethod
    def from_state(cls, state: FittedState) -> Self:
        """The columns that :meth:`state` told of.

        Parameters
        ----------
        state : FittedState

        Returns
        -------
        PriorColumns
        """
        arrays = arrays_below(state.arrays, "models")
        scale = Scale(state.arrays["centre"], state.arrays["spread"])
        return cls(SourceModels.from_state(state.values, arrays), scale)
