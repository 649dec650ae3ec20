"""Largest values read out, and taken on the way to smaller maps: against the network written by hand."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from nnstruct import Structure, TrainConfig
from nnstruct.errors import InvalidInputError
from nnstruct.modules import build_module, module_from_network
from nnstruct.tasks import Task

RNG = np.random.default_rng(0)
IMAGES = Task.from_arrays("images", RNG.normal(size=(60, 3, 9, 7)), [0, 1, 2] * 20)
CONFIG = TrainConfig(readout="max", downsampling="max-pool")
CHAIN = Structure(
    [[0, 1], [1, 2]],
    3,
    family="cnn",
    attributes={
        "channels": [4, 6, 5], "stage": [0, 1, 3], "operator": ["conv3x3", "conv3x3", "sepconv3x3"],
    },
)  # fmt: skip


def normalised(x: torch.Tensor, block) -> torch.Tensor:
    return functional.batch_norm(x, None, None, block.norm_scale, block.bias, training=True)


@torch.no_grad()
def test_a_convolution_is_pooled_before_its_normalisation():
    module = build_module(CHAIN, IMAGES, CONFIG, seed=1).train()
    first, second, third = module.blocks
    image = torch.from_numpy(IMAGES.train.inputs[:8])
    x = functional.relu(normalised(functional.conv2d(image, first.kernel_0, padding=1), first))
    x = functional.max_pool2d(functional.conv2d(x, second.kernel_0, padding=1), 2, ceil_mode=True)
    x = functional.relu(normalised(x, second))
    assert x.shape[2:] == (5, 4)
    x = functional.conv2d(functional.conv2d(x, third.depthwise_0, padding=1, groups=6), third.kernel_0)
    x = functional.relu(normalised(functional.max_pool2d(x, 4, ceil_mode=True), third))
    assert x.shape[2:] == (2, 1)
    by_hand = module.readout(x.flatten(2).max(2).values)
    torch.testing.assert_close(module(image), by_hand, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_by_default_nothing_is_the_largest_value():
    image = torch.from_numpy(IMAGES.train.inputs[:8])
    scores = {}
    for name in ("readout", "downsampling"):
        config = CONFIG.model_copy(update={name: TrainConfig().model_dump()[name]})
        scores[name] = build_module(CHAIN, IMAGES, config, seed=1).eval()(image)
    both = build_module(CHAIN, IMAGES, CONFIG, seed=1).eval()(image)
    plain = build_module(CHAIN, IMAGES, seed=1).eval()(image)
    for one in scores.values():
        assert not torch.allclose(one, both)
        assert not torch.allclose(one, plain)


@torch.no_grad()
@pytest.mark.parametrize("config", [CONFIG, TrainConfig(readout="max"), TrainConfig()])
def test_a_network_knows_where_largest_values_are_taken(config, tmp_path):
    module = build_module(CHAIN, IMAGES, config, seed=1).eval()
    network = module.to_network()
    marks = {"max_readout", "max_downsampling"} & set(network.tensors)
    assert marks == {f"max_{n}" for n in ("readout", "downsampling") if n in config.options}
    network.save(tmp_path / "network")
    image = torch.from_numpy(IMAGES.train.inputs[:8])
    again = module_from_network(type(network).load(tmp_path / "network")).eval()
    assert torch.equal(again(image), module(image))


def test_only_convolutional_networks_have_maps():
    vectors = Task.from_arrays("vectors", RNG.normal(size=(60, 4)), [0, 1, 2] * 20)
    for name, value in {"readout": "max", "downsampling": "max-pool", "test_flip": True}.items():
        with pytest.raises(InvalidInputError, match=f"config.{name} must be .* for the family 'mlp', got"):
            build_module(Structure.from_layers([3]), vectors, TrainConfig(**{name: value}))
