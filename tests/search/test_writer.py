"""One process at a time writes a study."""

from __future__ import annotations

import subprocess
import sys

import pytest

from nnstruct import Search, Space
from nnstruct.errors import FolderBusyError

SPACE = Space("mlp", units=(4, 12))
HOLD = """
import sys
from nnstruct import Search, Space
Search(Space("mlp", units=(4, 12)), storage=sys.argv[1], study_name="shared").ask(2)
print("held", flush=True)
sys.stdin.readline()
"""


def test_a_second_process_is_told_who_writes_and_the_study_is_free_once_that_dies(tmp_path) -> None:
    storage = f"sqlite:///{tmp_path / 'search.db'}"
    other = subprocess.Popen(
        [sys.executable, "-c", HOLD, storage], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        search = Search(SPACE, storage=storage, study_name="shared")
        with pytest.raises(FolderBusyError, match=f"'shared' .* written by process {other.pid} on"):
            search.ask(2)
        assert len(search.history) == 2  # reading is free
        assert len(Search(SPACE, storage=storage, study_name="other").ask(2)) == 2
    finally:
        other.kill()
        other.communicate(timeout=60)
    again = Search(SPACE, storage=storage, study_name="shared")
    assert [s.fingerprint for s in again.ask(2)] == again.history.fingerprint.tolist()


def test_searches_of_one_process_share_the_study(tmp_path) -> None:
    storage = f"sqlite:///{tmp_path / 'search.db'}"
    first = Search(SPACE, storage=storage)
    asked = first.ask(2)
    second = Search(SPACE, storage=storage)
    second.tell(asked, [0.1, 0.2])
    assert second.history.state.tolist() == ["complete", "complete"]
