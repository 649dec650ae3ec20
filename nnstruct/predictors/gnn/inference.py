"""Bidirectional networks asked on the CPU, in memory that stays inside the processor's caches."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from nnstruct.predictors.gnn import kernels
from nnstruct.predictors.gnn.batches import GraphBatch
from nnstruct.predictors.gnn.network import StructureNet

# Units whose features of one layer fit into a processor's own cache.
CACHED_UNITS = 256


class Questions:
    """A network made ready for many batches of questions, and room that grows with the largest.

    One of these serves one thread.

    Parameters
    ----------
    net : StructureNet
        With the layer ``bidirectional``, on the CPU; its weights must stay as they are.
    """

    def __init__(self, net: StructureNet) -> None:
        self.net = net
        w, layers = net.weights, range(net.shape.layers)
        stacked = [
            torch.stack([w[f"layer{index}.{name}"] for index in layers], dim=1)
            for name in ("in", "in_shift", "out", "out_shift")
        ]
        parts = [w["embed"], w["embed_shift"], *stacked]
        self._weights = tuple(part.detach().contiguous().numpy() for part in parts)
        self._room: dict[str, np.ndarray] = {}

    def _take(self, name: str, *shape: int) -> np.ndarray:
        """Room of a shape, float32; what is in it is left over from before."""
        count = int(np.prod(shape))
        room = self._room.get(name)
        if room is None or room.size < count:
            room = self._room[name] = np.empty(count, dtype=np.float32)
        return room[:count].reshape(shape)

    @torch.no_grad()
    def __call__(self, batch: GraphBatch) -> Tensor:
        """What :class:`StructureNet` says without dropout, nothing kept.

        Parameters
        ----------
        batch : GraphBatch
            Of B graphs.

        Returns
        -------
        float32 Tensor [members, B, outputs]
        """
        shape, w = self.net.shape, self.net.weights
        width, n = shape.hidden, max(CACHED_UNITS, int(np.diff(batch.start).max(initial=1)))
        room = (
            *(self._take(name, n, width) for name in ("h", "u", "a")),
            self._take("scale", n),
            self._take("mixed", n, (5 if shape.delayed else 3) * width),
        )
        pooled = torch.empty((shape.members, len(batch), 3 * width))
        kernels.ask_layers(
            batch.nodes.numpy(), self._weights, batch.first, batch.sender, batch.copies, batch.start,
            float(self.net.typical), room, pooled.numpy(),
        )  # fmt: skip
        overall = batch.graph.expand(shape.members, -1, -1)
        head = torch.baddbmm(
            w["head_shift"], torch.cat([self.net.normalise(pooled), overall], dim=2), w["head"]
        )
        head = functional.gelu(head, approximate="tanh")
        return torch.baddbmm(w["last_shift"], head, w["last"])
