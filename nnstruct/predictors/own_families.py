"""Families of measures that a user has registered, in saved predictors: by name and import path.

A file runs nothing. It names the function that computes a family; its module is imported only where whoever
loads the file says so.
"""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from nnstruct.errors import CorruptFileError, InvalidInputError
from nnstruct.predictors.base import Predictor
from nnstruct.properties import NETWORK_FAMILIES, PROPERTY_FAMILIES, PropertyFamily

_PATH = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[\w.<>]+")


def own_families(predictor: Predictor) -> dict[str, dict[str, Any]]:
    """Import path and measures of the families that a predictor uses and nnstruct does not have.

    Parameters
    ----------
    predictor : Predictor

    Returns
    -------
    dict of str to dict
        By name: ``path``, as ``module:function``, and ``measures``; JSON values.
    """
    found = {}
    for name in _named(predictor):
        family = _registered(name)
        if family is not None and family.compute.__module__.partition(".")[0] != "nnstruct":
            function = getattr(family.compute, "__qualname__", type(family.compute).__qualname__)
            path = f"{family.compute.__module__}:{function}"
            found[name] = {"path": path, "measures": list(family.measures)}
    return dict(sorted(found.items()))


def require_families(wanted: Mapping[str, Mapping[str, Any]], trusted: Collection[str], file: str) -> None:
    """See that every family of a saved predictor is registered; import modules that are trusted.

    Parameters
    ----------
    wanted : mapping
        What :func:`own_families` gave.
    trusted : collection of str
        Modules, ``package.module``, or functions in them, ``package.module:function``.
    file : str
        For errors.

    Raises
    ------
    InvalidInputError
        If a family is not registered and its module not trusted, or has other measures than those saved.
    CorruptFileError
        If the file does not say what the families are.
    """
    for name, told in wanted.items():
        path, measures = told.get("path"), told.get("measures")
        if not isinstance(path, str) or not _PATH.fullmatch(path) or not isinstance(measures, list):
            raise CorruptFileError(f"{file} does not say where the property family {name!r} comes from.")
        module = path.partition(":")[0]
        if _registered(name) is None and (path in trusted or module in trusted):
            _import(name, path)
        family = _registered(name)
        if family is None:
            trust = f"pass trusted=[{path!r}] to have {module} imported, which runs it"
            hint = f"Import what registers it, or {trust}."
            rule = "be registered before the predictor is loaded"
            raise InvalidInputError(f"the property family {name!r}", rule, path, hint)
        if list(family.measures) != measures:
            rule = f"have the measures with which the predictor was fitted, {', '.join(measures)}"
            raise InvalidInputError(f"the property family {name!r}", rule, list(family.measures))


def check_trusted(trusted: Any) -> frozenset[str]:
    """Names of modules or functions that may be imported.

    Parameters
    ----------
    trusted : sequence of str

    Returns
    -------
    frozenset of str

    Raises
    ------
    InvalidInputError
        If it is a single string, or holds anything else.
    """
    rule = "be a sequence of names such as 'package.module:function'"
    if isinstance(trusted, str) or not isinstance(trusted, Collection):
        raise InvalidInputError("trusted", rule, trusted)
    if not all(isinstance(name, str) for name in trusted):
        raise InvalidInputError("trusted", rule, list(trusted))
    return frozenset(trusted)


def _named(predictor: Predictor) -> Iterator[str]:
    for parameter, value in predictor.get_params(deep=False).items():
        if isinstance(value, Predictor):
            yield from _named(value)
        elif parameter == "families" and not isinstance(value, str):
            yield from (str(name) for name in value)


def _registered(name: str) -> PropertyFamily | None:
    registry = next((each for each in (PROPERTY_FAMILIES, NETWORK_FAMILIES) if name in each), None)
    return None if registry is None else registry[name]


def _import(name: str, path: str) -> None:
    module = path.partition(":")[0]
    if module in sys.modules:
        return
    try:
        importlib.import_module(module)
    except ImportError as error:
        hint = "Its folder has to be on Python's path."
        raise InvalidInputError(
            f"the property family {name!r}", "be importable", path, f"{error}. {hint}"
        ) from error
