"""Early ends of hopeless trainings, in a benchmark that may hold some already."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from nnstruct.benchmark.contents import Contents
from nnstruct.errors import InvalidInputError
from nnstruct.record import STATUS_OK, Record, TrainConfig
from nnstruct.structure import Structure
from nnstruct.tasks.base import Task

if TYPE_CHECKING:
    from optuna.pruners import BasePruner


def check_stop(stop: str | BasePruner | None, engine: str, device: str, executor: object) -> bool:
    """Whether trainings are watched; only one process, on the CPU, can watch them.

    Parameters
    ----------
    stop, engine, device, executor
        As :func:`nnstruct.build` takes them.

    Returns
    -------
    bool

    Raises
    ------
    InvalidInputError
        If one of the others does not go with ``stop``.
    """
    if stop is None:
        return False
    for name, value, rule in (
        ("engine", engine, "be another one than 'batched'"),
        ("device", device, "be 'cpu'"),
        ("executor", executor, "be 'local'"),
    ):
        if (value == "batched") if name == "engine" else value != ("cpu" if name == "device" else "local"):
            raise InvalidInputError(
                name, f"{rule} with stop=, which looks at one training after another", value
            )
    return True


def watched_records(
    stop: str | BasePruner,
    records: Iterator[Record],
    done: Sequence[tuple[Structure, int]],
    before: Contents | None,
    task: Task,
    config: TrainConfig,
) -> Iterator[Record]:
    """Records of trainings, each of which a rule may end.

    The rule first sees the trainings that are there, in the order in which one call would do them, so that a
    call that goes on where another was interrupted decides as that one would have.

    Parameters
    ----------
    stop : str or optuna.pruners.BasePruner
        As for :func:`nnstruct.population.check_rule`.
    records : iterator of Record
        Of one process, which trains a network each time that it is advanced.
    done : sequence of (Structure, int)
        Structures and seeds of trainings that are there.
    before : Contents or None
        What the folder holds.
    task : Task
    config : TrainConfig

    Returns
    -------
    iterator of Record
    """
    from nnstruct.population import Job, Rule, check_rule, in_order, stopping

    rule = Rule(check_rule(stop, config), config.epochs)
    if before is not None and done:
        table = before.records.select(
            ["fingerprint", "task_fingerprint", "config_id", "seed", "status", "val"]
        )
        known = {
            (row["fingerprint"], row["seed"]): row
            for row in table.to_pylist()
            if (row["task_fingerprint"], row["config_id"]) == (task.fingerprint, config.id)
        }
        for structure, seed in in_order([Job(*pair) for pair in done], task, config):
            row = known[structure.fingerprint, seed]
            rule.see(row["val"], complete=row["status"] == STATUS_OK)
    return stopping(rule, records)
