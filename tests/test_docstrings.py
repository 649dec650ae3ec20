"""What is public says what it takes: parameters, what comes back, and which errors there are.

Held to it are all public methods of public classes, and the functions that a package hands on by its
``__init__`` (those of the command line are documented by their options). A method that overrides a
documented one inherits its words: those of the base count
where it lists no parameters of its own.
"""

from __future__ import annotations

import ast
import importlib
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from numpydoc.docscrape import NumpyDocString

import nnstruct

ROOT = Path(nnstruct.__file__).parent
MODULES = [
    ".".join(["nnstruct", *path.relative_to(ROOT).with_suffix("").parts]).removesuffix(".__init__")
    for path in sorted(ROOT.rglob("*.py"))
    if path.name != "__main__.py" and "cli" not in path.relative_to(ROOT).parts
]
# Raised for the sake of Python's own protocols.
_OWN_PROTOCOL = {"AttributeError", "NotImplementedError", "StopIteration"}


def public_methods(module: str) -> Iterator[tuple[type, str, Any]]:
    """Class, name and function of every public method with arguments that a module defines."""
    for cls in vars(importlib.import_module(module)).values():
        if not inspect.isclass(cls) or cls.__module__ != module or cls.__name__.startswith("_"):
            continue
        for name, member in vars(cls).items():
            function = member.__func__ if isinstance(member, classmethod | staticmethod) else member
            generated = getattr(function, "__qualname__", "").split(".")[0] != cls.__name__
            if inspect.isfunction(function) and not name.startswith("_") and not generated:
                bound = not isinstance(member, staticmethod)
                if parameters(function, bound=bound):
                    yield cls, name, member


def handed_on(module: str) -> Iterator[tuple[str, Any]]:
    """Functions with arguments that a package's ``__init__`` names in ``__all__``."""
    package = importlib.import_module(module)
    if hasattr(package, "__path__"):
        for name in getattr(package, "__all__", ()):
            value = getattr(package, name)
            if inspect.isfunction(value) and parameters(value, bound=False):
                yield name, value


def parameters(function: Any, *, bound: bool) -> list[str]:
    """Names of a function's parameters as a docstring writes them, without ``self``."""
    stars = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}
    found = list(inspect.signature(inspect.unwrap(function)).parameters.values())
    return [stars.get(each.kind, "") + each.name for each in found[bound:]]


def faults(function: Any, doc: str | None, *, bound: bool) -> list[str]:
    """What a docstring leaves out, or says of parameters that are not there."""
    parsed = NumpyDocString(inspect.cleandoc(doc or ""))
    listed = [name.strip() for each in parsed["Parameters"] for name in each.name.split(",")]
    wanted, found = parameters(function, bound=bound), []
    if sorted(listed) != sorted(wanted):
        found.append(f"lists the parameters {listed}, has {wanted}")
    returns = inspect.unwrap(function).__annotations__.get("return")
    if returns not in (None, "None", type(None)) and not (parsed["Returns"] or parsed["Yields"]):
        found.append(f"does not say what it returns, {returns}")
    told = " ".join(each.type for each in parsed["Raises"])
    for error in sorted(raised(function)):
        if error not in told:
            found.append(f"does not say that it raises {error}")
    return found


def raised(function: Any) -> set[str]:
    """Errors that a function raises by name in its own body."""
    source = inspect.cleandoc("\n" + inspect.getsource(inspect.unwrap(function)))
    tree = ast.parse(source)
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            found.add(ast.unparse(node.exc.func).split(".")[-1])
    return {name for name in found - _OWN_PROTOCOL if name[0].isupper()}


def documented(cls: type, name: str) -> str | None:
    """A method's docstring, or that of the method that it overrides where its own lists no parameters."""
    for base in cls.__mro__:
        member = vars(base).get(name)
        if member is not None and "Parameters\n" in (member.__doc__ or ""):
            return member.__doc__
    return vars(cls)[name].__doc__


def test_public_methods_and_functions_say_what_they_take() -> None:
    found, methods, functions = [], 0, 0
    for module in MODULES:
        for cls, name, member in public_methods(module):
            methods += 1
            function = member.__func__ if isinstance(member, classmethod | staticmethod) else member
            wrong = faults(function, documented(cls, name), bound=not isinstance(member, staticmethod))
            found += [f"{module} {cls.__name__}.{name}: {'; '.join(wrong)}"] if wrong else []
        for name, function in handed_on(module):
            functions += 1
            wrong = faults(function, function.__doc__, bound=False)
            found += [f"{module} {name}: {'; '.join(wrong)}"] if wrong else []
    assert not found, "\n".join(found)
    assert methods > 250  # enough is looked at
    assert functions > 60


class Example:
    """A class with methods that say too little."""

    def whole(self, n: int) -> int:
        """Twice a number.

        Parameters
        ----------
        n : int

        Returns
        -------
        int

        Raises
        ------
        ValueError
            If it is negative.
        """
        if n < 0:
            raise ValueError(n)
        return 2 * n

    def silent(self, n: int, *rest: int, **options: int) -> int:
        """Twice a number."""
        if n < 0:
            raise ValueError(n)
        return 2 * n


class Heir(Example):
    """Its method inherits the words."""

    def whole(self, n: int) -> int:
        return 2 * n


def test_what_is_left_out_is_found() -> None:
    assert faults(Example.whole, Example.whole.__doc__, bound=True) == []
    assert faults(Heir.whole, documented(Heir, "whole"), bound=True) == []
    lists, returns, raises = faults(Example.silent, Example.silent.__doc__, bound=True)
    assert lists == "lists the parameters [], has ['n', '*rest', '**options']"
    assert returns == "does not say what it returns, int"
    assert raises == "does not say that it raises ValueError"
