"""What a sequence of pruning steps leaves behind: structures, and scores before and after re-training."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nnstruct.benchmark import Benchmark
from nnstruct.errors import InvalidInputError
from nnstruct.record import STATUS_DIVERGED, STATUS_OK, Record, TrainConfig
from nnstruct.structure import Structure

if TYPE_CHECKING:
    import pandas as pd

SCORES = ("train", "val", "test", "train_loss", "val_loss", "test_loss")
CURVES = ("train_loss", "val_loss", "val")
HEADER = ("label", "network", "method", "schedule", "task", "task_fingerprint", "config", "seed")
WHEN = ("before", "after")
ENGINE = "pruning"


@dataclass(frozen=True, eq=False)
class TrajectoryStep:
    """One step of a trajectory; step 0 is the dense network.

    Attributes
    ----------
    step : int
    density : float
        Asked for.
    kept, total : int
        Units of pruning that are left, and that there were before any pruning; weights that read a channel
        that has gone are not left.
    parameters : int
        Trainable scalars that are not masked.
    epochs : int
        Of the re-training (of the dense network: of its training).
    before, after : mapping of str to float
        ``train``, ``val`` and ``test`` accuracy and ``train_loss``, ``val_loss`` and ``test_loss``, right
        after pruning and after re-training; NaN before where the method trains on the way.
    curves : mapping of str to float64 [epochs]
        ``train_loss``, ``val_loss`` and ``val`` of the re-training.
    structure : Structure or None
        Its origin names the method, the amount, the step and the parent's fingerprint.
    seconds : float
        Of one CPU core.
    """

    step: int
    density: float
    kept: int
    total: int
    parameters: int
    epochs: int
    before: Mapping[str, float]
    after: Mapping[str, float]
    curves: Mapping[str, np.ndarray] = field(repr=False)
    structure: Structure | None
    seconds: float


@dataclass(frozen=True, eq=False)
class Trajectory:
    """A network on its way from dense to sparse, with one method and one seed.

    Attributes
    ----------
    label : str
        What stands for it in tables and plots; the method's name, unless given.
    network : str
        The name of the network, the fingerprint of the Structure, or the type, that it began with.
    method : mapping
        The method's name and options, as :meth:`nnstruct.pruning.Pruner.to_dict` tells them.
    schedule : mapping
        The schedule's name and settings.
    task, task_fingerprint : str
    config : TrainConfig
        Of the re-training.
    seed : int
    steps : tuple of TrajectoryStep
        From the dense network on.

    Examples
    --------
    >>> import torch
    >>> from nnstruct import TrainConfig, load_task
    >>> from nnstruct.pruning import run_trajectory
    >>> mlp = torch.nn.Sequential(torch.nn.Linear(64, 8), torch.nn.ReLU(), torch.nn.Linear(8, 10))
    >>> trajectory = run_trajectory(
    ...     mlp, load_task("digits"), [0.5, 0.2], config=TrainConfig(epochs=2), retrain=1, seed=0
    ... )
    >>> trajectory.table["kept"].tolist()
    [592, 296, 118]
    """

    label: str
    network: str
    method: Mapping[str, Any]
    schedule: Mapping[str, Any]
    task: str
    task_fingerprint: str
    config: TrainConfig
    seed: int
    steps: tuple[TrajectoryStep, ...]

    @property
    def dense(self) -> TrajectoryStep:
        """The step before any pruning."""
        return self.steps[0]

    @property
    def structures(self) -> list[Structure]:
        """The Structure of each step that has one."""
        return [step.structure for step in self.steps if step.structure is not None]

    @property
    def table(self) -> pd.DataFrame:
        """A row a step: label, schedule, seed, sizes and all scores, ``before_`` and ``after_``."""
        import pandas as pd

        return pd.DataFrame([self._row(step) for step in self.steps])

    def to_benchmark(self, when: str = "after") -> Benchmark:
        """The trajectory's structures with their scores as labels; see :func:`nnstruct.pruning.to_benchmark`.

        Parameters
        ----------
        when : {"after", "before"}
            Which scores are the labels: after re-training, or right after pruning.

        Returns
        -------
        Benchmark

        Raises
        ------
        InvalidInputError
            If ``when`` is neither, or the trajectory was run without structures.
        """
        return to_benchmark([self], when)

    def save(self, path: str | Path) -> Path:
        """Write one Parquet file; see :func:`nnstruct.pruning.save_trajectories`.

        Parameters
        ----------
        path : path
            Of the file; folders that are missing are made.

        Returns
        -------
        Path
            The file.
        """
        from nnstruct.pruning.trajectories.trajectory_file import save_trajectories

        return save_trajectories([self], path)

    @classmethod
    def load(cls, path: str | Path) -> Trajectory:
        """The trajectory that :meth:`save` wrote.

        Parameters
        ----------
        path : path

        Returns
        -------
        Trajectory

        Raises
        ------
        MissingDataError
            If there is no such file.
        CorruptFileError
            If the file is damaged or holds something else.
        InvalidInputError
            If it holds several trajectories.
        """
        from nnstruct.pruning.trajectories.trajectory_file import load_trajectories

        found = load_trajectories(path)
        if len(found) != 1:
            raise InvalidInputError(str(path), "hold one trajectory", len(found), "Use load_trajectories.")
        return found[0]

    def _row(self, step: TrajectoryStep) -> dict[str, Any]:
        row: dict[str, Any] = {
            "label": self.label,
            "method": self.method["method"],
            "schedule": self.schedule["schedule"],
            "seed": self.seed,
            "step": step.step,
            "density": step.density,
            "kept": step.kept,
            "total": step.total,
            "parameters": step.parameters,
            "epochs": step.epochs,
        }
        row |= {f"before_{name}": step.before[name] for name in SCORES}
        row |= {f"after_{name}": step.after[name] for name in SCORES}
        return row | {"seconds": step.seconds}


def trajectory_table(trajectories: Iterable[Trajectory]) -> pd.DataFrame:
    """The tables of several trajectories, one below the other.

    Parameters
    ----------
    trajectories : iterable of Trajectory

    Returns
    -------
    pandas.DataFrame
        A row a step, with the columns of :attr:`Trajectory.table`; ``label`` and ``seed`` tell the
        trajectories apart.

    Raises
    ------
    InvalidInputError
        If there is no trajectory.

    Examples
    --------
    >>> import torch
    >>> from nnstruct import TrainConfig, load_task
    >>> from nnstruct.pruning import run_trajectory, trajectory_table
    >>> config, task = TrainConfig(epochs=1), load_task("digits")
    >>> layer = torch.nn.Linear(64, 10)
    >>> runs = [
    ...     run_trajectory(layer, task, [0.5], method=name, config=config)
    ...     for name in ("magnitude-class-blind", "random")
    ... ]
    >>> trajectory_table(runs)[["label", "step", "kept"]].values.tolist()
    [['magnitude-class-blind', 0, 640], ['magnitude-class-blind', 1, 320],
     ['random', 0, 640], ['random', 1, 320]]
    """
    import pandas as pd

    tables = [trajectory.table for trajectory in trajectories]
    if not tables:
        raise InvalidInputError("trajectories", "not be empty", [])
    return pd.concat(tables, ignore_index=True)


def to_benchmark(trajectories: Sequence[Trajectory], when: str = "after") -> Benchmark:
    """The structures of trajectories with their scores as labels.

    A record's curves are those of the re-training, and its configuration that of the re-training. Where
    two records share structure, task, configuration and seed, the first stands: dense networks do that.

    Parameters
    ----------
    trajectories : sequence of Trajectory
        With structures.
    when : {"after", "before"}
        Which scores are the labels: after re-training, or right after pruning (steps that have no
        such score are left out).

    Returns
    -------
    Benchmark
        With a record for each structure, configuration and seed.

    Raises
    ------
    InvalidInputError
        If ``when`` is neither, or a trajectory was run without structures.

    Examples
    --------
    >>> import torch
    >>> from nnstruct import TrainConfig, load_task
    >>> from nnstruct.pruning import run_trajectory, to_benchmark
    >>> config, task = TrainConfig(epochs=2), load_task("digits")
    >>> make = lambda seed: torch.nn.Sequential(torch.nn.Linear(64, 10))
    >>> runs = [run_trajectory(make, task, [0.5, 0.2], config=config, retrain=1, seed=s) for s in (0, 1)]
    >>> to_benchmark(runs).table.shape[0]
    6
    """
    if when not in WHEN:
        raise InvalidInputError("when", f"be one of {', '.join(WHEN)}", when)
    structures: dict[str, Structure] = {}
    records: dict[tuple[str, str, str, int], Record] = {}
    configs = {}
    for trajectory in trajectories:
        configs[trajectory.config.id] = trajectory.config
        for step in trajectory.steps:
            if step.structure is None:
                raise InvalidInputError("trajectories", "hold structures", None, "Run with structures=True.")
            if when == "before" and not np.isfinite(step.before["test"]):
                continue
            record = _record(trajectory, step, step.structure, when)
            structures.setdefault(record.fingerprint, step.structure)
            records.setdefault(record.key, record)
    return Benchmark.from_records(list(structures.values()), records.values(), configs.values())


def _record(trajectory: Trajectory, step: TrajectoryStep, structure: Structure, when: str) -> Record:
    scores = getattr(step, when)
    # Right after pruning there is no curve but the moment itself.
    moment = {name: np.array([scores[name]]) for name in CURVES}
    curves = step.curves if when == "after" and len(step.curves["val"]) else moment
    complete = bool(np.isfinite(scores["test_loss"]))
    return Record(
        fingerprint=structure.fingerprint,
        family=structure.family,
        task=trajectory.task,
        task_fingerprint=trajectory.task_fingerprint,
        config_id=trajectory.config.id,
        seed=trajectory.seed,
        status=STATUS_OK if complete else STATUS_DIVERGED,
        test=float(scores["test"]) if complete else float("nan"),
        test_loss=float(scores["test_loss"]) if complete else float("nan"),
        parameters=step.parameters,
        seconds=step.seconds,
        engine=ENGINE,
        train_loss=curves["train_loss"],
        val_loss=curves["val_loss"],
        val=curves["val"],
    )


def header_json(header: Mapping[str, Any]) -> str:
    """What all steps of a trajectory share, as JSON."""
    return json.dumps({name: _plain(header[name]) for name in HEADER}, sort_keys=True)


def _plain(value: Any) -> Any:
    if isinstance(value, TrainConfig):
        return value.as_dict()
    return dict(value) if isinstance(value, Mapping) else value
