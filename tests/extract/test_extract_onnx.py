"""ONNX files give the Network of the module that they were exported from; bad files are refused."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from extract_modules import (
    DenseNet,
    Gated,
    SmallViT,
    Tagger,
    largest_difference,
    randomise_norms,
    resnet,
    sparsify,
    vgg,
)  # fmt: skip
from torch import nn

from nnstruct.errors import CorruptFileError, InvalidInputError
from nnstruct.extract import extract, extract_onnx
from nnstruct.modules.program.module import program_module
from nnstruct.program import UnsupportedOperationError

onnx = pytest.importorskip("onnx", reason="ONNX files need the extra 'onnx'")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402

MODULES: dict[str, tuple[Any, Any]] = {
    "mlp": (lambda: nn.Sequential(nn.Linear(5, 6), nn.ReLU(), nn.Linear(6, 2)), torch.randn(2, 5)),
    "cnn": (
        lambda: nn.Sequential(
            nn.Conv2d(2, 4, 3, padding=1), nn.LeakyReLU(0.2), nn.MaxPool2d(2),
            nn.Conv2d(4, 4, 3, 2, groups=2),
            nn.Hardswish(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3), nn.Softmax(-1),
        ),
        torch.randn(2, 2, 10, 10),
    ),
    "transposed": (
        lambda: nn.Sequential(nn.Conv2d(2, 3, 3), nn.ConvTranspose2d(3, 2, 2, 2)), torch.randn(1, 2, 6, 6)
    ),
    "joins": (Gated, torch.randn(2, 3)),
    "rnn": (lambda: nn.RNN(3, 4, nonlinearity="relu"), torch.randn(5, 2, 3)),
    "gru": (lambda: nn.GRU(3, 4, 2, bidirectional=True), torch.randn(5, 2, 3)),
    "lstm": (lambda: nn.LSTM(3, 4, batch_first=True), torch.randn(2, 5, 3)),
    "tagger": (Tagger, torch.randint(0, 20, (2, 5))),
    "norms": (lambda: nn.Sequential(nn.Linear(4, 6), nn.LayerNorm(6), nn.GELU()), torch.randn(2, 4)),
    "ViT": (SmallViT, torch.randn(2, 3, 8, 8)),
}  # fmt: skip


def export(module: nn.Module, x: torch.Tensor, path: Path, **options: Any) -> None:
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        torch.onnx.export(module, (x,), str(path), **{"dynamo": False, "opset_version": 17, **options})


@pytest.mark.parametrize("name", MODULES)
@pytest.mark.filterwarnings("ignore")
def test_the_network_of_the_module(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    make, x = MODULES[name]
    module = sparsify(make(), 0.6).eval()
    export(module, x, tmp_path / "m.onnx")
    network, own = extract_onnx(tmp_path / "m.onnx"), extract(module, x)
    assert network.structure == own.structure
    assert np.allclose(network.weight, own.weight, atol=1e-6)
    assert np.allclose(network.bias, own.bias, atol=1e-6)
    assert largest_difference(program_module(network)(x), module(x)) < 1e-5
    assert network.structure.origin["file"] == "m.onnx"


@pytest.mark.parametrize("make", [vgg, resnet, DenseNet])
@pytest.mark.filterwarnings("ignore")
def test_a_norm_that_the_exporter_joined(make: Any, tmp_path: Path) -> None:
    """Batch normalisation goes into the convolution before it: the same edges, other weights."""
    module, x = randomise_norms(make()).eval(), torch.randn(2, 3, 16, 16)
    export(module, x, tmp_path / "m.onnx")
    network, own = extract_onnx(tmp_path / "m.onnx"), extract(module, x)
    assert np.array_equal(network.structure.edge_index, own.structure.edge_index)
    assert network.structure.attributes["operator"] == own.structure.attributes["operator"]
    assert largest_difference(program_module(network)(x), module(x)) < 1e-5
    export(
        module,
        x,
        tmp_path / "plain.onnx",
        training=torch.onnx.TrainingMode.PRESERVE,
        do_constant_folding=False,
    )
    assert extract_onnx(tmp_path / "plain.onnx", "layer").structure.num_units > 3


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["mlp", "cnn", "gru", "tagger", "norms"])
def test_the_newer_exporter(name: str, tmp_path: Path) -> None:
    pytest.importorskip("onnxscript", reason="PyTorch's newer ONNX exporter needs onnxscript")
    make, x = MODULES[name]
    module = make().eval()
    export(module, x, tmp_path / "m.onnx", dynamo=True, opset_version=18)
    network = extract_onnx(tmp_path / "m.onnx")
    assert network.structure == extract(module, x).structure
    assert largest_difference(program_module(network)(x), module(x)) < 1e-5


@pytest.mark.filterwarnings("ignore")
def test_other_resolutions_and_free_sizes(tmp_path: Path) -> None:
    module = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Conv2d(2, 1, 3)).eval()
    x = torch.randn(1, 1, 8, 8)
    export(module, x, tmp_path / "m.onnx", input_names=["x"], dynamic_axes={"x": [0, 2, 3]})
    for resolution in ("unit", "weight", "layer"):
        network = extract_onnx(tmp_path / "m.onnx", resolution, shapes={"x": (1, 1, 8, 8)})
        assert network.structure == extract(module, x, resolution).structure
    with pytest.raises(InvalidInputError, match="shapes must name inputs among"):
        extract_onnx(tmp_path / "m.onnx", shapes={"y": (1,)})
    with pytest.raises(InvalidInputError, match="give 4 sizes for 'x'"):
        extract_onnx(tmp_path / "m.onnx", shapes={"x": (1, 1)})


# ---- files written by hand


def write(
    path: Path, nodes: list[Any], initializers: list[Any] = (), shape: Any = (1, 3), out: Any = (1, 2)
) -> Path:  # type: ignore[assignment]
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, out)],
        list(initializers),
    )
    onnx.save_model(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)]), path)
    return path


def stored(name: str, values: Any) -> Any:
    return numpy_helper.from_array(np.asarray(values, dtype=np.float32), name)


def external(name: str, shape: tuple[int, ...], **entries: str) -> Any:
    tensor = TensorProto(
        name=name, data_type=TensorProto.FLOAT, dims=shape, data_location=TensorProto.EXTERNAL
    )
    for key, value in entries.items():
        tensor.external_data.add(key=key, value=value)
    return tensor


GEMM = [helper.make_node("Gemm", ["x", "w"], ["y"], name="first")]


def test_weights_beside_the_file(tmp_path: Path) -> None:
    weight = np.arange(6, dtype=np.float32).reshape(3, 2)
    (tmp_path / "m.bin").write_bytes(b"\0" * 8 + weight.tobytes())
    path = write(
        tmp_path / "m.onnx", GEMM, [external("w", (3, 2), location="m.bin", offset="8", length="24")]
    )
    network = extract_onnx(path)
    assert network.weight.ravel().tolist() == [1, 2, 3, 4, 5]
    assert network.structure.num_edges == 5


@pytest.mark.parametrize("location", ["../secret.bin", "/etc/hostname", "a/../../secret.bin", "link.bin", ""])
def test_data_outside_the_folder_is_refused(location: str, tmp_path: Path) -> None:
    folder = tmp_path / "models"
    folder.mkdir()
    (tmp_path / "secret.bin").write_bytes(b"\0" * 24)
    (folder / "link.bin").symlink_to(tmp_path / "secret.bin")
    path = write(folder / "m.onnx", GEMM, [external("w", (3, 2), location=location)])
    with pytest.raises(
        InvalidInputError, match="external data of 'w' must lie in the folder of the ONNX file"
    ):
        extract_onnx(path)


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"location": "none.bin"}, "is missing"),
        ({"location": "m.bin", "offset": "8"}, "does not fit its shape"),
        ({"location": "m.bin", "offset": "-8", "length": "24"}, "does not fit its shape"),
        ({"location": "m.bin", "length": "12"}, "does not fit its shape"),
        ({"location": "m.bin", "length": "many"}, "no number"),
    ],
)
def test_damaged_external_data(entries: dict[str, str], message: str, tmp_path: Path) -> None:
    (tmp_path / "m.bin").write_bytes(b"\0" * 24)
    path = write(tmp_path / "m.onnx", GEMM, [external("w", (3, 2), **entries)])
    with pytest.raises(CorruptFileError, match=message):
        extract_onnx(path)


def test_oversized_tensors_are_refused_unread(tmp_path: Path) -> None:
    huge = external("w", (2**20, 2**20), location="m.bin")
    path = write(tmp_path / "m.onnx", GEMM, [huge])
    with pytest.raises(InvalidInputError, match="tensors up to 'w' must take at most max_bytes"):
        extract_onnx(path)
    small = write(tmp_path / "s.onnx", GEMM, [stored("w", np.ones((3, 2)))])
    with pytest.raises(InvalidInputError, match="the file must take at most max_bytes=10 bytes"):
        extract_onnx(small, max_bytes=10)
    tensor = stored("w", np.ones((3, 2)))
    tensor.dims[0] = 300
    with pytest.raises(CorruptFileError, match="does not fit its shape"):
        extract_onnx(write(tmp_path / "l.onnx", GEMM, [tensor]))
    sizes = numpy_helper.from_array(np.array([2**20, 2**20]), "n")
    nodes = [helper.make_node("ConstantOfShape", ["n"], ["w"]), *GEMM]
    with pytest.raises(InvalidInputError, match="have at most 268,435,456 elements"):
        extract_onnx(write(tmp_path / "c.onnx", nodes, [sizes]))


def test_no_onnx_file(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="path must be an ONNX file"):
        extract_onnx(tmp_path / "none.onnx")
    for content in (b"", b"not a model", b"\x80\x04\x95"):
        (tmp_path / "bad.onnx").write_bytes(content)
        with pytest.raises(CorruptFileError, match="not an ONNX model"):
            extract_onnx(tmp_path / "bad.onnx")
    whole = write(tmp_path / "m.onnx", GEMM, [stored("w", np.ones((3, 2)))]).read_bytes()
    (tmp_path / "cut.onnx").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CorruptFileError):
        extract_onnx(tmp_path / "cut.onnx")


def test_unknown_operators(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Gemm", ["x", "w"], ["h"], name="first"),
        helper.make_node("NonMaxSuppression", ["h"], ["y"], name="strange"),
    ]
    path = write(tmp_path / "m.onnx", nodes, [stored("w", np.ones((3, 2)))])
    with pytest.raises(UnsupportedOperationError, match="operation NonMaxSuppression in submodule 'strange'"):
        extract_onnx(path)
    structure = extract_onnx(path, on_unsupported="opaque").structure
    assert structure.attributes["operator"][-1] == "opaque:NonMaxSuppression"
    assert structure.num_edges == 6 + 2 * 2  # each of its two channels reads both units
    assert extract_onnx(path, "layer", on_unsupported="opaque").opaque == ("NonMaxSuppression",)


def test_joined_products_and_constants(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["a"]),
        helper.make_node("Add", ["a", "b"], ["c"]),
        helper.make_node("Shape", ["c"], ["s"]),
        helper.make_node("Reshape", ["c", "s"], ["d"]),
        helper.make_node("Sub", ["one", "d"], ["e"]),
        helper.make_node("Clip", ["e", "zero", "six"], ["y"]),
    ]
    constants = [
        stored("w", [[1, 0], [0, 2], [0, 0]]), stored("b", [3, 4]), stored("one", 1), stored("zero", 0),
        stored("six", 6),
    ]  # fmt: skip
    network = extract_onnx(write(tmp_path / "m.onnx", nodes, constants))
    assert network.structure.edge_index.tolist() == [[0, 1], [3, 4]]
    assert network.bias.ravel().tolist() == [0, 0, 0, 3, 4]
    assert network.structure.attributes["activation"][-1] == "shift+relu6"
    assert program_module(network)(torch.tensor([[1.0, 1.0, 1.0]])).tolist() == [[0.0, 0.0]]
