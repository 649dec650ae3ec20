"""The quick pools equal PyTorch's, forward and backward."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from nnstruct.modules.cnn.pooling import pool


def by_torch(name: str, x: torch.Tensor, stride: int) -> torch.Tensor:
    if name == "maxpool3x3":
        return functional.max_pool2d(x, 3, stride, 1)
    return functional.avg_pool2d(x, 3, stride, 1, count_include_pad=False)


@given(
    st.sampled_from(["maxpool3x3", "avgpool3x3"]),
    st.integers(0, 1000),
    st.sampled_from([1, 2, 3, 4, 16, 20]),
    st.integers(1, 9),
    st.integers(1, 9),
    st.sampled_from([1, 2, 4]),
)
def test_pools_and_their_gradients(name, seed, channels, height, width, stride):
    rng = np.random.default_rng(seed)
    x = torch.tensor(rng.normal(size=(3, channels, height, width)), dtype=torch.float32, requires_grad=True)
    expected = by_torch(name, x, stride)
    found = pool(name, x, stride)
    torch.testing.assert_close(found, expected)
    direction = torch.tensor(rng.normal(size=expected.shape), dtype=torch.float32)
    gradients = [torch.autograd.grad(y, x, direction)[0] for y in (found, expected)]
    torch.testing.assert_close(gradients[0], gradients[1])


def test_of_equal_values_one_gets_the_gradient():
    x = torch.zeros(1, 1, 6, 6, requires_grad=True)
    pool("maxpool3x3", x).sum().backward()
    assert float(x.grad.sum()) == 36


@pytest.mark.parametrize("name", ["maxpool3x3", "avgpool3x3"])
def test_half_precision_and_both_orders_of_axes(name):
    x = torch.randn(2, 5, 7, 6, generator=torch.Generator().manual_seed(0))
    last = x.contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(pool(name, last), by_torch(name, x, 1))
    assert pool(name, last).is_contiguous(memory_format=torch.channels_last)
    half = pool(name, x.bfloat16())
    assert half.dtype == torch.bfloat16
    torch.testing.assert_close(half.float(), by_torch(name, x, 1), atol=0.03, rtol=0.03)


def test_in_double_precision_pools_can_be_differentiated_twice():
    x = torch.randn(1, 2, 4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert torch.autograd.gradgradcheck(lambda v: pool("avgpool3x3", v) ** 2, x.requires_grad_())
