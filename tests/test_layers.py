"""Imports lead downward only: a room knows those below it and, from level 2 on, none beside it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import nnstruct

ROOT = Path(nnstruct.__file__).parent
ROOMS: dict[int, str] = {
    0: "errors random threads intervals",
    1: "structure record registry families topology recurrence fingerprint interchange drawing network space"
    " units ports program",
    2: "priors tasks properties",
    3: "networks extract",
    4: "population",
    5: "benchmark encode probes",
    6: "predictors pruning",
    7: "search",
    8: "report recipes",
    9: "quickstart",
    10: "cli",
}
LEVEL = {room: level for level, rooms in ROOMS.items() for room in rooms.split()}
FILES = sorted(path for path in ROOT.rglob("*.py") if path != ROOT / "__init__.py")


def room_of(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def public_names() -> dict[str, str]:
    """Where each name that the package itself offers comes from, as its ``__init__`` says."""
    tree = ast.parse((ROOT / "__init__.py").read_text())
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            base = node.module.removeprefix("nnstruct").lstrip(".")
            for alias in node.names:
                found[alias.name] = base.split(".")[0] or alias.name
    return found


def imported_rooms(source: str, path: Path, names: dict[str, str]) -> Iterator[tuple[int, str]]:
    """Line and room of every import from this package, in functions and for type checkers too."""
    package = ["nnstruct", *path.relative_to(ROOT).parts[:-1]]
    for node in ast.walk(ast.parse(source)):
        modules: list[str] = []
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            bare = module == "nnstruct"
            modules = [f"{module}.{alias.name}" for alias in node.names] if bare else [module]
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("import_module", "__import__")):
            modules = [a.value for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
        for module in modules:
            first, _, rest = module.partition(".")
            if first == "nnstruct":
                name = rest.split(".")[0]
                if name not in ("", "__version__"):
                    yield node.lineno, name if name in LEVEL else names.get(name, name)
                elif not name:
                    yield node.lineno, "nnstruct"


def breach(importer: str, imported: str) -> str | None:
    """Why a room may not import another; None where it may."""
    if imported not in LEVEL:
        return f"imports {imported!r}, which has no level"
    if importer == imported or LEVEL[imported] < LEVEL[importer]:
        return None
    if LEVEL[imported] == LEVEL[importer] <= 1:
        return None
    direction = "beside" if LEVEL[imported] == LEVEL[importer] else "above"
    return f"imports {imported!r} (level {LEVEL[imported]}), {direction} it (level {LEVEL[importer]})"


def breaches(source: str, path: Path) -> list[str]:
    room = room_of(path)
    if room not in LEVEL:
        return [f"{path}: {room!r} has no level"]
    found = ((line, breach(room, other)) for line, other in imported_rooms(source, path, public_names()))
    return [f"{path}:{line} {why}" for line, why in found if why]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_lead_downward(path: Path) -> None:
    assert breaches(path.read_text(), path) == []


def test_every_room_on_disk_has_a_level() -> None:
    rooms = {room_of(path) for path in FILES}
    assert rooms <= set(LEVEL)
    assert {"structure", "errors", "fingerprint"} <= rooms


@pytest.mark.parametrize(
    ("room", "source", "why"),
    [
        ("structure.py", "from nnstruct.priors import sample", "'priors' (level 2), above it (level 1)"),
        ("errors.py", "import nnstruct.structure", "'structure' (level 1), above it (level 0)"),
        (
            "encode/a.py",
            "def f():\n    from nnstruct.benchmark import build",
            "'benchmark' (level 5), beside it",
        ),
        ("tasks/a.py", "from ..priors import sample", "'priors' (level 2), beside it"),
        ("tasks/a.py", "from .. import priors", "'priors' (level 2), beside it"),
        ("tasks/a.py", "from nnstruct import Benchmark", "'benchmark' (level 5), above it"),
        (
            "tasks/a.py",
            "import importlib\nimportlib.import_module('nnstruct.search')",
            "'search' (level 7), above",
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
        ("search/a.py", "from nnstruct.predictors import GNN\nimport nnstructure\nimport numpy"),
        ("structure.py", "from nnstruct.topology import find_cycle"),
        ("random.py", "from nnstruct.errors import InvalidInputError"),
    ],
)
def test_what_is_allowed_is_no_breach(room: str, source: str) -> None:
    assert breaches(source, ROOT / room) == []
