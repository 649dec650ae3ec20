"""The engines that can train a network, and which one ``auto`` picks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from nnstruct.errors import InvalidInputError
from nnstruct.families import RNN_FAMILIES
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
    obstacle : callable (structure, task, config) -> str or None
        Why the engine cannot train such a network, in words; None where it can.
    """

    name: str
    train_one: Callable[[Structure, Task, TrainConfig, int], Outcome]
    obstacle: Callable[[Structure, Task, TrainConfig], str | None]


def _reference(structure: Structure, task: Task, config: TrainConfig, seed: int) -> Outcome:
    from nnstruct.population.reference import train_one

    return train_one(structure, task, config, seed)


def _fused(structure: Structure, task: Task, config: TrainConfig, seed: int) -> Outcome:
    from nnstruct.population.fused.engine import train_one

    return train_one(structure, task, config, seed)


def _nothing(structure: Structure, task: Task, config: TrainConfig) -> None:
    """The reference trains whatever a module can be built for."""


def _beyond_fused(structure: Structure, task: Task, config: TrainConfig) -> str | None:
    if structure.family not in RNN_FAMILIES:
        return f"the family {structure.family!r}"
    return f"config.{next(iter(config.options))}" if config.options else None


ENGINES: Registry[Engine] = Registry("engine")
ENGINES.register("fused")(Engine("fused", _fused, _beyond_fused))
ENGINES.register("reference")(Engine("reference", _reference, _nothing))
_FASTEST_FIRST = ("fused", "reference")


def choose_engine(name: str, structure: Structure, task: Task, config: TrainConfig) -> Engine:
    """The engine of that name; ``auto`` is the first that can train the network.

    Raises
    ------
    UnknownNameError
        If there is no such engine.
    InvalidInputError
        If it cannot train the network.
    """
    if name == "auto":
        engines = (ENGINES[name] for name in _FASTEST_FIRST)
        return next(engine for engine in engines if not engine.obstacle(structure, task, config))
    engine = ENGINES[name]
    if obstacle := engine.obstacle(structure, task, config):
        raise InvalidInputError("engine", f"be one that trains {obstacle}, or 'auto'", name)
    return engine
