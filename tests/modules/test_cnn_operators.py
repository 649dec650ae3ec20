"""What the flow blocks promise: 1-Lipschitz, reversible, volume-preserving; and the bound they rest on."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nnstruct import Structure, TrainConfig
from nnstruct.modules import build_module
from nnstruct.modules.cnn.operators import (
    HAMILTONIAN_STEP,
    convolved,
    gradient_flow,
    hamiltonian,
    norm_bound,
    separable,
)
from nnstruct.modules.cnn.pooling import pool
from nnstruct.population.reference import Training
from nnstruct.tasks import Task

RNG = np.random.default_rng(0)
IMAGES = Task.from_arrays("images", RNG.normal(size=(60, 2, 6, 6)), [0, 1] * 30)


def drawn(seed: int, *shape: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape))


def operator_matrix(kernel: torch.Tensor, size: int) -> torch.Tensor:
    """The convolution with zero padding on maps [c, size, size] as a matrix."""
    channels = kernel.shape[1]
    basis = torch.eye(channels * size * size, dtype=kernel.dtype).view(-1, channels, size, size)
    return torch.nn.functional.conv2d(basis, kernel, padding=1).flatten(1).T


@given(st.integers(0, 10_000), st.integers(1, 6), st.integers(2, 7), st.floats(-6, 6))
def test_the_bound_is_above_the_norm_and_not_far(seed, channels, size, power):
    kernel = drawn(seed, channels, channels, 3, 3) * 10**power
    exact = float(torch.linalg.matrix_norm(operator_matrix(kernel, size), 2))
    bound = float(norm_bound(kernel))
    assert exact <= bound
    assert bound <= 9.5 * exact
    assert float(norm_bound(kernel.float())) >= exact * (1 - 1e-5)


def test_the_bound_of_nothing_is_nothing():
    assert float(norm_bound(torch.zeros(2, 2, 3, 3))) < 1e-10


@settings(max_examples=25)
@given(st.integers(0, 10_000), st.integers(1, 4), st.sampled_from(["relu", "tanh"]), st.floats(-2, 2))
def test_a_gradient_flow_is_one_lipschitz(seed, channels, activation, power):
    kernel, bias = drawn(seed, channels, channels, 3, 3) * 10**power, drawn(seed + 1, channels)
    x, y = drawn(seed + 2, 2, 8, channels, 5, 5)
    y = x + y * 10.0 ** drawn(seed + 3, 8, 1, 1, 1)
    moved = gradient_flow(x, kernel, bias, activation) - gradient_flow(y, kernel, bias, activation)
    ratio = moved.flatten(1).norm(dim=1) / (x - y).flatten(1).norm(dim=1)
    assert float(ratio.max()) <= 1 + 1e-9


def test_a_gradient_flow_goes_down_its_potential():
    kernel, bias = drawn(0, 3, 3, 3, 3), drawn(1, 3)
    x = drawn(2, 16, 3, 6, 6)

    def potential(values):
        return 0.5 * torch.relu(torch.nn.functional.conv2d(values, kernel, bias, padding=1)).square().sum()

    assert float(potential(gradient_flow(x, kernel, bias, "relu"))) < float(potential(x))
    # The direction is the potential's gradient.
    point = x.clone().requires_grad_()
    (slope,) = torch.autograd.grad(potential(point), point)
    step = 2 / norm_bound(kernel) ** 2
    torch.testing.assert_close(x - gradient_flow(x, kernel, bias, "relu"), step * slope)


@given(st.integers(0, 10_000), st.sampled_from([2, 4]), st.sampled_from(["relu", "tanh", "gelu"]))
def test_a_hamiltonian_block_can_be_undone(seed, channels, activation):
    half = channels // 2
    kernel, bias, x = (
        drawn(seed, half, half, 3, 3),
        drawn(seed + 1, channels),
        drawn(seed + 2, 3, channels, 4, 4),
    )
    moved = hamiltonian(x, kernel, bias, activation)
    from nnstruct.modules.cnn.operators import ACTIVATION

    act, conv = ACTIVATION[activation], torch.nn.functional.conv2d
    y, z = moved[:, :half], moved[:, half:]
    turned = kernel.transpose(0, 1).flip(2, 3)  # the adjoint of a convolution
    y = y - HAMILTONIAN_STEP * conv(act(conv(z, kernel, bias[:half], padding=1)), turned, padding=1)
    z = z + HAMILTONIAN_STEP * conv(act(conv(y, kernel, bias[half:], padding=1)), turned, padding=1)
    torch.testing.assert_close(torch.cat([y, z], 1), x)


def test_a_hamiltonian_block_keeps_volumes():
    kernel, bias, x = drawn(0, 1, 1, 3, 3), drawn(1, 2), drawn(2, 1, 2, 3, 3)
    jacobian = torch.autograd.functional.jacobian(lambda v: hamiltonian(v, kernel, bias, "tanh"), x)
    assert float(torch.linalg.det(jacobian.reshape(18, 18))) == pytest.approx(1.0)
    assert not torch.allclose(jacobian.reshape(18, 18), torch.eye(18, dtype=torch.float64), atol=0.1)


def test_pools_leave_the_border_out():
    x = torch.arange(-9.0, 0.0).view(1, 1, 3, 3)
    assert pool("maxpool3x3", x)[0, 0, 0, 0] == x[0, 0, :2, :2].max()
    assert pool("avgpool3x3", x)[0, 0, 0, 0] == x[0, 0, :2, :2].mean()
    assert pool("avgpool3x3", x, 2).shape == (1, 1, 2, 2)


@pytest.mark.parametrize(("size", "stride"), [(1, 1), (1, 2), (1, 4), (3, 1), (3, 2)])
def test_convolutions_equal_those_of_pytorch_whatever_the_stride(size, stride):
    x = drawn(0, 5, 3, 7, 6).contiguous(memory_format=torch.channels_last).requires_grad_()
    kernel = drawn(1, 2, 3, size, size).requires_grad_()
    plain = torch.nn.functional.conv2d(x.contiguous(), kernel, stride=stride, padding=size // 2)
    torch.testing.assert_close(convolved(x, kernel, stride), plain)
    ours, theirs = (
        torch.autograd.grad(made.square().sum(), (x, kernel))
        for made in (convolved(x, kernel, stride), plain)
    )
    torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("operator", ["gradient-flow3x3", "hamiltonian3x3", "expansion3x3"])
def test_chains_of_flow_blocks_train(operator, precision):
    structure = Structure(
        [[0, 1, 2], [1, 2, 3]],
        4,
        family="cnn",
        attributes={"operator": ["conv3x3", *[operator] * 3], "channels": [4] * 4, "stage": [0, 0, 0, 1]},
    )
    module = build_module(structure, IMAGES)
    # Only the edge into the next stage has weights; the others pass on what they get.
    assert module.layout.carries.tolist() == [False, False, True]
    training = Training(structure, IMAGES, TrainConfig(epochs=12, learning_rate=0.02, precision=precision), 0)
    losses = [loss for epoch in range(12) for _, loss in training.epoch(epoch)]
    assert losses[-1] < 0.9 * losses[0]


def test_half_precision_leaves_separable_convolutions_near_what_they_are():
    maker = torch.Generator().manual_seed(0)
    x, depthwise, pointwise = (
        torch.randn(*shape, generator=maker) for shape in ((2, 5, 7, 6), (5, 1, 3, 3), (4, 5, 1, 1))
    )
    for stride in (1, 2):
        exact = separable(x, depthwise, pointwise, stride)
        with torch.autocast("cpu", torch.bfloat16):
            half = separable(x.bfloat16(), depthwise, pointwise, stride)
        assert half.dtype == torch.bfloat16
        torch.testing.assert_close(half.float(), exact, atol=0.15, rtol=0.05)
