"""Trained models on the command line: ONNX files, exported modules, functions of Python files."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nnstruct.errors import CorruptFileError, InvalidInputError, MissingDataError, NnstructError
from nnstruct.plugins import module_of_file

if TYPE_CHECKING:
    from nnstruct.network import Network

FUNCTION = re.compile(r"(?:.+\.py|[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*):[A-Za-z_]\w*")
PICKLES = (".pt", ".pth", ".ckpt", ".bin")
FILES = (".onnx", ".pt2", ".safetensors")
_SAVE = (
    "A pickle can run code when it is read. Save the module without one: torch.export.save("
    'torch.export.export(module.eval(), (x,)), "model.pt2"), or torch.onnx.export(module, (x,), '
    '"model.onnx"); or name a function that returns it, FILE.py:FUNCTION.'
)


_LOADS = "Name a function that makes the module and loads them, FILE.py:FUNCTION."


@dataclass(frozen=True)
class ModelReading:
    """How a model is read.

    Attributes
    ----------
    resolution : {"unit", "weight", "layer"}
    shapes : dict of str to tuple of int
        Of the inputs, by name; names that are numbers count the arguments.
    threshold : float
        Weights up to this magnitude count as zero.
    opaque : bool
        Whether an operation that is not supported is a unit in place of each channel.
    family : str
        As for :func:`nnstruct.extract.extract`: ``module``, ``auto``, or one by name.
    """

    resolution: str = "unit"
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    threshold: float = 0.0
    opaque: bool = False
    family: str = "module"

    @property
    def options(self) -> dict[str, Any]:
        """What all functions that extract take."""
        return {
            "resolution": self.resolution,
            "threshold": self.threshold,
            "on_unsupported": "opaque" if self.opaque else "error",
            "family": self.family,
        }


def is_model(path: Path) -> bool:
    """Whether a path names a model: a file of one, or a function."""
    return not path.is_dir() and (names_function(path) or path.suffix.lower() in (*FILES, *PICKLES, ".py"))


def names_function(path: Path) -> bool:
    """Whether a path is no path but ``FILE.py:FUNCTION`` or ``MODULE:FUNCTION``."""
    return not path.exists() and FUNCTION.fullmatch(str(path)) is not None


def shapes_of(texts: list[str] | None) -> dict[str, tuple[int, ...]]:
    """Shapes as they are written on the command line, ``1,3,32,32`` or ``NAME=1,3,32,32``.

    Raises
    ------
    InvalidInputError
        If one is written in another way.
    """
    shapes = {}
    for place, text in enumerate(texts or []):
        name, given, sizes = text.rpartition("=")
        parts = re.split(r"[,x]", sizes)
        if not all(part.strip().isdecimal() and int(part) for part in parts):
            raise InvalidInputError("--shape", "be sizes from 1 as in 1,3,32,32, or NAME=1,3,32,32", text)
        shapes[name if given else str(place)] = tuple(int(part) for part in parts)
    return shapes


def read_model(path: Path, how: ModelReading | None = None) -> Network:
    """The Network of a model.

    Parameters
    ----------
    path : Path
        A ``.onnx`` or ``.pt2`` file, a ``.safetensors`` file of :meth:`nnstruct.Network.save`, or a function,
        ``FILE.py:FUNCTION`` or ``MODULE:FUNCTION``, that returns a module, a module and an example input, or
        a Network.
    how : ModelReading, optional

    Returns
    -------
    Network

    Raises
    ------
    MissingDataError, InvalidInputError, CorruptFileError, UnsupportedOperationError
    """
    how = how or ModelReading()
    if names_function(path):
        return _of_function(str(path), how)
    if not path.exists():
        raise MissingDataError(f"There is no {path}.")
    suffix = path.suffix.lower()
    if suffix in PICKLES:
        return _of_exported(path, how, pickled=True)
    if suffix == ".pt2":
        return _of_exported(path, how)
    if suffix == ".safetensors":
        from nnstruct.network import Network

        try:
            return Network.load(path)
        except CorruptFileError as error:
            if not isinstance(error.__cause__, KeyError):
                raise
            hint = f"Weights alone do not say what is computed of them. {_LOADS}"
            raise InvalidInputError(
                "the model", "hold a Network that nnstruct saved", str(path), hint
            ) from error
    if suffix == ".py":
        hint = f"Write {path}:FUNCTION; it returns a module, or a module and an example input."
        raise InvalidInputError("a model in Python", "name a function of its file", str(path), hint)
    return _of_onnx(path, how)


def _of_onnx(path: Path, how: ModelReading) -> Network:
    from nnstruct.extract import extract_onnx

    shapes = how.shapes
    if any(name.isdecimal() for name in shapes):
        names = _onnx_inputs(path)
        shapes = {
            names[int(name)] if name.isdecimal() and int(name) < len(names) else name: sizes
            for name, sizes in shapes.items()
        }
    return extract_onnx(path, shapes=shapes, **how.options)


def _onnx_inputs(path: Path) -> list[str]:
    from nnstruct.extract.onnx_file import load_model
    from nnstruct.reading import max_bytes

    graph = load_model(path, max_bytes())[0].graph
    stored = {tensor.name for tensor in graph.initializer}
    return [value.name for value in graph.input if value.name not in stored]


def _of_exported(path: Path, how: ModelReading, *, pickled: bool = False) -> Network:
    from nnstruct.extract import extract_pt2
    from nnstruct.extract.exported import holds_program

    if pickled and not holds_program(path.read_bytes()):
        raise InvalidInputError("the model", "be in a file that holds no pickle", str(path), _SAVE)
    return extract_pt2(path, _example(how), **how.options)


def _example(how: ModelReading) -> Any:
    """Random numbers of the shapes given, for each argument; none where none are given."""
    import torch

    if not how.shapes:
        return None
    generator = torch.Generator().manual_seed(0)
    drawn = {name: torch.randn(sizes, generator=generator) for name, sizes in how.shapes.items()}
    numbered = all(name.isdecimal() for name in drawn)
    return tuple(drawn.values()) if numbered else drawn


def _of_function(text: str, how: ModelReading) -> Network:
    from torch import nn

    from nnstruct.extract import extract
    from nnstruct.network import Network

    function = function_of(text)
    try:
        made = function(0) if takes_seed(function) else function()
    except NnstructError:
        raise
    except Exception as error:  # the function's own
        rule = "return a torch module when it is called without arguments, or with a seed"
        hint = "--debug shows where."
        raise InvalidInputError(text, rule, f"{type(error).__name__}: {error}", hint) from error
    example = _example(how)
    if isinstance(made, tuple) and len(made) == 2:
        made, own = made
        example = own if example is None else example
    if isinstance(made, Network):
        return made
    if not isinstance(made, nn.Module):
        rule = "return a torch module, a module and an example input, or a Network"
        raise InvalidInputError(text, rule, type(made).__name__)
    if example is None and not hasattr(made, "to_network"):
        hint = "Return (module, example_input), or give --shape 1,3,32,32."
        raise InvalidInputError(text, "come with an example input", type(made).__name__, hint)
    return extract(made, example, **how.options)


def takes_seed(function: Callable[..., Any]) -> bool:
    """Whether a function can be called with a seed, rather than with nothing."""
    import inspect

    try:
        inspect.signature(function).bind(0)
    except TypeError:
        return False
    return True


def function_of(text: str) -> Callable[..., Any]:
    """The function that ``FILE.py:NAME`` or ``MODULE:NAME`` names; the file is run.

    Parameters
    ----------
    text : str

    Returns
    -------
    callable

    Raises
    ------
    MissingDataError
        If there is no such file or module.
    InvalidInputError
        If it holds no such function.
    """
    place, _, name = text.rpartition(":")
    module = module_of_file(Path(place)) if place.endswith(".py") else _module(place)
    found = getattr(module, name, None)
    if not callable(found):
        raise InvalidInputError(text, f"name a function in {place}", name)
    if hasattr(found, "state_dict") and not isinstance(found, type):  # a module that the file has made
        return lambda: found
    return found


def _module(name: str) -> Any:
    """An installed module, or one in the working folder."""
    import importlib
    import sys

    beside = Path(*name.split(".")).with_suffix(".py")
    if beside.exists():
        return module_of_file(beside)
    sys.path.insert(0, str(Path.cwd()))
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not name.startswith(error.name):
            raise
        raise MissingDataError(f"There is no module {name} and no file {beside}.") from error
    finally:
        sys.path.pop(0)
