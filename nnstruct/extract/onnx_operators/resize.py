"""ONNX's Resize and Upsample: places that are taken again, or fixed linear maps along axes."""

from __future__ import annotations

from typing import Any

import numpy as np

from nnstruct.extract.onnx_graph import OnnxReader, handles
from nnstruct.extract.onnx_operators.moves import take

Inputs = list[Any]
Options = dict[str, Any]


@handles("Upsample")
def _upsample(reader: OnnxReader, node: Any, inputs: Inputs, options: Options) -> int:
    mode = {"bilinear": "linear"}.get(options.get("mode", "nearest"), options.get("mode", "nearest"))
    scales = np.ravel(reader.constant(inputs[1], "have constant scales")).astype(np.float64)
    old = {"mode": mode, "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    shape = reader.shape(inputs[0])
    sizes = [int(np.floor(n * s)) for n, s in zip(shape, scales, strict=True)]
    return resized(reader, inputs[0], list(range(len(shape))), sizes, list(scales), None, old)


@handles("Resize")
def _resize(reader: OnnxReader, node: Any, inputs: Inputs, options: Options) -> int:
    x, region, scales, sizes = (*inputs, None, None, None)[:4]
    shape = reader.shape(x)
    axes = [axis % len(shape) for axis in options.get("axes", range(len(shape)))]
    own = [shape[axis] for axis in axes]
    if scales is not None and reader.shape(scales) != (0,):
        factors = [float(s) for s in np.ravel(reader.constant(scales, "have constant scales"))]
        wanted = [int(np.floor(n * s)) for n, s in zip(own, factors, strict=True)]
    else:
        wanted = reader.integers(sizes)
        factors = [w / n for w, n in zip(wanted, own, strict=True)]
        policy = options.get("keep_aspect_ratio_policy", "stretch")
        if policy != "stretch":
            factor = min(factors) if policy == "not_larger" else max(factors)
            factors = [factor] * len(factors)
            wanted = [int(np.floor(factor * n + 0.5)) for n in own]
    crop = None
    if options.get("coordinate_transformation_mode") == "tf_crop_and_resize":
        ends = np.ravel(reader.constant(region, "have a constant region")).astype(np.float64)
        crop = list(zip(ends[: len(axes)], ends[len(axes) :], strict=True))
    return resized(reader, x, axes, wanted, factors, crop, options)


def resized(
    reader: OnnxReader, value: int, axes: list[int], sizes: list[int], scales: list[float], crop: Any,
    options: Options,
) -> int:  # fmt: skip
    """A value with other sizes along some axes.

    Parameters
    ----------
    reader : OnnxReader
    value : int
    axes : list of int
    sizes : list of int
        Of the result, for each axis.
    scales : list of float
    crop : list of (float, float) or None
        Which part of each axis is taken, from 0 to 1.
    options : dict
        ONNX's attributes.

    Returns
    -------
    int
    """
    outside = np.zeros(tuple(sizes), dtype=bool)
    mode = options.get("mode", "nearest")
    transform = options.get("coordinate_transformation_mode", "half_pixel")
    for place, (axis, size, scale) in enumerate(zip(axes, sizes, scales, strict=True)):
        length = reader.shape(value)[axis]
        part = None if crop is None else crop[place]
        if size == length and scale == 1.0 and part in (None, (0.0, 1.0)):
            continue
        at = _coordinates(transform, size, length, scale, part)
        if part is not None:
            off = (at < 0) | (at > length - 1)
            outside |= off.reshape([-1 if other == place else 1 for other in range(len(axes))])
        if mode == "nearest":
            value = take(reader, value, axis, _nearest(at, options.get("nearest_mode"), length, scale))
            continue
        matrix = _matrix(at, length, scale, mode, options)
        shape = list(reader.shape(value))
        shape[axis] = size
        value = reader.emit(
            "resample", [value], shape, None, {"matrix": ("resize", matrix.astype(np.float32))},
            operator=f"resize_{mode}", axis=axis,
        )  # fmt: skip
    if outside.any():
        full = outside.reshape([
            sizes[axes.index(axis)] if axis in axes else 1 for axis in range(len(reader.shape(value)))
        ])  # fmt: skip
        fill = float(options.get("extrapolation_value", 0.0))
        value = reader.activation(value, "masked_fill", tensors={"mask": ("outside", full)}, value=fill)
    return value


def _coordinates(mode: str, size: int, length: int, scale: float, part: Any) -> np.ndarray:
    """For each place of the result the place in the value, float64 [O]."""
    out = np.arange(size, dtype=np.float64)
    if mode == "asymmetric":
        return out / scale
    if mode == "align_corners":
        whole = scale * length  # not rounded
        return out * ((length - 1) / (whole - 1) if whole != 1 else 0.0)
    if mode == "pytorch_half_pixel":
        return (out + 0.5) / scale - 0.5 if size > 1 else np.zeros(1)
    if mode == "tf_half_pixel_for_nn":
        return (out + 0.5) / scale
    if mode == "half_pixel_symmetric":
        adjusted = size / (scale * length)
        centre = length / 2
        return centre * (1 - adjusted) + (out + 0.5) / scale - 0.5
    if part is not None:
        begin, end = part
        if size == 1:
            return np.array([0.5 * (begin + end) * (length - 1)])
        return begin * (length - 1) + out * (end - begin) * (length - 1) / (size - 1)
    return (out + 0.5) / scale - 0.5


def _nearest(at: np.ndarray, mode: str | None, length: int, scale: float) -> list[int]:
    if mode == "floor":
        index = np.floor(at)
    elif mode == "ceil":
        index = np.ceil(at)
    elif mode == "round_prefer_ceil":
        index = np.floor(at + 0.5)
    else:
        index = np.ceil(at - 0.5)
    return [int(place) for place in np.clip(index, 0, length - 1)]


def _matrix(at: np.ndarray, length: int, scale: float, mode: str, options: Options) -> np.ndarray:
    """The weights of the places that each place of the result is made of, float64 [O, I]."""
    shrink = max(1.0, 1.0 / scale) if options.get("antialias") else 1.0
    a = float(options.get("cubic_coeff_a", -0.75))
    reach = (1.0 if mode == "linear" else 2.0) * shrink
    exclude = bool(options.get("exclude_outside"))
    matrix = np.zeros((len(at), length))
    for row, place in enumerate(at):
        first = int(np.floor(place - reach)) + 1 if shrink == 1.0 else int(np.ceil(place - reach))
        taps = np.arange(first, int(np.floor(place + reach)) + 1)
        weights = _kernel(np.abs(place - taps) / shrink, mode, a)
        if exclude or shrink != 1.0:
            weights = np.where((taps >= 0) & (taps < length), weights, 0.0) if exclude else weights
        if exclude or shrink != 1.0:
            weights = weights / weights.sum()
        np.add.at(matrix[row], np.clip(taps, 0, length - 1), weights)
    return matrix


def _kernel(distance: np.ndarray, mode: str, a: float) -> np.ndarray:
    if mode == "linear":
        return np.maximum(0.0, 1.0 - distance)
    near = ((a + 2) * distance - (a + 3)) * distance**2 + 1
    far = ((a * distance - 5 * a) * distance + 8 * a) * distance - 4 * a
    return np.where(distance <= 1, near, np.where(distance < 2, far, 0.0))
