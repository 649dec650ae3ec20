"""What a report says of where it comes from."""

from __future__ import annotations

import platform
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nnstruct.benchmark import Benchmark


def provenance_of(bench: Benchmark, *, seed: int | None = None, command: str = "") -> list[tuple[str, str]]:
    """Versions, date, seeds, command and machine, for the foot of a report.

    Parameters
    ----------
    bench : Benchmark
    seed : int, optional
        Of the evaluation.
    command : str
        The line that made the report.

    Returns
    -------
    list of (str, str)
        What it is, and the value.

    Examples
    --------
    >>> from nnstruct import Benchmark, Structure
    >>> from nnstruct.report import provenance_of
    >>> bench = Benchmark.from_scores([Structure.from_layers([2, n]) for n in (1, 2)], [0.1, 0.2], task="toy")
    >>> dict(provenance_of(bench, seed=3))["seed of the evaluation"]
    '3'
    """
    import os

    from nnstruct import __version__

    system = f"{platform.system()} on {platform.machine()}, {os.cpu_count()} processors"
    facts = [
        ("nnstruct", __version__),
        ("Python", platform.python_version()),
        ("date", f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"),
        ("machine", system),
    ]
    if "seed" in bench.table:
        facts.append(("seeds of the trainings", ", ".join(map(str, sorted(set(bench.table["seed"]))))))
    for config in bench.configs.values():
        facts.append((f"configuration {config.id}", _words(config)))
    if seed is not None:
        facts.append(("seed of the evaluation", str(seed)))
    if command:
        facts.append(("command", command))
    return facts


def _words(config: object) -> str:
    fields = {name: value for name, value in vars(config).items() if value is not None}
    return ", ".join(f"{name} {value}" for name, value in fields.items())
