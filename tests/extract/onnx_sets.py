"""Walks the backend test data of the ``onnx`` package and tells how each file is read.

A file is right where what is extracted computes the file's stored outputs; it may also end with one
clear error. It is wrong where it computes anything else, and a crash where another error comes.

Run ``python tests/extract/onnx_sets.py [SET ...]`` for the table.
"""

from __future__ import annotations

import importlib
import json
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import numpy_helper

from nnstruct.errors import InvalidInputError, NnstructError
from nnstruct.extract.extract import to_network
from nnstruct.extract.onnx import read_onnx
from nnstruct.modules.program.module import ProgramModule, program_module

DATA = Path(onnx.__file__).parent / "backend" / "test" / "data"
SETS = ("light", "simple", "pytorch-converted", "pytorch-operator", "node")
TOLERANCE = 2e-3


@dataclass(frozen=True)
class Case:
    """A file of a set.

    Attributes
    ----------
    name : str
    model : onnx.ModelProto
    inputs, outputs : list
        Arrays; other values (sequences, none) as they are.
    """

    name: str
    model: Any
    inputs: list[Any]
    outputs: list[Any]


def cases(which: str) -> Iterator[Case]:
    """The files of a set, one after the other; ``node:conv,gemm`` are those of some operators."""
    name, _, modules = which.partition(":")
    if name == "node":
        for case in _node_cases([module for module in modules.split(",") if module]):
            inputs, outputs = case.data_sets[0]
            yield Case(case.name, case.model, [_array(v) for v in inputs], [_array(v) for v in outputs])
        return
    if which == "light":
        from onnx.backend.test.runner import Runner

        for file in sorted((DATA / which).glob("*.onnx")):
            model = onnx.load(file)
            stored = {tensor.name for tensor in model.graph.initializer}
            inputs = [
                Runner.generate_dummy_data(value) for value in model.graph.input if value.name not in stored
            ]
            yield Case(file.stem, model, inputs, [_stored(file.with_name(f"{file.stem}_output_0.pb"))])
        return
    for folder in sorted((DATA / which).iterdir()):
        data = folder / "test_data_set_0"
        model = onnx.load(folder / "model.onnx")
        inputs, outputs = (
            [_stored(data / f"{side}_{i}.pb") for i in range(len(list(data.glob(f"{side}_*.pb"))))]
            for side in ("input", "output")
        )
        yield Case(folder.name, model, inputs, outputs)


def _node_cases(modules: list[str]) -> list[Any]:
    """The cases that the package makes when its modules are imported."""
    from onnx.backend.test.case import node

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if not modules:
            return list(node.collect_testcases())
        for module in modules:
            importlib.import_module(f"{node.__name__}.{module}")
    return list(node._NodeTestCases)


def _stored(file: Path) -> Any:
    try:
        return numpy_helper.to_array(onnx.TensorProto.FromString(file.read_bytes()))
    except Exception:
        return file.read_bytes()  # a sequence


def _array(value: Any) -> Any:
    return numpy_helper.to_array(value) if isinstance(value, onnx.TensorProto) else value


def variants(case: Case) -> Iterator[tuple[str, Any, list[Any]]]:
    """The model as it is, and with every input but the first stored in the file."""
    yield "as it is", case.model, case.inputs
    names = [value.name for value in case.model.graph.input]
    if len(names) > 1 and len(names) == len(case.inputs):
        model = onnx.ModelProto()
        model.CopyFrom(case.model)
        if not all(isinstance(value, np.ndarray | np.generic) for value in case.inputs[1:]):
            return
        del model.graph.input[1:]
        for name, value in zip(names[1:], case.inputs[1:], strict=True):
            model.graph.initializer.append(numpy_helper.from_array(np.asarray(value), name))
        yield "first input", model, case.inputs[:1]


def verdict(model: Any, inputs: list[Any], outputs: list[Any], *, wire: bool = True) -> tuple[str, str]:
    """``right``, ``error``, ``wrong`` or ``crash``, and why."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        onnx.save_model(model, path)
        try:
            program = read_onnx(path, {})
            if wire:
                module = program_module(to_network(program, "unit", 0.0, 50_000_000, {}))  # type: ignore[arg-type]
            else:
                module = _plain(program)
        except NnstructError as error:
            return "error", str(error)
        except Exception as error:
            return "crash", f"{type(error).__name__}: {error}"
    try:
        with torch.no_grad():
            made = module(*[_tensor(value) for value in inputs])
    except Exception as error:
        return "crash", f"run: {type(error).__name__}: {error}"
    found = list(made) if isinstance(made, tuple) else [made]
    if len(found) != len(outputs):
        return "wrong", f"{len(found)} outputs, not {len(outputs)}"
    for own, theirs in zip(found, outputs, strict=True):
        if not isinstance(theirs, np.ndarray | np.generic):
            return "wrong", "no tensor"
        theirs = np.asarray(theirs)
        if theirs.dtype.kind in "OSU":
            return "wrong", "strings"
        # What the file stores in 8 bits is not known any better.
        tolerance = 1e-2 if theirs.dtype.name == "bfloat16" else TOLERANCE
        a, b = own.detach().double().numpy(), theirs.astype(np.float64)
        if a.shape != b.shape:
            return "wrong", f"shape {a.shape}, not {b.shape}"
        if not np.allclose(a, b, rtol=tolerance, atol=tolerance, equal_nan=True):
            with np.errstate(all="ignore"):
                return "wrong", f"differs by {np.nanmax(np.abs(a - b)) if a.size else 0:.3g}"
    return "right", ""


def _plain(program: Any) -> ProgramModule:
    from nnstruct.network.dense import DenseParameters

    program = program.pruned()
    return ProgramModule(program, DenseParameters({}, {}, ()), dict(program.constants))


def _tensor(value: Any) -> torch.Tensor:
    array = np.asarray(value)
    if array.dtype.kind in "OSU":
        raise InvalidInputError("input", "be numbers", "strings")
    if array.dtype.kind not in "iub" and array.dtype != np.float64:
        array = array.astype(np.float32)
    return torch.tensor(array)


ORDER = ("crash", "wrong", "right", "error")


def judge(case: Case) -> tuple[str, str]:
    """The worst of a file's variants, where one is wrong or crashes; right where one is right."""
    found = []
    for what, model, inputs in variants(case):
        kind, why = verdict(model, inputs, case.outputs)
        found.append((ORDER.index(kind), kind, f"{what}: {why}" if why else ""))
    _, kind, why = min(found)
    return kind, why


def counted(which: str) -> tuple[Counter[str], list[dict[str, str]]]:
    """How many files of a set are of each kind, and what is not right."""
    kinds: Counter[str] = Counter()
    others = []
    for case in cases(which):
        kind, why = judge(case)
        kinds[kind] += 1
        if kind != "right":
            others.append({"set": which, "case": case.name, "kind": kind, "why": why[:300]})
    return kinds, others


def main(sets: list[str]) -> None:
    """Print the table of kinds by set, and what is not right as JSON lines."""
    for which in sets or SETS:
        kinds, others = counted(which)
        for row in others:
            print(json.dumps(row))
        print("#", which, dict(kinds), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
