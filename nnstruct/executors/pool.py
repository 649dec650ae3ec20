"""Worker processes of this machine, kept for the next work, each with a thread that listens to it."""

from __future__ import annotations

import atexit
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from queue import SimpleQueue
from typing import Any, NamedTuple

from nnstruct.executors.messages import read_message, write_message

_START = (
    "import sys, json; sys.path[:] = json.loads(sys.stdin.buffer.readline()); "
    "from nnstruct.executors.worker import main; main()"
)
_LIBRARIES = ("OMP", "OPENBLAS", "MKL", "BLIS", "NUMBA", "NUMEXPR")
_THREADS = {f"{name}_NUM_THREADS": "1" for name in _LIBRARIES} | {"VECLIB_MAXIMUM_THREADS": "1"}
_IDLE_SECONDS = 300.0


class Answer(NamedTuple):
    """What came from a worker: a message, or None where it has ended."""

    worker: WorkerProcess
    message: list[bytearray] | None


class WorkerProcess:
    """A process with one thread that works on what it is sent."""

    def __init__(self) -> None:
        with _interrupts_wait():
            self.process = subprocess.Popen(
                [sys.executable, "-c", _START],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=_THREADS | os.environ,
            )  # fmt: skip
        self.inbox: SimpleQueue[Answer] = SimpleQueue()
        self._has_ended = False
        self.send_line(json.dumps(sys.path))
        threading.Thread(target=self._listen, name="worker's answers", daemon=True).start()

    @property
    def name(self) -> str:
        """What a message calls it."""
        return f"Worker {self.process.pid}"

    def send_line(self, text: str) -> None:
        """Send a line of text; where the worker has ended, its end is an answer of its own.

        Parameters
        ----------
        text : str
        """
        with suppress(OSError, ValueError):
            assert self.process.stdin is not None
            self.process.stdin.write(text.encode() + b"\n")
            self.process.stdin.flush()

    def send(self, parts: Sequence[Any]) -> None:
        """Send a message; where the worker has ended, its end is an answer of its own.

        Parameters
        ----------
        parts : sequence of bytes-like
        """
        with suppress(OSError, ValueError):
            assert self.process.stdin is not None
            write_message(self.process.stdin, parts)  # type: ignore[arg-type]

    def answer_to(self, inbox: SimpleQueue[Answer]) -> None:
        """From here on, put answers there; that it has ended is the last one.

        Parameters
        ----------
        inbox : queue.SimpleQueue
        """
        self.inbox = inbox
        if self._has_ended:  # it may have told the inbox before
            inbox.put(Answer(self, None))

    def end(self) -> str:
        """Wait for a process that has closed its side, and say how it ended.

        Returns
        -------
        str
            Such as ``was killed (SIGKILL; the system does that where memory runs out)``.
        """
        code = self.process.wait()
        with suppress(OSError, ValueError):
            assert self.process.stdin is not None
            self.process.stdin.close()
        if code >= 0:
            return f"ended by itself (exit code {code})"
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = f"signal {-code}"
        hint = "; the system does that where memory runs out" if name == "SIGKILL" else ""
        return f"was killed ({name}{hint})"

    def stop(self) -> None:
        """End it, whatever it is at."""
        self.process.kill()
        self.end()

    def leave(self) -> None:
        """Let it end by itself: there is nothing more for it to do."""
        with suppress(OSError, ValueError):
            assert self.process.stdin is not None
            self.process.stdin.close()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        while not self._has_ended:
            message = None
            with suppress(OSError, ValueError):
                message = read_message(self.process.stdout)  # type: ignore[arg-type]
            self._has_ended = message is None
            self.inbox.put(Answer(self, message))


class _Idle:
    """Workers without work, until they are wanted again or have waited long."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._workers: list[WorkerProcess] = []
        self._timer: threading.Timer | None = None

    def take(self) -> WorkerProcess:
        """One that waits, or a new one."""
        with self._lock:
            while self._workers:
                worker = self._workers.pop()
                if worker.process.poll() is None:
                    return worker
        return WorkerProcess()

    def give(self, worker: WorkerProcess) -> None:
        """Keep one for later."""
        with self._lock:
            self._workers.append(worker)
            if self._timer is not None:
                self._timer.cancel()
            self._timer = threading.Timer(_IDLE_SECONDS, self.dismiss)
            self._timer.daemon = True
            self._timer.start()

    def dismiss(self) -> None:
        """Let all of them end."""
        with self._lock:
            workers, self._workers = self._workers, []
        for worker in workers:
            worker.leave()

    def forget(self) -> None:
        """In a forked process: its parent's workers are not its own."""
        self.__init__()  # type: ignore[misc]


IDLE = _Idle()
atexit.register(IDLE.dismiss)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=IDLE.forget)


@contextmanager
def _interrupts_wait() -> Iterator[None]:
    """A process that is started inside is born deaf to interrupts; those meant for this one come after."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
