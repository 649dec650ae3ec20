"""Imports lead downward only, and no files import each other in a circle but through a noun's own doors."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
from import_graph import ImportGraph

import nnstruct

ROOT = Path(nnstruct.__file__).parent
ROOMS: dict[int, str] = {
    0: "errors random checks processes intervals record registry plugins caches files jit loops templates "
    "reading unpacking progress estimators",
    1: "structure executors",
    2: "tasks priors program",
    3: "network",
    4: "properties modules extract",
    5: "population search",
    6: "benchmark encode probes",
    7: "predictors pruning tables",
    8: "report",
    9: "recipes",
    10: "quickstart claims",
    11: "cli",
    12: "testing __main__",
}
LEVEL = {room: level for level, rooms in ROOMS.items() for room in rooms.split()}
FILES = sorted(path for path in ROOT.rglob("*.py") if path != ROOT / "__init__.py")

# A noun's own methods save, load, draw and convert it by files that know the noun: its doors.
DOORS = {
    f"nnstruct.{noun}": [f"nnstruct.{door}" for door in doors.split()]
    for noun, doors in {
        "structure.structure": (
            "structure.interchange structure.networkx_graphs structure.fingerprint structure.drawing "
            "structure.reduction structure.sketch"
        ),
        "structure.graph_doors": "structure.cell_strings",
        "network.network": "network.interchange network.analysis network.storage network.shown",
        "network.module_network": "network.compaction",
        "search.hindsight": "search.shown",
        "benchmark.bench": "benchmark.card benchmark.scored benchmark.shown",
        "predictors.base": "predictors.persistence",
        "pruning.trajectories.trajectory": "pruning.trajectories.trajectory_file",
    }.items()
}
DOOR_EDGES = [(noun, door) for noun, doors in DOORS.items() for door in doors]


@cache
def the_graph() -> ImportGraph:
    """The graph of this package; read only where a test asks for it, as that takes seconds."""
    return ImportGraph(ROOT)


def breach(importer: str, imported: str) -> str | None:
    """Why a room may not import another; None where it may."""
    if imported not in LEVEL:
        return f"imports {imported!r}, which has no level"
    if importer == imported or LEVEL[imported] < LEVEL[importer]:
        return None
    if LEVEL[imported] == LEVEL[importer] == 0:
        return None
    direction = "beside" if LEVEL[imported] == LEVEL[importer] else "above"
    return f"imports {imported!r} (level {LEVEL[imported]}), {direction} it (level {LEVEL[importer]})"


def breaches(source: str, path: Path) -> list[str]:
    room = path.relative_to(ROOT).parts[0].removesuffix(".py")
    if room not in LEVEL:
        return [f"{path}: {room!r} has no level"]
    graph = the_graph()
    found = ((line, breach(room, graph.room(other))) for line, other in graph.imports(source, path))
    return [f"{path}:{line} {why}" for line, why in found if why]


def test_imports_lead_downward() -> None:
    assert [breach for path in FILES for breach in breaches(path.read_text(), path)] == []


def test_every_room_on_disk_has_a_level() -> None:
    assert the_graph().rooms() == set(LEVEL)


def test_no_circle_but_through_the_doors() -> None:
    assert the_graph().circles(without=DOOR_EDGES) == []


def test_every_door_is_used_and_closes_a_circle() -> None:
    assert set(DOOR_EDGES) - the_graph().edges == set()
    for door in DOOR_EDGES:
        others = [edge for edge in DOOR_EDGES if edge != door]
        assert (door, len(the_graph().circles(without=others))) == (door, 1)


def test_a_circle_is_found(tmp_path: Path) -> None:
    package = tmp_path / "nnstruct"
    (package / "room").mkdir(parents=True)
    (package / "__init__.py").write_text("from nnstruct.a import A")
    (package / "a.py").write_text("def f():\n    from nnstruct.room import B\nclass A: ...")
    (package / "room" / "__init__.py").write_text("from nnstruct.room.b import B")
    (package / "room" / "b.py").write_text("from nnstruct import A\nclass B: ...")
    assert ImportGraph(package).circles() == [["nnstruct.a", "nnstruct.room.b"]]
    assert ImportGraph(package).circles(without=[("nnstruct.a", "nnstruct.room.b")]) == []


@pytest.mark.parametrize(
    ("room", "source", "why"),
    [
        ("structure/a.py", "from nnstruct.priors import sample", "'priors' (level 2), above it (level 1)"),
        ("errors.py", "import nnstruct.structure", "'structure' (level 1), above it (level 0)"),
        (
            "encode/a.py",
            "def f():\n    from nnstruct.benchmark import build",
            "'benchmark' (level 6), beside it",
        ),
        ("tasks/a.py", "from ..priors import sample", "'priors' (level 2), beside it"),
        ("tasks/a.py", "from .. import priors", "'priors' (level 2), beside it"),
        ("tasks/a.py", "from nnstruct import Benchmark", "'benchmark' (level 6), above it"),
        (
            "tasks/a.py",
            "import importlib\nimportlib.import_module('nnstruct.search')",
            "'search' (level 5), above",
        ),
        ("tasks/a.py", "import nnstruct", "'nnstruct', which has no level"),
        ("tasks/a.py", "from nnstruct.attic import old", "'attic', which has no level"),
        ("attic.py", "x = 1", "'attic' has no level"),
    ],
)
def test_a_breach_is_found(room: str, source: str, why: str) -> None:
    assert [why in found for found in breaches(source, ROOT / room)] == [True]


@pytest.mark.parametrize(
    ("room", "source"),
    [
        ("tasks/a.py", "from nnstruct.tasks.b import x\nfrom . import b\nfrom .b import c"),
        ("tasks/a.py", "from nnstruct import Structure, __version__"),
        ("search/a.py", "from nnstruct.priors import sample\nimport nnstructure\nimport numpy"),
        ("structure/a.py", "from nnstruct.structure.topology import find_cycle"),
        ("random.py", "from nnstruct.errors import InvalidInputError"),
    ],
)
def test_what_is_allowed_is_no_breach(room: str, source: str) -> None:
    assert breaches(source, ROOT / room) == []
