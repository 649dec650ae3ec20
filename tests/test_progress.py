"""Progress: a bar on a terminal, a line a minute elsewhere, a time left that is a time."""

from __future__ import annotations

import io
import time

import pytest
from rich.console import Console

from nnstruct.progress import Progress


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def test_a_log_has_a_line_a_minute(clock: list[float]) -> None:
    out = io.StringIO()
    with Progress(100, 40, Console(file=out)) as bar:
        for _ in range(50):
            clock[0] += 6.0
            bar.advance()
    lines = out.getvalue().splitlines()
    assert len(lines) == 5
    assert lines[0] == "training: 50 of 100, 10.0 nets/min, 0:05:00 left"


def test_a_short_call_says_nothing_to_a_log(clock: list[float]) -> None:
    out = io.StringIO()
    with Progress(3, 0, Console(file=out)) as bar:
        for _ in range(3):
            clock[0] += 1.0
            bar.advance()
    assert out.getvalue() == ""


def test_after_a_minute_there_is_a_time_left(clock: list[float]) -> None:
    bar = Progress(10, 2, Console(file=io.StringIO()))
    assert bar.left() == "-:--:--"
    clock[0] += 61.0
    assert bar.left() == "> 0:08:08"
    bar.advance()
    assert bar.left() == "0:07:07"


def test_a_terminal_has_a_bar() -> None:
    out = io.StringIO()
    with Progress(2, 0, Console(file=out, force_terminal=True, width=120), what="fits", unit="fits") as bar:
        bar.advance()
        bar.advance()
    assert "2/2" in out.getvalue()
