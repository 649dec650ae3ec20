"""What a worker process does: it takes shards from its parent until that leaves."""

from __future__ import annotations

import os
import signal
import sys
import time
import traceback
from collections.abc import Sequence
from typing import Any, BinaryIO

from nnstruct.executors.messages import packed, read_message, unpacked, write_message
from nnstruct.executors.shared_memory import mapped
from nnstruct.processes import end_with_parent

BEGIN, SHARD = "begin", "shard"
READY, DONE, FAILED = "ready", "done", "failed"


def main() -> None:
    """Serve the parent process through the standard input and what was the standard output."""
    # An interrupt is for the parent, which ends its workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    end_with_parent()
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a training prints is no answer
    serve(sys.stdin.buffer, answers)
    answers.flush()
    os._exit(0)


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer one request after the other.

    Parameters
    ----------
    requests, answers : file
        Open for reading and for writing bytes.
    """
    task: Any = None
    shared: Any = None
    while (message := read_message(requests)) is not None:
        kind, *rest = unpacked(message[:1])
        if kind == BEGIN:
            task = shared = None  # what the last ones held may go before the new ones come
            file, lengths = rest
            arrays: Sequence[Any] = message[2:] if file is None else mapped(file, lengths)
            task, shared = unpacked([message[1], *arrays])
            write_message(answers, packed((READY, None, None)))
        else:
            write_message(answers, _answer(task, shared, message[1:]))


def _answer(task: Any, shared: Any, parts: list[bytearray]) -> list[Any]:
    started = time.perf_counter()
    try:
        results = task(shared, unpacked(parts))
        return packed((DONE, results, time.perf_counter() - started))
    except Exception as error:
        where = traceback.format_exc()
        try:
            unpacked(packed(error))
            return packed((FAILED, error, where))
        except Exception:  # an error that cannot be sent is told
            return packed((FAILED, RuntimeError(f"{type(error).__name__}: {error}"), where))
