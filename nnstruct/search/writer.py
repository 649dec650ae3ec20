"""Who may write a study: one process at a time."""

from __future__ import annotations

import hashlib
import json
import os
import socket
from contextlib import suppress
from pathlib import Path
from typing import Any

import filelock

from nnstruct.errors import FolderBusyError
from nnstruct.files import write_atomically
from nnstruct.search.study import study_file


class StudyWriter:
    """The right to write a study that lies in an SQLite file; others are left to the database.

    It is taken with the first word written and kept until the process ends, however it ends. Searches of
    one process share it.

    Parameters
    ----------
    storage : str, optuna storage or None
    study_name : str
    """

    def __init__(self, storage: Any, study_name: str) -> None:
        self.study_name = study_name
        self._lock: filelock.BaseFileLock | None = None
        file = study_file(storage)
        if file is not None:
            name = hashlib.blake2b(study_name.encode(), digest_size=4).hexdigest()
            self._path = file.with_name(f"{file.name}.{name}.lock").resolve()
            self._lock = filelock.FileLock(str(self._path), is_singleton=True)

    def take(self) -> None:
        """Take the right, if this process has it not yet.

        Raises
        ------
        FolderBusyError
            If another process has it.
        """
        if self._lock is None or self._lock.is_locked:
            return
        try:
            self._lock.acquire(timeout=0)
        except filelock.Timeout:
            raise FolderBusyError(
                f"The study {self.study_name!r} beside {self._path.name} is being written by "
                f"{self._holder()}. Wait until it is done, or give another study_name."
            ) from None
        with suppress(OSError):  # who it is is a courtesy
            holder = {"process": os.getpid(), "host": socket.gethostname()}
            write_atomically(self._note, json.dumps(holder).encode())

    @property
    def _note(self) -> Path:
        return self._path.with_suffix(".who")

    def _holder(self) -> str:
        try:
            holder = json.loads(self._note.read_text())
            return f"process {holder['process']} on {holder['host']}"
        except (OSError, ValueError, KeyError, TypeError):
            return "another process"
