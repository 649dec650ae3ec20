"""Bidirectional networks asked on the CPU, in memory that stays inside the processor's caches."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from nnstruct.predictors.gnn import kernels
from nnstruct.predictors.gnn.batches import GraphBatch
from nnstruct.predictors.gnn.network import StructureNet


class PassRoom:
    """Room for one member's pass over a batch; it grows with the largest batch.

    One workspace serves one thread.
    """

    def __init__(self) -> None:
        self._room: dict[str, Tensor] = {}

    def take(self, name: str, *shape: int) -> Tensor:
        """Room of a shape, float32; what is in it is left over from before.

        Parameters
        ----------
        name : str
            Another name is other room.
        *shape : int

        Returns
        -------
        Tensor
        """
        count = 1
        for one in shape:
            count *= one
        room = self._room.get(name)
        if room is None or room.numel() < count:
            room = self._room[name] = torch.empty(count)
        return room[:count].view(shape)


@torch.no_grad()
def run(net: StructureNet, batch: GraphBatch, room: PassRoom) -> Tensor:
    """What :class:`StructureNet` says without dropout, member by member and nothing kept.

    Parameters
    ----------
    net : StructureNet
        With the layer ``bidirectional``, on the CPU.
    batch : GraphBatch
        Of B graphs.
    room : PassRoom

    Returns
    -------
    float32 Tensor [members, B, outputs]
    """
    shape, w = net.shape, net.weights
    n, width, size = batch.num_units, shape.hidden, len(batch)
    said = torch.empty((shape.members, size, shape.outputs))
    h, u, a = (room.take(name, n, width) for name in ("h", "u", "a"))
    scale, mixed = room.take("scale", 1, n), room.take("mixed", n, (5 if shape.delayed else 3) * width)
    pooled, where = room.take("pooled", 1, size, 3 * width), np.empty((1, size, width), dtype=np.int64)
    h_n, u_n, a_n, scale_n, mixed_n = (one.numpy() for one in (h[None], u[None], a[None], scale, mixed[None]))
    b = room.take("b", n, width)
    b_n = b[None].numpy()
    for m in range(shape.members):
        torch.addmm(w["embed_shift"][m], batch.nodes, w["embed"][m], out=h)
        for index in range(shape.layers):
            inner, shift, outer, last = (
                w[f"layer{index}.{name}"] for name in ("in", "in_shift", "out", "out_shift")
            )
            kernels.normalise(h_n, u_n, scale_n)
            kernels.gather(u_n, batch.first, batch.sender, batch.copies, mixed_n)
            torch.mm(mixed, inner[m], out=a)
            kernels.activate(a_n, shift[m : m + 1].numpy(), a_n, False, b_n)
            h.addmm_(b, outer[m])
            h += last[m]
        kernels.read_out(h_n, batch.start, net.typical, pooled.numpy(), where)
        head = torch.addmm(w["head_shift"][m], torch.cat([pooled[0], batch.graph], dim=1), w["head"][m])
        head = functional.gelu(head, approximate="tanh")
        torch.addmm(w["last_shift"][m], head, w["last"][m], out=said[m])
    return said
