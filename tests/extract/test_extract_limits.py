"""What is refused, and what it costs."""

from __future__ import annotations

import subprocess
import sys
import time
import tracemalloc

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import nnstruct.extract
from nnstruct.errors import InvalidInputError
from nnstruct.extract import extract
from nnstruct.extract.extract import read_module
from nnstruct.modules.program.module import program_module
from nnstruct.network.assembly import peak_bytes, wire
from nnstruct.program import UnsupportedOperationError
from nnstruct.program.numbering import wired


class Sorting(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(3, 4), nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(torch.frexp(self.first(x)).mantissa)


class Wrapper(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(3, 3), Sorting())

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x)


def test_an_unsupported_operation_is_named_with_its_submodule() -> None:
    with pytest.raises(
        UnsupportedOperationError, match=r"operation aten\.frexp\S* in submodule 'body\.1'"
    ) as caught:
        extract(Wrapper(), torch.zeros(1, 3))
    assert caught.value.submodule == "body.1"


def test_an_opaque_node_takes_its_place() -> None:
    network = extract(Wrapper(), torch.zeros(1, 3), on_unsupported="opaque")
    operators = network.structure.attributes["operator"]
    assert operators.count("opaque:aten.frexp.Tensor") == 8  # one for each channel of values and places
    first = operators.index("opaque:aten.frexp.Tensor")
    for opaque in range(first, first + 4):
        assert (network.structure.edge_index[1] == opaque).sum() == 4
        assert (network.structure.edge_index[0] == opaque).sum() == 2
    assert network.opaque == ("aten.frexp.Tensor in 'body.1'",)
    with pytest.raises(InvalidInputError, match="hold no opaque step to run"):
        program_module(network)


def test_a_write_in_place_is_followed() -> None:
    class Writes(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(4, 3)

        def forward(self, x: Tensor) -> Tensor:
            y = torch.relu_(x.add(1).view(2, -1))
            z = self.linear(y)
            z += 1
            z.mul_(2)
            return z

    module, x = Writes(), torch.randn(2, 2, 2)
    assert torch.allclose(program_module(extract(module, x))(x), module(x))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"resolution": "channel"}, "resolution must be one of unit, weight, layer"),
        ({"threshold": -1.0}, "threshold must be at least 0"),
        ({"threshold": float("nan")}, "threshold must be at least 0"),
        ({"on_unsupported": "skip"}, "on_unsupported must be 'error' or 'opaque'"),
        ({"max_edges": 0}, "max_edges must be at least 1"),
    ],
)
def test_bad_options(options: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        extract(nn.Linear(2, 2), torch.zeros(1, 2), **options)  # type: ignore[arg-type]


def test_bad_modules_and_examples() -> None:
    with pytest.raises(InvalidInputError, match=r"module must be a torch\.nn\.Module, got 'function'"):
        extract(lambda x: x, torch.zeros(1))  # type: ignore[arg-type]
    with pytest.raises(InvalidInputError, match="example_input must be given"):
        extract(nn.Linear(2, 2))
    with pytest.raises(InvalidInputError, match="example_input must be what the module takes"):
        extract(nn.Linear(2, 2), torch.zeros(1, 3))
    broken = nn.Linear(2, 2)
    with torch.no_grad():
        broken.weight[0, 0] = float("nan")
    with pytest.raises(InvalidInputError, match="weight must be finite, got nan"):
        extract(broken, torch.zeros(1, 2))


def test_a_graph_too_large_is_refused_with_its_size() -> None:
    module = nn.Sequential(*(nn.Conv2d(64, 64, 3, padding=1) for _ in range(4)))
    x = torch.zeros(1, 64, 56, 56)
    begin = time.process_time()
    with pytest.raises(
        InvalidInputError, match=r"max_edges=50,000,000 edges, got .* 451,477,504 edges \(15\.14 GiB\)"
    ):
        extract(module, x, "weight")
    assert time.process_time() - begin < 5
    assert extract(module, x).structure.num_edges == 4 * 64 * 64


def test_memory_stays_in_its_bounds() -> None:
    module = nn.Sequential(nn.Conv2d(1, 8, 3), nn.Conv2d(8, 16, 3))
    x = torch.zeros(1, 1, 28, 28)
    edges = extract(module, x, "weight").structure.num_edges
    assert edges == 712_224
    tracemalloc.start()
    network = extract(module, x, "weight")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert network.structure.num_units == 15_408
    assert peak < 40 * edges + 4 * sum(p.numel() for p in module.parameters())


class Residual(nn.Module):
    """Layers whose sums are read further on, so that edges of several layers begin at one unit."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(300, 300) for _ in range(4))
        self.kernels = nn.Conv1d(300, 100, 5)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = x + torch.relu(layer(x))
        return self.kernels(x[:, :, None].expand(-1, -1, 6))


@pytest.mark.parametrize("case", ["residual", "chain", "unrolled"])
def test_memory_is_as_estimated_and_within_40_bytes_an_edge(case: str) -> None:
    if case == "residual":
        module, x, resolution = Residual(), torch.zeros(1, 300), "unit"
    elif case == "chain":
        layers = (nn.Linear(300, 500), nn.ReLU(), nn.Linear(500, 500), nn.ReLU(), nn.Linear(500, 200))
        module, x, resolution = nn.Sequential(*layers), torch.zeros(1, 300), "unit"
    else:
        module, x, resolution = nn.Conv2d(8, 16, 3), torch.zeros(1, 8, 28, 28), "weight"
    program = read_module(module, x).pruned()
    estimate = peak_bytes(wired(program, resolution).blocks)
    weights = 4 * sum(p.numel() for p in module.parameters())
    tracemalloc.start()
    network = wire(program, resolution)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert estimate == pytest.approx(peak, rel=0.3)
    assert peak < 40 * network.structure.num_edges + (weights if resolution == "unit" else 0)
    source, target = network.structure.edge_index
    assert (np.diff(source * network.structure.num_units + target) > 0).all()
    if case == "residual":
        for block in network.blocks:
            if block.role == "weight" and network.program.steps[block.step].kind == "linear":
                step = network.program.steps[block.step]
                held = dict(module.named_parameters())[step.tensors["weight"]].detach().numpy()
                ends = network.structure.edge_index[:, block.edges]
                low = ends.min(axis=1)
                assert np.array_equal(block.values[:, 0], held[ends[1] - low[1], ends[0] - low[0]])


def test_one_number_for_each_edge_needs_no_more_memory() -> None:
    network = extract(nn.Sequential(nn.Conv2d(3, 8, 17), nn.Conv2d(8, 300, 1)), torch.zeros(1, 3, 20, 20))
    network.to_scipy()
    tracemalloc.start()
    matrix = network.to_scipy()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100 * network.structure.num_edges < network.weight.nbytes
    assert matrix.nnz == network.structure.num_edges
    expected = np.linalg.norm(network.weight, axis=1)
    source, target = network.structure.edge_index
    assert np.allclose(matrix.tocsr()[target, source], expected)


def test_time_stays_in_its_bounds() -> None:
    """Far from the benchmark's figures, so that a busy machine passes; a loop over edges would not."""
    module = nn.Sequential(nn.Linear(784, 300), nn.ReLU(), nn.Linear(300, 100), nn.ReLU(), nn.Linear(100, 10))
    x = torch.zeros(1, 784)
    extract(module, x)
    seconds = []
    for _ in range(3):
        begin = time.process_time()
        extract(module, x)
        seconds.append(time.process_time() - begin)
    assert min(seconds) < 0.2


def test_the_package_is_its_function() -> None:
    network = nnstruct.extract(nn.Linear(2, 2), torch.zeros(1, 2))
    assert network.structure.num_units == 4


def test_reading_the_package_needs_no_onnx() -> None:
    code = "import sys; sys.modules['onnx'] = None\nfrom nnstruct.extract import extract_onnx\n"
    code += "try:\n    extract_onnx('x.onnx')\nexcept ValueError as error:\n    print(error)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "onnx must be installed to read ONNX files" in run.stdout
    assert "pip install 'nnstruct[onnx]'" in run.stdout


def test_inputs_that_nothing_reads_have_no_units() -> None:
    class Ignores(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(2, 2)

        def forward(self, x: Tensor, unused: Tensor) -> Tensor:
            return self.linear(x)

    network = extract(Ignores(), (torch.zeros(1, 2), torch.zeros(1, 9)))
    assert np.count_nonzero(network.structure.inputs) == 2


def test_a_state_given_by_the_caller_is_the_recurrent_one() -> None:
    network = extract(nn.GRUCell(3, 2), (torch.zeros(1, 3), torch.zeros(1, 2)))
    assert network.structure.num_units == 5
    assert int(network.structure.recurrent.sum()) == 4


@pytest.mark.parametrize("order", [float("inf"), float("-inf")])
def test_norms_of_infinite_order_are_extremes(order: float) -> None:
    class Extreme(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(3, 4)

        def forward(self, x: Tensor) -> Tensor:
            return torch.linalg.vector_norm(self.linear(x), order, dim=-1)

    torch.manual_seed(0)
    module, x = Extreme().eval(), torch.randn(1, 5, 3)
    torch.testing.assert_close(program_module(extract(module, x))(x), module(x))
