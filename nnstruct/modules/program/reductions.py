"""Reductions over axes and pools over windows."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from nnstruct.program import Step


def _product(value: Tensor, axes: list[int], keepdim: bool) -> Tensor:
    for axis in sorted(axes, reverse=True):
        value = value.prod(axis, keepdim=keepdim)
    return value


def _place(largest: bool) -> Callable[[Tensor, list[int], bool, bool], Tensor]:
    def run(value: Tensor, axes: list[int], keepdim: bool, last: bool = False) -> Tensor:
        (axis,) = axes
        value = value.to(torch.int64) if value.dtype == torch.bool else value
        value = value.flip(axis) if last else value
        found = (torch.argmax if largest else torch.argmin)(value, axis, keepdim=keepdim)
        return value.shape[axis] - 1 - found if last else found

    return run


def _extreme(name: str, empty: float) -> Callable[[Tensor, list[int], bool], Tensor]:
    def run(value: Tensor, axes: list[int], keepdim: bool) -> Tensor:
        if value.dtype == torch.bool:
            return run(value.to(torch.uint8), axes, keepdim).bool()
        if math.prod(value.shape[axis] for axis in axes) == 0:
            limits = None if value.is_floating_point() else torch.iinfo(value.dtype)
            fill = empty if limits is None else (limits.min if empty < 0 else limits.max)
            return torch.full_like(value.sum(axes, keepdim=keepdim), fill)
        return getattr(torch, name)(value, dim=axes, keepdim=keepdim)

    return run


_REDUCTIONS: dict[str, Callable[..., Tensor]] = {
    "mean": lambda value, axes, keepdim: (
        value.float().mean(axes, keepdim=keepdim).to(value.dtype)
        if not value.is_floating_point()
        else value.mean(axes, keepdim=keepdim)
    ),
    "sum": lambda value, axes, keepdim: value.sum(axes, keepdim=keepdim),
    "max": _extreme("amax", -math.inf),
    "min": _extreme("amin", math.inf),
    "prod": _product,
    "logsumexp": lambda value, axes, keepdim: torch.logsumexp(value, axes, keepdim=keepdim),
    "l1": lambda value, axes, keepdim: value.abs().sum(axes, keepdim=keepdim),
    "l2": lambda value, axes, keepdim: value.square().sum(axes, keepdim=keepdim).sqrt(),
    "norm": lambda value, axes, keepdim, p: torch.linalg.vector_norm(value, p, dim=axes, keepdim=keepdim),
    "var": lambda value, axes, keepdim, correction: torch.var(
        value, axes, correction=correction, keepdim=keepdim
    ),
    "std": lambda value, axes, keepdim, correction: torch.std(
        value, axes, correction=correction, keepdim=keepdim
    ),
    "sum_square": lambda value, axes, keepdim: value.square().sum(axes, keepdim=keepdim),
    "log_sum": lambda value, axes, keepdim: value.sum(axes, keepdim=keepdim).log(),
    "argmax": _place(largest=True),
    "argmin": _place(largest=False),
    "any": lambda value, axes, keepdim: torch.amax(value.to(torch.uint8), axes, keepdim=keepdim).bool(),
    "all": lambda value, axes, keepdim: torch.amin(value.to(torch.uint8), axes, keepdim=keepdim).bool(),
}


def reduced(step: Step, value: Tensor) -> Tensor:
    """What a step of the kind ``reduce`` makes.

    Parameters
    ----------
    step : Step
    value : Tensor

    Returns
    -------
    Tensor
    """
    options = {name: given for name, given in step.options.items() if name not in ("function", "operator")}
    axes = list(options.pop("axes"))
    function = step.options["function"]
    if not axes and function in ("mean", "sum", "max", "min", "logsumexp"):
        return value  # torch would reduce all axes
    whole = not value.is_floating_point() and function in ("sum", "prod", "l1", "sum_square")
    made = _REDUCTIONS[function](value, axes, **options)
    return made.to(value.dtype) if whole and value.dtype != torch.bool else made


def pooled(step: Step, value: Tensor) -> Tensor:
    """What a step of the kind ``pool`` makes.

    Parameters
    ----------
    step : Step
    value : Tensor
        [..., C, *positions]

    Returns
    -------
    Tensor
    """
    options = step.options
    nd, function = options["nd"], options["function"]
    if options.get("adaptive"):
        return getattr(functional, f"adaptive_{function}_pool{nd}d")(value, options["size"])
    kernel, stride, padding = options["kernel"], options["stride"], options["padding"]
    sizes = step.shape[len(step.shape) - nd :]
    if function in ("max", "avg") and not _needs_windows(options):
        if function == "max":
            dtype = value.dtype
            if not value.is_floating_point():
                value = value.double()
            made = getattr(functional, f"max_pool{nd}d")(
                value, kernel, stride, padding, options["dilation"], options["ceil"]
            )
            return made.to(dtype)
        return getattr(functional, f"avg_pool{nd}d")(
            value, kernel, stride, padding, options["ceil"], options["include_pad"]
        )
    return _windowed(value, options, sizes)


def _needs_windows(options: object) -> bool:
    """Whether torch's own pools cannot do it."""
    given: dict = dict(options)  # type: ignore[call-overload]
    if given.get("padding_after", given["padding"]) != given["padding"]:
        return True
    if any(2 * pad > size for pad, size in zip(given["padding"], given["kernel"], strict=True)):
        return True
    return given["function"] == "avg" and any(size != 1 for size in given["dilation"])


def _windowed(value: Tensor, options: object, sizes: tuple[int, ...]) -> Tensor:
    """A pool by taking each window apart; the last axes of what is taken hold the windows' places."""
    given: dict = dict(options)  # type: ignore[call-overload]
    nd, function = given["nd"], given["function"]
    neutral = -math.inf if function == "max" else 0.0
    inside = torch.ones_like(value)
    first = value.dim() - nd
    for place in range(nd):
        axis, size = first + place, sizes[place]
        low = given["padding"][place]
        high = given.get("padding_after", given["padding"])[place]
        length = value.shape[axis]
        start = torch.arange(size)[:, None] * given["stride"][place] - low
        index = start + torch.arange(given["kernel"][place])[None] * given["dilation"][place]  # [O, K]
        known = (index >= 0) & (index < length)
        padded = (index >= -low) & (index < length + high)
        flat = index.clamp(0, length - 1).reshape(-1)
        shape = [-1 if a == axis else 1 for a in range(value.dim())]
        value = value.index_select(axis, flat)
        value = torch.where(known.reshape(-1).reshape(shape), value, torch.full_like(value, neutral))
        count = padded if given.get("include_pad") else known
        inside = inside.index_select(axis, flat) * count.reshape(-1).reshape(shape).to(inside.dtype)
        value, inside = (part.unflatten(axis, index.shape).movedim(axis + 1, -1) for part in (value, inside))
    value, inside = value.flatten(-nd), inside.flatten(-nd)
    if function == "max":
        return value.amax(-1)
    if function == "lp":
        return torch.linalg.vector_norm(value, given["p"], dim=-1)
    return value.sum(-1) / inside.sum(-1)
