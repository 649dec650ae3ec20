"""Progress of long calls: a bar on a terminal, one line a minute elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from types import TracebackType

from rich import progress
from rich.console import Console
from rich.text import Text

from nnstruct.record import STATUS_DIVERGED, STATUS_FAILED, Record

MINUTE = 60.0


class Progress:
    """Count, rate and time left on the standard error; a context manager.

    On a terminal a bar. In a file, a pipe or a notebook a line a minute, so that a log says how far it is.

    Parameters
    ----------
    total : int
        What the call is about.
    done : int
        What is found done already.
    console : rich.console.Console, optional
    what : str
        Stands before the bar.
    unit : str
        What is counted.
    """

    def __init__(
        self,
        total: int,
        done: int,
        console: Console | None = None,
        *,
        what: str = "training",
        unit: str = "nets",
    ) -> None:
        self._console = console or Console(stderr=True, force_jupyter=False)
        self._total, self._before = total, done
        self._done: float = done
        self._what, self._unit = what, unit
        self._start = self._said = time.monotonic()
        self._bar = progress.Progress(
            progress.TextColumn(what),
            progress.BarColumn(),
            progress.MofNCompleteColumn(),
            _Says(self.rate),
            progress.TimeElapsedColumn(),
            progress.TextColumn("left"),
            _Says(self.left),
            progress.TextColumn("{task.fields[note]}"),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._task = self._bar.add_task(what, total=total, completed=done, note="")
        self._counted = {STATUS_DIVERGED: 0, STATUS_FAILED: 0}

    def __enter__(self) -> Progress:
        self._start = self._said = time.monotonic()
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def say(self, text: str) -> None:
        """Print a line above the bar.

        Parameters
        ----------
        text : str
        """
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)

    def advance(self, record: Record | None = None, *, by: float = 1) -> None:
        """Count one, or several.

        Parameters
        ----------
        record : Record, optional
            One that diverged or failed is counted beside the bar, too.
        by : float
            Parts of one are counted, too.
        """
        self._done += by
        if record is not None and record.status in self._counted:
            self._counted[record.status] += 1
        note = ", ".join(f"{count} {status}" for status, count in self._counted.items() if count)
        self._bar.update(self._task, advance=by, note=note)
        now = time.monotonic()
        if not self._console.is_terminal and (now - self._said >= MINUTE):
            self._said = now
            parts = [f"{self._done:.0f} of {self._total}", self.rate(), f"{self.left()} left", note]
            self._console.print(f"{self._what}: {', '.join(part for part in parts if part)}", soft_wrap=True)

    def rate(self) -> str:
        """How many a second, or a minute where it is less than one a second.

        Returns
        -------
        str
        """
        speed = (self._done - self._before) / max(time.monotonic() - self._start, 1e-9)
        if self._done == self._before:
            return f"-- {self._unit}/s"
        return f"{speed:.1f} {self._unit}/s" if speed >= 1 else f"{60 * speed:.1f} {self._unit}/min"

    def left(self) -> str:
        """The time left, by the mean rate so far.

        Returns
        -------
        str
            ``h:mm:ss``. Where nothing has come after a minute, more than what one more would take.
        """
        elapsed, rest = time.monotonic() - self._start, self._total - self._done
        done = self._done - self._before
        if not done and elapsed < MINUTE:
            return "-:--:--"
        seconds = elapsed * rest / max(done, 1)
        return f"{'' if done else '> '}{timedelta(seconds=round(seconds))}"


class _Says(progress.ProgressColumn):
    """A column whose text a function gives."""

    max_refresh = 0.5

    def __init__(self, say: Callable[[], str]) -> None:
        super().__init__()
        self._say = say

    def render(self, task: progress.Task) -> Text:
        return Text(self._say())
