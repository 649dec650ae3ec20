"""Trajectories: a network pruned and trained step by step."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from torch import nn

from nnstruct.errors import InvalidInputError
from nnstruct.extract import extract
from nnstruct.modules import build_module
from nnstruct.network import Network
from nnstruct.pruning.base import Pruner, as_module, check_density
from nnstruct.pruning.masks import Mask, copy_module, masks_of, with_masks
from nnstruct.pruning.methods.synflow import SynFlow
from nnstruct.pruning.nnstruct_modules import is_own
from nnstruct.pruning.prune import as_pruner
from nnstruct.pruning.training.evaluation import evaluate
from nnstruct.pruning.training.gradients import TaskBatch, device_of
from nnstruct.pruning.training.hooks import Hook, Row
from nnstruct.pruning.training.training import train_in_place
from nnstruct.pruning.trajectories.gradual import Gradual
from nnstruct.pruning.trajectories.schedules import Schedule
from nnstruct.pruning.trajectories.starting import check_takes, starting_network
from nnstruct.pruning.trajectories.trained_once import Dense, Keeper, remembered
from nnstruct.pruning.trajectories.trajectory import CURVES, SCORES, Trajectory, TrajectoryStep
from nnstruct.random import check_seed, derive_seed
from nnstruct.record import TrainConfig
from nnstruct.structure import PRUNED, Structure
from nnstruct.tasks import Task

# What a step's structure keeps of where its network came from.
_KEPT_ORIGIN = ("program", "resolution", "prior")

Source = nn.Module | Network | Structure | str | Callable[[int], nn.Module]


@dataclass(frozen=True, eq=False)
class TrajectoryPlan:
    """Everything that a trajectory depends on, checked."""

    network: Source
    task: Task
    densities: tuple[float, ...]
    pruner: Pruner
    schedule: Schedule
    config: TrainConfig
    seed: int
    label: str
    example: Any
    structures: bool

    @cached_property
    def budgets(self) -> list[int]:
        """Epochs after each pruning."""
        return self.schedule.budgets(len(self.densities), self.config)

    def header(self) -> dict[str, Any]:
        """What all steps of the trajectory share."""
        name = self.network if isinstance(self.network, str) else type(self.network).__name__
        if isinstance(self.network, Structure):
            name = self.network.fingerprint
        return {
            "label": self.label,
            "network": name,
            "method": self.pruner.to_dict(),
            "schedule": self.schedule.to_dict(),
            "task": self.task.name,
            "task_fingerprint": self.task.fingerprint,
            "config": self.config.model_copy(update={"epochs": max([*self.budgets, 1])}),
            "seed": self.seed,
        }

    def run(self) -> Trajectory:
        """Prune, train and measure."""
        module = _start(self.network, self.task, self.config, self.seed)
        if not is_own(module):
            check_takes(module, self.task, example_of(self.task, module))
        run = _Run(self)
        steps = [run.dense(module, self.budgets[0])]
        for density, epochs in zip(self.densities, self.budgets, strict=True):
            steps.append(run.next(density, epochs))
        return Trajectory(**self.header(), steps=tuple(steps))


def plan_trajectory(
    network: Source,
    task: Task,
    densities: Sequence[float],
    *,
    method: str | Pruner = "magnitude-class-blind",
    schedule: str | Schedule = "iterative",
    config: TrainConfig | None = None,
    pretrain: int | None = None,
    retrain: int | Sequence[int] | None = None,
    patience: int | None = None,
    seed: int = 0,
    label: str | None = None,
    example: Any = None,
    structures: bool = True,
    **options: Any,
) -> TrajectoryPlan:
    """What :func:`run_trajectory` would do, checked but not done."""
    config, seed = config or TrainConfig(), check_seed(seed)
    if isinstance(schedule, str):
        schedule = Schedule(schedule, pretrain, retrain, patience)
    elif (pretrain, retrain, patience) != (None, None, None):
        raise InvalidInputError("pretrain, retrain and patience", "be given in the Schedule", schedule)
    falling = tuple(check_density(density, "densities") for density in densities)
    if not falling or any(late >= early for early, late in zip((1.0, *falling), falling, strict=False)):
        raise InvalidInputError("densities", "fall from below 1", list(densities))
    pruner = as_pruner(method, **options)
    schedule.check(falling, config)
    if pruner.trains and schedule.schedule not in ("one-shot", "iterative"):
        rule = f"be one-shot or iterative for {pruner.name!r}, which trains on the way"
        raise InvalidInputError("schedule", rule, schedule.schedule)
    if schedule.finish and not (pruner.trains or schedule.schedule == "gradual"):
        rule = f"be 0 for {pruner.name!r}, which prunes before it trains; retrain says for how long"
        raise InvalidInputError("finish", rule, schedule.finish)
    chosen = label or pruner.name
    return TrajectoryPlan(network, task, falling, pruner, schedule, config, seed, chosen, example, structures)


def run_trajectory(network: Source, task: Task, densities: Sequence[float], **settings: Any) -> Trajectory:
    """Prune a network to several densities, train it, and keep what comes of it.

    Parameters
    ----------
    network : torch.nn.Module, Network, Structure, str or callable
        A module or Network is left as it is; a Structure is initialised with the seed, and so is what a
        name as ``"lenet-300-100"`` stands for (see :func:`starting_network`); a callable gets the seed
        and returns a module.
    task : Task
    densities : sequence of float
        Falling shares of the weights to keep.
    method : str or Pruner
        Methods that train on the way do so for the re-training's epochs, from the dense network, or
        with the schedule ``iterative`` from the network before.
    schedule : str or Schedule
    config : TrainConfig, optional
    pretrain, retrain, patience
        Of a schedule that is given by its name; see :class:`Schedule`.
    seed : int
    label : str, optional
        What stands for the trajectory in tables and plots.
    example : Tensor or tuple, optional
        What :func:`nnstruct.extract.extract` records the module with; by default two inputs of the task.
    structures : bool
        Whether to extract each step's Structure.
    **options
        Of the method, where it is given by its name.

    Returns
    -------
    Trajectory
        One step more than densities: the dense network is step 0. With ``pretrain=0`` it is trained for
        the first density's epochs, as what is compared with it.

    Raises
    ------
    InvalidInputError
        If an argument breaks its rule.

    Examples
    --------
    >>> import torch
    >>> from nnstruct import TrainConfig, load_task
    >>> from nnstruct.pruning import run_trajectory
    >>> trajectory = run_trajectory(
    ...     lambda seed: torch.nn.Linear(64, 10), load_task("digits"), [0.5, 0.1],
    ...     method="snip", schedule="one-shot", pretrain=0, config=TrainConfig(epochs=1),
    ... )
    >>> trajectory.table[["step", "density", "kept"]].values.tolist()
    [[0.0, 1.0, 640.0], [1.0, 0.5, 320.0], [2.0, 0.1, 64.0]]
    """
    return plan_trajectory(network, task, densities, **settings).run()


# One signature, and its defaults in one place.
run_trajectory.__signature__ = inspect.signature(plan_trajectory).replace(  # type: ignore[attr-defined]
    return_annotation="Trajectory"
)


def _start(network: Source, task: Task, config: TrainConfig, seed: int) -> nn.Module:
    if isinstance(network, str):
        return starting_network(network, task, seed=seed, config=config)
    if isinstance(network, Structure):
        return build_module(network, task, config, seed=seed)
    if callable(network) and not isinstance(network, nn.Module):
        made = network(seed)
        made = made[0] if isinstance(made, tuple) else made  # with an example input
        if not isinstance(made, nn.Module):
            raise InvalidInputError("network(seed)", "return a torch.nn.Module", type(made).__name__)
        return made
    return as_module(network)


class _Run:
    """A trajectory in the making."""

    def __init__(self, plan: TrajectoryPlan) -> None:
        self.pruner, self.schedule, self.task, self.config = (
            plan.pruner,
            plan.schedule,
            plan.task,
            plan.config,
        )
        self.seed, self.example, self.structures = plan.seed, plan.example, plan.structures
        # What the dense network follows from, together with task, configuration and seed.
        self.start = plan.network if isinstance(plan.network, str) else None
        self.steps = 0
        self.parent: str | None = None
        self.dense_fingerprint: str | None = None

    def dense(self, module: nn.Module, budget: int) -> TrajectoryStep:
        started = time.process_time()
        pretrain = self.schedule.pretraining(self.config)
        before = self._scores(module)
        self.origin = self.early = trained = module
        rows: list[Row] = []
        if pretrain or budget:
            found = self._trained(module, pretrain or budget)
            trained, rows = found.trained, found.rows
        if pretrain:
            self.origin, self.early = found.trained, found.early
        self.present = self.origin
        return self._step(trained, 1.0, before, rows, started)

    def _trained(self, module: nn.Module, epochs: int) -> Dense:
        """The dense network after its training."""

        def make() -> Dense:
            trained = copy_module(module)
            keeper = Keeper(trained, self.schedule.rewind_epoch)
            rows = self._train(trained, epochs, "pretrain", [keeper])
            return Dense(trained, keeper.kept, rows)

        key = None
        if self.start is not None:
            rest = self.config.model_copy(update={"epochs": epochs}).model_dump_json()
            key = (self.start, self.task.fingerprint, rest, self.seed, self.schedule.rewind_epoch)
        return remembered(key, make)

    def next(self, density: float, epochs: int) -> TrajectoryStep:
        started = time.process_time()
        stepwise = self.schedule.schedule in ("iterative", "rewind")
        parent = self.present if stepwise else self.origin
        number = self.steps
        config = self.config.model_copy(update={"epochs": max(1, epochs)})
        seed = derive_seed(self.seed, "prune step", number)
        if self.schedule.schedule == "gradual":
            module, rows, before = self._gradually(parent, density, epochs)
        elif self.pruner.trains:
            module, rows = self.pruner.run(parent, density, task=self.task, config=config, seed=seed)  # type: ignore[assignment]
            before = dict.fromkeys(SCORES, float("nan"))
        else:
            module = self.pruner.prune(parent, density, task=self.task, config=config, seed=seed)
            before = self._scores(module)
            if self.schedule.schedule == "rewind":
                module = with_masks(self.early, masks_of(module))
            rows = self._train(module, epochs, number, []) if epochs else []
        if self.schedule.finish:
            before = self._scores(module)
            rows = rows + self._train(module, self.schedule.finish, f"finish {number}", [])
        self.present = module
        return self._step(module, density, before, rows, started)

    def _gradually(self, parent: nn.Module, density: float, epochs: int) -> tuple[nn.Module, list[Row], Row]:
        seed = derive_seed(self.seed, "prune step", self.steps)
        work = self.pruner.workpiece(parent, self.task, self.config, seed)
        module = work.module
        hook = Gradual(work, self.pruner, density, self.schedule.prune_share, lambda: self._scores(module))
        rows = self._train(module, epochs, self.steps, [hook])
        hook.finish()
        return module, rows, hook.before_rest

    def _train(self, module: nn.Module, epochs: int, key: int | str, hooks: Sequence[Hook]) -> list[Row]:
        config = self.config.model_copy(update={"epochs": epochs})
        if key != "pretrain" and self.schedule.retrain_rate is not None:
            config = config.model_copy(update={"learning_rate": self.schedule.retrain_rate})
        seed = self.seed if key == "pretrain" else derive_seed(self.seed, "retrain", key)
        patience = None if key == "pretrain" else self.schedule.patience
        return train_in_place(module, self.task, config, seed=seed, patience=patience, hooks=hooks)

    def _scores(self, module: nn.Module) -> Row:
        found: Row = {}
        for split in ("train", "val", "test"):
            measured = evaluate(module, self.task, split=split, config=self.config)
            found |= {split: measured[self.task.score_name], f"{split}_loss": measured["loss"]}
        return found

    def _step(
        self, module: nn.Module, density: float, before: Row, rows: list[Row], started: float
    ) -> TrajectoryStep:
        kept, total = count_units(module, self.pruner, self.task)
        masked = sum(int((~mask).sum()) for mask in _distinct_masks(module))
        number, self.steps = self.steps, self.steps + 1
        after = self._scores(module)
        structure = self._structure(module, density, number) if self.structures else None
        return TrajectoryStep(
            step=number,
            density=density,
            kept=kept,
            total=total,
            parameters=sum(p.numel() for p in module.parameters() if p.requires_grad) - masked,
            epochs=len(rows),
            before=before,
            after=after,
            curves={name: np.array([row[name] for row in rows], dtype=np.float64) for name in CURVES},
            structure=structure,
            seconds=time.process_time() - started,
        )

    def _structure(self, module: nn.Module, density: float, number: int) -> Structure:
        example = self.example
        if example is None and not is_own(module):
            example = example_of(self.task, module)
        found = extract(module, example).structure
        stepwise = self.schedule.schedule in ("iterative", "rewind")
        origin = {
            "kind": PRUNED, **self.pruner.to_dict(), "schedule": self.schedule.schedule,
            "amount": density, "step": number, "seed": self.seed,
            "parent": self.parent if stepwise else self.dense_fingerprint,
        }  # fmt: skip
        kept = {name: found.origin[name] for name in _KEPT_ORIGIN if name in found.origin}
        structure = replace(found, origin=origin | kept)
        self.parent = structure.fingerprint
        self.dense_fingerprint = self.dense_fingerprint or self.parent
        return structure


def count_units(module: nn.Module, pruner: Pruner, task: Task) -> tuple[int, int]:
    """Units of pruning that are left, and that there were before any pruning.

    A channel that has gone takes with it the weights that read it, though no mask is on them.
    """
    work = pruner.workpiece(module, task, None, 0)
    left = work.alive
    if pruner.counts_channels:
        # Synaptic flow is positive on the ways from the inputs to the outputs.
        left = [flow > 0 for flow in SynFlow().scores(work)]
    return sum(int(units.sum()) for units in left), sum(work.totals)


def example_of(task: Task, module: nn.Module) -> Any:
    """Two inputs of a task as :func:`nnstruct.extract.extract` takes them, on the module's device."""
    batch = TaskBatch.of(task, "val", device_of(module)).part(np.arange(min(2, len(task.val))))
    return batch.inputs if batch.lengths is None else (batch.inputs, batch.lengths)


def _distinct_masks(module: nn.Module) -> list[Any]:
    return [part.mask for part in module.modules() if isinstance(part, Mask)]
