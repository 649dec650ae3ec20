"""What untrained networks show of structures on the data of their tasks, as further columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np

from nnstruct.encode.table import CONSTANT, medians_and_spreads, rounded
from nnstruct.errors import InvalidInputError
from nnstruct.predictors.base import FittedState
from nnstruct.structure import Structure
from nnstruct.structure.families import FAMILIES
from nnstruct.tasks import Task, load_task


class TaskColumns:
    """Measures of :func:`nnstruct.probes.random_features`, gaps filled and constant ones left out.

    Parameters
    ----------
    tasks : dict of str to Task
        By the family of a structure; ``""`` for those that are not named.
    """

    def __init__(self, tasks: Mapping[str, Task]) -> None:
        self.tasks = dict(tasks)

    @classmethod
    def of(cls, task: Any) -> Self | None:
        """The columns that a predictor's parameter ``task`` stands for.

        Parameters
        ----------
        task : None, str, Task, or mapping of str to str or Task

        Returns
        -------
        TaskColumns or None

        Raises
        ------
        InvalidInputError
            If it is something else, no classification, or a mapping from what is no family.
        """
        if task is None:
            return None
        from nnstruct.probes.untrained import check_classes

        found = {}
        for family, one in (task if isinstance(task, Mapping) else {"": task}).items():
            where = f"task[{family!r}]" if isinstance(task, Mapping) else "task"
            if isinstance(task, Mapping) and family not in FAMILIES:
                raise InvalidInputError("task", f"have keys among {', '.join(FAMILIES)}", family)
            if not isinstance(one, str | Task):
                rule = "be None, a Task, the name of one, or a mapping of families to these"
                raise InvalidInputError(where, rule, one)
            found[family] = load_task(one) if isinstance(one, str) else one
            check_classes(found[family])
        if not found:
            raise InvalidInputError("task", "name the task of a family at least", task)
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

    def relative(self, structures: Sequence[Structure]) -> np.ndarray:
        """The measures that mean the same in networks of other kinds.

        Parameters
        ----------
        structures : sequence of Structure, length n

        Returns
        -------
        float64 [n, c]
            :data:`nnstruct.probes.untrained.RELATIVE`; NaN where a network overflows.
        """
        from nnstruct.probes.untrained import COLUMNS, RELATIVE

        return self._measured(structures)[:, [COLUMNS.index(name) for name in RELATIVE]]

    def _measured(self, structures: Sequence[Structure]) -> np.ndarray:
        from nnstruct.probes import random_features
        from nnstruct.probes.untrained import COLUMNS

        values = np.empty((len(structures), len(COLUMNS)))
        key_of = [structure.family if "" not in self.tasks else "" for structure in structures]
        for key in dict.fromkeys(key_of):
            if key not in self.tasks:
                rule = f"name the task of each family that is learned or asked, {key!r} too"
                raise InvalidInputError("task", rule, sorted(self.tasks))
            at = [i for i, one in enumerate(key_of) if one == key]
            table = random_features([structures[i] for i in at], self.tasks[key])
            values[at] = rounded(table.to_numpy(dtype=np.float64))
        return values

    def _filled(self, values: np.ndarray) -> np.ndarray:
        kept = values[:, self.kept]
        return np.where(np.isfinite(kept), kept, self.median)

    def state(self, named: Any) -> FittedState:
        """What :meth:`from_state` needs.

        Parameters
        ----------
        named : str or mapping of str to str
            The predictor's parameter.

        Returns
        -------
        FittedState

        Raises
        ------
        InvalidInputError
            If the predictor was given a Task, which no file of a predictor holds.
        """
        if not has_names(named):
            hint = "A file of a predictor does not hold a task's data."
            raise InvalidInputError(
                "task", "be the name of a task for the predictor to be saved", named, hint
            )
        names = named if isinstance(named, Mapping) else {"": named}
        told = {
            family: {"task": str(name), "fingerprint": self.tasks[family].fingerprint}
            for family, name in names.items()
        }
        return FittedState({"tasks": told}, {"kept": self.kept, "median": self.median})

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
            If a task's data are another's here.
        ValueError, KeyError
            If they are not whole.
        """
        tasks = {}
        for family, told in values["tasks"].items():
            tasks[str(family)] = task = load_task(str(told["task"]))
            if task.fingerprint != told["fingerprint"]:
                rule = f"have the fingerprint {told['fingerprint']}, as when the predictor was fitted"
                raise InvalidInputError(f"task {task.name!r}", rule, task.fingerprint)
        found = cls(tasks)
        found.kept, found.median = np.asarray(arrays["kept"]), np.asarray(arrays["median"])
        if found.kept.shape != found.median.shape or found.kept.ndim != 1:
            raise ValueError("the columns of the task are not whole")
        return found


def has_names(task: Any) -> bool:
    """Whether a predictor's parameter ``task`` can be stored: names alone.

    Parameters
    ----------
    task : object

    Returns
    -------
    bool
    """
    return all(isinstance(one, str) for one in (task.values() if isinstance(task, Mapping) else [task]))
