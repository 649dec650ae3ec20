"""What untrained networks show of structures on the data of a task, as further columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np

from nnstruct.encode.table import CONSTANT, medians_and_spreads, rounded
from nnstruct.errors import InvalidInputError
from nnstruct.predictors.base import FittedState
from nnstruct.structure import Structure
from nnstruct.tasks import Task, load_task


class TaskColumns:
    """Measures of :func:`nnstruct.probes.random_features`, gaps filled and constant ones left out.

    Parameters
    ----------
    task : Task
    """

    def __init__(self, task: Task) -> None:
        self.task = task

    @classmethod
    def of(cls, task: Any) -> Self | None:
        """The columns that a predictor's parameter ``task`` stands for.

        Parameters
        ----------
        task : None, str or Task

        Returns
        -------
        TaskColumns or None

        Raises
        ------
        InvalidInputError
            If it is something else, or no classification.
        """
        if task is None:
            return None
        if not isinstance(task, str | Task):
            raise InvalidInputError("task", "be None, a Task or the name of one", task)
        from nnstruct.probes.untrained import check_classes

        found = load_task(task) if isinstance(task, str) else task
        check_classes(found)
        return cls(found)

    def fit(self, structures: Sequence[Structure]) -> np.ndarray:
        """Learn which columns vary and their medians.

        Parameters
        ----------
        structures : sequence of Structure, length n

        Returns
        -------
        float64 [n, c]
            The columns kept.
        """
        values = self._measured(structures)
        median, spread = medians_and_spreads(values)
        self.kept = np.flatnonzero(spread > CONSTANT * np.maximum(1.0, np.abs(median)))
        self.median = median[self.kept]
        return self._filled(values)

    def __call__(self, structures: Sequence[Structure]) -> np.ndarray:
        """The columns of structures.

        Parameters
        ----------
        structures : sequence of Structure, length m

        Returns
        -------
        float64 [m, c]
        """
        return self._filled(self._measured(structures))

    def _measured(self, structures: Sequence[Structure]) -> np.ndarray:
        from nnstruct.probes import random_features

        return rounded(random_features(structures, self.task).to_numpy(dtype=np.float64))

    def _filled(self, values: np.ndarray) -> np.ndarray:
        kept = values[:, self.kept]
        return np.where(np.isfinite(kept), kept, self.median)

    def state(self, named: Any) -> FittedState:
        """What :meth:`from_state` needs.

        Parameters
        ----------
        named : str
            The predictor's parameter.

        Returns
        -------
        FittedState

        Raises
        ------
        InvalidInputError
            If the predictor was given a Task, which no file of a predictor holds.
        """
        if not isinstance(named, str):
            hint = "A file of a predictor does not hold a task's data."
            raise InvalidInputError(
                "task", "be the name of a task for the predictor to be saved", named, hint
            )
        told = {"task": named, "fingerprint": self.task.fingerprint}
        return FittedState(told, {"kept": self.kept, "median": self.median})

    @classmethod
    def from_state(cls, values: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Self:
        """The columns that :meth:`state` told of.

        Parameters
        ----------
        values, arrays : mappings

        Returns
        -------
        TaskColumns

        Raises
        ------
        InvalidInputError
            If the task's data are another's here.
        ValueError, KeyError
            If they are not whole.
        """
        task = load_task(str(values["task"]))
        if task.fingerprint != values["fingerprint"]:
            rule = f"have the fingerprint {values['fingerprint']}, as when the predictor was fitted"
            raise InvalidInputError(f"task {task.name!r}", rule, task.fingerprint)
        found = cls(task)
        found.kept, found.median = np.asarray(arrays["kept"]), np.asarray(arrays["median"])
        if found.kept.shape != found.median.shape or found.kept.ndim != 1:
            raise ValueError("the columns of the task are not whole")
        return found
