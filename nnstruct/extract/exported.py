"""``extract_pt2``: a file of ``torch.export.save`` becomes a Network."""

from __future__ import annotations

import io
import logging
import re
import warnings
import zipfile
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nnstruct.errors import CorruptFileError, FileTooLargeError, InvalidInputError, MissingDataError
from nnstruct.extract.extract import check_choices, read_module, to_network
from nnstruct.extract.family import MODULE, check_family
from nnstruct.network import Network
from nnstruct.network.assembly import MAX_EDGES
from nnstruct.reading import check_bytes, parse_json, read_bytes
from nnstruct.unpacking import check_zip

if TYPE_CHECKING:
    from torch.export import ExportedProgram

# What torch writes for symbolic sizes; it evaluates them as Python, so nothing else may stand there.
_SIZES = re.compile(r"(?:[A-Z][A-Za-z]*|positive|nonnegative|integer|'[a-z]+\d*'|\d+|[\s(),=+*/<>-])*")
_MODELS = re.compile(r"(?:.*/)?models/[^/]+\.json")
_OLD = "serialized_exported_program.json"


def extract_pt2(
    path: str | PathLike[str],
    example_input: Any = None,
    resolution: str = "unit",
    threshold: float = 0.0,
    *,
    on_unsupported: str = "error",
    max_edges: int = MAX_EDGES,
    family: str = MODULE,
) -> Network:
    """Units, edges and weights of a module in a file that ``torch.export.save`` wrote.

    Such a file holds a program and its weights, no Python code. Where it holds a pickle of anything but
    tensors, or compiled code, it is refused.

    Parameters
    ----------
    path : path
        Of a ``.pt2`` file.
    example_input : Tensor, tuple of arguments or dict of keyword arguments, optional
        The one that the file holds, by default.
    resolution, threshold, on_unsupported, max_edges, family
        As for :func:`nnstruct.extract.extract`.

    Returns
    -------
    Network
        The one that :func:`nnstruct.extract.extract` reads from the module.

    Raises
    ------
    MissingDataError
        If there is no such file.
    CorruptFileError
        If it holds no exported module, or would take more memory than ``NNSTRUCT_MAX_BYTES`` allows.
    InvalidInputError
        If it holds more than tensors and their program, or an option is out of range.
    UnsupportedOperationError
        If an operation is not supported.

    Examples
    --------
    >>> import tempfile
    >>> import torch
    >>> from nnstruct.extract import extract, extract_pt2
    >>> mlp = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2)).eval()
    >>> x = torch.zeros(1, 3)
    >>> file = tempfile.mkdtemp() + "/mlp.pt2"
    >>> torch.export.save(torch.export.export(mlp, (x,)), file)
    >>> extract_pt2(file).structure.fingerprint == extract(mlp, x).structure.fingerprint
    True
    """
    check_choices(resolution, threshold, on_unsupported, max_edges)
    check_family(family)
    exported = load_exported(path)
    if example_input is None:
        arguments, named = exported.example_inputs or ((), {})
        if not arguments and not named:
            raise InvalidInputError("example_input", f"be given, since {path} holds none", None)
        if arguments and named:
            raise InvalidInputError("example_input", f"be given, since {path} holds two kinds", None)
        example_input = dict(named) if named else tuple(arguments)
    try:
        program = read_module(exported.module(), example_input, on_unsupported)
    except InvalidInputError as error:
        if error.field != "example_input":
            raise
        # Such a program takes the sizes that it was recorded with, and others where they are free.
        rule = f"be as {path} was recorded, {_shapes(exported)}, but for sizes that are free"
        raise InvalidInputError("example_input", rule, _shapes_of(example_input)) from error
    return to_network(program, resolution, threshold, max_edges, {"file": Path(path).name}, family)


def _shapes(exported: ExportedProgram) -> str:
    """The shapes of what a program takes, as far as it says them."""
    given = set(exported.graph_signature.user_inputs)
    held = [node.meta.get("val") for node in exported.graph.nodes if node.name in given]
    return ", ".join(str([str(size) if not str(size).isdigit() else int(size) for size in value.shape])
                     for value in held if hasattr(value, "shape"))  # fmt: skip


def _shapes_of(example: Any) -> str:
    values = list(example.values()) if isinstance(example, dict) else example
    values = values if isinstance(values, list | tuple) else [values]
    return ", ".join(str(list(value.shape) if hasattr(value, "shape") else value) for value in values)


def load_exported(path: str | PathLike[str]) -> ExportedProgram:
    """The program in a file of ``torch.export.save``, whose pickles are looked at first.

    Parameters
    ----------
    path : path

    Returns
    -------
    torch.export.ExportedProgram

    Raises
    ------
    MissingDataError, CorruptFileError, InvalidInputError
        As for :func:`extract_pt2`.
    """
    import torch

    file = Path(path)
    try:
        data = read_bytes(file)
    except (FileNotFoundError, IsADirectoryError) as error:
        raise MissingDataError(f"There is no file {file}.") from error
    if not holds_program(data):
        raise CorruptFileError(f"{file} holds no module that torch.export.save wrote.")
    _check(data, file)
    loud = logging.getLogger("torch.export")
    level = loud.level
    loud.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            exported = torch.export.load(io.BytesIO(data))
        _check_tensors(exported, file)
        return exported
    except FileTooLargeError:
        raise
    except Exception as error:  # the loader raises whatever it stumbles over
        raise CorruptFileError(f"{file} cannot be read by torch.export: {error}") from error
    finally:
        loud.setLevel(level)


def holds_program(data: bytes) -> bool:
    """Whether bytes are an archive of ``torch.export.save``, of this release or an older one.

    Parameters
    ----------
    data : bytes
        Of the whole file.

    Returns
    -------
    bool
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return any(_MODELS.fullmatch(name) or name == _OLD for name in archive.namelist())
    except zipfile.BadZipFile:
        return False


def _check(data: bytes, file: Path) -> None:
    """Refuse what would run when it is loaded."""
    rule = "hold tensors and their program only"
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = archive.namelist()
            check_zip(archive, file)
            if len(set(names)) < len(names):
                raise CorruptFileError(f"{file} holds two entries of one name.")
            pickled = {name for name in names if name.endswith(".pt")}
            for name in names:
                if "data/aotinductor/" in name or "custom_obj_" in name or "opaque_obj_" in name:
                    raise InvalidInputError(str(file), rule, name, "It holds compiled code or own objects.")
                if name.endswith("_config.json"):
                    folder = name.rpartition("/")[0]
                    entries = parse_json(archive.read(name)).get("config", {}).values()
                    pickled |= {f"{folder}/{e['path_name']}" for e in entries if e.get("use_pickle")}
                elif _MODELS.fullmatch(name) or name == _OLD:
                    _check_sizes(parse_json(archive.read(name)), file)
            for name in sorted(pickled):
                _check_pickle(archive.read(name), name, file, rule)
    except (zipfile.BadZipFile, ValueError, KeyError, TypeError, AttributeError) as error:
        if isinstance(error, InvalidInputError):
            raise
        raise CorruptFileError(f"{file} is damaged: {error}") from error


def _check_sizes(content: Any, file: Path) -> None:
    waiting = [content]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            text = item.get("expr_str")
            if isinstance(text, str) and not _SIZES.fullmatch(text):
                raise InvalidInputError(str(file), "hold symbolic sizes that are arithmetic", text)
            waiting += item.values()
        elif isinstance(item, list):
            waiting += item


def _check_tensors(exported: ExportedProgram, file: Path) -> None:
    """A few bytes may stand for a tensor of any size, whose elements lie at one place."""
    import torch
    from torch.utils import _pytree

    held = [exported.state_dict, exported.constants, exported.example_inputs]
    tensors = [leaf for leaf in _pytree.tree_leaves(held) if isinstance(leaf, torch.Tensor)]
    check_bytes(file, sum(float(t.numel()) * t.element_size() for t in tensors), "its tensors")


def _check_pickle(data: bytes, name: str, file: Path, rule: str) -> None:
    import torch

    if not data:
        return
    try:
        torch.load(io.BytesIO(data), weights_only=True)
    except Exception as error:  # it raises whatever the bytes make it stumble over
        hint = "A pickle of anything else can run code, and is not read."
        raise InvalidInputError(str(file), rule, name, hint) from error
