"""What tables and predictors inherit: scikit-learn's bases, or stand-ins where a command only reads and asks.

Importing scikit-learn takes longer than all that a score of one structure needs beside it.
"""

from __future__ import annotations

import inspect
import sys
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from sklearn.base import BaseEstimator, RegressorMixin, TransformerMixin

__all__ = [
    "BaseEstimator",
    "RegressorMixin",
    "TransformerMixin",
    "check_fitted",
    "own_process",
    "stand_in",
    "stands_in",
]

_state = {"own process": False, "stand in": False}


class _Parameters:
    """Parameters by name, as scikit-learn's ``BaseEstimator`` has them; no parameter is looked into."""

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        names = [name for name in inspect.signature(type(self).__init__).parameters if name != "self"]
        return {name: getattr(self, name) for name in sorted(names)}

    def set_params(self, **params: Any) -> Self:
        for name, value in params.items():
            setattr(self, name, value)
        return self


class _Nothing:
    """In the place of a mixin."""


_STAND_INS = {"BaseEstimator": _Parameters, "RegressorMixin": _Nothing, "TransformerMixin": _Nothing}


def __getattr__(name: str) -> Any:
    if name not in _STAND_INS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if _state["stand in"]:
        return _STAND_INS[name]
    import sklearn.base

    return getattr(sklearn.base, name)


def own_process() -> None:
    """Say that this process runs one command and ends: only there may :func:`stand_in` do something."""
    _state["own process"] = True


def stand_in() -> None:
    """From here on inherit stand-ins, where nothing has inherited scikit-learn's bases before.

    What is then read from files predicts as ever. It can be neither fitted nor cloned.
    """
    _state["stand in"] = _state["own process"] and "sklearn" not in sys.modules


def stands_in() -> bool:
    """Whether stand-ins are inherited."""
    return _state["stand in"]


def check_fitted(estimator: Any) -> None:
    """Raise unless an estimator has been fitted.

    Parameters
    ----------
    estimator : estimator of scikit-learn
        Fitted where it has an attribute that ends with an underscore.

    Raises
    ------
    sklearn.exceptions.NotFittedError
    """
    if not any(name.endswith("_") and not name.startswith("_") for name in vars(estimator)):
        from sklearn.utils.validation import check_is_fitted

        check_is_fitted(estimator)
