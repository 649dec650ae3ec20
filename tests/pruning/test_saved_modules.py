"""Pruned modules whose masks were made permanent are saved and loaded as any module of PyTorch."""

from __future__ import annotations

import copy
import io
import pickle

import pytest
import torch
import torch.nn.utils.parametrize as parametrize
from pruning_networks import NETWORKS, network, task_of
from torch import nn

from nnstruct.modules import CleanRNN
from nnstruct.pruning import made_permanent, masks_of, prune


def by_pickle(module: nn.Module) -> nn.Module:
    return pickle.loads(pickle.dumps(module))


def by_torch(module: nn.Module) -> nn.Module:
    file = io.BytesIO()
    torch.save(module, file)
    file.seek(0)
    return torch.load(file, weights_only=False)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("way", [by_pickle, by_torch, copy.deepcopy])
def test_a_permanently_pruned_module_comes_back(name, way):
    plain = made_permanent(prune(network(name), 0.25)).eval()
    again = way(plain)
    split = task_of(name).train
    inputs = [torch.from_numpy(split.inputs[:6])]
    inputs += [] if split.lengths is None else [torch.from_numpy(split.lengths[:6])]
    assert torch.equal(again(*inputs), plain(*inputs))
    assert type(again) is type(plain)
    assert [type(part) for part in again.modules()] == [type(part) for part in plain.modules()]
    if hasattr(plain, "to_network"):
        assert again.to_network().structure == plain.to_network().structure
    with torch.no_grad():  # what was loaded computes with its own tensors
        for parameter in again.parameters():
            parameter.zero_()
    assert torch.equal(again(*inputs), torch.zeros_like(again(*inputs)))


@pytest.mark.parametrize("kind", [nn.RNN, nn.GRU, nn.LSTM])
@pytest.mark.parametrize("way", [by_pickle, by_torch, copy.deepcopy])
def test_a_recurrent_layer_whose_masks_pytorch_removed(kind, way):
    layer = prune(kind(3, 4), 0.5)
    for name in masks_of(layer):
        parametrize.remove_parametrizations(layer, name)
    again, x = way(layer), torch.randn(5, 2, 3)
    assert torch.equal(again(x)[0], layer(x)[0])
    with torch.no_grad():
        again.weight_hh_l0.zero_()
    assert not torch.equal(again(x)[0], layer(x)[0])


def test_masks_are_saved_by_the_state_dict_only():
    sparse = prune(network("clean gru"), 0.5)
    assert isinstance(copy.deepcopy(sparse), CleanRNN)
    with pytest.raises(RuntimeError, match="only supported through state_dict"):
        pickle.dumps(sparse)
