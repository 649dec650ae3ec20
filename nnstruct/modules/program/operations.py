"""Operations whose result at one place depends on many places of what they read."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from nnstruct.program import Step

Options = dict[str, Any]
Operation = Callable[[Step, list[Tensor], Options], Any]


def _topk(step: Step, values: list[Tensor], options: Options) -> tuple[Tensor, Tensor]:
    value, axis, k = values[0], options["axis"], options["k"]
    # Equal values keep their order: the first ones are taken.
    found, index = torch.sort(value, dim=axis, descending=options["largest"], stable=True)
    return found.narrow(axis, 0, k), index.narrow(axis, 0, k)


def _wrapped(index: Tensor, length: int) -> Tensor:
    index = index.long()
    return torch.where(index < 0, index + length, index)


def _gather(step: Step, values: list[Tensor], options: Options) -> Tensor:
    value, index = values
    axis = options["axis"]
    flat = value.index_select(axis, _wrapped(index, value.shape[axis]).reshape(-1))
    return flat.unflatten(axis, index.shape) if index.dim() != 1 else flat


def _gather_elements(step: Step, values: list[Tensor], options: Options) -> Tensor:
    value, index = values
    return value.gather(options["axis"], _wrapped(index, value.shape[options["axis"]]))


def _gather_nd(step: Step, values: list[Tensor], options: Options) -> Tensor:
    value, index = values
    batch = options["batch_dims"]
    lead = value.shape[:batch]
    value = value.reshape(-1, *value.shape[batch:])
    index = index.long().reshape(len(value), *index.shape[batch:])
    made = torch.stack([part[tuple(own.movedim(-1, 0))] for part, own in zip(value, index, strict=True)])
    return made.reshape(*lead, *made.shape[1:])


_REDUCTION = {"add": "sum", "mul": "prod", "max": "amax", "min": "amin"}


def _scatter_elements(step: Step, values: list[Tensor], options: Options) -> Tensor:
    value, index, update = values
    axis = options["axis"]
    index = _wrapped(index, value.shape[axis])
    if options["reduction"] == "none":
        return value.scatter(axis, index, update)
    return value.scatter_reduce(axis, index, update, _REDUCTION[options["reduction"]])


def _scatter_nd(step: Step, values: list[Tensor], options: Options) -> Tensor:
    value, index, update = values
    depth = index.shape[-1]
    places = [_wrapped(part, size) for part, size in zip(index.movedim(-1, 0), value.shape, strict=False)]
    flat = torch.zeros_like(places[0])
    for part, size in zip(places, value.shape, strict=False):
        flat = flat * size + part
    rest = value.shape[depth:]
    rows = value.reshape(math.prod(value.shape[:depth]), -1)
    new = update.reshape(flat.numel(), -1)
    where = flat.reshape(-1, 1).expand(new.shape)
    if options["reduction"] == "none":
        made = rows.scatter(0, where, new)
    else:
        made = rows.scatter_reduce(0, where, new, _REDUCTION[options["reduction"]])
    return made.reshape(*value.shape[:depth], *rest)


def _grid_sample(step: Step, values: list[Tensor], options: Options) -> Tensor:
    return functional.grid_sample(
        values[0], values[1].to(values[0].dtype), options["mode"], options["padding"], options["corners"]
    )


def _one_hot(step: Step, values: list[Tensor], options: Options) -> Tensor:
    index, depth, axis = values[0].long(), options["depth"], options["axis"]
    places = torch.arange(depth, device=index.device).reshape([-1] + [1] * (step_dims(step) - 1 - axis))
    hot = torch.where(index < 0, index + depth, index).unsqueeze(axis) == places
    return torch.where(hot, options["on"], options["off"])


def step_dims(step: Step) -> int:
    """The number of axes of a step's first output.

    Parameters
    ----------
    step : Step

    Returns
    -------
    int
    """
    return len(step.shape)


def _unpooled(step: Step, values: list[Tensor], options: Options) -> Tensor:
    value, index = values
    batch, channels = value.shape[:2]
    flat = value.new_zeros(batch * channels, math.prod(step.shape[2:]))
    flat = flat.scatter(1, index.long().reshape(batch * channels, -1), value.reshape(batch * channels, -1))
    return flat.reshape(batch, channels, *step.shape[2:])


def _pool_places(step: Step, values: list[Tensor], options: Options) -> tuple[Tensor, Tensor]:
    """The largest value of each window, and its flat place in the map of its channel."""
    nd = options["nd"]
    value, index = getattr(functional, f"max_pool{nd}d")(
        values[0], options["kernel"], options["stride"], options["padding"], options["dilation"],
        options["ceil"], return_indices=True,
    )  # fmt: skip
    sizes = values[0].shape[2:]
    if options["column_major"]:
        places, rest = [], index
        for size in reversed(sizes):
            places.append(rest % size)
            rest = rest // size
        index, width = torch.zeros_like(index), 1
        for place, size in zip(reversed(places), sizes, strict=True):
            index, width = index + place * width, width * size
    if options.get("by_channel"):
        return value, index
    offset = torch.arange(math.prod(index.shape[:2]), device=index.device) * math.prod(sizes)
    return value, index + offset.reshape(*index.shape[:2], *[1] * nd)


def _col2im(step: Step, values: list[Tensor], options: Options) -> Tensor:
    value = values[0]
    kernel, stride, dilation, low = (options[key] for key in ("kernel", "stride", "dilation", "padding"))
    image, high = options["image"], options["padding_after"]
    padded = [size + a + b for size, a, b in zip(image, low, high, strict=True)]
    counts = [
        (p - d * (k - 1) - 1) // s + 1 for p, k, s, d in zip(padded, kernel, stride, dilation, strict=True)
    ]
    flat = torch.zeros((), dtype=torch.int64)
    for p, k, s, d, n in zip(padded, kernel, stride, dilation, counts, strict=True):
        places = torch.arange(k)[:, None] * d + torch.arange(n)[None] * s  # [K, N]
        flat = flat[..., None, None] * p + places
    nd = len(image)
    flat = flat.permute(*range(0, 2 * nd, 2), *range(1, 2 * nd, 2)).reshape(-1)
    batch, channels = value.shape[0], value.shape[1] // math.prod(kernel)
    made = value.new_zeros(batch, channels, math.prod(padded))
    made.index_add_(2, flat.to(value.device), value.reshape(batch, channels, -1))
    made = made.reshape(batch, channels, *padded)
    for axis, (a, size) in enumerate(zip(low, image, strict=True)):
        made = made.narrow(axis + 2, a, size)
    return made


def _conv(step: Step, values: list[Tensor], options: Options) -> Tensor:
    """A convolution whose kernel is a value of the network too."""
    nd, bias = options["nd"], (values[2] if len(values) > 2 else None)
    rest = options["stride"], options["padding"]
    if options["transposed"]:
        return getattr(functional, f"conv_transpose{nd}d")(
            *values[:2], bias, *rest, options["output_padding"], options["groups"], options["dilation"]
        )
    return getattr(functional, f"conv{nd}d")(*values[:2], bias, *rest, options["dilation"], options["groups"])


def _fourier(step: Step, values: list[Tensor], options: Options) -> Tensor:
    value, axis, length = values[0], options["axis"], options["length"]
    whole = torch.view_as_complex(value.contiguous()) if value.shape[-1] == 2 else value[..., 0]
    if options["real"]:
        return torch.fft.irfft(whole, length, axis)[..., None]
    made = (torch.fft.ifft if options["inverse"] else torch.fft.fft)(whole, length, axis)
    if options["onesided"]:
        made = made.narrow(axis, 0, length // 2 + 1)
    return torch.view_as_real(made)


def _called(function: Callable[..., Any]) -> Operation:
    """A function of torch, given the step's own numbers; one of its results where the step says so."""

    def run(step: Step, values: list[Tensor], options: Options) -> Any:
        made = function(*values, **options.get("given", {}))
        return made[options["result"]] if "result" in options else made

    return run


def _region_pool(step: Step, values: list[Tensor], options: Options) -> Tensor:
    """Region-of-interest alignment (He et al., 2017): a grid of bilinear samples in each box."""
    value, boxes, batch = values
    height, width = options["size"]
    shift = 0.5 if options["half_pixel"] else 0.0
    made = []
    for box, own in zip(boxes, batch.tolist(), strict=True):
        x1, y1, x2, y2 = (float(end) * options["scale"] - shift for end in box)
        w, h = x2 - x1, y2 - y1
        if not options["half_pixel"]:
            w, h = max(w, 1.0), max(h, 1.0)
        nh = options["ratio"] or math.ceil(h / height)
        nw = options["ratio"] or math.ceil(w / width)
        ys = y1 + (torch.arange(height * nh) + 0.5) * h / (height * nh)
        xs = x1 + (torch.arange(width * nw) + 0.5) * w / (width * nw)
        parts = _bilinear(value[int(own)], ys, xs, options["max"])
        grid = parts.reshape(len(parts), value.shape[1], height, nh, width, nw)
        if options["max"]:
            made.append(grid.amax(dim=(0, 3, 5)))
        else:
            made.append(grid.sum(0).mean(dim=(2, 4)))
    return torch.stack(made)


def _bilinear(image: Tensor, ys: Tensor, xs: Tensor, _: bool) -> Tensor:
    """The four weighted neighbours of each place on a grid, [4, C, Y, X]."""
    sides = []
    for places, size in ((ys, image.shape[1]), (xs, image.shape[2])):
        known = (places >= -1.0) & (places <= size)
        inside = places.clamp(0, size - 1)
        low = inside.floor().long()
        high = (low + 1).clamp(max=size - 1)
        part = inside - low
        sides.append([(low, (1 - part) * known), (high, part * known)])
    return torch.stack(
        [
            image[:, y][:, :, x] * weight_y[None, :, None] * weight_x[None, None, :]
            for y, weight_y in sides[0]
            for x, weight_x in sides[1]
        ]
    )


_OPERATIONS: dict[str, Operation] = {
    "topk": _topk,
    "gather": _gather,
    "gather_elements": _gather_elements,
    "gather_nd": _gather_nd,
    "scatter_elements": _scatter_elements,
    "scatter_nd": _scatter_nd,
    "grid_sample": _grid_sample,
    "one_hot": _one_hot,
    "max_unpool": _unpooled,
    "max_pool_places": _pool_places,
    "col2im": _col2im,
    "conv": _conv,
    "fourier": _fourier,
    **{name: _called(getattr(torch, name)) for name in (
        "cummax", "cummin", "mode", "nanmedian", "histc", "logdet", "cholesky_solve", "cov",
        "corrcoef",
    )},
    **{name: _called(getattr(torch.linalg, name)) for name in (
        "inv", "det", "slogdet", "cholesky", "qr", "svd", "svdvals", "eigh", "eigvalsh", "pinv", "matrix_exp",
        "lu", "solve", "solve_triangular", "matrix_norm", "cond",
    )},
    "lstsq": lambda step, values, options: torch.linalg.lstsq(*values).solution,
    "region_pool": _region_pool,
}  # fmt: skip


def operated(step: Step, values: list[Tensor]) -> Any:
    """What a step of the kind ``operation`` makes.

    Parameters
    ----------
    step : Step
    values : list of Tensor

    Returns
    -------
    Tensor, or tuple of Tensor
    """
    return _OPERATIONS[step.options["function"]](step, values, dict(step.options))
