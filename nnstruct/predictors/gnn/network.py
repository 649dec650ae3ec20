"""The network that reads structures' graphs: all members of an ensemble in one pass."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from nnstruct.predictors.gnn.batches import GraphBatch
from nnstruct.predictors.gnn.layers import apply_layer, layer_shapes, read_out


@dataclass(frozen=True)
class NetworkShape:
    """What decides the arrays of a network.

    Attributes
    ----------
    nodes, graph : int
        Columns of units and of whole graphs.
    hidden, layers, members : int
    layer : str
        One of :data:`nnstruct.predictors.gnn.layers.LAYERS`.
    delayed : bool
        Whether messages along delayed edges are read.
    outputs : int
        2 for a mean and the logarithm of a variance, otherwise 1.
    normed : bool
        Whether what is read out of a graph is normalised over its columns.
    """

    nodes: int
    graph: int
    hidden: int
    layers: int
    members: int
    layer: str = "bidirectional"
    delayed: bool = False
    outputs: int = 1
    normed: bool = False

    def arrays(self) -> dict[str, tuple[int, ...]]:
        """The shape of each array by name, the members left out."""
        width = self.hidden
        shapes: dict[str, tuple[int, ...]] = {"embed": (self.nodes, width), "embed_shift": (1, width)}
        for index in range(self.layers):
            parts = layer_shapes(self.layer, width, 4 if self.delayed else 2)
            shapes |= {f"layer{index}.{name}": shape for name, shape in parts.items()}
        return shapes | {
            "head": (3 * width + self.graph, width), "head_shift": (1, width),
            "last": (width, self.outputs), "last_shift": (1, self.outputs),
        }  # fmt: skip


class StructureNet:
    """Members that embed units, pass messages, read out graphs and end in a two-layer head.

    Parameters
    ----------
    shape : NetworkShape
    weights : dict of str to float32 Tensor
        As :meth:`NetworkShape.arrays` says, with the members in front.
    typical : float
        Units of a typical graph; sums over units are divided by it.
    """

    def __init__(self, shape: NetworkShape, weights: dict[str, Tensor], typical: float) -> None:
        self.shape = shape
        self.weights = weights
        self.typical = typical

    @classmethod
    def drawn(cls, shape: NetworkShape, typical: float, generator: torch.Generator) -> StructureNet:
        """With uniform weights within 1 / sqrt(inputs), the last layer zero.

        Parameters
        ----------
        shape : NetworkShape
        typical : float
        generator : torch.Generator
            On the CPU.

        Returns
        -------
        StructureNet
        """
        weights = {}
        fan = 1
        for name, dims in shape.arrays().items():
            fan = dims[0] if dims[0] > 1 else fan
            drawn = torch.rand((shape.members, *dims), generator=generator) * 2.0 - 1.0
            weights[name] = drawn * (0.0 if name.startswith("last") or name.endswith("eps") else fan**-0.5)
        return cls(shape, weights, typical)

    @classmethod
    def from_arrays(
        cls, shape: NetworkShape, arrays: Mapping[str, np.ndarray], typical: float
    ) -> StructureNet:
        """With stored weights.

        Parameters
        ----------
        shape : NetworkShape
        arrays : mapping of str to float32 array
        typical : float

        Returns
        -------
        StructureNet

        Raises
        ------
        ValueError
            If an array is missing or of another shape.
        """
        if shape.layers > len(arrays):
            raise ValueError(f"{shape.layers} layers have more than {len(arrays)} arrays")
        weights = {}
        for name, dims in shape.arrays().items():
            array = arrays.get(name)
            if array is None or array.shape != (shape.members, *dims):
                found = "none" if array is None else list(array.shape)
                raise ValueError(f"{name} must have shape {[shape.members, *dims]}, found {found}")
            weights[name] = torch.from_numpy(np.array(array, dtype=np.float32))
        return cls(shape, weights, typical)

    def to(self, device: torch.device | str) -> StructureNet:
        """The same on another device.

        Parameters
        ----------
        device : torch.device or str

        Returns
        -------
        StructureNet
        """
        moved = {name: tensor.detach().to(device) for name, tensor in self.weights.items()}
        return StructureNet(self.shape, moved, self.typical)

    def __call__(self, batch: GraphBatch, dropout: Dropout | None = None) -> Tensor:
        """What each member says of each of B graphs: float32 [members, B, outputs]."""
        w, members, width = self.weights, self.shape.members, self.shape.hidden
        nodes = batch.nodes.expand(members, -1, -1)
        h = torch.baddbmm(w["embed_shift"], nodes, w["embed"])  # [members, N, width]
        for index in range(self.shape.layers):
            prefix = f"layer{index}."
            own = {name.removeprefix(prefix): one for name, one in w.items() if name.startswith(prefix)}
            mask = dropout((members, batch.num_units, width)) if dropout else None
            h = apply_layer(self.shape.layer, h, own, batch, mask)
        overall = batch.graph.expand(members, -1, -1)
        pooled = torch.cat([self.normalise(read_out(h, batch, self.typical)), overall], dim=2)
        a = functional.gelu(torch.baddbmm(w["head_shift"], pooled, w["head"]), approximate="tanh")
        if dropout:
            a = a * dropout((members, len(batch), width))
        return torch.baddbmm(w["last_shift"], a, w["last"])

    def normalise(self, pooled: Tensor) -> Tensor:
        """What was read out, with mean 0 and variance 1 over its columns where the shape says so.

        Parameters
        ----------
        pooled : float32 Tensor [members, B, 3 width]

        Returns
        -------
        float32 Tensor [members, B, 3 width]
        """
        return functional.layer_norm(pooled, pooled.shape[-1:]) if self.shape.normed else pooled


class Dropout:
    """Masks from a generator of one's own: 0 with probability ``rate``, else 1 / (1 - rate).

    Parameters
    ----------
    rate : float
        In [0, 1).
    seed : int
    device : torch.device or str
    """

    def __init__(self, rate: float, seed: int, device: torch.device | str = "cpu") -> None:
        self.rate = rate
        self.device = device
        self.generator = torch.Generator(device=device).manual_seed(seed)

    def __bool__(self) -> bool:
        return self.rate > 0.0

    def __call__(self, shape: tuple[int, ...]) -> Tensor:
        """A new mask, float32 of the given shape."""
        count = math.prod(shape)
        if self.device == "cpu":
            # Eight bits a place, taken from 64-bit draws: the masks would cost more than the layers.
            words = torch.randint(-(2**63), 2**63 - 1, (count // 8 + 1,), generator=self.generator)
            bits = words.view(torch.uint8)[:count]
            kept = bits >= round(256 * self.rate)
            return kept.to(torch.float32).mul_(256.0 / (256 - round(256 * self.rate))).view(shape)
        kept = torch.rand(shape, generator=self.generator, device=self.device) >= self.rate
        return kept.to(torch.float32) / (1.0 - self.rate)
