"""One damaged file after another in a child process: what comes out, and what neither clears nor loads.

A child that ends by a signal crashed; one that takes longer than ten seconds of processor time for a file
hangs; one that takes more memory than its limit leaks a ``MemoryError``.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import resource
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from loaders import LOADERS
from seeds import make

SECONDS = 10.0
# Address space beyond what the libraries have mapped: the budget of 1 GiB, and room to handle it.
ROOM = 6 * 2**30


def try_out(loader: str, folder: Path) -> tuple[str, str]:
    """``clear``, ``loaded`` or ``leak``, and what was raised."""
    from nnstruct.errors import NnstructError

    read, name = LOADERS[loader]
    try:
        read(folder / name)
    except NnstructError as error:
        return "clear", f"{type(error).__name__}: {error}"
    except BaseException as error:
        frames = [f for f in traceback.extract_tb(error.__traceback__) if "nnstruct" in f.filename]
        place = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "?"
        return "leak", f"{type(error).__name__} @ {place}: {str(error)[:200]}"
    return "loaded", ""


def _serve(pipe: multiprocessing.connection.Connection) -> None:
    warnings.simplefilter("ignore")
    sys.stderr = open(os.devnull, "w")  # noqa: SIM115
    used = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    resource.setrlimit(resource.RLIMIT_AS, (used + ROOM, resource.RLIM_INFINITY))
    while True:
        given = pipe.recv()
        if given is None:
            return
        pipe.send(try_out(*given))


class Child:
    """A process that reads what it is given, and is replaced when it does not come back."""

    def __init__(self) -> None:
        self.context = multiprocessing.get_context("fork")
        self.process: multiprocessing.process.BaseProcess | None = None

    def ask(self, loader: str, folder: Path) -> tuple[str, str]:
        if self.process is None:
            self.pipe, other = self.context.Pipe()
            self.process = self.context.Process(target=_serve, args=(other,), daemon=True)
            self.process.start()
            other.close()
        begin = self._seconds()
        self.pipe.send((loader, folder))
        while not self.pipe.poll(0.5):
            if self._seconds() - begin > SECONDS:
                self._end()
                return "hang", ""
        try:
            return self.pipe.recv()
        except EOFError:
            self.process.join()
            code = self.process.exitcode
            self._end()
            return "crash", f"exit code {code}"

    def _seconds(self) -> float:
        """Processor seconds of the child, by which a busy machine makes nothing hang."""
        try:
            fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
            return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        except (OSError, AttributeError):
            return time.monotonic()

    def _end(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.join()
            self.process = None


def outcomes(cases: Iterable[tuple[str, Path]]) -> Iterator[tuple[str, Path, str, str]]:
    """Loader, folder, outcome and message of each case."""
    child = Child()
    for loader, folder in cases:
        yield (loader, folder, *child.ask(loader, folder))


def table(counts: dict[str, Counter[str]]) -> str:
    """A line a loader: tried, clear, loaded, leaked, hung, crashed."""
    kinds = ("clear", "loaded", "leak", "hang", "crash")
    lines = ["| loader | tried | clear | loaded | leaked | hung | crashed |", "|---|---|---|---|---|---|---|"]
    for name, found in [*sorted(counts.items()), ("all", sum(counts.values(), Counter()))]:
        lines.append(f"| {name} | {sum(found.values())} | {' | '.join(str(found[k]) for k in kinds)} |")
    return "\n".join(lines)


def main() -> None:
    """Read the cases of a folder: ``python outcomes.py FOLDER [LOADER ...]``."""
    root, chosen = Path(sys.argv[1]), sys.argv[2:]
    # What a first file would be timed for otherwise: the libraries and the kernels.
    with tempfile.TemporaryDirectory() as sound:
        for loader, folders in make(Path(sound)).items():
            for folder in folders:
                try_out(loader, folder)
    cases = [(f.name.rpartition("-")[0], f) for f in sorted(root.iterdir()) if f.is_dir()]
    cases = [case for case in cases if case[0] in LOADERS and (not chosen or case[0] in chosen)]
    counts: dict[str, Counter[str]] = {}
    for loader, folder, outcome, message in outcomes(cases):
        counts.setdefault(loader, Counter())[outcome] += 1
        if outcome not in ("clear", "loaded"):
            print(json.dumps({"case": folder.name, "outcome": outcome, "what": message}), flush=True)
        elif "-v" in os.environ.get("FAULTS", ""):
            print(folder.name, outcome, message[:300], flush=True)
    print(table(counts))


if __name__ == "__main__":
    main()
