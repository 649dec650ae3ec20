"""Laws over random modules: counts, relabelling, round trips; and over the modules of nnstruct."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from extract_modules import largest_difference, randomise_norms, sparsify
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import structures
from torch import nn

from nnstruct.errors import InvalidInputError
from nnstruct.extract import extract
from nnstruct.modules import build_module
from nnstruct.modules.program.module import program_module
from nnstruct.record import TrainConfig
from nnstruct.structure import Structure
from nnstruct.structure.families import RNN_FAMILIES
from nnstruct.tasks import load_task

ACTIVATIONS = [nn.ReLU, nn.Tanh, nn.GELU, nn.Sigmoid, nn.LeakyReLU, nn.ELU, nn.Hardswish, nn.Softplus]
sizes = st.integers(1, 6)


@st.composite
def mlps(draw: st.DrawFn) -> tuple[nn.Module, tuple[int, ...]]:
    widths = draw(st.lists(sizes, min_size=2, max_size=4))
    layers: list[nn.Module] = []
    for a, b in pairwise(widths):
        layers += [nn.Linear(a, b, bias=draw(st.booleans())), draw(st.sampled_from(ACTIVATIONS))()]
    return nn.Sequential(*layers), (2, widths[0])


@st.composite
def cnns(draw: st.DrawFn) -> tuple[nn.Module, tuple[int, ...]]:
    channels, side = draw(st.integers(1, 3)), draw(st.integers(6, 8))
    shape = (2, channels, side, side)
    layers: list[nn.Module] = []
    for _ in range(draw(st.integers(1, 3))):
        groups = draw(st.sampled_from([1, channels]))
        outputs = groups * draw(st.integers(1, 2))
        layers.append(
            nn.Conv2d(
                channels, outputs, draw(st.integers(1, 3)), stride=draw(st.integers(1, 2)),
                padding=draw(st.integers(0, 1)), groups=groups,
            )
        )  # fmt: skip
        layers += [nn.BatchNorm2d(outputs)] * draw(st.integers(0, 1)) + [draw(st.sampled_from(ACTIVATIONS))()]
        channels = outputs
    body = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(draw(st.integers(1, 2))), nn.Flatten())
    width = body.eval()(torch.zeros(shape)).shape[1]
    return nn.Sequential(body, nn.Linear(width, 3)), shape


@st.composite
def rnns(draw: st.DrawFn) -> tuple[nn.Module, tuple[int, ...]]:
    features, hidden = draw(sizes), draw(st.integers(2, 5))
    kind = draw(st.sampled_from([nn.RNN, nn.GRU, nn.LSTM]))
    extra = {"proj_size": hidden - 1} if kind is nn.LSTM and draw(st.booleans()) else {}
    module = kind(
        features, hidden, draw(st.integers(1, 2)), bias=draw(st.booleans()), batch_first=draw(st.booleans()),
        bidirectional=draw(st.booleans()), **extra,
    )  # fmt: skip
    return module, (3, 2, features)


modules = st.one_of(mlps(), cnns(), rnns())


def units_of(module: nn.Module) -> int:
    """Neurons, channels and hidden units, counted from the modules."""
    total = 0
    for part in module.modules():
        if isinstance(part, nn.Linear):
            total += part.out_features
        elif isinstance(part, nn.Conv2d):
            total += part.out_channels
        elif isinstance(part, nn.RNNBase):
            total += (part.hidden_size + part.proj_size) * part.num_layers * (2 if part.bidirectional else 1)
    return total


def edges_of(module: nn.Module) -> int:
    """Pairs of units with a nonzero weight between them, counted from the weights."""
    total = 0
    for part in module.modules():
        if isinstance(part, nn.Conv2d):
            total += int(part.weight.flatten(2).any(-1).sum())
        elif isinstance(part, nn.RNNBase):
            for name, weight in part.named_parameters():
                if "weight_hr" in name:
                    total += int(weight.count_nonzero())
                elif "weight" in name:
                    total += int(weight.view(-1, part.hidden_size, weight.shape[1]).any(0).sum())
    return total


@settings(max_examples=25)
@given(modules, st.sampled_from([1.0, 0.5, 0.1]), st.integers(0, 99))
def test_counts_and_the_round_trip(made: tuple[nn.Module, tuple[int, ...]], keep: float, seed: int) -> None:
    torch.manual_seed(seed)
    module, shape = made
    module = sparsify(randomise_norms(module), keep, seed=seed).eval()
    x = torch.randn(shape)
    network = extract(module, x)
    structure = network.structure
    inputs = int(structure.inputs.sum())
    assert inputs == (shape[1] if len(shape) in (2, 4) else shape[2])
    assert structure.num_units == inputs + units_of(module)
    if not any(isinstance(part, nn.Linear) for part in module.modules()):
        assert structure.num_edges == edges_of(module)
    rebuilt = program_module(network)
    assert largest_difference(rebuilt(x), module(x)) < 1e-5
    assert extract(rebuilt, x).structure == structure
    drawn = program_module(structure, seed=seed)
    assert extract(drawn, x).structure.edge_index.shape == structure.edge_index.shape
    small = network.compact()
    assert largest_difference(program_module(small)(x), module(x)) < 1e-5
    assert small.structure.num_units <= structure.num_units


@settings(max_examples=15)
@given(mlps(), st.integers(0, 99))
def test_permuted_neurons_give_an_isomorphic_structure(
    made: tuple[nn.Module, tuple[int, ...]], seed: int
) -> None:
    torch.manual_seed(seed)
    module, shape = made
    sparsify(module, 0.5, seed=seed)
    before = extract(module, torch.zeros(shape))
    linears = [part for part in module if isinstance(part, nn.Linear)]
    with torch.no_grad():
        for first, second in pairwise(linears):
            order = torch.randperm(first.out_features)
            first.weight[:] = first.weight[order]
            second.weight[:] = second.weight[:, order]
            if first.bias is not None:
                first.bias[:] = first.bias[order]
    after = extract(module, torch.zeros(shape))
    assert after.structure.fingerprint == before.structure.fingerprint
    assert np.allclose(np.sort(after.weight, axis=None), np.sort(before.weight, axis=None))


@settings(max_examples=10)
@given(cnns(), st.integers(0, 99))
def test_both_resolutions_hold_the_same_weights(made: tuple[nn.Module, tuple[int, ...]], seed: int) -> None:
    module, shape = made
    module = sparsify(module, 0.5, seed=seed).eval()
    unit, weight = (extract(module, torch.zeros(shape), name) for name in ("unit", "weight"))
    for network in (unit, weight):
        assert network.structure.num_edges == sum(len(block.values) for block in network.blocks)
    values = {float(v) for v in unit.weight[unit.edge_kind == "weight"].ravel() if v}
    assert {float(v) for v in weight.weight[weight.edge_kind == "weight"].ravel()} <= values


@settings(max_examples=20)
@given(structures(RNN_FAMILIES, attributes=False), st.integers(0, 9))
def test_a_built_structure_comes_back(structure: Structure, seed: int) -> None:
    module = build_module(structure, load_task("reber"), seed=seed)
    network = extract(module)
    assert network.structure == structure
    assert network.weight.shape[0] == structure.num_edges


@pytest.mark.parametrize("family", RNN_FAMILIES)
def test_a_faithful_module_gives_its_cells(family: str) -> None:
    structure = Structure([[0, 0, 1, 2, 0], [2, 3, 3, 4, 4]], 5, family=family)
    module = build_module(structure, load_task("reber"), TrainConfig(protocol="corrected"))
    network = extract(module)
    cells = module.layout.cells
    hidden = sum(cell.mask.shape[0] for cell in cells)
    joined = sum(cell.mask.shape[0] for cell in cells if cell.name.startswith("skip"))
    width = cells[0].mask.shape[0]
    assert network.structure.num_units == 1 + width + hidden + joined + 2
    assert int(network.structure.recurrent.sum()) == sum(cell.mask.shape[0] ** 2 for cell in cells)
    forward = width + sum(int(cell.mask.sum()) for cell in cells) + 2 * joined + 2 * len(cells[-1].mask)
    assert network.structure.num_edges - int(network.structure.recurrent.sum()) == forward
    symbols = torch.tensor([[1, 4]])
    assert largest_difference(program_module(network)(symbols), module(symbols, torch.tensor([2]))) < 1e-5


def test_a_relabelled_structure_is_refused() -> None:
    structure = extract(
        nn.Sequential(nn.Linear(3, 2), nn.ReLU(), nn.Linear(2, 1)), torch.zeros(1, 3)
    ).structure
    with pytest.raises(InvalidInputError, match="have only edges that its program can have"):
        program_module(structure.relabel(np.arange(structure.num_units)[::-1]))
    with pytest.raises(InvalidInputError, match="hold a program"):
        program_module(Structure.from_layers([2, 2]))


def test_a_rebuilt_module_keeps_its_zeros_and_takes_other_batches() -> None:
    module = sparsify(nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(12, 2)), 0.5)
    rebuilt = program_module(extract(module, torch.zeros(1, 1, 4, 4)))
    x = torch.randn(5, 1, 4, 4)
    assert largest_difference(rebuilt(x), module(x)) < 1e-5
    optimiser = torch.optim.SGD(rebuilt.parameters(), 0.1)
    before = extract(rebuilt, x).structure
    for _ in range(3):
        optimiser.zero_grad()
        rebuilt(x).pow(2).sum().backward()
        optimiser.step()
    assert extract(rebuilt, x).structure == before
