"""Parts that others bring: Python files that are named, and installed packages with an entry point.

A package of your own makes its parts known to every command and recipe by an entry point in its
``pyproject.toml``::

    [project.entry-points."nnstruct.plugins"]
    mine = "my_package.parts"

The module is imported when a name is asked for that nnstruct does not know, or by :func:`load_plugins`.
Importing it registers its parts.
"""

from __future__ import annotations

import importlib.util
import sys
import traceback
import warnings
from pathlib import Path
from types import ModuleType
from typing import Any

from nnstruct.errors import InvalidInputError, MissingDataError, NnstructError
from nnstruct.reading import one_line

GROUP = "nnstruct.plugins"
_loaded: dict[str, Any] = {}


def load_plugins() -> list[str]:
    """Import every installed package that has an entry point in the group ``nnstruct.plugins``.

    Each is imported once. One that cannot be imported is named in a warning and left out.

    Returns
    -------
    list of str
        Names of the entry points that are loaded.

    Warns
    -----
    UserWarning
        Of each entry point that cannot be imported.

    Examples
    --------
    >>> from nnstruct.plugins import load_plugins
    >>> isinstance(load_plugins(), list)
    True
    """
    if "" not in _loaded:
        _loaded[""] = None  # also while they are imported: they may ask for parts themselves
        from importlib.metadata import entry_points

        for entry in entry_points(group=GROUP):
            try:
                _loaded[entry.name] = entry.load()
            except Exception as error:  # whatever the package's own code raises
                message = f"The plugin {entry.name!r} ({entry.value}) cannot be imported: {error!r}."
                warnings.warn(message, UserWarning, stacklevel=2)
    return sorted(name for name in _loaded if name)


def load_plugin(path: str | Path) -> ModuleType:
    """Run a Python file that registers parts.

    Its folder is searched for modules from then on, so that processes that train find it by name.

    Parameters
    ----------
    path : path
        Of a ``.py`` file.

    Returns
    -------
    module

    Raises
    ------
    MissingDataError
        If there is no such file.
    InvalidInputError
        If it is no Python file, or an error ends it.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from nnstruct.plugins import load_plugin
    >>> from nnstruct.search import ACQUISITIONS
    >>> file = Path(tempfile.mkdtemp()) / "my_acquisitions.py"
    >>> _ = file.write_text('''
    ... from nnstruct.search import ACQUISITIONS
    ...
    ... @ACQUISITIONS.register("widest")
    ... def widest(mean, std, best, exploration):
    ...     "The least certain one."
    ...     return std
    ... ''')
    >>> load_plugin(file).__name__, "widest" in ACQUISITIONS
    ('my_acquisitions', True)
    """
    file = Path(path)
    _check_there(file)
    if file.suffix != ".py" or not file.stem.isidentifier():
        raise InvalidInputError("the plugin", "be a Python file with a module's name, NAME.py", str(path))
    folder = str(file.resolve().parent)
    if folder not in sys.path:
        sys.path.append(folder)
    before = sys.modules.get(file.stem)
    try:
        return _run(file, replace=True)
    except Exception as error:
        if before is None:
            sys.modules.pop(file.stem, None)
        if isinstance(error, NnstructError):
            raise
        raise InvalidInputError("the plugin", "be a Python file that runs", _told(file, error)) from error


def module_of_file(path: Path, *, replace: bool = False) -> ModuleType:
    """A Python file as a module, run anew.

    Parameters
    ----------
    path : Path
    replace : bool
        Whether it takes the place of a module of its name that was imported before from a file of its path.

    Returns
    -------
    module

    Raises
    ------
    MissingDataError
        If there is no such file.
    InvalidInputError
        If it is no Python file, or its name is that of another module that is in use.
    """
    _check_there(path)
    return _run(path, replace=replace)


def _told(file: Path, error: Exception) -> str:
    """Where and how a file ended."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.name == "<module>"]
    line = error.lineno if isinstance(error, SyntaxError) else lines[-1] if lines else None
    return f"{type(error).__name__}: {one_line(error)} ({file.name}, line {line})"


def _check_there(path: Path) -> None:
    if not path.exists():
        raise MissingDataError(f"There is no {path}.")


def _run(path: Path, *, replace: bool) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path.resolve())
    if spec is None or spec.loader is None:
        raise InvalidInputError(str(path), "be a Python file", str(path))
    module = importlib.util.module_from_spec(spec)
    known = sys.modules.get(path.stem)
    if known is not None and replace and getattr(known, "__file__", None) != str(path.resolve()):
        hint = f"There is a module {path.stem} already; rename the file."
        raise InvalidInputError("the plugin", "have a name that no other module has", path.name, hint)
    if replace:
        sys.modules[path.stem] = module
    else:
        sys.modules.setdefault(path.stem, module)
    spec.loader.exec_module(module)
    return module
