"""Real networks that packages hold as ONNX files: how many extract, and compute what onnxruntime computes.

Run ``python tests/extract/onnx_packages.py [FOLDER ...]`` for the table; without folders all files of the
installed packages are read. Free sizes are tried out, the first on which the file itself runs is taken.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

TOLERANCE = 2e-3
SECONDS, BYTES = 500, 12 << 30
_KINDS = {"tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(int64)": np.int64,
          "tensor(int32)": np.int32, "tensor(uint8)": np.uint8, "tensor(bool)": np.bool_,
          "tensor(float16)": np.float16}  # fmt: skip
_SIDES = (64, 48, 96, 320, 16, 512, 576, 8, 4, 1, 1000)


def files(folders: list[str]) -> list[Path]:
    """The ONNX files below some folders, or below the installed packages, test data of onnx left out."""
    roots = [Path(folder) for folder in folders] or [Path(p) for p in sys.path if p.endswith("site-packages")]
    found = {file.resolve() for root in roots for file in root.rglob("*.onnx")}
    return sorted(file for file in found if "backend/test" not in file.as_posix())


def guesses(shape: list[Any], rank_side: int) -> tuple[int, ...]:
    """A shape with its free sizes filled: one example, three colours, the side to try elsewhere."""
    sizes = []
    for axis, size in enumerate(shape):
        if isinstance(size, int) and size > 0:
            sizes.append(size)
        elif axis == 0 or (len(shape) == 3 and axis == 1 and isinstance(shape[0], int)):
            sizes.append(1)  # an example; a state has it second
        else:
            sizes.append(3 if len(shape) == 4 and axis == 1 else rank_side)
    return tuple(sizes)


def inputs_of(session: Any) -> Iterator[dict[str, np.ndarray]]:
    """Inputs to try, one side after the other."""
    rng = np.random.default_rng(0)
    for side in _SIDES:
        given = {}
        for value in session.get_inputs():
            kind, shape = _KINDS[value.type], guesses(value.shape, side)
            if value.name in ("sr", "sample_rate"):
                given[value.name] = np.full(shape, 16000, kind)
            elif kind == np.int32 and value.name == "bytes":
                given[value.name] = rng.integers(0, 256, size=shape).astype(kind)
            elif kind in (np.float32, np.float64, np.float16):
                given[value.name] = rng.normal(size=shape).astype(kind)
            else:
                given[value.name] = rng.integers(0, 2, size=shape).astype(kind)
        yield given


def outcome(file: Path) -> dict[str, Any]:
    """What one file gives: its kind (``right``, ``wrong``, ``error``, ``crash``) and what was measured."""
    import onnxruntime
    import torch

    from nnstruct.errors import NnstructError
    from nnstruct.extract import extract_onnx
    from nnstruct.modules.program.module import program_module

    onnxruntime.set_default_logger_severity(4)
    try:
        session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
        for given in inputs_of(session):
            try:
                expected = session.run(None, given)
                break
            except Exception:  # the side does not fit
                continue
        else:
            return {"kind": "unknown", "error": "onnxruntime runs it on no shape that was tried"}
    except Exception as error:
        return {"kind": "unknown", "error": f"onnxruntime: {error}"[:150]}
    start = time.perf_counter()
    shapes = {name: array.shape for name, array in given.items()}
    try:
        network = extract_onnx(file, shapes=shapes)
        seconds = time.perf_counter() - start
        values = [torch.from_numpy(given[name]) for name in network_inputs(network, session)]
        with torch.no_grad():
            made = program_module(network).eval()(*values)
    except NnstructError as error:
        return {"kind": "error", "error": str(error)[:200]}
    except MemoryError:
        return {"kind": "error", "error": "memory"}
    except Exception as error:
        return {"kind": "crash", "error": f"{type(error).__name__}: {error}"[:200]}
    made = [made] if isinstance(made, torch.Tensor) else list(made)
    worst, alike = 0.0, len(made) == len(expected)
    for one, other in zip(made, expected, strict=False):
        own, other = one.double().numpy(), np.asarray(other, dtype=np.float64)
        alike &= own.shape == other.shape and np.allclose(own, other, rtol=TOLERANCE, atol=TOLERANCE)
        if own.shape == other.shape and own.size:
            worst = max(worst, float(np.abs(own - other).max()))
    structure = network.structure
    return {
        "kind": "right" if alike else "wrong", "units": structure.num_units, "edges": structure.num_edges,
        "seconds": round(seconds, 1), "difference": worst, "sizes": [list(s) for s in shapes.values()],
    }  # fmt: skip


def network_inputs(network: Any, session: Any) -> list[str]:
    """The names of the network's inputs in their order."""
    names = [value.name for value in session.get_inputs()]
    return names[: len(network.program.inputs)] if len(names) != len(network.program.inputs) else names


def main(arguments: list[str]) -> Counter[str]:
    """Print a row a file, each in a process of its own, and the counts."""
    if arguments[:1] == ["--one"]:
        resource.setrlimit(resource.RLIMIT_AS, (BYTES, BYTES))
        warnings.simplefilter("ignore")
        print(json.dumps(outcome(Path(arguments[1]))))
        return Counter()
    counts: Counter[str] = Counter()
    for file in files(arguments):
        try:
            command = [sys.executable, __file__, "--one", str(file)]
            done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)
            lines = done.stdout.strip().splitlines()
            row = json.loads(lines[-1]) if lines else {"kind": "crash", "error": done.stderr.strip()[-150:]}
        except subprocess.TimeoutExpired:
            row = {"kind": "error", "error": f"took longer than {SECONDS} s"}
        counts[row["kind"]] += 1
        print(f"{file.parts[-2]}/{file.name}", json.dumps(row), flush=True)
    print(dict(counts))
    return counts


if __name__ == "__main__":
    main(sys.argv[1:])
