"""Trainings of a lower fidelity: fewer epochs, fewer examples, or both."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nnstruct.checks import check_choice
from nnstruct.recipes.reading import changed_config
from nnstruct.record import TrainConfig

if TYPE_CHECKING:
    from nnstruct.tasks import Task

LOWERED = ("epochs", "examples", "both")


@dataclass(frozen=True, eq=False)
class Lowered:
    """How a structure is trained at each fidelity.

    Parameters
    ----------
    task : Task
    config : TrainConfig
        Of a full training.
    out : Path
        Folder of the full trainings; those of a lower fidelity have folders beside it.
    by : {"epochs", "examples", "both"}
        What a lower fidelity has less of; ``both``: the square root of the share of each.

    Examples
    --------
    >>> from pathlib import Path
    >>> from nnstruct import TrainConfig, load_task
    >>> lowered = Lowered(load_task("digits"), TrainConfig(epochs=8), Path("bench"), "both")
    >>> lowered.config_at(0.25).epochs, len(lowered.task_at(0.25).train), lowered.folder_at(0.25).name
    (4, 628, 'bench-0.25')
    """

    task: Task
    config: TrainConfig
    out: Path
    by: str = "epochs"

    def __post_init__(self) -> None:
        check_choice(self.by, "by", LOWERED)

    def _share(self, part: str, fidelity: float) -> float:
        return {part: fidelity, "both": math.sqrt(fidelity)}.get(self.by, 1.0)

    def config_at(self, fidelity: float) -> TrainConfig:
        """The configuration at a fidelity, of at least one epoch.

        Parameters
        ----------
        fidelity : float

        Returns
        -------
        TrainConfig
        """
        epochs = max(1, round(self.config.epochs * self._share("epochs", fidelity)))
        if epochs == self.config.epochs:
            return self.config
        return changed_config(self.config, {"epochs": epochs}, "config")

    def task_at(self, fidelity: float) -> Task:
        """The task at a fidelity.

        Parameters
        ----------
        fidelity : float

        Returns
        -------
        Task
        """
        from nnstruct.tasks.fewer import fewer_examples

        return fewer_examples(self.task, self._share("examples", fidelity))

    def folder_at(self, fidelity: float) -> Path:
        """The folder of the trainings of a fidelity.

        Parameters
        ----------
        fidelity : float

        Returns
        -------
        Path
        """
        return self.out if fidelity == 1 else self.out.with_name(f"{self.out.name}-{fidelity:g}")
