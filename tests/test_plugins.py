"""Parts that others bring are found: by a file that is named, by an entry point of a package."""

from __future__ import annotations

import subprocess
import sys
import warnings
from pathlib import Path
from types import SimpleNamespace

import pytest

from nnstruct import plugins
from nnstruct.errors import InvalidInputError, MissingDataError, UnknownNameError
from nnstruct.plugins import load_plugin, load_plugins
from nnstruct.search import ACQUISITIONS

PART = """
from nnstruct.search import ACQUISITIONS

@ACQUISITIONS.register("{name}")
def {function}(mean, std, best, exploration):
    \"\"\"{says}\"\"\"
    return std
"""


@pytest.fixture(autouse=True)
def tidy():
    """Parts of these tests leave with them."""
    yield
    for name in [name for name in ACQUISITIONS if name.startswith("plugged")]:
        ACQUISITIONS._parts.pop(name)


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch):
    """Entry points as of packages that are installed."""

    def install(**loads) -> None:
        entries = [SimpleNamespace(name=name, value="m", load=load) for name, load in loads.items()]
        monkeypatch.setattr("importlib.metadata.entry_points", lambda group: entries)
        monkeypatch.setattr(plugins, "_loaded", {})

    return install


def written(folder: Path, name: str, says: str = "Mine.") -> Path:
    file = folder / f"{name.replace('-', '_')}.py"
    file.write_text(PART.format(name=name, function=name.replace("-", "_"), says=says))
    return file


def test_a_file_that_is_loaded_again_replaces_its_parts(tmp_path: Path) -> None:
    load_plugin(written(tmp_path, "plugged-once"))
    assert ACQUISITIONS.about("plugged-once") == "Mine."
    load_plugin(written(tmp_path, "plugged-once", "Mine, edited."))
    assert ACQUISITIONS.about("plugged-once") == "Mine, edited."


def test_processes_that_train_can_import_a_file(tmp_path: Path) -> None:
    load_plugin(written(tmp_path, "plugged-path"))
    assert str(tmp_path) in sys.path


def test_files_that_cannot_be_plugins(tmp_path: Path) -> None:
    with pytest.raises(MissingDataError, match="There is no"):
        load_plugin(tmp_path / "none.py")
    (tmp_path / "a-b.py").write_text("")
    with pytest.raises(
        InvalidInputError, match=r"the plugin must be a Python file with a module's name, NAME\.py"
    ):
        load_plugin(tmp_path / "a-b.py")
    (tmp_path / "json.py").write_text("")
    with pytest.raises(InvalidInputError, match="There is a module json already; rename the file"):
        load_plugin(tmp_path / "json.py")


@pytest.mark.parametrize(
    ("text", "told"),
    [("x = 1\n1 / 0\n", r"ZeroDivisionError: .*, line 2"), ("def f(:\n", r"SyntaxError: .*, line 1")],
)
def test_a_file_that_an_error_ends_is_told_in_one_sentence(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "ending.py").write_text(text)
    with pytest.raises(InvalidInputError, match=rf"^the plugin must be a Python file that runs, got '{told}"):
        load_plugin(tmp_path / "ending.py")
    assert "ending" not in sys.modules


def test_an_entry_point_is_asked_when_a_name_is_not_known(installed) -> None:
    calls: list[str] = []

    def load() -> None:
        calls.append("mine")
        ACQUISITIONS.register("plugged-entry")(lambda mean, std, best, exploration: std)

    installed(mine=load)
    assert "ucb" in ACQUISITIONS
    assert calls == []
    assert ACQUISITIONS["plugged-entry"]
    with pytest.raises(UnknownNameError):
        ACQUISITIONS["plugged-nowhere"]
    assert calls == ["mine"]
    assert load_plugins() == ["mine"]


def test_an_entry_point_that_fails_is_named_and_left_out(installed) -> None:
    def broken() -> None:
        raise ImportError("no such library")

    installed(broken=broken, mine=lambda: None)
    with pytest.warns(UserWarning, match=r"The plugin 'broken' \(m\) cannot be imported: .*no such library"):
        assert load_plugins() == ["mine"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert load_plugins() == ["mine"]


def test_the_module_runs_as_the_command() -> None:
    done = subprocess.run([sys.executable, "-m", "nnstruct", "--version"], capture_output=True, text=True)
    assert done.returncode == 0
    assert done.stdout.startswith("nnstruct ")
