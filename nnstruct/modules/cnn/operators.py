"""The operators of convolution cells on maps [B, c, H, W]."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional

ACTIVATION: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": functional.relu,
    "tanh": torch.tanh,
    "gelu": partial(functional.gelu, approximate="tanh"),
}
HAMILTONIAN_STEP = 0.5
# Of steps that expand and contract in turn: the least slope of the contractive field, and the two steps,
# for which (1 + EXPANSIVE_STEP) * max(|1 - CONTRACTIVE_STEP * SLOPE|, |1 - CONTRACTIVE_STEP|) is 1.
SLOPE, EXPANSIVE_STEP, CONTRACTIVE_STEP = 0.5, 1.0, 1.0
_SQUARINGS = 4
_TINY = 1e-30


def convolved(x: Tensor, kernel: Tensor, stride: int = 1) -> Tensor:
    """A convolution that keeps the size of a map, or divides it by the stride, rounded up.

    A kernel of one position is applied to every ``stride``-th one: on processors with AVX2 and no AVX-512,
    oneDNN's strided 1 x 1 convolution writes beyond its memory where a map of the format ``channels_last``
    has fewer than 8 channels (uxlfoundation/oneDNN, issue 6035).

    Parameters
    ----------
    x : Tensor [B, i, H, W]
    kernel : Tensor [o, i, k, k]
        With an odd k.
    stride : int

    Returns
    -------
    Tensor [B, o, ceil(H / stride), ceil(W / stride)]
    """
    size = kernel.shape[-1]
    if size == 1 and stride > 1:
        x, stride = x[:, :, ::stride, ::stride], 1
    return functional.conv2d(x, kernel, stride=stride, padding=size // 2)


def separable(x: Tensor, depthwise: Tensor, pointwise: Tensor, stride: int = 1) -> Tensor:
    """A 3 x 3 kernel for each channel, then a 1 x 1 convolution (Chollet, 2017, arXiv:1610.02357).

    Parameters
    ----------
    x : Tensor [B, c, H, W]
    depthwise : Tensor [c, 1, 3, 3]
    pointwise : Tensor [d, c, 1, 1]
    stride : int

    Returns
    -------
    Tensor [B, d, ceil(H / stride), ceil(W / stride)]
    """
    return functional.conv2d(_depthwise(x, depthwise, stride), pointwise)


def _depthwise(x: Tensor, kernel: Tensor, stride: int) -> Tensor:
    """A kernel for each channel; with a stride in single precision, where a CPU is eight times as quick."""
    device = x.device.type
    if stride == 1 or device != "cpu" or not torch.is_autocast_enabled(device):
        return functional.conv2d(x, kernel, stride=stride, padding=1, groups=x.shape[1])
    with torch.autocast(device, enabled=False):
        made = functional.conv2d(x.float(), kernel.float(), stride=stride, padding=1, groups=x.shape[1])
    return made.to(torch.get_autocast_dtype(device))


def norm_bound(kernel: Tensor) -> Tensor:
    """An upper bound on the spectral norm of a 3 x 3 convolution with zero padding, on maps of any size.

    It is three times the spectral norm of the kernel as a matrix of (output, row) by (input, column), one
    of the four bounds of Singla and Feizi (2021, arXiv:1911.10258). That norm is bounded in turn by the
    Frobenius norm of a high power of its Gram matrix (Delattre et al., 2023, arXiv:2305.16173).

    Parameters
    ----------
    kernel : Tensor [d, c, 3, 3]

    Returns
    -------
    Tensor []
    """
    outputs, inputs = kernel.shape[:2]
    return 3.0 * norm_of(kernel.permute(0, 2, 1, 3).reshape(3 * outputs, 3 * inputs))


def norm_of(matrix: Tensor) -> Tensor:
    """An upper bound on the spectral norm of a matrix: the Frobenius norm of a high power of its Gram matrix.

    Parameters
    ----------
    matrix : Tensor [m, n]

    Returns
    -------
    Tensor []
    """
    with torch.autocast(matrix.device.type, enabled=False):
        gram = matrix.T @ matrix
        bound, share = gram.new_zeros(()), 0.5
        for _ in range(_SQUARINGS):
            size = gram.norm().clamp_min(_TINY)
            bound = bound + share * size.log()
            gram = gram / size
            gram = gram @ gram
            share = share / 2
        # Rounding may take away a few units in the last place.
        return (bound + share * gram.norm().clamp_min(_TINY).log()).exp() * 1.0001


def gradient_flow(x: Tensor, kernel: Tensor, bias: Tensor, activation: str) -> Tensor:
    """An explicit step down a convex potential, x - h K^T act(K x + b) with h <= 2 / ||K||^2.

    With relu or tanh, whose slopes lie between 0 and 1, the map is 1-Lipschitz (Meunier et al., 2022,
    arXiv:2110.12690; Celledoni et al., 2023, arXiv:2210.02373); gelu exceeds these slopes a little.

    Parameters
    ----------
    x : Tensor [B, c, H, W]
    kernel : Tensor [c, c, 3, 3]
    bias : Tensor [c]
    activation : {"relu", "tanh", "gelu"}

    Returns
    -------
    Tensor [B, c, H, W]
    """
    step = 2.0 / norm_bound(kernel).clamp_min(1e-6) ** 2
    return x - step * _gradient(x, kernel, bias, activation)


def expansion(x: Tensor, kernel: Tensor, bias: Tensor, activation: str) -> Tensor:
    """An explicit step up a convex potential, x + h K^T act(K x + b) / ||K||^2, which can bring maps apart.

    With relu or tanh no distance shrinks, and none grows by more than 1 + h; a :func:`contraction` before or
    after it makes up for that.

    Parameters
    ----------
    x : Tensor [B, c, H, W]
    kernel : Tensor [c, c, 3, 3]
    bias : Tensor [c]
    activation : {"relu", "tanh", "gelu"}

    Returns
    -------
    Tensor [B, c, H, W]
    """
    return x + EXPANSIVE_STEP * _force(x, kernel, bias, activation)


def contraction(x: Tensor, kernel: Tensor, bias: Tensor, activation: str) -> Tensor:
    """An explicit step down a strongly convex potential, x - h (a x + (1 - a) K^T act(K x + b) / ||K||^2).

    With relu or tanh the field's slopes lie between a and 1, so that all distances shrink by the factor
    max(|1 - h a|, |1 - h|) at least, whatever K is. Where K is orthogonal and the activation relu, this is
    the step x - h K^T s(K x + b) of Celledoni et al. (2023, arXiv:2210.02373) with the leaky relu s of slope
    a, but for a shift by h a K^T b; theirs contracts only as long as K stays orthogonal.

    Parameters
    ----------
    x : Tensor [B, c, H, W]
    kernel : Tensor [c, c, 3, 3]
    bias : Tensor [c]
    activation : {"relu", "tanh", "gelu"}

    Returns
    -------
    Tensor [B, c, H, W]
    """
    kept, moved = 1.0 - CONTRACTIVE_STEP * SLOPE, CONTRACTIVE_STEP * (1.0 - SLOPE)
    return kept * x - moved * _force(x, kernel, bias, activation)


def _force(x: Tensor, kernel: Tensor, bias: Tensor, activation: str) -> Tensor:
    """K^T act(K x + b) / ||K||^2."""
    return _gradient(x, kernel, bias, activation) / norm_bound(kernel).clamp_min(1e-6) ** 2


def _gradient(x: Tensor, kernel: Tensor, bias: Tensor, activation: str) -> Tensor:
    """K^T act(K x + b), the gradient of a convex potential."""
    force = ACTIVATION[activation](functional.conv2d(x, kernel, bias, padding=1))
    return functional.conv_transpose2d(force, kernel, padding=1)


def hamiltonian(x: Tensor, kernel: Tensor, bias: Tensor, activation: str) -> Tensor:
    """A step of the symplectic Euler method for ``H(y, z) = sum Act(K y + b) + sum Act(K z + d)``.

    With the first half of the channels as positions y and the second as momenta z, and Act' = act:
    ``z <- z - h K^T act(K y + b)``, then ``y <- y + h K^T act(K z + d)``. Each is a shear by a gradient, so
    that the map is symplectic (Celledoni et al., 2023, arXiv:2210.02373). The network of Haber and Ruthotto
    (2017, arXiv:1705.03341) steps by ``act(K y + b)`` and ``act(K^T z + d)``, which keeps volumes but is not
    symplectic.

    Parameters
    ----------
    x : Tensor [B, c, H, W]
        With an even c.
    kernel : Tensor [c / 2, c / 2, 3, 3]
    bias : Tensor [c]
        d, then b.
    activation : {"relu", "tanh", "gelu"}

    Returns
    -------
    Tensor [B, c, H, W]
    """
    half, act = x.shape[1] // 2, ACTIVATION[activation]
    y, z = x[:, :half], x[:, half:]
    force = act(functional.conv2d(y, kernel, bias[half:], padding=1))
    z = z - HAMILTONIAN_STEP * functional.conv_transpose2d(force, kernel, padding=1)
    speed = act(functional.conv2d(z, kernel, bias[:half], padding=1))
    y = y + HAMILTONIAN_STEP * functional.conv_transpose2d(speed, kernel, padding=1)
    return torch.cat([y, z], 1)
