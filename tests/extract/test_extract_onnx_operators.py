"""ONNX operators by version: right values, and one clear error where there is none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from nnstruct.errors import InvalidInputError
from nnstruct.extract import extract, extract_onnx
from nnstruct.modules.program.module import program_module
from nnstruct.network.module_network import ModuleNetwork
from nnstruct.program import UnsupportedOperationError

onnx = pytest.importorskip("onnx", reason="ONNX files need the extra 'onnx'")
from onnx import helper, numpy_helper  # noqa: E402

node = helper.make_node
X23 = np.arange(6, dtype=np.float32).reshape(2, 3) - 2


def save(
    path: Path, nodes: list[Any], inputs: Any, constants: Any = (), opset: int = 13, outputs: Any = ("y",),
    domains: Any = (),
) -> Path:  # fmt: skip
    """A file whose inputs are named with their shapes; outputs of unknown shape."""
    graph = helper.make_graph(
        nodes,
        "graph",
        [value if not isinstance(value, tuple) else helper.make_tensor_value_info(value[0], 1, value[1])
         for value in inputs],
        [helper.make_tensor_value_info(name, 1, None) for name in outputs],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in dict(constants).items()],
    )  # fmt: skip
    imports = [helper.make_opsetid("", opset), *(helper.make_opsetid(domain, 1) for domain in domains)]
    onnx.save_model(helper.make_model(graph, opset_imports=imports), path)
    return path


def value(path: Path, *inputs: Any, **options: Any) -> Any:
    network = extract_onnx(path, **options)
    assert isinstance(network, ModuleNetwork)
    with torch.no_grad():
        made = program_module(network)(*[torch.tensor(np.asarray(x)) for x in inputs])
    return [part.numpy() for part in made] if isinstance(made, tuple) else made.numpy()


# name -> nodes, input, constants, operator set, what comes out
SINGLE: dict[str, tuple[list[Any], np.ndarray, dict[str, Any], int, Any]] = {
    "Softmax over rows before 13": (
        [node("Softmax", ["x"], ["y"])], np.array([1, 2, 3], np.float32).reshape(1, 3, 1, 1), {}, 9,
        np.exp([1, 2, 3]).reshape(1, 3, 1, 1) / np.exp([1, 2, 3]).sum(),
    ),
    "Softmax over one axis from 13 on": (
        [node("Softmax", ["x"], ["y"])], np.ones((1, 3, 1, 1), np.float32), {}, 13, np.ones((1, 3, 1, 1)),
    ),
    "Pad with attributes": (
        [node("Pad", ["x"], ["y"], pads=[0, 1, 0, 0], value=7.0)], X23, {}, 2,
        np.pad(X23, ((0, 0), (1, 0)), constant_values=7),
    ),
    "Pad that reflects": (
        [node("Pad", ["x", "p"], ["y"], mode="reflect")], X23, {"p": np.array([0, 2, 0, 1])}, 13,
        np.pad(X23, ((0, 0), (2, 1)), mode="reflect"),
    ),
    "Slice with attributes": (
        [node("Slice", ["x"], ["y"], axes=[1], starts=[-2], ends=[9])], X23, {}, 1, X23[:, -2:],
    ),
    "Slice that falls": (
        [node("Slice", ["x", "s", "e", "a", "d"], ["y"])], X23,
        {"s": np.array([2]), "e": np.array([-9]), "a": np.array([1]), "d": np.array([-1])}, 13, X23[:, ::-1],
    ),
    "Clip with attributes": ([node("Clip", ["x"], ["y"], min=-1.0, max=1.0)], X23, {}, 6, X23.clip(-1, 1)),
    "Clip without ends": ([node("Clip", ["x"], ["y"])], X23, {}, 13, X23),
    "Add along an axis": (
        [node("Add", ["x", "c"], ["y"], broadcast=1, axis=0)], X23, {"c": np.array([10, 20], np.float32)}, 6,
        X23 + np.array([[10], [20]]),
    ),
    "PRelu by channel before 7": (
        [node("PRelu", ["x", "s"], ["y"])], -np.ones((1, 2, 2), np.float32),
        {"s": np.array([2, 3], np.float32)}, 6, np.array([[[-2, -2], [-3, -3]]]),
    ),
    "Upsample of version 9": (
        [node("Upsample", ["x", "s"], ["y"])], X23.reshape(1, 1, 2, 3),
        {"s": np.array([1, 1, 2, 2], np.float32)}, 9, X23.repeat(2, 0).repeat(2, 1)[None, None],
    ),
    "a folded Unsqueeze with attributes": (
        [node("Unsqueeze", ["s"], ["t"], axes=[1, 2]), node("Mul", ["x", "t"], ["y"])],
        np.ones((1, 3, 2, 2), np.float32), {"s": np.arange(3, dtype=np.float32)}, 9,
        np.ones((1, 3, 2, 2)) * np.arange(3).reshape(3, 1, 1),
    ),
    "a folded Softmax before 13": (
        [node("Softmax", ["c"], ["t"]), node("Add", ["x", "t"], ["y"])], np.zeros((1, 2, 2), np.float32),
        {"c": np.zeros((1, 2, 2), np.float32)}, 11, np.full((1, 2, 2), 0.25),
    ),
    "Flatten with a negative axis": (
        [node("Flatten", ["x"], ["y"], axis=-1)], np.ones((2, 3, 4), np.float32), {}, 13, np.ones((6, 4)),
    ),
    "AveragePool with dilations": (
        [node("AveragePool", ["x"], ["y"], kernel_shape=[2, 2], dilations=[2, 2])],
        np.arange(16, dtype=np.float32).reshape(1, 1, 4, 4), {}, 19, np.array([[[[5, 6], [9, 10]]]]),
    ),
    "a reduction over no axes": (
        [node("ReduceSum", ["x", "a"], ["y"], noop_with_empty_axes=1)], X23, {"a": np.zeros(0, np.int64)}, 13,
        X23,
    ),
    "Selu with its own numbers": (
        [node("Selu", ["x"], ["y"], alpha=2.0, gamma=3.0)], X23, {}, 13,
        3 * np.where(X23 > 0, X23, 2 * np.expm1(X23)),
    ),
    "Swish with its own number": (
        [node("Swish", ["x"], ["y"], alpha=2.0)], X23, {}, 24, X23 / (1 + np.exp(-2 * X23)),
    ),
    "Pow by a vector": (
        [node("Pow", ["x", "e"], ["y"])], X23, {"e": np.array([1, 2, 3], np.float32)}, 13, X23 ** [1, 2, 3],
    ),
    "a sum of three": ([node("Sum", ["x", "x", "x"], ["y"])], X23, {}, 9, 3 * X23),
    "a choice": (
        [node("Less", ["x", "c"], ["m"]), node("Where", ["m", "c", "x"], ["y"])], X23,
        {"c": np.zeros((), np.float32)}, 13, np.where(X23 < 0, 0, X23),
    ),
    "minus infinities that are added": (
        [node("Add", ["x", "c"], ["m"]), node("Softmax", ["m"], ["y"])], X23,
        {"c": np.array([0, 0, -np.inf], np.float32)}, 13,
        np.exp(X23[:, :2]) @ np.eye(2, 3) / np.exp(X23[:, :2]).sum(1, keepdims=True),
    ),
    "Einsum with weights": (
        [node("Einsum", ["x", "w"], ["y"], equation="bi,ji->bj")], X23,
        {"w": np.arange(12, dtype=np.float32).reshape(4, 3)}, 13, X23 @ np.arange(12).reshape(4, 3).T,
    ),
    "stored integers": (
        [node("DequantizeLinear", ["q", "s", "z"], ["w"]), node("MatMul", ["x", "w"], ["y"])], X23,
        {"q": np.array([[3], [5], [7]], np.int8), "s": np.float32(0.5), "z": np.int8(1)}, 13,
        X23 @ [[1], [2], [3]],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SINGLE)
def test_one_operator(name: str, tmp_path: Path) -> None:
    nodes, x, constants, opset, wanted = SINGLE[name]
    if opset > onnx.defs.onnx_opset_version():
        pytest.skip("the installed onnx is older than the operator")
    path = save(tmp_path / "m.onnx", nodes, [("x", x.shape)], constants, opset)
    made = value(path, x)
    assert made.shape == np.shape(wanted)
    assert np.allclose(made, wanted, atol=1e-5)


def test_a_sum_is_a_unit_for_each_channel(tmp_path: Path) -> None:
    nodes = [node("Relu", ["x"], ["r"]), node("Sum", ["x", "r"], ["y"])]
    structure = extract_onnx(save(tmp_path / "m.onnx", nodes, [("x", [1, 3])], opset=9)).structure
    assert structure.attributes["operator"].count("add") == 3


def test_stored_integers_are_marked_and_real(tmp_path: Path) -> None:
    nodes, x, constants, opset, _ = SINGLE["stored integers"]
    network = extract_onnx(save(tmp_path / "m.onnx", nodes, [("x", x.shape)], constants, opset))
    assert isinstance(network, ModuleNetwork)
    assert network.weight.ravel().tolist() == [1, 2, 3]
    assert network.program.steps[0].options["quantised"] == "int8"


def test_dynamic_quantisation_has_real_weights(tmp_path: Path) -> None:
    """What onnxruntime's quantize_dynamic writes for a linear layer with a bias."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, 3)).astype(np.float32)
    stored, zero, scale = rng.integers(0, 255, (3, 4)).astype(np.uint8), np.uint8(120), np.float32(0.01)
    bias = np.arange(4, dtype=np.float32)
    nodes = [
        node("DynamicQuantizeLinear", ["x"], ["q", "s", "z"]), node("Mul", ["s", "ws"], ["both"]),
        node("MatMulInteger", ["q", "w", "z", "wz"], ["i"]), node("Cast", ["i"], ["f"], to=1),
        node("Mul", ["f", "both"], ["p"]), node("Add", ["p", "b"], ["y"]),
    ]  # fmt: skip
    constants = {"w": stored, "wz": zero, "ws": scale, "b": bias}
    path = save(tmp_path / "m.onnx", nodes, [("x", x.shape)], constants)
    network = extract_onnx(path)
    assert isinstance(network, ModuleNetwork)
    real = (stored.astype(np.float32) - 120) * scale
    assert np.allclose(network.weight[network.edge_kind == "weight", 0], real[real != 0])
    assert [step.kind for step in network.program.steps] == ["activation", "linear"]
    span = max(x.max(), 0) - min(x.min(), 0)
    assert np.abs(value(path, x) - (x @ real + bias)).max() < np.abs(real).sum(0).max() * span / 255


def test_a_condition_that_is_constant_is_decided(tmp_path: Path) -> None:
    def branch(operator: str) -> Any:
        outputs = [helper.make_tensor_value_info("b", 1, None)]
        return helper.make_graph([node(operator, ["x"], ["b"])], "b", [], outputs)

    both = node("If", ["c"], ["y"], then_branch=branch("Relu"), else_branch=branch("Tanh"))
    for flag, wanted in ((True, np.maximum(X23, 0)), (False, np.tanh(X23))):
        path = save(tmp_path / "m.onnx", [both], [("x", X23.shape)], {"c": np.array(flag)})
        assert np.allclose(value(path, X23), wanted)
    condition = helper.make_tensor_value_info("c", onnx.TensorProto.BOOL, [])
    path = save(tmp_path / "m.onnx", [both], [("x", X23.shape), condition])
    with pytest.raises(UnsupportedOperationError, match="If in the module itself must have a constant cond"):
        extract_onnx(path)


@pytest.mark.parametrize("operator", ["ReduceSum", "Squeeze", "Unsqueeze", "Split", "Reshape", "Tile"])
def test_sizes_that_an_input_decides_are_refused(operator: str, tmp_path: Path) -> None:
    sizes = helper.make_tensor_value_info("a", onnx.TensorProto.INT64, [1])
    path = save(tmp_path / "m.onnx", [node(operator, ["x", "a"], ["y"])], [("x", [2, 3]), sizes])
    with pytest.raises(UnsupportedOperationError, match=f"{operator} in the module itself must have"):
        extract_onnx(path)


@pytest.mark.parametrize("before", [0, 1])
@pytest.mark.parametrize("resolution", ["unit", "weight"])
def test_both_kinds_of_gru(before: int, resolution: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(before)
    x, w, r = (rng.normal(size=s).astype(np.float32) for s in ((4, 1, 3), (1, 6, 3), (1, 6, 2)))
    bias = rng.normal(size=(1, 12)).astype(np.float32)
    gru = node("GRU", ["x", "w", "r", "b"], ["y"], hidden_size=2, linear_before_reset=before)
    path = save(tmp_path / "m.onnx", [gru], [("x", x.shape)], {"w": w, "r": r, "b": bias})

    def gate(z: np.ndarray) -> np.ndarray:
        return 1 / (1 + np.exp(-z))

    h, made = np.zeros(2), []
    (wz, wr, wh), (rz, rr, rh) = w[0].reshape(3, 2, 3), r[0].reshape(3, 2, 2)
    bz, br, bh, cz, cr, ch = bias[0].reshape(6, 2)
    for row in x[:, 0]:
        update, reset = gate(wz @ row + rz @ h + bz + cz), gate(wr @ row + rr @ h + br + cr)
        last = reset * (rh @ h + ch) if before else rh @ (reset * h) + ch
        h = (1 - update) * np.tanh(wh @ row + bh + last) + update * h
        made.append(h)
    if resolution == "unit":
        assert np.allclose(value(path, x)[:, 0, 0], made, atol=1e-5)
    network = extract_onnx(path, resolution)
    weights = 6 * 3 + 6 * 2
    kinds = network.edge_kind  # type: ignore[attr-defined]
    found = np.isin(kinds, ["weight", "recurrent"]).sum()
    assert found == (weights if resolution == "weight" else 2 * 3 + 2 * 2)


def test_numbers_of_functions_are_for_those_that_take_some(tmp_path: Path) -> None:
    """The one number of a sigmoid and a leaky ReLU is the slope."""
    rng = np.random.default_rng(0)
    x, w, r = (rng.normal(size=s).astype(np.float32) for s in ((3, 1, 3), (1, 6, 3), (1, 6, 2)))
    gru = node(
        "GRU", ["x", "w", "r"], ["y"], hidden_size=2, activations=["Sigmoid", "LeakyRelu"],
        activation_alpha=[0.3],
    )  # fmt: skip
    path = save(tmp_path / "m.onnx", [gru], [("x", x.shape)], {"w": w, "r": r})
    h, made = np.zeros(2), []
    for row in x[:, 0]:
        update, reset, _ = np.split(1 / (1 + np.exp(-(w[0] @ row + r[0] @ h))), 3)
        sums = w[0, 4:] @ row + r[0, 4:] @ (reset * h)
        h = (1 - update) * np.where(sums > 0, sums, 0.3 * sums) + update * h
        made.append(h)
    assert np.allclose(value(path, x)[:, 0, 0], made, atol=1e-5)
    many = node(
        "RNN", ["x", "w", "r"], ["y"], hidden_size=2, direction="bidirectional",
        activations=["Elu", "ScaledTanh"], activation_alpha=[0.5, 1.5], activation_beta=[0.7],
    )  # fmt: skip
    sides = rng.normal(size=(2, 2, 3)).astype(np.float32), np.zeros((2, 2, 2), np.float32)
    path = save(tmp_path / "n.onnx", [many], [("x", x.shape)], {"w": sides[0], "r": sides[1]})
    sums = np.einsum("tbf,dhf->tdbh", x, sides[0])
    wanted = np.stack(
        [np.where(sums > 0, sums, 0.5 * np.expm1(sums))[:, 0], 1.5 * np.tanh(0.7 * sums)[:, 1]], 1
    )
    assert np.allclose(value(path, x), wanted, atol=1e-5)


def test_an_unknown_version_is_an_error(tmp_path: Path) -> None:
    path = save(tmp_path / "m.onnx", [node("Relu", ["x"], ["y"])], [("x", [1, 2])], opset=999)
    with pytest.raises(InvalidInputError, match="opset must be at most"):
        extract_onnx(path)
    path = save(tmp_path / "m.onnx", [node("Gelu", ["x"], ["y"])], [("x", [1, 2])], opset=13)
    with pytest.raises(UnsupportedOperationError, match="must be an operator of version 13 of ONNX"):
        extract_onnx(path)


def test_sizes_that_are_free(tmp_path: Path) -> None:
    free = helper.make_tensor_value_info("x", 1, [1, 3])
    free.type.tensor_type.shape.dim[0].dim_value = -1
    path = save(tmp_path / "m.onnx", [node("Relu", ["x"], ["r"]), node("Add", ["x", "r"], ["y"])], [free])
    assert np.allclose(value(path, X23), np.maximum(X23, 0) + X23)
    assert extract_onnx(path, shapes={"x": (5, 3)}).program.input_shapes == ((5, 3),)  # type: ignore[attr-defined]
    sequence = helper.make_tensor_sequence_value_info("x", 1, [2])
    path = save(tmp_path / "m.onnx", [node("ConcatFromSequence", ["x"], ["y"], axis=0)], [sequence])
    with pytest.raises(UnsupportedOperationError, match="input 'x' in the module itself must be a tensor"):
        extract_onnx(path)


def test_weights_that_meet_constants_keep_their_part(tmp_path: Path) -> None:
    """Constants beside the values of a linear layer are units of no kind, and still count."""
    nodes = [node("Concat", ["x", "c"], ["j"], axis=1), node("MatMul", ["j", "w"], ["y"])]
    w = np.arange(8, dtype=np.float32).reshape(4, 2) + 1
    path = save(tmp_path / "m.onnx", nodes, [("x", [1, 3])], {"c": np.full((1, 1), 5, np.float32), "w": w})
    x = np.ones((1, 3), np.float32)
    assert np.allclose(value(path, x), np.concatenate([x, [[5]]], 1) @ w)


# ---- opaque


def test_an_opaque_operator_has_all_its_outputs(tmp_path: Path) -> None:
    nodes = [
        node("Two", ["x"], ["a", "b"], domain="mine", name="odd"), node("Relu", ["a"], ["y"]),
        node("Add", ["x", "b"], ["z"]),
    ]  # fmt: skip
    path = save(tmp_path / "m.onnx", nodes, [("x", ["n", 4])], outputs=("y", "z"), domains=("mine",))
    with pytest.raises(UnsupportedOperationError, match="must have outputs whose number of axes is known"):
        extract_onnx(path, on_unsupported="opaque")
    model = onnx.load_model(path)
    model.graph.value_info.extend(helper.make_tensor_value_info(name, 1, ["n", 4]) for name in ("a", "b"))
    onnx.save_model(model, path)
    network = extract_onnx(path, on_unsupported="opaque", shapes={"x": (2, 4)})
    assert network.structure.attributes["operator"].count("opaque:Two") == 8  # 4 channels of each output
    assert network.structure.attributes["operator"].count("add") == 4
    assert network.opaque == ("Two in 'odd'",)
    assert network.program.shapes()[network.program.outputs[0]] == (2, 4)  # type: ignore[attr-defined]
    with pytest.raises(InvalidInputError, match="no opaque step to run, got 'opaque:Two'"):
        program_module(network)


def test_nothing_is_opaque_where_all_is_known() -> None:
    assert extract(torch.nn.Linear(2, 2), torch.zeros(1, 2)).opaque == ()
