"""One name means one thing: no class name is defined twice across the package."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

import nnstruct

ROOT = Path(nnstruct.__file__).parent


def classes_by_name(root: Path) -> dict[str, list[str]]:
    """The files that define each public class."""
    found = defaultdict(list)
    for path in sorted(root.rglob("*.py")):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                found[node.name].append(str(path.relative_to(root)))
    return found


def test_each_class_name_is_defined_once() -> None:
    assert {name: files for name, files in classes_by_name(ROOT).items() if len(files) > 1} == {}


def test_a_name_that_means_two_things_is_found(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("class Plan: ...\nclass _Own: ...")
    (tmp_path / "b.py").write_text("class Plan: ...\nclass _Own: ...\nclass Other: ...")
    assert classes_by_name(tmp_path) == {"Plan": ["a.py", "b.py"], "Other": ["b.py"]}


def test_no_two_test_files_have_one_name():
    """Test files are imported by their bare names: of two, a child process would find the wrong one."""
    places: dict[str, list[str]] = {}
    for path in Path(__file__).parent.rglob("*.py"):
        if path.name not in ("__init__.py", "conftest.py"):
            places.setdefault(path.name, []).append(str(path))
    assert {name: found for name, found in places.items() if len(found) > 1} == {}
