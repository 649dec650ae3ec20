"""The import graph of the package: rooms, the arrows between them, those that run up, and circles of files.

Run: python tests/import_graph.py [folder of the package]

A room is a file or a folder right below the package. Every import counts: in functions and for type
checkers too. A name that a package's ``__init__`` only hands on counts as an import of the file that
defines it.
"""

from __future__ import annotations

import argparse
import ast
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import networkx as nx

Edges = set[tuple[str, str]]


class ImportGraph:
    """Which file of a package imports which.

    Parameters
    ----------
    root : Path
        Folder of the package.

    Attributes
    ----------
    files : dict of str to Path
        By dotted name, as ``nnstruct.structure.families``; a folder's ``__init__`` bears the folder's name.
    edges : set of (str, str)
        The importer and what it imports, by dotted name. Doors that only hand names on have no edges.
    """

    def __init__(self, root: Path) -> None:
        self.root, self.package = root, root.name
        self.files = {self._name(path): path for path in sorted(root.rglob("*.py"))}
        trees = {name: ast.parse(path.read_text()) for name, path in self.files.items()}
        self._handed_on = {
            name: dict(_handed_on(trees[name], name))
            for name, path in self.files.items()
            if path.name == "__init__.py"
        }
        self.edges: Edges = set()
        for name, path in self.files.items():
            if path.name == "__init__.py" and _only_hands_on(trees[name]):
                continue
            found = {other for _, other in self._imports(trees[name], path)}
            self.edges |= {(name, other) for other in found if other != name}

    def imports(self, source: str, path: Path) -> Iterator[tuple[int, str]]:
        """Line and file of every import from this package."""
        yield from self._imports(ast.parse(source), path)

    def _imports(self, tree: ast.Module, path: Path) -> Iterator[tuple[int, str]]:
        inside = [self.package, *path.relative_to(self.root).parts[:-1]]
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    yield from self._known(node.lineno, alias.name, None)
            elif isinstance(node, ast.ImportFrom):
                base = inside[: len(inside) - node.level + 1] if node.level else []
                module = ".".join([*base, *([node.module] if node.module else [])])
                for alias in node.names:
                    yield from self._known(node.lineno, module, alias.name)
            elif isinstance(node, ast.Call) and _called(node.func).endswith(("import_module", "__import__")):
                for argument in node.args:
                    if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                        yield from self._known(node.lineno, argument.value, None)

    def room(self, name: str) -> str:
        """The room of a file: the part of its dotted name after the package's."""
        return name.split(".")[1] if "." in name else name

    def rooms(self) -> set[str]:
        """All rooms; the package's own ``__init__`` is none."""
        return {self.room(name) for name in self.files if name != self.package}

    def between_rooms(self) -> Edges:
        """Arrows between rooms, by name."""
        arrows = {(self.room(a), self.room(b)) for a, b in self.edges}
        return {(a, b) for a, b in arrows if a != b and self.package not in (a, b)}

    def circles(self, without: Iterable[tuple[str, str]] = ()) -> list[list[str]]:
        """Files that import each other in a loop, once some edges are taken away."""
        graph = nx.DiGraph(self.edges - set(without))
        found = (sorted(part) for part in nx.strongly_connected_components(graph) if len(part) > 1)
        return sorted(found)

    def upward(self, level: Mapping[str, int]) -> Edges:
        """Arrows from a room to one above it."""
        return {(a, b) for a, b in self.between_rooms() if level.get(a, 0) < level.get(b, 0)}

    def _name(self, path: Path) -> str:
        parts = [self.package, *path.relative_to(self.root).with_suffix("").parts]
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    def _known(self, line: int, module: str, name: str | None) -> Iterator[tuple[int, str]]:
        if module.split(".")[0] != self.package or name == "__version__":
            return
        handed_on = self._handed_on.get(module, {})
        if name in handed_on:
            yield from self._known(line, *handed_on[name])
        else:
            yield line, f"{module}.{name}" if f"{module}.{name}" in self.files else module


def _called(function: ast.expr) -> str:
    """The last part of a called function's name."""
    return getattr(function, "attr", getattr(function, "id", ""))


def _handed_on(tree: ast.Module, package: str) -> Iterator[tuple[str, tuple[str, str]]]:
    """Names that an ``__init__`` imports or keeps for later in a dict ``_LAZY``, and where they come from."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("nnstruct"):
            for alias in node.names:
                if node.module != package:  # a file of the folder itself is handed on as it is
                    yield alias.asname or alias.name, (node.module, alias.name)
        elif (
            isinstance(node, ast.Assign)
            and getattr(node.targets[0], "id", "") == "_LAZY"
            and isinstance(node.value, ast.Dict)
        ):
            for key, value in zip(node.value.keys, node.value.values, strict=True):
                if isinstance(key, ast.Constant) and isinstance(value, ast.Constant):
                    yield str(key.value), (str(value.value), str(key.value))


def _only_hands_on(tree: ast.Module) -> bool:
    defined = [node for node in tree.body if isinstance(node, ast.ClassDef | ast.FunctionDef)]
    return all(node.name == "__getattr__" or node.name in ("__dir__", "_Callable") for node in defined)


def main() -> None:
    """Print the graph of this package, or of the one in another folder."""
    from test_layers import LEVEL

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    here = Path(__file__).parent.parent / "nnstruct"
    parser.add_argument("folder", type=Path, nargs="?", default=here)
    graph = ImportGraph(parser.parse_args().folder.resolve())
    between = graph.between_rooms()
    floors = nx.DiGraph(between)
    loops = [part for part in nx.strongly_connected_components(floors) if len(part) > 1]
    print(f"{len(graph.files)} files in {len(graph.rooms())} rooms, {len(between)} arrows between rooms")
    print(f"arrows that run up: {len(graph.upward(LEVEL))}; circles of rooms: {len(loops)}")
    circles = graph.circles()
    print(f"circles of files: {len(circles)}")
    for circle in circles:
        ends = [(a, b) for a, b in sorted(graph.edges) if a in circle and b in circle]
        print("  " + "; ".join(f"{a} -> {b}" for a, b in ends))
    for room in sorted(graph.rooms(), key=lambda room: (LEVEL.get(room, -1), room)):
        below = sorted(b for a, b in between if a == room)
        print(f"{LEVEL.get(room, '?'):>2} {room}: {', '.join(below) or 'nothing'}")


if __name__ == "__main__":
    main()
