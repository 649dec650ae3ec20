"""Modules that compare, choose, write in place or mix places compute the same as what is extracted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from extract_modules import largest_difference
from torch import Tensor, nn
from torch.nn import functional

from nnstruct.errors import InvalidInputError
from nnstruct.extract import extract
from nnstruct.modules.program.module import program_module
from nnstruct.network.module_network import ModuleNetwork


class Behind(nn.Module):
    """A function of what a linear layer makes of 3 values."""

    def __init__(self, function: Callable[[Tensor], Tensor], width: int = 4) -> None:
        super().__init__()
        self.linear, self.function = nn.Linear(3, width), function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(self.linear(x))


def written_select(y: Tensor) -> Tensor:
    y[:, 2] = 0
    return y * 2


def written_slices(y: Tensor) -> Tensor:
    y[:, :2] = y[:, 2:] * 3
    y[:, ::2].mul_(2)
    y.view(2, 2, 2)[:, 1] += 1
    return y


def written_zeros(y: Tensor) -> Tensor:
    out = torch.zeros(2, 5)
    out[:, 1] = 7.0
    out[:, 2:4] = y[:, 1:3]
    return out + 1


def written_turned(y: Tensor) -> Tensor:
    seen = y[:, 0]
    y.t()[1:3] = 5.0
    y[:, 0] = 9.0
    return y + seen[:, None]


def written_places(y: Tensor) -> Tensor:
    y[:, torch.tensor([0, 3])] = 1.5
    return y.relu_()


FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "normalize": functional.normalize,
    "norm": lambda y: y.norm(dim=-1),
    "comparison": lambda y: torch.where(y > 0, y, 0.1 * y),
    "mask": lambda y: y * (y >= y.topk(2).values[..., -1:]),
    "masked fill": lambda y: y.masked_fill(y < 0, -1.0),
    "logic": lambda y: (~((y > 0) & (y < 1))).float() * y,
    "sort": lambda y: y.sort(descending=True).values,
    "cumsum": lambda y: y.cumsum(-1),
    "argmax": lambda y: y.argmax(-1).float() + y.sum(-1),
    "lerp": lambda y: torch.lerp(y, y.tanh(), 0.3),
    "addcmul": lambda y: torch.addcmul(y, y, y.tanh(), value=0.5),
    "cosine": lambda y: functional.cosine_similarity(y, y.tanh()),
    "floor division": lambda y: torch.div(y, 0.3, rounding_mode="floor"),
    "written select": written_select,
    "written slices": written_slices,
    "written zeros": written_zeros,
    "written turned": written_turned,
    "written places": written_places,
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_same_values(name: str) -> None:
    torch.manual_seed(0)
    module, x = Behind(FUNCTIONS[name]), torch.randn(2, 3)
    network = extract(module, x)
    assert isinstance(network, ModuleNetwork)
    assert network.opaque == ()
    assert largest_difference(program_module(network)(x), module(x)) < 1e-5


MAPS: dict[str, nn.Module] = {
    "bilinear": nn.Upsample(scale_factor=2, mode="bilinear"),
    "corners": nn.Upsample(size=(7, 9), mode="bilinear", align_corners=True),
    "bicubic": nn.Upsample(scale_factor=1.7, mode="bicubic"),
    "unshuffle": nn.PixelUnshuffle(2),
    "patches": nn.Unfold(2, dilation=2, padding=1, stride=2),
    "batch statistics": nn.BatchNorm2d(2, track_running_stats=False),
}


@pytest.mark.parametrize("name", MAPS)
def test_the_same_maps(name: str) -> None:
    torch.manual_seed(0)
    module, x = nn.Sequential(nn.Conv2d(1, 2, 3), MAPS[name]).eval(), torch.randn(1, 1, 8, 8)
    network = extract(module, x)
    assert isinstance(network, ModuleNetwork)
    assert largest_difference(program_module(network)(x), module(x)) < 1e-5


def test_a_resize_has_its_coefficients_on_edges() -> None:
    module = nn.Sequential(nn.Conv1d(1, 1, 1), nn.Upsample(scale_factor=2, mode="linear"))
    x = torch.randn(1, 1, 3)
    network = extract(module, x, "weight")
    assert isinstance(network, ModuleNetwork)
    chosen = network.edge_kind == "identity"
    matrix = np.zeros((6, 3))
    source, target = network.structure.edge_index[:, chosen]
    matrix[target - target.min(), source - source.min()] = network.weight[chosen, 0]
    with torch.no_grad():
        assert np.allclose(matrix @ module[0](x)[0, 0].numpy(), module(x)[0, 0].numpy(), atol=1e-6)
    assert extract(module, x).structure.num_units == 2  # at unit resolution it joins the channel


def test_a_padded_sequence_keeps_its_channels() -> None:
    """A causal convolution that reads the network's input has a unit for each channel of it."""
    module, x = nn.Sequential(nn.ConstantPad1d((2, 0), 0.0), nn.Conv1d(4, 3, 3)), torch.randn(1, 4, 10)
    network = extract(module, x)
    assert isinstance(network, ModuleNetwork)
    assert (network.structure.num_units, network.structure.num_edges) == (7, 12)
    assert largest_difference(program_module(network)(x), module(x)) < 1e-6


@pytest.mark.parametrize("mode", ["mean", "sum", "max"])
def test_bags_of_symbols(mode: str) -> None:
    module, x = nn.EmbeddingBag(9, 4, mode=mode), torch.randint(0, 9, (2, 5))
    network = extract(module, x)
    assert isinstance(network, ModuleNetwork)
    assert largest_difference(program_module(network)(x), module(x)) < 1e-5


def test_symbols_of_bounded_length() -> None:
    module, x = nn.Embedding(9, 4, max_norm=1.0), torch.arange(9)[None]
    network = extract(module, x)
    assert isinstance(network, ModuleNetwork)
    assert largest_difference(program_module(network)(x), module(x)) < 1e-5


def test_a_sparse_weight_that_is_made_in_forward() -> None:
    class Sparse(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.values = nn.Parameter(torch.randn(3))

        def forward(self, x: Tensor) -> Tensor:
            index = torch.tensor([[0, 1, 1], [2, 0, 3]])
            return torch.sparse.mm(torch.sparse_coo_tensor(index, self.values, (2, 4)), x.t()).t()

    structure = extract(Sparse(), torch.randn(5, 4)).structure
    assert (structure.num_units, structure.num_edges) == (6, 3)


@pytest.mark.filterwarnings("ignore")
def test_eight_bit_weights_are_real_and_marked() -> None:
    plain = nn.Sequential(nn.Linear(8, 4))
    module = torch.ao.quantization.quantize_dynamic(plain, {nn.Linear})
    network = extract(module, torch.randn(1, 8))
    assert isinstance(network, ModuleNetwork)
    assert network.program.steps[0].options["quantised"] == "int8"
    assert np.abs(network.weight.reshape(8, 4) - plain[0].weight.detach().numpy().T).max() < 0.01


class Heads(nn.Module):
    """Attention whose mask is made of what it looks at."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind, self.linear = kind, nn.Linear(4, 12)

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = self.linear(x).chunk(3, -1)
        far = (x.sum(-1)[:, None, :] - x.sum(-1)[:, :, None]).abs()
        mask = far < 2.0 if self.kind == "choice" else -far
        return functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)


@pytest.mark.parametrize("kind", ["choice", "penalty"])
def test_attention_whose_mask_the_network_makes(kind: str) -> None:
    torch.manual_seed(0)
    module, x, other = Heads(kind), torch.randn(2, 5, 4), torch.randn(2, 5, 4)
    network: Any = extract(module, x)
    assert largest_difference(program_module(network)(other), module(other)) < 1e-5


@pytest.mark.parametrize(
    "function",
    [
        lambda y: torch.floor_divide(10 * y, 3.0),
        lambda y: functional.avg_pool2d(y[:, None, None], (1, 2), 1, (0, 1), divisor_override=3),
    ],
)
def test_divisions(function: Callable[[Tensor], Tensor]) -> None:
    torch.manual_seed(0)
    module, x = Behind(function), torch.randn(6, 3)
    network: Any = extract(module, x)
    assert largest_difference(program_module(network)(x), module(x)) < 1e-5


def test_contexts_inside_are_no_boundary() -> None:
    class Inside(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(3, 5)

        def forward(self, x: Tensor) -> Tensor:
            with torch.autocast("cpu", enabled=False):
                y = self.linear(x.float()).relu()
            with torch.no_grad():
                return y * 2

    module, x = Inside(), torch.randn(2, 3)
    network = extract(module, x)
    assert isinstance(network, ModuleNetwork)
    assert network.structure.num_edges == 15
    assert network.opaque == ()
    assert largest_difference(program_module(network)(x), module(x)) < 1e-6


class Branches(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(3, 6), nn.Linear(3, 6)

    def forward(self, x: Tensor) -> Tensor:
        made = torch.cond(x.sum() > 0, lambda x: self.first(x), lambda x: self.first(x).relu(), (x,))
        return made + self.second(x)


def test_a_condition_that_values_decide_is_a_group_of_units() -> None:
    network: Any = extract(Branches(), torch.randn(2, 3), on_unsupported="opaque")
    operators = network.structure.attributes["operator"]
    assert sum(name.startswith("opaque:") for name in operators) == 6
    assert operators.count("add") == 6
    assert network.opaque == ("cond",)
    with pytest.raises(InvalidInputError, match="no opaque step to run, got 'opaque:cond'"):
        program_module(network)


def test_a_module_of_other_precision_runs() -> None:
    module, x = nn.Sequential(nn.Linear(3, 4), nn.Tanh()).double(), torch.randn(2, 3, dtype=torch.float64)
    network = extract(module, x)
    assert isinstance(network, ModuleNetwork)
    made = program_module(network)(x)
    assert made.dtype == torch.float64
    assert largest_difference(made, module(x)) < 1e-6
