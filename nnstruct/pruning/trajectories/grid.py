"""Many trajectories: every method with every seed, resumed where it stopped."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from nnstruct.errors import InvalidInputError
from nnstruct.processes import check_workers, end_with_parent
from nnstruct.pruning.base import Pruner
from nnstruct.pruning.trajectories.run import Source, TrajectoryPlan, plan_trajectory
from nnstruct.pruning.trajectories.trajectory import Trajectory, header_json
from nnstruct.pruning.trajectories.trajectory_file import save_trajectories
from nnstruct.random import seed_list
from nnstruct.tasks import Task

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
    processes = check_workers(workers)
    shared = settings | {"network": network, "densities": densities}
    plans = [
        plan_trajectory(task=task, seed=seed, **(shared | {"label": label} | own))
        for label, own in _by_label(methods).items()
        for seed in seed_list(seeds)
    ]
    folder = None if out is None else Path(out)
    found: list[Trajectory | None] = [None if folder is None else _stored(plan, folder) for plan in plans]
    missing = [number for number, trajectory in enumerate(found) if trajectory is None]
    for number, trajectory in zip(
        missing, _run_all([plans[i] for i in missing], folder, processes), strict=True
    ):
        found[number] = trajectory
        if on_trajectory is not None:
            on_trajectory(trajectory)
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


def _run_all(plans: Sequence[TrajectoryPlan], folder: Path | None, workers: int) -> Any:
    if workers == 1 or len(plans) < 2:
        return (_run(plan, folder) for plan in plans)
    from joblib import Parallel, delayed

    # Workers share large arrays, which PyTorch wants to be writable.
    parallel = Parallel(
        n_jobs=workers, return_as="generator", batch_size=1, pre_dispatch="2*n_jobs", mmap_mode="c"
    )
    return parallel(delayed(_run_in_worker)(plan, folder) for plan in plans)


def _run_in_worker(plan: TrajectoryPlan, folder: Path | None) -> Trajectory:
    end_with_parent()
    return _run(plan, folder)


def _run(plan: TrajectoryPlan, folder: Path | None) -> Trajectory:
    trajectory = plan.run()
    if folder is not None:
        save_trajectories([trajectory], file_of(plan, folder))
    return trajectory
