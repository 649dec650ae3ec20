"""Input-to-hidden, hidden-to-hidden or both; gates together or apart; all four cells."""

from __future__ import annotations

import pytest
import torch
from pruning_networks import QUICK, Reader, clean, strings
from torch import nn

from nnstruct import Structure, TrainConfig
from nnstruct.errors import InvalidInputError
from nnstruct.extract import extract
from nnstruct.modules import build_module, module_from_network
from nnstruct.population import train_network
from nnstruct.pruning import evaluate, fit, masks_of, prune
from nnstruct.structure.families import FAMILIES, RNN_FAMILIES

GATES = {"tanh": 1, "relu": 1, "gru": 3, "lstm": 4}
KEPT = {"input": "weight_ih", "hidden": "weight_hh"}


@pytest.mark.parametrize("kind", GATES)
@pytest.mark.parametrize("part", ["input", "hidden", "both"])
@pytest.mark.parametrize("gates", ["together", "apart"])
def test_parts_and_gates_of_torch_layers(kind, part, gates):
    torch.manual_seed(0)
    sparse = prune(Reader(kind), 0.25, part=part, gates=gates)
    masks = masks_of(sparse)
    chosen = {"input": 1, "hidden": 1, "both": 2}[part] * 2
    assert len(masks) == chosen
    assert all(KEPT.get(part, "weight_") in name for name in masks)
    total = sum(mask.numel() for mask in masks.values())
    kept = sum(int(mask.sum()) for mask in masks.values())
    count = GATES[kind] if gates == "together" else 1
    assert kept == count * round(0.25 * total / count)
    for mask in masks.values():
        alike = mask.view(GATES[kind], -1)
        if gates == "together":
            assert (alike == alike[:1]).all()
    trained, _ = fit(sparse, strings(), QUICK)
    for name, mask in masks.items():
        assert (getattr(trained.layer, name.split(".")[-1])[~mask] == 0).all()


@pytest.mark.parametrize("kind", GATES)
def test_a_cell_in_a_loop(kind):
    class Loop(nn.Module):
        def __init__(self):
            super().__init__()
            cells = {"gru": nn.GRUCell, "lstm": nn.LSTMCell}
            options = {} if kind in cells else {"nonlinearity": kind}
            self.cell = cells.get(kind, nn.RNNCell)(4, 5, **options)

        def forward(self, x):
            state = None
            for value in x.unbind(1):
                state = self.cell(value, state)
            return state[0] if kind == "lstm" else state

    sparse = prune(Loop(), 0.2, part="hidden", gates="together")
    structure = extract(sparse, torch.randn(2, 3, 4)).structure
    assert int(structure.recurrent.sum()) == 5
    assert int((~structure.recurrent).sum()) == 20


@pytest.mark.parametrize("family", RNN_FAMILIES)
@pytest.mark.parametrize(
    ("part", "forward", "recurrent"), [("input", 16, 128), ("hidden", 64, 32), ("both", None, None)]
)
def test_edges_of_an_nnstruct_network(family, part, forward, recurrent):
    module = clean(family)
    sparse = prune(module, 0.25, part=part)
    structure = extract(sparse).structure
    assert structure.num_edges == (48 if part == "both" else forward + recurrent)
    if forward is not None:
        assert int((~structure.recurrent).sum()) == forward
    network = sparse.to_network()
    assert network.weight.shape == (structure.num_edges, FAMILIES[family].gates)
    assert (network.weight != 0).all()
    trained, _ = fit(sparse, strings(), QUICK)
    assert trained.to_network().structure == structure
    apart = prune(module, 0.25, part=part, gates="apart")
    total = FAMILIES[family].gates * {"input": 64, "hidden": 128, "both": 192}[part]
    if part != "both":
        name = {"input": "forward_weight", "hidden": "recurrent_weight"}[part]
        assert int(masks_of(apart)[name].sum()) == round(0.25 * total)


def test_a_network_is_pruned_to_a_network():
    structure = Structure.from_layers([8, 8], family="gru")
    network, _ = train_network(structure, strings(), config=TrainConfig(epochs=1))
    sparse = prune(network, 0.5)
    assert sparse.structure.num_edges == round(0.5 * structure.num_edges)
    assert sparse.structure.family == "gru"
    assert network.structure.num_edges == 192
    assert (sparse.tensors["readout_weight"] == network.tensors["readout_weight"]).all()
    torch.manual_seed(0)
    read = extract(nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 2)), torch.zeros(1, 6))
    assert prune(read, 0.5).structure.num_edges == 20


def test_units_that_nothing_reaches_are_reported_not_dropped():
    sparse = prune(
        build_module(Structure.from_layers([4, 4], family="rnn_tanh"), strings()), 0.0, part="input"
    )
    network = sparse.to_network()
    assert network.structure.family == "rnn_tanh"
    assert network.structure.origin["kind"] == "pruning"
    assert network.dead_units.tolist() == [4, 5, 6, 7] or len(network.dead_units) == 8
    found = evaluate(sparse, strings())
    assert 0 <= found["accuracy"] <= 1
    again = evaluate(module_from_network(network), strings())
    assert again["loss"] == pytest.approx(found["loss"])


def test_a_part_that_is_not_there_is_told():
    with pytest.raises(InvalidInputError, match="have weights to prune within"):
        prune(nn.Linear(3, 2), 0.5, part="hidden")
    with pytest.raises(InvalidInputError, match="hold convolutions or hidden linear layers"):
        prune(nn.GRU(3, 2), 0.5, method="channels")
