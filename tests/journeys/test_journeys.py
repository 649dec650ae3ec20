"""Three uses, end to end, as a new user would write them: each runs whole, in so many lines."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

from nnstruct.predictors import PREDICTORS
from nnstruct.priors import PRIORS
from nnstruct.tasks import TASKS

HERE = Path(__file__).parent
# Lines between the marks; a journey that gets longer has lost a door.
LINES = {"trained_modules": 5, "structure_study": 9, "published_table": 24}


@pytest.fixture(autouse=True)
def tidy():
    """Parts of the journeys leave with them."""
    registries = (PREDICTORS, PRIORS, TASKS)
    before = [set(registry) for registry in registries]
    yield
    for registry, known in zip(registries, before, strict=True):
        for name in set(registry) - known:
            registry._parts.pop(name)


def lines(name: str) -> int:
    text = (HERE / f"{name}.py").read_text(encoding="utf-8")
    part = text.split("# journey begins\n")[1].split("# journey ends")[0]
    return sum(bool(line.strip()) for line in part.splitlines())


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("name", LINES)
def test_a_journey_has_no_dead_end(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(HERE / f"{name}.py"), run_name="__main__")


@pytest.mark.parametrize(("name", "most"), LINES.items())
def test_a_journey_is_short(name: str, most: int) -> None:
    assert lines(name) == most
