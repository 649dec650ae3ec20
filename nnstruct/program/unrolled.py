"""Convolutions and pools with one unit for each position."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from nnstruct.program.blocks import Block, above
from nnstruct.program.movement import NO_UNIT

Pairs = tuple[np.ndarray, np.ndarray, np.ndarray]


def convolution_pairs(
    inputs: int, outputs: int, kernel: int, stride: int, padding: int, dilation: int, transposed: bool = False
) -> Pairs:
    """Input position, output position and kernel tap of each connection along one axis.

    Parameters
    ----------
    inputs, outputs, kernel : int
        Sizes of the input map, the output map and the kernel along the axis.
    stride, padding, dilation : int
    transposed : bool
        Whether it is a transposed convolution.

    Returns
    -------
    (int64 [m], int64 [m], int64 [m])
        Connections with the padding are left out.

    Examples
    --------
    >>> [pair.tolist() for pair in convolution_pairs(3, 2, kernel=2, stride=1, padding=0, dilation=1)]
    [[0, 1, 1, 2], [0, 0, 1, 1], [0, 1, 0, 1]]
    """
    steps, taps = (inputs, kernel) if transposed else (outputs, kernel)
    near, tap = np.meshgrid(np.arange(steps), np.arange(taps), indexing="ij")
    far = near * stride - padding + tap * dilation
    valid = (far >= 0) & (far < (outputs if transposed else inputs))
    near, far, tap = near[valid], far[valid], tap[valid]
    return (near, far, tap) if transposed else (far, near, tap)


def adaptive_pairs(inputs: int, outputs: int) -> Pairs:
    """As :func:`convolution_pairs` for adaptive pooling, whose windows differ in size.

    Parameters
    ----------
    inputs, outputs : int
        Sizes of the input map and the output map along the axis.

    Returns
    -------
    (int64 [m], int64 [m], int64 [m])
        Input position, output position and place in the window.

    Examples
    --------
    >>> [pair.tolist() for pair in adaptive_pairs(3, 2)]
    [[0, 1, 1, 2], [0, 0, 1, 1], [0, 1, 0, 1]]
    """
    start = np.arange(outputs) * inputs // outputs
    stop = -(-(np.arange(outputs) + 1) * inputs // outputs)
    out = np.repeat(np.arange(outputs), stop - start)
    tap = np.concatenate([np.arange(n) for n in stop - start])
    return start[out] + tap, out, tap


@dataclass(frozen=True)
class Template:
    """Connections of one input channel to one output channel, sorted by input, then output position.

    Attributes
    ----------
    position, output, tap : int64 [n]
        Flat indices into the input map, the output map and the kernel.
    outputs : int
        Positions of the output map.
    """

    position: np.ndarray
    output: np.ndarray
    tap: np.ndarray
    outputs: int

    @classmethod
    def of(
        cls, axes: Sequence[Pairs], inputs: Sequence[int], outputs: Sequence[int], kernel: Sequence[int]
    ) -> Template:
        """Combine the connections along single axes.

        Parameters
        ----------
        axes : sequence of (int64 [m], int64 [m], int64 [m])
            For each axis input positions, output positions and kernel taps, as :func:`convolution_pairs` and
            :func:`adaptive_pairs` give them.
        inputs, outputs, kernel : sequence of int
            Sizes of the input map, the output map and the kernel, one for each axis.

        Returns
        -------
        Template
        """
        flat = []
        for role, sizes in enumerate((inputs, outputs, kernel)):
            parts = np.meshgrid(*[axis[role] for axis in axes], indexing="ij", sparse=True)
            total = np.zeros((), dtype=np.int64)
            for part, size in zip(parts, sizes, strict=True):
                total = total * size + part
            flat.append(total.ravel())
        order = np.argsort(flat[0] * math.prod(outputs) + flat[1], kind="stable")
        return cls(flat[0][order], flat[1][order], flat[2][order], math.prod(outputs))

    def times_channels(self, channels: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The connections of one input channel to several output channels, which stand one after the other.

        Parameters
        ----------
        channels : int
            How many output channels there are.

        Returns
        -------
        position, target, place : int64 [n * channels]
            Flat input position, flat index in outputs [channels, positions] and flat index in a kernel
            [channels, taps], where ``taps`` counts to the last one that is used; sorted by position, then
            target.
        """
        count = np.bincount(self.position)
        count = count[count > 0]
        first = np.cumsum(count) - count
        lengths = np.repeat(count, channels)
        begin = np.cumsum(lengths) - lengths
        index = np.arange(lengths.sum()) + np.repeat(np.repeat(first, channels) - begin, lengths)
        channel = np.repeat(np.tile(np.arange(channels), len(count)), lengths)
        taps = int(self.tap.max(initial=0)) + 1
        return (
            self.position[index],
            self.output[index] + channel * self.outputs,
            self.tap[index] + channel * taps,
        )


@dataclass
class ConvolutionBlock(Block):
    """A convolution unrolled over its positions.

    Attributes
    ----------
    source : int64 [C, P]
        Unit of each input channel and position.
    first : int
        The first output unit; they stand channel after channel.
    kernel : float32 [groups, C / groups, O / groups, taps]
    """

    step: int
    role: str
    recurrent: bool
    source: np.ndarray
    first: int
    kernel: np.ndarray
    template: Template
    _keep: list[np.ndarray] = field(default_factory=list, init=False)
    _threshold: float = field(default=0.0, init=False)

    @property
    def upper_bound(self) -> int:
        mult = np.bincount(self.template.tap, minlength=self.kernel.shape[-1])
        return int((np.count_nonzero(self.kernel, axis=(0, 1, 2)) * mult).sum())

    def prepare(self, threshold: float, silenced: np.ndarray | None) -> int:
        """Keeps a mask for each input channel where units are missing or silenced; else the kernel tells."""
        self._threshold = threshold
        groups, per_group, channels, taps = self.kernel.shape
        multiplicity = np.bincount(self.template.tap, minlength=taps)
        plain = (self.source != NO_UNIT).all() and silenced is None
        alive = above(self.kernel, threshold)
        if plain:
            return int((alive.sum(axis=(0, 1, 2)) * multiplicity).sum())
        position, target, place = self._expanded()
        total = 0
        self._keep = []
        for group in range(groups):
            begin = self.first + group * channels * self.template.outputs
            for inner in range(per_group):
                keep = alive[group, inner].ravel()[place]
                keep &= self.source[group * per_group + inner, position] != NO_UNIT
                if silenced is not None:
                    keep &= ~silenced[begin + target]
                self._keep.append(keep)
                total += int(np.count_nonzero(keep))
        return total

    def _expanded(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        position, target, place = self.template.times_channels(self.kernel.shape[2])
        used = int(self.template.tap.max(initial=0)) + 1
        if used != self.kernel.shape[3]:
            place = place // used * self.kernel.shape[3] + place % used
        return position, target, place

    def fill(self, source: np.ndarray, target: np.ndarray) -> np.ndarray:
        """In the order of input channels, input positions and output units."""
        groups, per_group, channels, _ = self.kernel.shape
        position, to, place = self._expanded()
        values = np.empty((len(source), 1), dtype=np.float32)
        dense = not self._keep and above(self.kernel, self._threshold).all()
        at = 0
        for channel in range(groups * per_group):
            group, inner = divmod(channel, per_group)
            kernel = self.kernel[group, inner].ravel()[place]
            begin = self.first + group * channels * self.template.outputs
            if dense:
                end = at + len(position)
                np.take(self.source[channel], position, out=source[at:end])
                np.add(to, begin, out=target[at:end])
                values[at:end, 0] = kernel
            else:
                keep = self._keep[channel] if self._keep else above(kernel, self._threshold)
                end = at + int(np.count_nonzero(keep))
                source[at:end] = self.source[channel][position[keep]]
                target[at:end] = to[keep] + begin
                values[at:end, 0] = kernel[keep]
            at = end
        return values


def pool_edges(source: np.ndarray, first: int, template: Template) -> tuple[np.ndarray, np.ndarray]:
    """Ends of the edges of a pool: channel by channel, every position of a window to its output.

    Parameters
    ----------
    source : int64 [C, P]
        Unit of each channel and input position.
    first : int
        The first output unit; they stand channel after channel.
    template : Template
        Of one channel.

    Returns
    -------
    (int64 [e], int64 [e])
        Sources and targets.
    """
    channels = len(source)
    shift = first + np.arange(channels)[:, None] * template.outputs
    return source[:, template.position].ravel(), (template.output[None] + shift).ravel()
