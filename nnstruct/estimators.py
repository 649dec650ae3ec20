"""What tables and predictors inherit: scikit-learn's bases, once anything imports scikit-learn.

Importing scikit-learn takes longer than to read a predictor and to ask it. The bases here have the
parameters of an estimator, and import scikit-learn for all else. Once ``sklearn.base`` is imported, by
whomever, they inherit from its classes, and so does all that was made of them before: whoever can ask
whether a predictor is an estimator of scikit-learn finds that it is.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import TYPE_CHECKING, Any, Self

__all__ = [
    "BaseEstimator",
    "RegressorMixin",
    "TransformerMixin",
    "ask_only",
    "asks_only",
    "check_fitted",
    "own_process",
]

_BASE = "sklearn.base"
_state = {"own process": False, "ask only": False}


# Between each of the bases here and ``object``, whose own heirs can be given no other base. One for each:
# while the heirs get their new order of bases one by one, a common one would stand before a base in some.
class _BelowEstimator: ...


class _BelowRegressor: ...


class _BelowTransformer: ...


class _Borrowed:
    """What scikit-learn's class has under this name; to ask for it imports scikit-learn."""

    def __init__(self, home: str) -> None:
        self.home = home

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        real = getattr(import_module(_BASE), self.home)
        return inspect.getattr_static(real, self.name).__get__(instance, owner)


class _Estimator(_BelowEstimator):
    """In the place of ``BaseEstimator``."""

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        found = {name: getattr(self, name) for name in _parameters(type(self))}
        if deep and any(hasattr(value, "get_params") for value in found.values()):
            return dict(import_module(_BASE).BaseEstimator.get_params(self, deep))
        return found

    def set_params(self, **params: Any) -> Self:
        if not set(params) <= set(_parameters(type(self))):
            import_module(_BASE).BaseEstimator.set_params(self, **params)
            return self
        for name, value in params.items():
            setattr(self, name, value)
        return self

    __repr__ = _Borrowed("BaseEstimator")
    _repr_html_ = _Borrowed("BaseEstimator")
    _repr_mimebundle_ = _Borrowed("BaseEstimator")
    get_metadata_routing = _Borrowed("BaseEstimator")


class _Regressor(_BelowRegressor):
    """In the place of ``RegressorMixin``."""

    score = _Borrowed("RegressorMixin")


class _Transformer(_BelowTransformer):
    """In the place of ``TransformerMixin``."""

    fit_transform = _Borrowed("TransformerMixin")
    set_output = _Borrowed("TransformerMixin")


# What they have of their own until then.
_MEMBERS = frozenset(
    (
        "get_params", "set_params", "__repr__", "_repr_html_", "_repr_mimebundle_", "get_metadata_routing",
        "score", "fit_transform", "set_output",
    )
)  # fmt: skip
_BASES = {"BaseEstimator": _Estimator, "RegressorMixin": _Regressor, "TransformerMixin": _Transformer}


def _parameters(kind: Any) -> list[str]:
    return sorted(name for name in inspect.signature(kind.__init__).parameters if name != "self")


def _heirs(kind: type) -> list[type]:
    """All that inherit from a class, each after what it inherits from by this way."""
    nearest: list[type] = kind.__subclasses__()
    return [*nearest, *(heir for each in nearest for heir in _heirs(each))]


def _inherit(module: ModuleType) -> None:
    """Put scikit-learn's classes under the bases here, as if they had been there from the start."""
    made: dict[Any, None] = dict.fromkeys(heir for late in _BASES.values() for heir in _heirs(late))
    for name, late in _BASES.items():
        late.__bases__ = (getattr(module, name),)
        for own in _MEMBERS & vars(late).keys():
            delattr(late, own)
    for heir in made:
        super(heir, heir).__init_subclass__()  # scikit-learn adds methods to its heirs


class _Watch(MetaPathFinder, Loader):
    """Lets the other finders import ``sklearn.base``, and has the bases here inherit from it.

    It stays on the list, since another thread that reads the list would miss a finder where one goes.
    """

    loader: Any = None

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != _BASE or _Estimator.__bases__ != (_BelowEstimator,):
            return None
        for finder in sys.meta_path:
            spec = None if finder is self else finder.find_spec(fullname, path, target)
            if spec is not None:
                self.loader, spec.loader = spec.loader, self
                return spec
        return None

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        made: ModuleType | None = self.loader.create_module(spec)
        return made

    def exec_module(self, module: ModuleType) -> None:
        module.__loader__ = self.loader
        if module.__spec__ is not None:
            module.__spec__.loader = self.loader
        self.loader.exec_module(module)
        _inherit(module)


if _BASE in sys.modules:
    _inherit(sys.modules[_BASE])
else:
    sys.meta_path.insert(0, _Watch())

if TYPE_CHECKING:
    from sklearn.base import BaseEstimator, RegressorMixin, TransformerMixin
else:
    BaseEstimator, RegressorMixin, TransformerMixin = _Estimator, _Regressor, _Transformer


def own_process() -> None:
    """Say that this process runs one command and ends: only there may :func:`ask_only` do something."""
    _state["own process"] = True


def ask_only() -> None:
    """From here on read forests as arrays, which can be asked but not fitted, cloned or saved again."""
    _state["ask only"] = _state["own process"]


def asks_only() -> bool:
    """Whether what is read is only asked."""
    return _state["ask only"]


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
