"""Worker processes that end when the process that started them is gone."""

from __future__ import annotations

import functools
import os
import threading
import time

_SECONDS = 2.0


@functools.cache
def end_with_parent() -> None:
    """End this process soon after its parent has ended, however that came about.

    A worker whose parent was killed would otherwise go on with what it has been given, and may never notice.
    Called again, it does nothing.
    """
    threading.Thread(target=_watch, args=(os.getppid(),), name="end with parent", daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_SECONDS)
    os._exit(1)
