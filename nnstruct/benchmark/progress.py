"""A progress bar for builds."""

from __future__ import annotations

from types import TracebackType

from rich import progress
from rich.console import Console
from rich.text import Text

from nnstruct.record import STATUS_DIVERGED, Record


class _Rate(progress.ProgressColumn):
    def render(self, task: progress.Task) -> Text:
        speed = task.finished_speed or task.speed
        if speed is None:
            return Text("-- nets/s")
        return Text(f"{speed:.1f} nets/s" if speed >= 1 else f"{60 * speed:.1f} nets/min")


class Progress:
    """A bar on the standard error with count, rate and time left; a context manager.

    Parameters
    ----------
    total : int
        Trainings that the call is about.
    done : int
        Those found done already.
    console : rich.console.Console, optional
    """

    def __init__(self, total: int, done: int, console: Console | None = None) -> None:
        self._bar = progress.Progress(
            progress.TextColumn("training"),
            progress.BarColumn(),
            progress.MofNCompleteColumn(),
            _Rate(),
            progress.TimeElapsedColumn(),
            progress.TextColumn("left"),
            progress.TimeRemainingColumn(),
            progress.TextColumn("{task.fields[note]}"),
            console=console or Console(stderr=True),
        )
        self._task = self._bar.add_task("training", total=total, completed=done, note="")
        self._diverged = 0

    def __enter__(self) -> Progress:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def advance(self, record: Record) -> None:
        """Count one record.

        Parameters
        ----------
        record : Record
            One that diverged is counted beside the bar, too.
        """
        self._diverged += record.status == STATUS_DIVERGED
        note = f"{self._diverged} diverged" if self._diverged else ""
        self._bar.update(self._task, advance=1, note=note)
