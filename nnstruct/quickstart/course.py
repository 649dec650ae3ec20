"""Where a quickstart stands, told and timed step by step."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rich.padding import Padding
from rich.text import Text

from nnstruct.files import write_atomically
from nnstruct.quickstart.settings import Settings

if TYPE_CHECKING:
    from rich.console import Console

BENCHMARK, EVALUATION, MODELS, SEARCH = "benchmark", "evaluation", "models", "search"
HELD_OUT, REPORT, STATE, STUDY = "held-out.parquet", "report.html", "quickstart.json", "search.db"
_STEPS = 6


class Course:
    """Where a run stands: the folder, the steps with their seconds, and who hears of them.

    Parameters
    ----------
    folder : Path
        Exists; the seconds of the steps are kept in it.
    console : rich.console.Console
    quiet : bool
        Whether the steps themselves show no progress.
    workers : int or None
        Processes; None for one a CPU.
    seed : int
    settings : Settings

    Attributes
    ----------
    number : int
        Steps begun.
    done : list of (str, float)
        Title and outcome of each finished step, and the seconds of its work.
    """

    def __init__(
        self, folder: Path, console: Console, quiet: bool, workers: int | None, seed: int, settings: Settings
    ) -> None:
        self.folder, self.console, self.quiet = folder, console, quiet
        self.workers, self.seed, self.settings = workers, seed, settings
        self.number = 0
        self.done: list[tuple[str, float]] = []
        self._seconds = self._stored()

    @contextmanager
    def step(self, title: str) -> Iterator[Callable[[str], None]]:
        """A context in which a step runs: it is announced before, timed, and told of after.

        Parameters
        ----------
        title : str
            Of the step; tells it from the others when a run goes on.

        Yields
        ------
        callable (str) -> None
            To be called with lines about the outcome.
        """
        self.number += 1
        self.console.print(Text.assemble((f"{self.number}/{_STEPS} ", "bold cyan"), (title, "bold")))
        lines: list[str] = []
        start = time.perf_counter()
        yield lines.append
        elapsed = time.perf_counter() - start
        text = "; ".join(lines)
        # A step that finds its work done takes no time; the report tells what the work took.
        known = f"{title}: {text}"
        worked = self._seconds.setdefault(known, elapsed)
        state = json.dumps({"seconds": self._seconds}, indent=1) + "\n"
        write_atomically(self.folder / STATE, state.encode())
        line = Text.assemble(text, (f" ({elapsed:.1f} s)", "dim"))
        self.console.print(Padding(line, (0, 0, 0, 4)))
        self.done.append((known, worked))

    def _stored(self) -> dict[str, float]:
        try:
            seconds = json.loads((self.folder / STATE).read_text())["seconds"]
            return {str(name): float(value) for name, value in seconds.items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return {}
