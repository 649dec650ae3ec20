"""Pools over 3 x 3 neighbourhoods, by operations on whole maps where PyTorch's own are slow.

On a CPU, with few channels, PyTorch takes several times as long for a pool as for a convolution. Here it
is a pool over rows and one over columns, each from three shifted maps.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.nn import functional

_ROWS, _COLUMNS = 2, 3
_FEW_CHANNELS = 16
# Up to so many, a mean is quicker as a convolution with ones: 10 ms for 20 (16 channels), 15 for 17 (32).
_MANY_CHANNELS = 64
# In double precision, as probes work, PyTorch's own: it can be differentiated in every way.
_QUICK = (torch.float32, torch.bfloat16)


def pool(name: str, x: Tensor, stride: int = 1) -> Tensor:
    """The greatest or the mean value of each 3 x 3 neighbourhood; the border is left out of both.

    Parameters
    ----------
    name : {"maxpool3x3", "avgpool3x3"}
    x : Tensor [B, c, H, W]
    stride : int

    Returns
    -------
    Tensor [B, c, H / stride, W / stride], rounded up

    Examples
    --------
    >>> import torch
    >>> x = torch.arange(9.0).view(1, 1, 3, 3)
    >>> pool("maxpool3x3", x)[0, 0].tolist()
    [[4.0, 5.0, 5.0], [7.0, 8.0, 8.0], [7.0, 8.0, 8.0]]
    >>> pool("avgpool3x3", x, 2)[0, 0].tolist()
    [[2.0, 3.0], [5.0, 6.0]]
    """
    largest, channels = name == "maxpool3x3", x.shape[1]
    slow = stride == 1 and x.device.type == "cpu"
    if slow and channels < _FEW_CHANNELS and x.dtype in _QUICK:
        return (_Largest if largest else _Mean).apply(x)
    if slow and not largest and channels < _MANY_CHANNELS and x.dtype == torch.float32:
        ones = x.new_ones(channels, 1, 3, 3)
        return functional.conv2d(x, ones, padding=1, groups=channels) * _shares(*x.shape[2:], x.dtype)
    if largest:
        return functional.max_pool2d(x, 3, stride, 1)
    return functional.avg_pool2d(x, 3, stride, 1, count_include_pad=False)


class _Mean(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return _sums(x).mul_(_shares(*x.shape[2:], x.dtype))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        # Two positions are neighbours of each other, so that the sum is its own adjoint.
        gradient = gradients[0]
        return _sums(gradient * _shares(*gradient.shape[2:], gradient.dtype))


class _Largest(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        largest, *of_rows = _largest(x, _ROWS)
        largest, *of_columns = _largest(largest, _COLUMNS)
        ctx.save_for_backward(*of_rows, *of_columns)
        return largest

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        before_row, after_row, before_column, after_column = ctx.saved_tensors
        gradient = _to_the_largest(gradients[0], before_column, after_column, _COLUMNS)
        return _to_the_largest(gradient, before_row, after_row, _ROWS)


def _sums(x: Tensor) -> Tensor:
    for axis in (_ROWS, _COLUMNS):
        total = x.clone()
        _later(total, axis).add_(_earlier(x, axis))
        _earlier(total, axis).add_(_later(x, axis))
        x = total
    return x


def _largest(x: Tensor, axis: int) -> tuple[Tensor, Tensor, Tensor]:
    """The greatest of each three neighbours, and whether it is the one before, or the one after."""
    before, largest = _later(x, axis) < _earlier(x, axis), x.clone()
    part = _later(largest, axis)
    torch.maximum(part, _earlier(x, axis), out=part)
    part = _earlier(largest, axis)
    after = part < _later(x, axis)
    torch.maximum(part, _later(x, axis), out=part)
    return largest, before, after


def _to_the_largest(gradient: Tensor, before: Tensor, after: Tensor, axis: int) -> Tensor:
    result = gradient.clone()
    to_after = _earlier(gradient, axis) * after
    _earlier(result, axis).sub_(to_after)
    to_before = _later(result, axis) * before
    _later(result, axis).sub_(to_before).add_(to_after)
    _earlier(result, axis).add_(to_before)
    return result


def _earlier(x: Tensor, axis: int) -> Tensor:
    return x.narrow(axis, 0, x.shape[axis] - 1)


def _later(x: Tensor, axis: int) -> Tensor:
    return x.narrow(axis, 1, x.shape[axis] - 1)


@lru_cache(maxsize=64)
def _shares(height: int, width: int, dtype: torch.dtype) -> Tensor:
    """One over the number of neighbours that are there, [H, W]."""
    rows, columns = (
        torch.tensor([3.0 - (place == 0) - (place == size - 1) for place in range(size)])
        for size in (height, width)
    )
    return (1.0 / torch.outer(rows, columns)).to(dtype)
