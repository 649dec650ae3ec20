"""The ``[pruning]`` table of a dataset recipe: structures on their way from dense to sparse."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import Field, field_validator, model_validator

from nnstruct.errors import InvalidInputError
from nnstruct.executors import LOCAL, Executor
from nnstruct.recipes.reading import Section, check_known
from nnstruct.recipes.schedules import Epochs, MethodSection, RetrainSection, check_densities
from nnstruct.record import TrainConfig

if TYPE_CHECKING:
    from distributed import Client

    from nnstruct.benchmark import Benchmark
    from nnstruct.pruning import Trajectory
    from nnstruct.structure import Structure
    from nnstruct.tasks import Task

FILE, PARTS = "trajectories.parquet", "trajectories"


class PrunedSection(Section):
    """``[pruning]``: each structure drawn is trained, then pruned and re-trained density by density.

    ``each`` is how many of the methods a structure is pruned by, in turn; all by default. ``retrain``
    is in epochs, those of ``[train]`` by default; as many are named in the records' configuration.
    """

    methods: Annotated[list[str], Field(min_length=1)]
    densities: list[float]
    each: Annotated[int, Field(ge=1)] | None = None
    schedule: str = "iterative"
    retrain: Epochs | None = None

    @field_validator("methods")
    @classmethod
    def _are_known(cls, methods: list[str]) -> list[str]:
        from nnstruct.pruning import PRUNERS

        for method in methods:
            check_known(method, PRUNERS, "methods")
        if len(set(methods)) < len(methods):
            raise InvalidInputError("methods", "name each method once", methods)
        return methods

    @field_validator("densities")
    @classmethod
    def _fall(cls, densities: list[float]) -> list[float]:
        return check_densities(densities)

    @model_validator(mode="after")
    def _has_so_many(self) -> Self:
        if self.each is not None and self.each > len(self.methods):
            raise InvalidInputError("each", f"be at most the {len(self.methods)} methods", self.each)
        return self

    def methods_of(self, number: int) -> list[str]:
        """The methods by which a structure is pruned: the next ``each`` of the list, which goes round.

        Parameters
        ----------
        number : int
            Of the structure, from 0 over all families.

        Returns
        -------
        list of str
        """
        each = self.each or len(self.methods)
        return [self.methods[(number * each + k) % len(self.methods)] for k in range(each)]

    def settings_of(self, method: str, config: TrainConfig) -> dict[str, Any]:
        """Method, schedule and densities as :func:`nnstruct.pruning.run_trajectory` takes them, checked.

        Parameters
        ----------
        method : str
        config : TrainConfig
            ``[train]``.

        Returns
        -------
        dict

        Raises
        ------
        InvalidInputError
            If the method cannot be run with the schedule or these epochs.
        """
        retrain = RetrainSection(epochs=self.retrain)
        section = MethodSection(method=method)
        return section.settings(self.densities, self.schedule, config, retrain) | {
            "densities": self.densities,
            "config": config,
        }


def build_pruned(
    section: PrunedSection,
    task: Task,
    drawn: dict[int, list[Structure]],
    config: TrainConfig,
    out: Path,
    *,
    workers: int | None,
    executor: str | Client | Executor = LOCAL,
) -> list[Trajectory]:
    """Prune structures, add what comes of it to the benchmark in ``out``, and keep the trajectories.

    ``trajectories.parquet`` there has the scores before re-training too; a call that finds it, or parts
    of an interrupted one, does not run them again.

    Parameters
    ----------
    section : PrunedSection
    task : Task
    drawn : dict of int to list of Structure
        By the number of seeds.
    config : TrainConfig
    out : Path
    workers : int or None
        Processes; None for one a CPU.
    executor : str, distributed.Client or Executor
        Who prunes and trains; see :func:`nnstruct.executors.open_executor`.

    Returns
    -------
    list of Trajectory
        One for each structure, each of its methods and each seed.
    """
    from nnstruct.pruning import load_trajectories, run_trajectories, save_trajectories, to_benchmark
    from nnstruct.pruning.trajectories.grid import file_of

    parts = out / PARTS
    if (out / FILE).exists():
        for run in load_trajectories(out / FILE):
            if not file_of(run, parts).exists():
                save_trajectories([run], file_of(run, parts))
    found: list[Trajectory] = []
    number = 0
    for seeds, structures in drawn.items():
        methods = {}
        for structure in structures:
            for method in section.methods_of(number):
                label = f"{method}-{structure.fingerprint[:12]}"
                methods[label] = section.settings_of(method, config) | {"network": structure}
            number += 1
        found += run_trajectories(
            structures[0], task, section.densities, methods, seeds=seeds, out=parts, workers=workers,
            executor=executor,
        )  # fmt: skip
    bench: Benchmark = to_benchmark(found)
    bench.save(out)
    save_trajectories(found, out / FILE)
    shutil.rmtree(parts)
    return found
