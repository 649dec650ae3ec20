"""How long a search will take, told before it starts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nnstruct.checks import check_integer
from nnstruct.processes import check_workers
from nnstruct.random import check_seed, generator
from nnstruct.recipes.lowered import Lowered
from nnstruct.recipes.reading import changed_config
from nnstruct.record import TrainConfig
from nnstruct.structure import Structure

if TYPE_CHECKING:
    from nnstruct.search import Search
    from nnstruct.tasks import Task

_DRAWS = 16
# Batches of the longest of the trainings that are measured.
_BATCHES = 16


@dataclass(frozen=True)
class Rate:
    """Seconds of a training, as a line in its epochs and examples.

    Attributes
    ----------
    fixed : float
        Of any training.
    epoch : float
        Of an epoch, whatever it holds: the validation.
    example : float
        Of an example in an epoch.

    Examples
    --------
    >>> Rate(0.5, 0.25, 0.125).seconds(epochs=10, examples=2)
    5.5
    """

    fixed: float
    epoch: float
    example: float

    def seconds(self, *, epochs: int, examples: float) -> float:
        """Of one training.

        Parameters
        ----------
        epochs : int
        examples : float
            Smaller images count for their share of the area.

        Returns
        -------
        float
        """
        return self.fixed + epochs * (self.epoch + examples * self.example)


@dataclass(frozen=True)
class Estimate:
    """How long a search will train.

    Attributes
    ----------
    trainings : int
        Of any fidelity, those of the finalists not among them.
    search, finalists : float
        CPU seconds.
    workers : int
        That share them.
    measured : float
        CPU seconds that the estimate itself took to train.
    """

    trainings: int
    search: float
    finalists: float
    workers: int
    measured: float

    @property
    def seconds(self) -> float:
        """All of it, shared by the workers."""
        return (self.search + self.finalists) / self.workers

    def __str__(self) -> str:
        parts = f"{self.trainings} trainings {_said(self.search)} of CPU"
        if self.finalists:
            parts += f", the finalists {_said(self.finalists)}"
        return f"It will take about {_said(self.seconds)}: {parts}, {self.workers} at a time"


def estimate_search(
    search: Search,
    task: Task,
    *,
    trainings: int,
    config: TrainConfig | None = None,
    seeds: int = 1,
    by: str = "epochs",
    top: int = 0,
    final_seeds: int = 6,
    final_config: TrainConfig | None = None,
    final_task: Task | None = None,
    workers: int | None = None,
    seed: int = 0,
) -> Estimate:
    """How long a search will take, from a few short trainings and the cost of what the space holds.

    Of some draws from the space the middle one by cost is trained, on few examples, for one epoch and for
    two; so the time of an example, of an epoch and of a training are told apart. What the guide takes to
    choose is not counted, nor that a search may come to prefer larger or smaller structures than are drawn.

    Parameters
    ----------
    search : Search
        Its space, what limits it, and its rungs count; nothing is asked of it.
    task : Task
    trainings : int
        Structures, or with rungs the full trainings that all cost together.
    config : TrainConfig, optional
    seeds : int
        Trainings of each structure.
    by : {"epochs", "examples", "both"}
        As for :func:`nnstruct.recipes.run_search`.
    top, final_seeds : int
        Finalists, and trainings of each.
    final_config : TrainConfig, optional
        That of the search by default.
    final_task : Task, optional
        Likewise.
    workers : int, optional
        Processes; by default one a CPU.
    seed : int
        Of the draws.

    Returns
    -------
    Estimate

    Raises
    ------
    InvalidInputError
        If an argument breaks its rule.

    Examples
    --------
    >>> from nnstruct import Search, Space, TrainConfig, load_task
    >>> from nnstruct.recipes import estimate_search
    >>> search = Search(Space("mlp", units=(4, 8)), rungs=[0.25, 1])
    >>> found = estimate_search(
    ...     search, load_task("digits"), trainings=20, config=TrainConfig(epochs=4), workers=2
    ... )
    >>> found.trainings, 0 < found.seconds < 600
    (46, True)
    """
    from nnstruct.population.costs import relative_cost
    from nnstruct.search import Rungs

    trainings, seeds = check_integer(trainings, "trainings"), check_integer(seeds, "seeds")
    top, final_seeds = check_integer(top, "top", low=0), check_integer(final_seeds, "final_seeds")
    count = check_workers(workers)
    settings = config or TrainConfig()
    rng = generator(check_seed(seed), "estimate")
    drawn = search.limited_space.draw(_DRAWS, rng)
    costs = np.array([float(relative_cost(structure, task, settings)) for structure in drawn])
    middle = int(np.argsort(costs, kind="stable")[len(costs) // 2])
    rate, measured = measured_rate(drawn[middle], task, settings)
    larger = float(costs.mean() / costs[middle])

    rungs = Rungs.of(search.rungs) or Rungs((1.0,))
    lowered = Lowered(task, settings, Path(), by)
    counts, area = rungs.counts(trainings) * seeds, mean_area(settings)
    each = [
        rate.seconds(epochs=lowered.config_at(f).epochs, examples=area * len(lowered.task_at(f).train))
        for f in rungs.fidelities
    ]
    last, whole = final_config or settings, final_task or task
    final_examples = mean_area(last) * len(whole.train)
    final = top * final_seeds * rate.seconds(epochs=last.epochs, examples=final_examples)
    return Estimate(round(counts.sum()), larger * float(counts @ each), larger * final, count, measured)


def measured_rate(structure: Structure, task: Task, config: TrainConfig) -> tuple[Rate, float]:
    """The rate at which a structure trains, from three short trainings after one that is not counted.

    Parameters
    ----------
    structure : Structure
    task : Task
    config : TrainConfig

    Returns
    -------
    rate : Rate
    seconds : float
        CPU seconds of the four trainings.
    """
    from nnstruct.benchmark import build
    from nnstruct.tasks.fewer import fewer_examples

    most = min(len(task.train), _BATCHES * config.batch_size)
    sizes = {"few": max(1, most // 4), "most": most}
    tasks = {name: fewer_examples(task, size / len(task.train)) for name, size in sizes.items()}
    spent = 0.0

    def seconds(name: str, epochs: int) -> float:
        nonlocal spent
        short = changed_config(config, {"epochs": epochs, "resolutions": (1.0,)}, "config")
        bench = build(tasks[name], [structure], seeds=1, config=short, workers=1)
        taken = float(bench.costs["seconds"].sum())
        spent += taken
        return taken

    seconds("few", 1)  # compiles
    one, larger, two = seconds("few", 1), seconds("most", 1), seconds("few", 2)
    more = len(tasks["most"].train) - len(tasks["few"].train)
    example = max(0.0, (larger - one) / more) if more else 0.0
    epoch = max(0.0, two - one - len(tasks["few"].train) * example)
    if not example and not epoch:  # too short to be told apart
        example = one / len(tasks["few"].train)
    fixed = max(0.0, one - epoch - len(tasks["few"].train) * example)
    return Rate(fixed, epoch, example), spent


def mean_area(config: TrainConfig) -> float:
    """The mean area of the images that a training sees, as a share of the whole ones'.

    Parameters
    ----------
    config : TrainConfig

    Returns
    -------
    float

    Examples
    --------
    >>> mean_area(TrainConfig()), mean_area(TrainConfig(resolutions=(0.5, 1.0)))
    (1.0, 0.625)
    """
    return float(np.mean(np.square(config.resolutions)))


def _said(seconds: float) -> str:
    for unit, size in (("hours", 3600.0), ("minutes", 60.0)):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.1f} seconds"
