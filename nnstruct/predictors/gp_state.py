"""A Gaussian process as it is kept in a file."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np

from nnstruct.predictors.base import FittedState, Predictor
from nnstruct.predictors.estimator_file import only_table
from nnstruct.predictors.gp_kernel import GroupedKernel
from nnstruct.predictors.label_transform import LabelTransform
from nnstruct.predictors.noise_level import NoiseLevel
from nnstruct.predictors.repeated import NO_NAMES


class StoredProcess(Predictor):
    """The part of :class:`~nnstruct.predictors.GroupedGaussianProcess` that saves and loads it."""

    @abstractmethod
    def _condition(self, target: np.ndarray) -> None:
        """Make ready to predict, from the rows and their labels."""

    def _get_state(self) -> FittedState:
        state = self.without_table()
        return FittedState(state.values, state.arrays, only_table(self.table_))

    def without_table(self) -> FittedState:
        """What :meth:`restore` needs.

        Returns
        -------
        FittedState
            All but the table.
        """
        held = ("centre", "scale", "rows", "noise", "target", "names")
        arrays = {name: getattr(self, f"{name}_") for name in held}
        arrays["log_parameters"] = self.kernel_.log_parameters
        sizes = [len(group) for group in self.kernel_.groups]
        arrays["groups"] = np.concatenate([np.asarray(g, dtype=np.int64) for g in self.kernel_.groups])
        values: dict[str, Any] = {
            "transform": self.transform_.state(),
            "level": self.level_.state(),
            "sizes": sizes,
            "evidence": self.evidence_,
            "training": self.training_,
            "own": self.own_,
        }
        return FittedState(values, arrays)

    def _set_state(self, state: FittedState) -> None:
        self.table_ = state.estimator[0]
        self.restore(state)

    def restore(self, state: FittedState) -> None:
        """Bring back all but the table.

        Parameters
        ----------
        state : FittedState

        Raises
        ------
        ValueError
            If a group of columns lies outside of the table.
        """
        self.transform_ = LabelTransform.from_state(state.values["transform"])
        self.level_ = NoiseLevel.from_state(state.values["level"])
        self.evidence_ = float(state.values["evidence"])
        arrays = state.arrays
        self.centre_, self.scale_ = arrays["centre"], arrays["scale"]
        self.rows_, self.noise_ = arrays["rows"], arrays["noise"]
        cuts = np.cumsum(state.values["sizes"])[:-1]
        self.kernel_ = GroupedKernel(np.split(arrays["groups"], cuts), arrays["log_parameters"])
        width = self.rows_.shape[1]
        if any(len(g) == 0 or g.min() < 0 or g.max() >= width for g in self.kernel_.groups):
            raise ValueError("a group of columns lies outside of the table")
        self.training_ = float(state.values.get("training", self.kernel_.noise))
        self.own_ = float(state.values.get("own", 0.0))
        self.names_ = arrays.get("names", NO_NAMES)
        if self.own_ and self.names_.shape != (len(self.rows_), 16):
            raise ValueError("there is not one name for each row")
        self._condition(arrays["target"])
