"""Dead units, density by layer, effective depth, compaction, selection."""

from __future__ import annotations

import copy
from dataclasses import fields, replace

import matplotlib
import numpy as np
import pytest
import torch
from extract_modules import Gated, largest_difference, resnet, sparsify, vgg
from torch import nn

from nnstruct.errors import InvalidInputError
from nnstruct.extract import extract
from nnstruct.modules.program.module import program_module
from nnstruct.network.module_network import ModuleNetwork
from nnstruct.structure import Structure

matplotlib.use("Agg")


def chain() -> nn.Sequential:
    """Hidden unit 0 is used, 1 reaches no output, 2 is reached by no input."""
    module = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 2))
    with torch.no_grad():
        module[0].weight[:] = torch.tensor([[1.0, 2.0], [3.0, 0.0], [0.0, 0.0]])
        module[0].bias[:] = torch.tensor([0.1, 0.2, 0.3])
        module[2].weight[:] = torch.tensor([[1.0, 0.0, 2.0], [0.0, 0.0, 0.0]])
    return module


def test_dead_units_and_density() -> None:
    network = extract(chain(), torch.zeros(1, 2))
    assert network.dead_units.tolist() == [3, 4, 6]
    assert network.effective_depth == 2
    table = network.layers()
    assert table["nonzero"].tolist() == [3, 2]
    assert table["effective"].tolist() == [2, 1]
    assert table["density"].tolist() == [0.5, 2 / 6]
    assert table["effective_density"].tolist() == [2 / 6, 1 / 6]


def test_compact_leaves_out_the_dead_and_keeps_the_function() -> None:
    module, x = chain(), torch.randn(5, 2)
    network = extract(module, x)
    small = network.compact()
    assert small.structure.num_units == 2 + 1 + 2
    assert small.structure.num_edges == 3
    rebuilt = program_module(small)
    assert largest_difference(rebuilt(x), module(x)) < 1e-6
    assert sum(p.numel() for p in rebuilt.parameters()) == 2 + 1 + 2 + 2
    assert extract(rebuilt, x).structure == small.structure
    assert network.structure.num_units == 7  # the first one is as it was


@pytest.mark.parametrize("make", [vgg, resnet, Gated, lambda: nn.Sequential(nn.Linear(3, 9), nn.GRU(9, 8))])
@pytest.mark.parametrize("seed", range(3))
def test_compact_on_larger_modules(make: type, seed: int) -> None:
    torch.manual_seed(seed)
    module = sparsify(make().eval(), 0.4, rows=0.4, seed=seed)
    x = (
        torch.randn(2, 3, 16, 16)
        if make in (vgg, resnet)
        else torch.randn(4, 2, 3)
        if make is not Gated
        else torch.randn(2, 3)
    )
    network = extract(module, x)
    small = network.compact()
    # A module of many products may have nothing to leave out.
    assert small.structure.num_units < network.structure.num_units or make is Gated
    assert largest_difference(program_module(small)(x), module(x)) < 1e-5
    assert small.structure.outputs.sum() == network.structure.outputs.sum()


def test_compact_keeps_what_a_norm_needs() -> None:
    module = nn.Sequential(nn.Linear(2, 4), nn.LayerNorm(4), nn.Linear(4, 1))
    with torch.no_grad():
        module[2].weight[:, 1:3] = 0
    network = extract(module, torch.zeros(1, 2))
    assert network.dead_units.tolist() == [3, 4]
    assert network.compact().structure.num_units == network.structure.num_units


def test_a_network_of_dead_layers_still_runs() -> None:
    module = nn.Sequential(nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
    with torch.no_grad():
        module[2].weight.zero_()
    x = torch.randn(3, 2)
    network = extract(module, x)
    assert network.effective_depth == 0
    small = network.compact()
    assert small.structure.num_units < network.structure.num_units
    assert largest_difference(program_module(small)(x), module(x)) < 1e-6


def test_selected_edges_are_pruned_from_the_module() -> None:
    module = nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(12, 2))
    network = extract(module, torch.zeros(1, 1, 4, 4))
    keep = np.arange(network.structure.num_edges) % 2 == 0
    fewer = network.select(keep)
    assert fewer.structure.num_edges == keep.sum()
    assert np.array_equal(fewer.weight, network.weight[keep])
    assert extract(program_module(fewer), torch.zeros(1, 1, 4, 4)).structure.num_edges == keep.sum()
    with pytest.raises(InvalidInputError, match="keep must be bool of shape"):
        network.select(keep[1:])


def test_the_density_plot() -> None:
    ax = extract(chain(), torch.zeros(1, 2)).plot_density()
    heights = [bar.get_height() for bar in ax.patches]
    assert heights == pytest.approx([0.5, 2 / 6, 2 / 6, 1 / 6])
    assert [label.get_text() for label in ax.get_xticklabels()] == ["0", "2"]


def test_depth_of_a_structure() -> None:
    network = extract(nn.GRU(2, 3, 2), torch.zeros(4, 1, 2))
    assert network.effective_depth == 2
    assert Structure.from_layers([2, 3]).dead_units.tolist() == []


def test_copies_and_values_are_frozen() -> None:
    network = extract(resnet().eval(), torch.zeros(1, 3, 12, 12))
    twin = copy.deepcopy(network)
    assert twin.structure == network.structure
    assert np.array_equal(twin.weight, network.weight)
    for array in (network.weight, network.bias, network.blocks[0].values):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1


def test_the_arrays_of_the_caller_can_still_be_written_and_are_not_copied() -> None:
    network = extract(nn.Sequential(nn.Linear(3, 2), nn.LayerNorm(2)), torch.zeros(1, 3))
    values = [np.array(block.values) for block in network.blocks]
    blocks = [replace(block, values=held) for block, held in zip(network.blocks, values, strict=True)]
    bias = np.array(network.bias)
    tensors = {name: np.array(held) for name, held in network.tensors.items()}
    assert tensors
    again = ModuleNetwork(
        network.structure, blocks, bias, tensors, network.program, network.groups, network.resolution
    )
    pairs = [(bias, again.bias), *((held, again.tensors[name]) for name, held in tensors.items())]
    pairs += [(held, block.values) for held, block in zip(values, again.blocks, strict=True)]
    for given, kept in pairs:
        assert given.flags.writeable
        assert np.shares_memory(given, kept)
        with pytest.raises(ValueError, match="read-only"):
            kept[0] = 1
    assert np.array_equal(again.weight, network.weight)


def test_one_field_is_replaced() -> None:
    network = extract(chain(), torch.zeros(1, 2))
    renamed = replace(network, structure=network.structure.with_origin(kind="mine"), bias=network.bias + 1)
    assert dict(renamed.structure.origin) == {"kind": "mine"}
    assert np.array_equal(renamed.bias, network.bias + 1)
    assert np.array_equal(renamed.weight, network.weight)
    assert renamed.program is network.program
    names = [each.name for each in fields(network) if each.init]
    assert names == ["structure", "bias", "tensors", "blocks", "program", "groups", "resolution"]
    doubled = [replace(block, values=2 * block.values) for block in network.blocks]
    assert np.array_equal(replace(network, blocks=doubled).weight, 2 * network.weight)
    with pytest.raises(ValueError, match="weight"):
        replace(network, weight=network.weight)  # the values of the blocks are the weights


def test_a_replaced_field_has_to_fit_the_others() -> None:
    network = extract(chain(), torch.zeros(1, 2))
    with pytest.raises(InvalidInputError, match="blocks must hold values for each of 4 edges, got 5"):
        replace(network, structure=network.structure.with_edges(np.arange(5) < 4))
    with pytest.raises(InvalidInputError, match="bias must have 7 rows, one a unit, got 6"):
        replace(network, bias=network.bias[1:])
