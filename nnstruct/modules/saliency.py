"""How much a score depends on each weight of a module: the arithmetic of SNIP and SynFlow.

Pruning ranks weights by it and the probes sum it up. It knows modules only, neither tasks nor masks, and so
stands below both.

References
----------
N. Lee, T. Ajanthan, P. H. S. Torr, SNIP: single-shot network pruning based on connection sensitivity
(2019), arXiv:1810.02340.

H. Tanaka, D. Kunin, D. L. K. Yamins, S. Ganguli, Pruning neural networks without any data by iteratively
conserving synaptic flow (2020), arXiv:2006.05467.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor, nn


def saliency(weight: Tensor, gradient: Tensor) -> Tensor:
    """``|w dS/dw|`` of each weight w, for a score S.

    With S the loss it is the connection sensitivity of SNIP (Lee et al., 2019); with S the sum of the
    outputs of a module under :func:`magnitudes`, the synaptic flow (Tanaka et al., 2020).

    Parameters
    ----------
    weight, gradient : Tensor
        Of one shape.

    Returns
    -------
    Tensor
        Detached.

    Examples
    --------
    >>> import torch
    >>> saliency(torch.tensor([1.0, -2.0]), torch.tensor([-0.5, 3.0]))
    tensor([0.5000, 6.0000])
    """
    return (gradient * weight).detach().abs()


@contextmanager
def magnitudes(module: nn.Module, *, added: bool) -> Iterator[None]:
    """The module with the magnitude of every parameter, in double precision; then as it was.

    Parameters
    ----------
    module : nn.Module
        Changed while the context lasts.
    added : bool
        Whether biases and shifts stay, as magnitudes, and running means as they are. Otherwise all three are
        0: what they add to a layer has not come through the one before, and the sum of the flow would not
        be the same in each layer.

    Examples
    --------
    >>> import torch
    >>> layer = torch.nn.Linear(1, 1)
    >>> _ = layer.weight.data.fill_(-2.0), layer.bias.data.fill_(-3.0)
    >>> with magnitudes(layer, added=True):
    ...     layer.weight.item(), layer.bias.item()
    (2.0, 3.0)
    >>> with magnitudes(layer, added=False):
    ...     layer.weight.item(), layer.bias.item()
    (2.0, 0.0)
    >>> layer.weight.item(), layer.weight.dtype
    (-2.0, torch.float32)
    """
    kept = [(p, p.data) for p in module.parameters()]
    without = set() if added else {id(p) for name, p in module.named_parameters() if _is_added(name)}
    buffers = [
        (part, name, value)
        for part in module.modules()
        for name, value in part._buffers.items()
        if value is not None and value.is_floating_point()
    ]
    try:
        for parameter, value in kept:
            if value.is_floating_point():
                magnitude = value.abs().double()
                parameter.data = magnitude.zero_() if id(parameter) in without else magnitude
        for part, name, buffer in buffers:
            zero = not added and name.endswith("mean")
            part._buffers[name] = buffer.double() * (0.0 if zero else 1.0)
        yield
    finally:
        for parameter, value in kept:
            parameter.data = value
            parameter.grad = None
        for part, name, buffer in buffers:
            part._buffers[name] = buffer


def _is_added(name: str) -> bool:
    """Whether a parameter's name is that of a bias or a shift, masked or not."""
    parts = name.replace(".parametrizations", "").removesuffix(".original").split(".")
    return parts[-1].startswith(("bias", "norm_shift"))
