"""Shared set-up: the strategies are importable, and hypothesis draws the same examples each time."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from hypothesis import settings

# One thread a process, in notebooks too: tests run in as many processes as there are cores.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Compiled sources are kept, also by the processes that tests start: torch alone takes seconds to compile.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# Set-up files hold no doctests, and several of one name cannot be imported as modules.
collect_ignore_glob = ["conftest.py", "*/conftest.py"]

sys.path.insert(0, str(Path(__file__).parent))

settings.register_profile("nnstruct", derandomize=True, deadline=None, max_examples=30)
settings.register_profile("CI", parent=settings.get_profile("nnstruct"))
settings.load_profile("nnstruct")


def pytest_make_parametrize_id(val: object) -> str | None:
    """Bytes stay out of the names of tests: packed files hold the time, and workers must agree on names."""
    return "bytes" if isinstance(val, bytes | bytearray) else None
