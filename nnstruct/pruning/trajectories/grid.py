"""Many trajectories: every method with every seed, resumed where it stopped."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nnstruct.errors import InvalidInputError, NnstructError
from nnstruct.executors import Executor, Lost, check_executor, open_executor
from nnstruct.processes import check_workers
from nnstruct.pruning.base import Pruner
from nnstruct.pruning.trajectories.run import Source, TrajectoryPlan, plan_trajectory
from nnstruct.pruning.trajectories.trajectory import Trajectory, header_json
from nnstruct.pruning.trajectories.trajectory_file import save_trajectories
from nnstruct.random import seed_list
from nnstruct.tasks import Task

if TYPE_CHECKING:
    from distributed import Client

Methods = Sequence[str | Pruner] | Mapping[str, Mapping[str, Any]]


def run_trajectories(
    network: Source,
    task: Task,
    densities: Sequence[float],
    methods: Methods = ("magnitude-class-blind",),
    *,
    seeds: int | Sequence[int] = 1,
    out: str | Path | None = None,
    workers: int | None = 1,
    on_trajectory: Callable[[Trajectory], None] | None = None,
    executor: str | Client | Executor = "local",
    **settings: Any,
) -> list[Trajectory]:
    """A trajectory for every method and seed.

    Parameters
    ----------
    network, task, densities
        As for :func:`run_trajectory`.
    methods : sequence of str or Pruner, or mapping
        By label the arguments of :func:`run_trajectory` that differ, network and densities too, as in
        ``{"rewound": {"method": "magnitude-class-blind", "schedule": "rewind"}}``.
    seeds : int or sequence of int
        A number n means seeds 0 to n - 1.
    out : path, optional
        Folder with a file for each trajectory. What it holds already is not run again.
    workers : int or None
        Processes; None for one a CPU. With more than one, ``network`` must be a name, a Structure or a
        function that can be imported.
    on_trajectory : callable, optional
        Called with each trajectory once it is there.
    executor : str, distributed.Client or Executor
        Who runs them; see :func:`nnstruct.executors.open_executor`. Workers of a cluster need no folder in
        common: this process writes the files.
    **settings
        Of :func:`run_trajectory`, for all methods.

    Returns
    -------
    list of Trajectory
        By method, then by seed.

    Raises
    ------
    InvalidInputError
        If an argument breaks its rule, or ``out`` holds a trajectory of this name with other settings.
    NnstructError
        Once all others are there, if workers died over a trajectory.

    Examples
    --------
    >>> from nnstruct import TrainConfig, load_task
    >>> from nnstruct.pruning import run_trajectories
    >>> runs = run_trajectories(
    ...     "mlp:8", load_task("digits"), [0.5], ["random", "magnitude-class-blind"], seeds=2,
    ...     config=TrainConfig(epochs=1),
    ... )
    >>> [(run.label, run.seed) for run in runs]
    [('random', 0), ('random', 1), ('magnitude-class-blind', 0), ('magnitude-class-blind', 1)]
    """
    processes, chosen = check_workers(workers), check_executor(executor)
    shared = settings | {"network": network, "densities": densities}
    plans = [
        plan_trajectory(task=task, seed=seed, **(shared | {"label": label} | own))
        for label, own in _by_label(methods).items()
        for seed in seed_list(seeds)
    ]
    folder = None if out is None else Path(out)
    found: list[Trajectory | None] = [None if folder is None else _stored(plan, folder) for plan in plans]
    missing = [number for number, trajectory in enumerate(found) if trajectory is None]
    lost: list[str] = []
    with open_executor(chosen, processes) as crew:
        for place, trajectory in crew.run(_run_some, [plans[number] for number in missing]):
            plan = plans[missing[place]]
            if isinstance(trajectory, Lost):
                lost.append(f"{plan.label} with seed {plan.seed} ({trajectory.reason})")
                continue
            if folder is not None:
                save_trajectories([trajectory], file_of(plan, folder))
            found[missing[place]] = trajectory
            if on_trajectory is not None:
                on_trajectory(trajectory)
    if lost:
        raise NnstructError(f"No worker lived to run {'; '.join(lost)}. All others are done.")
    return [trajectory for trajectory in found if trajectory is not None]


def _by_label(methods: Methods) -> dict[str, dict[str, Any]]:
    if isinstance(methods, str) or not len(methods):
        raise InvalidInputError("methods", "be a list of methods or a mapping by label", methods)
    if isinstance(methods, Mapping):
        return {label: dict(settings) for label, settings in methods.items()}
    named = {m if isinstance(m, str) else m.name: {"method": m} for m in methods}
    if len(named) < len(methods):
        raise InvalidInputError("methods", "be given by label where one occurs twice", list(methods))
    return named


def file_of(run: TrajectoryPlan | Trajectory, folder: Path) -> Path:
    """Where a trajectory stands in the folder of many."""
    return folder / f"{re.sub(r'[^A-Za-z0-9_.-]+', '-', run.label)}-seed{run.seed}.parquet"


def _stored(plan: TrajectoryPlan, folder: Path) -> Trajectory | None:
    file = file_of(plan, folder)
    if not file.exists():
        return None
    trajectory = Trajectory.load(file)
    same = header_json(vars(trajectory)) == header_json(plan.header())
    if not same or tuple(step.density for step in trajectory.steps) != (1.0, *plan.densities):
        raise InvalidInputError("out", "hold trajectories of the same settings", str(file), "Choose another.")
    return trajectory


def _run_some(_: None, plans: Sequence[TrajectoryPlan]) -> list[Trajectory]:
    return [plan.run() for plan in plans]
