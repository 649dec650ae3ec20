"""Multiply-adds against those that PyTorch counts while a module runs."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from nnstruct import Structure, TrainConfig, load_task
from nnstruct.modules import build_module, count_multiply_adds
from nnstruct.tasks import Task

RNG = np.random.default_rng(0)
IMAGES = Task.from_arrays("images", RNG.normal(size=(40, 3, 9, 9)).astype("float32"), np.arange(40) % 2)


def chain(**attributes: tuple) -> Structure:
    """Cells one after the other, so that no engine pads anything."""
    size = len(attributes["operator"])
    edges = [list(range(size - 1)), list(range(1, size))]
    return Structure(edges, size, family="cnn", attributes=attributes)


def counted(structure: Structure, task: Task, config: TrainConfig) -> int:
    module = build_module(structure, task, config, seed=0).eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        module(torch.zeros(1, *task.input_shape))
    operations = counter.get_flop_counts()["Global"]  # the means before the read-out are products, too
    return sum(n for name, n in operations.items() if str(name) in ("aten.convolution", "aten.addmm")) // 2


@pytest.mark.parametrize(
    "structure",
    [
        chain(operator=("conv3x3", "conv1x1", "sepconv3x3"), channels=(4, 6, 2), stage=(0, 0, 1)),
        chain(operator=("conv3x3", "conv3x3", "maxpool3x3"), channels=(4, 6, 6), stage=(1, 1, 2)),
        chain(
            operator=("conv1x1", "conv3x3", "identity"),
            channels=(4, 6, 3),
            stage=(0, 1, 1),
            join=("sum", "sum", "sum"),
        ),
    ],
    ids=["side by side", "pools", "sums"],
)
def test_cells_multiply_as_often_as_pytorch_counts(structure: Structure) -> None:
    for config in (TrainConfig(), TrainConfig(downsampling="max-pool")):
        assert count_multiply_adds(structure, IMAGES, config) == counted(structure, IMAGES, config)


@pytest.mark.parametrize(
    ("operator", "uses"), [("gradient-flow3x3", 2), ("contraction3x3", 2), ("hamiltonian3x3", 4)]
)
def test_flow_blocks_use_their_kernels_more_than_once(operator: str, uses: int) -> None:
    structure = chain(operator=("conv1x1", operator), channels=(4, 4))
    width = 4 if uses == 2 else 2
    expected = 81 * (3 * 4 + uses * 9 * width * width) + 4 * 2
    assert count_multiply_adds(structure, IMAGES) == expected


def test_neurons_multiply_once_a_weight_and_once_a_symbol() -> None:
    layers = Structure.from_layers([5, 4, 3])
    assert count_multiply_adds(layers, load_task("digits")) == 64 * 5 + (5 * 4 + 4 * 3) + 3 * 10
    gru = Structure.from_layers([3, 2], family="gru")  # 6 forward and 9 + 4 recurrent edges
    task = load_task("reber")
    longest = task.input_shape[0]
    assert count_multiply_adds(gru, task) == longest * 3 * 19 + 2 * task.num_classes
