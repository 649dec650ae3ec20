"""Modules for integers, before they are recorded: fixed scales, and the real weights that they stand for."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from nnstruct.errors import InvalidInputError

_HOMES = ("torch.ao.nn.quantized", "torch.ao.nn.intrinsic.quantized")
_BYTE = {"quant_min": 0, "quant_max": 255}
_PER_CHANNEL = (
    torch.per_channel_symmetric,
    torch.per_channel_affine,
    torch.per_channel_affine_float_qparams,
)


def with_real_numbers(
    module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], shadow_of: Callable[..., nn.Module]
) -> nn.Module:
    """A module whose integers are the real numbers that they stand for, and whose scales stay as they are.

    An observer changes a scale at each call, even in evaluation mode, so that the module would be another
    one after each example. Fake quantisation keeps the scales that it has now; those that it has not measured
    yet are measured on the example. Modules of :mod:`torch.ao.nn.quantized` become real ones.

    Parameters
    ----------
    module : torch.nn.Module
        Left as it is.
    args : tuple
    kwargs : dict
        The example.
    shadow_of : callable
        Gives a module of the same parts, with buffers of its own.

    Returns
    -------
    torch.nn.Module
        The module itself where nothing in it is for integers.
    """
    if not any(_is_fake(part) or _is_observer(part) or _real_form(part) for part in module.modules()):
        return module
    twin = shadow_of(module, copy_buffers=True).eval()
    if any(_is_fake(part) and _is_unmeasured(part) for part in twin.modules()):
        try:
            twin(*args, **kwargs)
        except Exception as error:  # whatever the module's code raises
            reason = f"{type(error).__name__}: {error}"[:150]
            raise InvalidInputError("example_input", "be what the module takes", reason) from error
    whole = _real_form(twin)
    if whole:
        return whole(twin)
    for part in list(twin.modules()):
        if _is_fake(part):
            part.forward = _rounding(part)
        elif _is_observer(part):
            part.forward = _same
        for name, child in part.named_children():
            make = _real_form(child)
            if make:
                setattr(part, name, make(child))
    return twin


# ---- fake quantisation


def _is_fake(part: nn.Module) -> bool:
    return all(hasattr(part, name) for name in ("fake_quant_enabled", "scale", "zero_point"))


def _is_observer(part: nn.Module) -> bool:
    return isinstance(part, torch.ao.quantization.ObserverBase)


def _is_unmeasured(part: Any) -> bool:
    observing = getattr(part, "observer_enabled", getattr(part, "static_enabled", None))
    lowest = getattr(part.activation_post_process, "min_val", None)
    if observing is None or not bool(observing[0]) or lowest is None:
        return False
    return not lowest.numel() or not bool(torch.isfinite(lowest).all())


def _same(value: Any) -> Any:
    return value


def _rounding(part: Any) -> Callable[[Tensor], Tensor]:
    """What a module of fake quantisation does to a value."""
    if not bool(part.fake_quant_enabled[0]):
        return _same
    ends = part.activation_post_process if hasattr(part.activation_post_process, "quant_min") else part
    scale, zero = part.scale.detach(), part.zero_point.detach()
    if isinstance(part.scale, nn.Parameter):  # one that is learned
        scale = scale.clamp(min=float(part.eps))
        symmetric = part.qscheme in (torch.per_channel_symmetric, torch.per_tensor_symmetric)
        zero = torch.zeros_like(zero) if symmetric else zero.round().clamp(ends.quant_min, ends.quant_max)
        zero = zero.int()
    own = {"scale": scale, "zero_point": zero, "quant_min": ends.quant_min, "quant_max": ends.quant_max}
    if part.qscheme in _PER_CHANNEL:
        return partial(torch.fake_quantize_per_channel_affine, axis=part.ch_axis, **own)
    return partial(torch.fake_quantize_per_tensor_affine, **own)


# ---- modules of integers


class _Real(nn.Module):
    """A layer of integers as the real one, rounded to its grid if it has one."""

    def __init__(self, part: Any, function: Callable[..., Tensor], *, grid: bool) -> None:
        super().__init__()
        half = getattr(getattr(part, "_packed_params", None), "dtype", None) == torch.float16
        self.weight, self.bias = _parameter(part.weight(), half=half), _parameter(part.bias())
        self.function, self.rectified = function, "ReLU" in type(part).__name__
        self.grid = _grid(part) if grid else _same

    def forward(self, value: Tensor) -> Tensor:
        made = self.function(value, self.weight, self.bias)
        return self.grid(made.relu() if self.rectified else made)


class _RealFunctional(nn.Module):
    """Operations of ``QFunctional`` on real numbers, rounded to its grid."""

    def __init__(self, part: Any) -> None:
        super().__init__()
        self.grid = _grid(part)

    def forward(self, value: Tensor) -> Tensor:
        return value

    def add(self, left: Tensor, right: Tensor) -> Tensor:
        return self.grid(left + right)

    def add_relu(self, left: Tensor, right: Tensor) -> Tensor:
        return self.grid((left + right).relu())

    def mul(self, left: Tensor, right: Tensor) -> Tensor:
        return self.grid(left * right)

    def matmul(self, left: Tensor, right: Tensor) -> Tensor:
        return self.grid(left @ right)

    def cat(self, values: list[Tensor], dim: int = 0) -> Tensor:
        return self.grid(torch.cat(values, dim))

    def add_scalar(self, value: Tensor, number: float) -> Tensor:
        return value + number

    def mul_scalar(self, value: Tensor, number: float) -> Tensor:
        return value * number


def _parameter(value: Tensor | None, *, half: bool = False) -> nn.Parameter | None:
    """A real parameter, which remembers what it was stored in."""
    if value is None:
        return None
    real = value.dequantize() if value.is_quantized else value.detach().float()
    made = nn.Parameter(real, requires_grad=False)
    if value.is_quantized:
        made.stored_as = str(value.dtype).removeprefix("torch.q")  # type: ignore[attr-defined]
    elif half or value.dtype == torch.float16:
        made.stored_as = "float16"  # type: ignore[attr-defined]
    return made


def _grid(part: Any) -> Callable[[Tensor], Tensor]:
    ends = {"quant_min": -128, "quant_max": 127} if getattr(part, "dtype", None) == torch.qint8 else _BYTE
    return partial(
        torch.fake_quantize_per_tensor_affine,
        scale=torch.as_tensor(part.scale, dtype=torch.float32).reshape(1),
        zero_point=torch.as_tensor(part.zero_point, dtype=torch.int32).reshape(1),
        **ends,
    )


def _quantize(part: Any) -> nn.Module:
    made = nn.Identity()
    made.forward = _grid(part)  # type: ignore[assignment,method-assign]
    return made


def _linear(part: Any) -> nn.Module:
    return _Real(part, functional.linear, grid=".dynamic" not in type(part).__module__)


def _conv(part: Any) -> nn.Module:
    if part.padding_mode != "zeros":
        raise InvalidInputError("module", "pad quantised convolutions with zeros", part.padding_mode)
    function = {1: functional.conv1d, 2: functional.conv2d, 3: functional.conv3d}[len(part.kernel_size)]
    own = {name: getattr(part, name) for name in ("stride", "padding", "dilation", "groups")}
    return _Real(part, partial(function, **own), grid=True)


def _embedding(part: Any) -> nn.Module:
    made = nn.Embedding(part.num_embeddings, part.embedding_dim)
    made.weight = _parameter(part.weight())  # type: ignore[assignment]
    return made


def _recurrent(part: Any) -> nn.Module:
    kind = {"LSTM": nn.LSTM, "GRU": nn.GRU}[type(part).__name__]
    made = kind(
        part.input_size, part.hidden_size, part.num_layers, bias=part.bias, batch_first=part.batch_first,
        bidirectional=part.bidirectional,
    )  # fmt: skip
    for values in part._weight_bias().values():
        for name, value in values.items():
            setattr(made, name, _parameter(value, half=part.dtype == torch.float16))
    return made


def _cell(part: Any) -> nn.Module:
    own = {"nonlinearity": part.nonlinearity} if type(part).__name__ == "RNNCell" else {}
    kind = getattr(nn, type(part).__name__)
    made: nn.Module = kind(part.input_size, part.hidden_size, bias=part.bias, **own)
    for values in part._weight_bias().values():
        for name, value in values.items():
            setattr(made, name, _parameter(value))
    return made


_REAL: dict[str, Callable[[Any], nn.Module]] = {
    **dict.fromkeys(("Linear", "LinearReLU"), _linear),
    **dict.fromkeys(("Conv1d", "Conv2d", "Conv3d", "ConvReLU1d", "ConvReLU2d", "ConvReLU3d"), _conv),
    **dict.fromkeys(("LSTM", "GRU"), _recurrent),
    **dict.fromkeys(("RNNCell", "LSTMCell", "GRUCell"), _cell),
    "Quantize": _quantize,
    "DeQuantize": lambda part: nn.Identity(),
    "Embedding": _embedding,
    "QFunctional": _RealFunctional,
}


def _real_form(part: nn.Module) -> Callable[[Any], nn.Module] | None:
    """How the real module is made of one of integers; None where it is none, or one without such a form."""
    home = type(part).__module__
    if (
        not home.startswith(("torch.ao.nn.quantized", "torch.ao.nn.intrinsic.quantized"))
        or ".reference" in home
    ):
        return None
    return _REAL.get(type(part).__name__)
