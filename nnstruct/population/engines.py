"""The engines that can train a network, and which one ``auto`` picks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from nnstruct.population.outcome import Outcome
from nnstruct.record import TrainConfig
from nnstruct.registry import Registry
from nnstruct.structure import Structure
from nnstruct.tasks import Task


@dataclass(frozen=True)
class Engine:
    """A way to train networks.

    Attributes
    ----------
    name : str
    train_one : callable (structure, task, config, seed) -> Outcome
    """

    name: str
    train_one: Callable[[Structure, Task, TrainConfig, int], Outcome]


def _reference(structure: Structure, task: Task, config: TrainConfig, seed: int) -> Outcome:
    from nnstruct.population.reference import train_one

    return train_one(structure, task, config, seed)


def _fused(structure: Structure, task: Task, config: TrainConfig, seed: int) -> Outcome:
    from nnstruct.population.fused.engine import train_one

    return train_one(structure, task, config, seed)


ENGINES: Registry[Engine] = Registry("engine")
ENGINES.register("fused")(Engine("fused", _fused))
ENGINES.register("reference")(Engine("reference", _reference))


def choose_engine(name: str) -> Engine:
    """The engine of that name; ``auto`` is the fused one, which trains every recurrent family.

    Raises
    ------
    UnknownNameError
        If there is no such engine.
    """
    return ENGINES["fused" if name == "auto" else name]
