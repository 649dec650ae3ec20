"""Rows of ``onnx_rows.txt``, a variation of an operator each, against onnx's reference evaluator.

A row holds the operator set, inputs, constants, and nodes as ONNX writes them. An input or constant is a name
and a shape, for random numbers, or a literal, with its type unless that is int64.
"""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np
import pytest
import torch

from nnstruct.extract import extract_onnx
from nnstruct.modules import program_module

onnx = pytest.importorskip("onnx", reason="ONNX files need the extra 'onnx'")
from onnx import helper, numpy_helper  # noqa: E402
from onnx import parser as onnx_parser  # noqa: E402
from onnx.reference import ReferenceEvaluator  # noqa: E402

ROWS = (Path(__file__).parent / "onnx_rows.txt").read_text(encoding="utf-8").splitlines()


def _arrays(text: str) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    made = {}
    for given in filter(None, (part.strip() for part in text.split(";"))):
        name, *words = given.split()
        dtype = words.pop() if words and words[-1].isalnum() and words[-1][0].isalpha() else ""
        if "=" in words:
            value = ast.literal_eval(given.split(" = ")[1].removesuffix(dtype))
            made[name] = np.array(value, dtype or "int64")
        elif dtype in ("int8", "uint8"):
            made[name] = rng.integers(0, 100, [int(word) for word in words]).astype(dtype)
        else:
            made[name] = rng.normal(size=[int(word) for word in words]).astype(dtype or "float32")
    return made


@pytest.mark.parametrize("row", ROWS)
def test_a_row_of_variations(row: str, tmp_path: Path) -> None:
    opset, given, fixed, text = (part.strip() for part in row.split(" | "))
    if int(opset) > onnx.defs.onnx_opset_version():
        pytest.skip("the installed onnx is older than the operator")
    inputs, constants = _arrays(given), _arrays(fixed)
    nodes = [onnx_parser.parse_node(node) for node in text.split("; ")]
    outputs = [name for name in nodes[-1].output if name]
    graph = helper.make_graph(
        nodes, "graph",
        [helper.make_tensor_value_info(name, 1, value.shape) for name, value in inputs.items()],
        [helper.make_tensor_value_info(name, 1, None) for name in outputs],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", int(opset))])
    onnx.save_model(model, tmp_path / "m.onnx")
    with np.errstate(all="ignore"):
        expected = ReferenceEvaluator(model).run(outputs, inputs)
    network = extract_onnx(tmp_path / "m.onnx")
    with torch.no_grad():
        found = program_module(network)(*map(torch.tensor, inputs.values()))  # type: ignore[arg-type]
    for one, other in zip(found if isinstance(found, tuple) else (found,), expected, strict=True):
        np.testing.assert_allclose(one.numpy(), other, rtol=2e-3, atol=2e-3)
