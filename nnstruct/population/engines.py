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
    supports : callable (structure, task, config) -> bool
    """

    name: str
    train_one: Callable[[Structure, Task, TrainConfig, int], Outcome]
    supports: Callable[[Structure, Task, TrainConfig], bool]


def _reference(structure: Structure, task: Task, config: TrainConfig, seed: int) -> Outcome:
    from nnstruct.population.reference import train_one

    return train_one(structure, task, config, seed)


def _fused(structure: Structure, task: Task, config: TrainConfig, seed: int) -> Outcome:
    from nnstruct.population.fused.clean_engine import train_one

    return train_one(structure, task, config, seed)


def _fused_supports(structure: Structure, task: Task, config: TrainConfig) -> bool:
    return structure.family in RNN_FAMILIES and task.is_sequence and config.protocol == "clean"


ENGINES: Registry[Engine] = Registry("engine")
ENGINES.register("fused")(Engine("fused", _fused, _fused_supports))
ENGINES.register("reference")(Engine("reference", _reference, lambda structure, task, config: True))


def choose_engine(name: str, structure: Structure, task: Task, config: TrainConfig) -> Engine:
    """The engine of that name; for ``auto`` the fused one where it serves, else the reference.

    Raises
    ------
    UnknownNameError
        If there is no such engine.
    InvalidInputError
        If the engine cannot train this family under this protocol.
    """
    if name == "auto":
        fused = ENGINES["fused"]
        return fused if fused.supports(structure, task, config) else ENGINES["reference"]
    engine = ENGINES[name]
    if not engine.supports(structure, task, config):
        raise InvalidInputError(
            "engine",
            f"support the family {structure.family!r} under the protocol {config.protocol!r}",
            name,
            "Use engine='auto'.",
        )
    return engine
