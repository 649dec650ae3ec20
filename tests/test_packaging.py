"""The repository holds what it should, and the source none of what it should not."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import nnstruct

REPOSITORY = Path(__file__).parent.parent
PACKAGE = Path(nnstruct.__file__).parent
SOURCES = sorted(PACKAGE.rglob("*.py"))
TOP_LEVEL = {
    "pyproject.toml", "README.md", "CHANGELOG.md", "LICENSE", "nnstruct", "datasets", "train", "tests",
    "notebooks", "CITATION.cff",
}  # fmt: skip
UNFINISHED = ("TO" + "DO", "FIX" + "ME", "NotImplemented" + "Error", "XX" + "X")

PICKLERS = {"pickle", "cPickle", "joblib", "dill", "cloudpickle", "shelve"}
# joblib may help to spread work over processes; it may not store anything.
SPREADING = {"joblib.Parallel", "joblib.delayed", "joblib.wrap_non_picklable_objects"}

CONSTRAINTS = REPOSITORY / "train" / "constraints.txt"
# Where a package is not called as what is imported from it, or belongs to the interface of another one.
DISTRIBUTIONS = {
    "google": "onnx", "markupsafe": "jinja2", "sklearn": "scikit-learn", "sqlalchemy": "optuna",
    "threadpoolctl": "scikit-learn",
}  # fmt: skip


PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
BACKEND = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["build-system"]["build-backend"]
GROUPS = ("dependencies", *PROJECT["optional-dependencies"])
# A loader that has no weights_only, where the file's pickles are read with it before; its tests run none.
CHECKED_BEFORE = {"extract/exported.py": " torch.export.load "}
TOOLS = {"test", "docs"}  # extras for work on the package, not for the package


def requirements(group: str) -> list[Requirement]:
    """The dependencies that the project declares, or those of an extra."""
    listed = PROJECT["dependencies"] if group == "dependencies" else PROJECT["optional-dependencies"][group]
    return [Requirement(line) for line in listed]


def tracked_files() -> list[str]:
    """Files that git tracks or would, relative to the repository; all files outside a checkout."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    try:
        listed = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return [str(path.relative_to(REPOSITORY)) for path in REPOSITORY.rglob("*") if path.is_file()]
    return [name for name in listed.splitlines() if (REPOSITORY / name).exists()]


def faults(source: str) -> list[str]:
    """What is forbidden in the package: pickling, unsafe loading, bare ``except``."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names]
            if isinstance(node, ast.ImportFrom):
                names = [f"{node.module}.{name}" for name in names]
            for name in names:
                if name.split(".")[0] in PICKLERS and name not in SPREADING:
                    found.append(f"line {node.lineno}: imports {name}")
        elif isinstance(node, ast.ExceptHandler) and node.type is None:
            found.append(f"line {node.lineno}: bare except")
        elif isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            keywords = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
            if called.split(".")[0] == "torch" and called.split(".")[-1] == "load":
                if keywords.get("weights_only") != "True":
                    found.append(f"line {node.lineno}: {called} without weights_only=True")
            elif called == "torch.save":
                found.append(f"line {node.lineno}: torch.save")
            if keywords.get("allow_pickle") == "True":
                found.append(f"line {node.lineno}: allow_pickle")
            if called in {"eval", "exec"}:
                found.append(f"line {node.lineno}: {called}")
    return found


def test_the_top_level_holds_what_the_design_says() -> None:
    names = {name.split("/")[0] for name in tracked_files()}
    assert {name for name in names if not name.startswith(".")} - TOP_LEVEL == set()
    assert TOP_LEVEL - {path.name for path in REPOSITORY.iterdir()} == set()


def test_a_source_archive_holds_changelog_constraints_and_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    from setuptools.command.egg_info import FileList

    monkeypatch.chdir(REPOSITORY)
    listed = FileList()
    for line in (REPOSITORY / ".ci" / "sdist.in").read_text().splitlines():
        listed.process_template_line(line)
    needed = {"CHANGELOG.md", "CITATION.cff", f".ci/{BACKEND}.py"}
    needed |= {"train/constraints.txt", "train/constraints-oldest.txt"}
    needed |= {name for name in tracked_files() if name.startswith("tests/") and name.endswith(".py")}
    assert needed - set(listed.files) == set()


def test_the_build_backend_lends_setuptools_the_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(REPOSITORY / ".ci")
    (tmp_path / ".ci").mkdir()
    (tmp_path / ".ci" / "sdist.in").write_text("include CHANGELOG.md\n")
    monkeypatch.chdir(tmp_path)
    backend = importlib.import_module(BACKEND)
    seen = []

    def built(folder: str, settings: object) -> str:
        seen.append(Path("MANIFEST.in").read_text())
        return folder

    monkeypatch.setattr(backend.build_meta, "build_sdist", built)
    assert backend.build_sdist("dist") == "dist"
    assert seen == ["include CHANGELOG.md\n"]
    assert not Path("MANIFEST.in").exists()
    assert callable(backend.build_editable)


def test_datasets_and_train_hold_no_python() -> None:
    inside = [name for name in tracked_files() if name.split("/")[0] in {"datasets", "train"}]
    assert [name for name in inside if name.endswith((".py", ".ipynb", ".so", ".pkl"))] == []


def test_files_are_short() -> None:
    lengths = {path.relative_to(PACKAGE): len(path.read_text().splitlines()) for path in SOURCES}
    assert {name: length for name, length in lengths.items() if length >= 400} == {}


def test_nothing_unsafe_or_unfinished() -> None:
    found = {}
    for path in SOURCES:
        source, name = path.read_text(), path.relative_to(PACKAGE).as_posix()
        allowed = CHECKED_BEFORE.get(name, "nothing")
        found[name] = [fault for fault in faults(source) if allowed not in fault]
        found[name] += [word for word in UNFINISHED if word in source]
    assert {name: told for name, told in found.items() if told} == {}


def test_every_file_says_what_it_is() -> None:
    silent = [path for path in SOURCES if not ast.get_docstring(ast.parse(path.read_text()))]
    assert silent == []


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        ("import pickle", "imports pickle"),
        ("from joblib import dump", "imports joblib.dump"),
        ("import joblib", "imports joblib"),
        ("from pickle import loads", "imports pickle.loads"),
        ("def f():\n    import pickle as p", "imports pickle"),
        ("import torch\ntorch.load('x')", "torch.load without"),
        ("torch.load('x', weights_only=False)", "torch.load without"),
        ("torch.save(x, 'y')", "torch.save"),
        ("np.load('x', allow_pickle=True)", "allow_pickle"),
        ("try:\n    x\nexcept:\n    y", "bare except"),
        ("eval('x')", "eval"),
    ],
)
def test_a_fault_is_found(source: str, fault: str) -> None:
    assert len(faults(source)) == 1
    assert fault in faults(source)[0]


def test_what_is_sound_is_no_fault() -> None:
    assert faults("from joblib import Parallel") == []
    assert (
        faults("torch.load('x', weights_only=True)\nmodel.eval()\ntry:\n    x\nexcept ValueError:\n    y")
        == []
    )


def test_the_version_is_that_of_the_project() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    assert nnstruct.__version__ == project["version"]
    assert project["name"] == "nnstruct"


def test_what_is_imported_is_declared_and_what_is_declared_is_imported() -> None:
    imported: set[str] = set()
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                imported |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                imported.add(str(node.module).split(".")[0])
    imported -= set(sys.stdlib_module_names) | {"nnstruct"}
    needed = {DISTRIBUTIONS.get(name, name.replace("_", "-")) for name in imported}
    assert needed == {need.name for group in GROUPS if group not in TOOLS for need in requirements(group)}


@pytest.mark.parametrize("group", GROUPS)
def test_every_requirement_has_a_pin_that_satisfies_it(group: str) -> None:
    pins = dict(line.split("==") for line in CONSTRAINTS.read_text().splitlines())
    pins = {canonicalize_name(name): pin for name, pin in pins.items()}
    for requirement in requirements(group):
        assert pins[canonicalize_name(requirement.name)] in requirement.specifier


def test_pins_are_sorted_and_there_is_one_a_package() -> None:
    lines = CONSTRAINTS.read_text().splitlines()
    assert lines == sorted(lines, key=str.upper)
    assert len({canonicalize_name(line.partition("==")[0]) for line in lines}) == len(lines)


def test_what_the_pinned_packages_need_is_pinned_too() -> None:
    """Of the packages that stand here in their pinned versions; setuptools comes with the environment."""
    pins = dict(line.split("==") for line in CONSTRAINTS.read_text().splitlines())
    known, missing = {canonicalize_name(name) for name in pins} | {"setuptools"}, set()
    for name, pin in pins.items():
        try:
            same = version(name).partition("+")[0] == pin
        except PackageNotFoundError:
            continue
        for text in (requires(name) or []) if same else []:
            need = Requirement(text)
            if need.marker is None or need.marker.evaluate({"extra": ""}):
                missing |= {canonicalize_name(need.name)} - known
    assert missing == set()


def test_types_are_shipped() -> None:
    assert (PACKAGE / "py.typed").exists()
    settings = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]
    assert "py.typed" in settings["setuptools"]["package-data"]["nnstruct"]


def test_every_file_that_is_no_python_is_shipped() -> None:
    """Templates and sources of the kernel are data of the package: an installed wheel has them too."""
    settings = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["setuptools"]
    shipped = {path for pattern in settings["package-data"]["nnstruct"] for path in PACKAGE.glob(pattern)}
    inside = {REPOSITORY / name for name in tracked_files() if name.startswith("nnstruct/")}
    others = {path for path in inside if path.suffix != ".py" and path.name != "README.md"}
    assert others - shipped == set()
    assert any(path.parent.name == "templates" for path in others)


def test_every_package_has_its_init() -> None:
    folders = {path.parent for path in SOURCES}
    assert [folder for folder in folders if not (folder / "__init__.py").exists()] == []
