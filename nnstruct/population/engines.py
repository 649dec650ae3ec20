"""The engines that can train a network, and which one ``auto`` picks."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from nnstruct.errors import InvalidInputError
from nnstruct.modules.residual import tied_neurons
from nnstruct.population.outcome import Outcome
from nnstruct.record import TrainConfig
from nnstruct.registry import Registry
from nnstruct.structure import Structure
from nnstruct.structure.families import RNN_FAMILIES
from nnstruct.tasks import Task


@dataclass(frozen=True)
class Engine:
    """A way to train networks.

    Attributes
    ----------
    name : str
    train_one : callable (structure, task, config, seed, keep) -> Outcome
        ``keep`` holds the epochs after which parameters are kept.
    obstacle : callable (structure, task, config) -> str or None
        Why the engine cannot train such a network, in words; None where it can.
    """

    name: str
    train_one: Callable[[Structure, Task, TrainConfig, int, Collection[int]], Outcome]
    obstacle: Callable[[Structure, Task, TrainConfig], str | None]


def _reference(
    structure: Structure, task: Task, config: TrainConfig, seed: int, keep: Collection[int]
) -> Outcome:
    from nnstruct.population.reference import train_one

    return train_one(structure, task, config, seed, keep)


def _fused(
    structure: Structure, task: Task, config: TrainConfig, seed: int, keep: Collection[int]
) -> Outcome:
    if structure.family == "mlp":
        from nnstruct.population.fused_mlp.engine import train_one
    else:
        from nnstruct.population.fused.engine import train_one

    return train_one(structure, task, config, seed, keep)


def _native(
    structure: Structure, task: Task, config: TrainConfig, seed: int, keep: Collection[int]
) -> Outcome:
    from nnstruct.population.native.engine import train_one

    return train_one(structure, task, config, seed, keep)


def _beyond_native(structure: Structure, task: Task, config: TrainConfig) -> str | None:
    from nnstruct.population import native

    if structure.family not in RNN_FAMILIES:
        return f"the family {structure.family!r}"
    if not native.available():
        return f"on this machine ({native.unavailable_reason().rstrip('.')})"
    return _beyond_loops(structure, task, config)


def _batched(
    structure: Structure, task: Task, config: TrainConfig, seed: int, keep: Collection[int]
) -> Outcome:
    from nnstruct.population.batched.engine import train_one

    return train_one(structure, task, config, seed, keep)


def _beyond_batched(structure: Structure, task: Task, config: TrainConfig) -> str | None:
    from nnstruct.population.batched.models import obstacle

    return _own_metric(task) or obstacle(structure, task, config)


def _nothing(structure: Structure, task: Task, config: TrainConfig) -> None:
    """The reference trains whatever a module can be built for."""


def _beyond_fused(structure: Structure, task: Task, config: TrainConfig) -> str | None:
    if structure.family not in (*RNN_FAMILIES, "mlp"):
        return f"the family {structure.family!r}"
    return _beyond_loops(structure, task, config)


def _own_metric(task: Task) -> str | None:
    return f"tasks with the own metric {task.score_name!r}" if task.goal.metric.needs_scores else None


def _beyond_loops(structure: Structure, task: Task, config: TrainConfig) -> str | None:
    known = ("init_gain", "normalization", "schedule") if structure.family == "mlp" else ("init_gain",)
    if tied_neurons(structure):
        return "tied units and flows"
    if own := _own_metric(task):
        return own
    beyond = [name for name in config.options if name not in known]
    return f"config.{beyond[0]}" if beyond else None


_ABOUT = {
    "batched": "many networks in one batch of tensors, on a GPU or CPU",
    "fused": "one compiled loop a network (numba)",
    "native": "one compiled loop a network (C++), where there is a compiler",
    "reference": "one PyTorch module a network; trains everything",
}
ENGINES: Registry[Engine] = Registry("engine", about=lambda engine: _ABOUT.get(engine.name, ""))
ENGINES.register("batched")(Engine("batched", _batched, _beyond_batched))
ENGINES.register("fused")(Engine("fused", _fused, _beyond_fused))
ENGINES.register("native")(Engine("native", _native, _beyond_native))
ENGINES.register("reference")(Engine("reference", _reference, _nothing))
_FASTEST_FIRST = {"cpu": ("native", "fused", "reference"), "gpu": ("batched", "reference")}


def choose_engine(
    name: str, structure: Structure, task: Task, config: TrainConfig, device: str = "cpu"
) -> Engine:
    """The engine of that name; ``auto`` is the fastest one that can train the network on the device.

    Parameters
    ----------
    name : {"auto", "native", "fused", "batched", "reference"}
        A name in ``ENGINES``, or ``auto``.
    structure : Structure
    task : Task
    config : TrainConfig
    device : str
        ``cpu``; any other name counts as a GPU, where only ``batched`` and ``reference`` run.

    Returns
    -------
    Engine

    ``batched`` knows the clean protocol alone: networks of the faithful and the corrected one get the
    reference engine in its place.

    Raises
    ------
    UnknownNameError
        If there is no such engine.
    InvalidInputError
        If the engine cannot train the network, or does not run on that device.

    Examples
    --------
    >>> from nnstruct import Structure, TrainConfig, load_task
    >>> from nnstruct.population import choose_engine
    >>> perceptron, task = Structure.from_layers([4, 4]), load_task("digits")
    >>> choose_engine("auto", perceptron, task, TrainConfig()).name
    'fused'
    >>> choose_engine("auto", perceptron, task, TrainConfig(), device="cuda").name
    'batched'
    >>> choose_engine("auto", perceptron, task, TrainConfig(optimizer="sgd")).name
    'reference'
    """
    able = _FASTEST_FIRST["cpu" if device == "cpu" else "gpu"]
    if name == "auto":
        return next(e for e in map(ENGINES.__getitem__, able) if not e.obstacle(structure, task, config))
    if name == "batched" and config.protocol != "clean":
        name = "reference"
    engine = ENGINES[name]
    if device != "cpu" and name not in able:
        raise InvalidInputError("engine", f"be auto, {' or '.join(able)} on a GPU", name)
    if obstacle := engine.obstacle(structure, task, config):
        raise InvalidInputError("engine", f"be one that trains {obstacle}, or 'auto'", name)
    return engine
