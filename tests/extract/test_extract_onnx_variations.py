"""Variations of ONNX operators, against the reference evaluator of the installed onnx."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from nnstruct.extract import extract_onnx
from nnstruct.modules import program_module

onnx = pytest.importorskip("onnx", reason="ONNX files need the extra 'onnx'")
from onnx import helper, numpy_helper  # noqa: E402
from onnx.reference import ReferenceEvaluator  # noqa: E402

node = helper.make_node
RNG = np.random.default_rng(0)


def _numbers(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape).astype(np.float32)


def _check(
    path: Path, nodes: list[Any], inputs: dict[str, Any], constants: dict[str, Any], opset: int
) -> Any:
    graph = helper.make_graph(
        nodes, "graph",
        [helper.make_tensor_value_info(name, 1, value.shape) for name, value in inputs.items()],
        [helper.make_tensor_value_info("y", 1, None)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    onnx.save_model(model, path)
    expected = ReferenceEvaluator(model).run(["y"], inputs)[0]
    network: Any = extract_onnx(path)
    with torch.no_grad():
        found = program_module(network)(*(torch.tensor(value) for value in inputs.values())).numpy()
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    return network


# Equation, the shapes of the operands that are inputs, and of those that are constants.
EQUATIONS: list[tuple[str, list[tuple[int, ...]], list[tuple[int, ...]]]] = [
    ("ij,jk->ik", [(2, 3), (3, 4)], []),
    ("ij,jk", [(2, 3), (3, 4)], []),
    ("bij,bjk->bik", [(2, 3, 4), (2, 4, 5)], []),
    ("bqhd,bkhd->bhqk", [(2, 3, 2, 4), (2, 5, 2, 4)], []),
    ("bhqk,bkhd->bqhd", [(2, 2, 3, 5), (2, 5, 2, 4)], []),
    ("...ij,...kj->...ik", [(2, 2, 3, 4), (2, 2, 5, 4)], []),
    ("...ij,jk", [(2, 3, 4)], [(4, 5)]),
    ("bii->bi", [(2, 3, 3)], []),
    ("bii->b", [(2, 3, 3)], []),
    ("ii", [(3, 3)], []),
    ("ijk->kji", [(2, 3, 4)], []),
    ("ijk->j", [(2, 3, 4)], []),
    ("i,j->ij", [(3,), (4,)], []),
    ("i,i", [(3,), (3,)], []),
    ("bi,bi->b", [(2, 3), (2, 3)], []),
    ("bij,jk,kl->bil", [(2, 3, 4)], [(4, 5), (5, 2)]),
    ("bi,bj,bk->ijk", [(2, 3), (2, 4), (2, 2)], []),
    ("bnd,hde->bhne", [(2, 3, 4)], [(2, 4, 5)]),
    ("bhd,hde->bhe", [(2, 3, 4)], [(3, 4, 5)]),
    ("iij,jkk->ik", [(3, 3, 4), (4, 2, 2)], []),
    ("a...,b...->ab...", [(2, 3), (4, 3)], []),
]


@pytest.mark.parametrize("equation", EQUATIONS, ids=lambda case: case[0])
def test_einsum(tmp_path: Path, equation: Any) -> None:
    text, shapes, fixed = equation
    inputs = {f"x{place}": _numbers(*shape) for place, shape in enumerate(shapes)}
    constants = {f"w{place}": _numbers(*shape) for place, shape in enumerate(fixed)}
    nodes = [node("Einsum", [*inputs, *constants], ["y"], equation=text)]
    network = _check(tmp_path / "m.onnx", nodes, inputs, constants, 13)
    if text == "bhd,hde->bhe":  # a matrix for each head is weights on edges
        assert sum(len(block.values) for block in network.blocks if block.role == "weight") == 60


W = {"w": _numbers(4, 1, 3, 3), "v": _numbers(2, 4, 3, 3)}
VARIED: dict[str, tuple[list[Any], tuple[int, ...], dict[str, Any], int]] = {
    **{
        f"DepthToSpace {mode}": (
            [
                node("Conv", ["x", "u"], ["a"]),
                node("DepthToSpace", ["a"], ["b"], blocksize=2, mode=mode),
                node("Conv", ["b", "v"], ["y"]),
            ],
            (1, 2, 4, 4),
            {"u": _numbers(16, 2, 1, 1), "v": W["v"]},
            13,
        )
        for mode in ("DCR", "CRD")
    },
    "SpaceToDepth": (
        [node("SpaceToDepth", ["x"], ["a"], blocksize=2), node("Conv", ["a", "v"], ["y"])],
        (1, 1, 8, 8),
        {"v": W["v"]},
        13,
    ),
    "Pad and Concat in front": (
        [
            node("Pad", ["x", "p"], ["a"]),
            node("Concat", ["a", "x"], ["b"], axis=-1),
            node("Conv", ["b", "k"], ["y"]),
        ],
        (1, 2, 6),
        {"p": np.array([0, 0, 2, 0, 0, 0]), "k": _numbers(3, 2, 3)},
        13,
    ),
    "LogSoftmax, negative axis": ([node("LogSoftmax", ["x"], ["y"], axis=-2)], (2, 3, 4), {}, 13),
    "ReduceL2, axes kept": ([node("ReduceL2", ["x"], ["y"], axes=[-1, 1], keepdims=1)], (2, 3, 4), {}, 13),
    "ReduceSumSquare, input": (
        [node("ReduceSumSquare", ["x", "a"], ["y"], keepdims=0)],
        (2, 3, 4),
        {"a": np.array([-2])},
        18,
    ),
    "ReduceLogSumExp": ([node("ReduceLogSumExp", ["x"], ["y"], axes=[0], keepdims=0)], (2, 3, 4), {}, 13),
    "ReduceMax of nothing": (
        [node("ReduceMax", ["x", "a"], ["y"], noop_with_empty_axes=1)],
        (2, 3),
        {"a": np.zeros(0, np.int64)},
        18,
    ),
    "Sum of three": (
        [node("Sum", ["x", "s", "t"], ["y"])],
        (2, 3),
        {"s": _numbers(3), "t": _numbers(2, 1)},
        13,
    ),
    "Mean of two": ([node("Mean", ["x", "s"], ["y"])], (2, 3), {"s": _numbers(1, 3)}, 13),
    "Min and Max": (
        [node("Min", ["x", "s"], ["a"]), node("Max", ["a", "t"], ["y"])],
        (2, 3),
        {"s": _numbers(3), "t": _numbers(2, 1)},
        13,
    ),
    "HardSigmoid": ([node("HardSigmoid", ["x"], ["y"], alpha=0.3, beta=0.4)], (2, 3), {}, 6),
    "Selu of other slopes": ([node("Selu", ["x"], ["y"], alpha=1.5, gamma=1.1)], (2, 3), {}, 6),
    "Elu, then Celu": (
        [node("Elu", ["x"], ["a"], alpha=0.5), node("Celu", ["a"], ["y"], alpha=2.0)],
        (2, 3),
        {},
        12,
    ),
    "PRelu by channel": ([node("PRelu", ["x", "s"], ["y"])], (2, 3, 4), {"s": _numbers(3, 1)}, 9),
    "Clip by inputs": ([node("Clip", ["x", "", "m"], ["y"])], (2, 3), {"m": np.float32(0.2)}, 12),
    "Pow by row": (
        [node("Abs", ["x"], ["a"]), node("Pow", ["a", "e"], ["y"])],
        (2, 3),
        {"e": np.array([1.0, 2.0, 0.5], np.float32)},
        13,
    ),
    "Where": (
        [node("Greater", ["x", "s"], ["c"]), node("Where", ["c", "x", "s"], ["y"])],
        (2, 3),
        {"s": _numbers(1, 3)},
        9,
    ),
    "Gather twice": (
        [node("Gather", ["x", "i"], ["y"], axis=-1)],
        (2, 4),
        {"i": np.array([[0, -1], [2, 2]])},
        13,
    ),
    "GatherElements": (
        [node("GatherElements", ["x", "i"], ["y"], axis=1)],
        (2, 3),
        {"i": np.array([[0, -1], [2, 2]])},
        13,
    ),
    "ScatterElements adds": (
        [node("ScatterElements", ["x", "i", "u"], ["y"], axis=1, reduction="add")],
        (2, 4),
        {"i": np.array([[0, 2], [3, 1]]), "u": _numbers(2, 2)},
        16,
    ),
    "TopK, smallest": (
        [node("TopK", ["x", "k"], ["y", "i"], axis=0, largest=0)],
        (4, 3),
        {"k": np.array([2])},
        11,
    ),
    "Slice by steps": (
        [node("Slice", ["x", "s", "e", "a", "t"], ["y"])],
        (3, 7),
        {"s": np.array([-1, 0]), "e": np.array([-8, 2]), "a": np.array([1, 0]), "t": np.array([-2, 1])},
        13,
    ),
    "Split unevenly": ([node("Split", ["x", "s"], ["a", "y"], axis=-1)], (2, 5), {"s": np.array([2, 3])}, 13),
    "Tile": ([node("Tile", ["x", "r"], ["y"])], (2, 3), {"r": np.array([2, 1])}, 13),
    "Expand": ([node("Expand", ["x", "r"], ["y"])], (3, 1), {"r": np.array([2, 1, 4])}, 13),
    "CumSum, backwards": (
        [node("CumSum", ["x", "a"], ["y"], exclusive=1, reverse=1)],
        (2, 4),
        {"a": np.array(-1)},
        14,
    ),
    "Trilu": ([node("Trilu", ["x", "k"], ["y"], upper=0)], (2, 3, 4), {"k": np.array(1)}, 14),
    "Resize by sizes": (
        [
            node(
                "Resize",
                ["x", "", "", "s"],
                ["y"],
                mode="linear",
                coordinate_transformation_mode="align_corners",
            )
        ],
        (1, 1, 4, 5),
        {"s": np.array([1, 1, 7, 3])},
        13,
    ),
    "Resize, nearest": (
        [
            node(
                "Resize",
                ["x", "", "s"],
                ["y"],
                mode="nearest",
                nearest_mode="ceil",
                coordinate_transformation_mode="asymmetric",
            )
        ],
        (1, 2, 4, 4),
        {"s": np.array([1, 1, 1.5, 2], np.float32)},
        13,
    ),
    "LayerNormalization": (
        [node("LayerNormalization", ["x", "s", "b"], ["y"], axis=1)],
        (2, 3, 4),
        {"s": _numbers(3, 4), "b": _numbers(3, 4)},
        17,
    ),
    "InstanceNormalization": (
        [node("InstanceNormalization", ["x", "s", "b"], ["y"])],
        (2, 3, 4),
        {"s": _numbers(3), "b": _numbers(3)},
        6,
    ),
    "Gemm, turned": (
        [node("Gemm", ["x", "w", "c"], ["y"], transA=1, alpha=0.5, beta=2.0)],
        (3, 2),
        {"w": _numbers(3, 4), "c": _numbers(2, 1)},
        13,
    ),
    "MatMul with matrices": ([node("MatMul", ["x", "w"], ["y"])], (3, 2, 4), {"w": _numbers(3, 4, 5)}, 13),
    "MatMul of a vector": ([node("MatMul", ["w", "x"], ["y"])], (3, 4), {"w": _numbers(3)}, 13),
    "AveragePool of old": (
        [node("AveragePool", ["x"], ["y"], kernel_shape=[3], pads=[1, 1], strides=[2], count_include_pad=1)],
        (1, 2, 7),
        {},
        10,
    ),
    "MaxPool, uneven": (
        [node("MaxPool", ["x"], ["y"], kernel_shape=[2, 3], pads=[0, 1, 1, 1], strides=[2, 2])],
        (1, 2, 5, 5),
        {},
        12,
    ),
    "ConvTranspose": (
        [node("ConvTranspose", ["x", "k"], ["y"], strides=[2], pads=[1, 0], output_padding=[1])],
        (1, 2, 5),
        {"k": _numbers(2, 3, 3)},
        11,
    ),
}


@pytest.mark.parametrize("case", VARIED)
def test_variations(tmp_path: Path, case: str) -> None:
    nodes, shape, constants, opset = VARIED[case]
    network = _check(tmp_path / "m.onnx", nodes, {"x": _numbers(*shape)}, constants, opset)
    if "Space" in case or "in front" in case:  # the last kernel stands on an edge from each channel
        last = [block.values.shape for block in network.blocks if block.role == "weight"][-1]
        assert last == ((6, 3) if "in front" in case else (8, 9))
