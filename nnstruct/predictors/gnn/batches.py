"""Packed graphs as batches that a network reads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from nnstruct.encode.packed import PackedGraphs
from nnstruct.encode.packed_kernel import KINDS


@dataclass(frozen=True, eq=False)
class GraphBatch:
    """B graphs with N units and M messages; see :class:`nnstruct.encode.packed.PackedGraphs`.

    Attributes
    ----------
    nodes : float32 Tensor [N, F]
    graph : float32 Tensor [B, G]
    layer : int32 array [N]
    start : int64 array [B + 1]
    first : int64 array [4 N + 1]
    sender : int32 array [M]
    copies : float32 array [M]
    """

    nodes: Tensor
    graph: Tensor
    layer: np.ndarray
    start: np.ndarray
    first: np.ndarray
    sender: np.ndarray
    copies: np.ndarray

    def __len__(self) -> int:
        return len(self.start) - 1

    @property
    def num_units(self) -> int:
        """N."""
        return len(self.layer)

    @cached_property
    def edges(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Sender [M], receiver [M] and kind [M] of each message as int64, and its copies [M]."""
        counts = np.diff(self.first)
        receiver, kind = np.divmod(np.repeat(np.arange(len(counts)), counts), KINDS)
        arrays = (self.sender.astype(np.int64), receiver, kind, self.copies)
        sender, into, kinds, copies = (torch.from_numpy(a).to(self.nodes.device) for a in arrays)
        return sender, into, kinds, copies

    @cached_property
    def owner(self) -> Tensor:
        """The graph of each unit, int64 [N]."""
        owner = np.repeat(np.arange(len(self)), np.diff(self.start))
        return torch.from_numpy(owner).to(self.nodes.device)

    @classmethod
    def of(cls, graphs: PackedGraphs, chosen: np.ndarray, device: torch.device | str = "cpu") -> GraphBatch:
        """Some of packed graphs.

        Parameters
        ----------
        graphs : PackedGraphs
        chosen : int64 [B]
        device : torch.device or str

        Returns
        -------
        GraphBatch
        """
        from nnstruct.predictors.gnn.kernels import take_graphs

        rows, start, first, sender, copies = take_graphs(
            np.asarray(chosen, dtype=np.int64), graphs.unit_start, graphs.first, graphs.sender, graphs.copies
        )
        return cls(
            torch.from_numpy(graphs.nodes[rows]).to(device),
            torch.from_numpy(graphs.graph[chosen]).to(device),
            graphs.layer[rows],
            start,
            first,
            sender,
            copies,
        )


def spans(
    graphs: PackedGraphs, chosen: np.ndarray, most_units: int, most_graphs: int
) -> Iterator[np.ndarray]:
    """The chosen graphs in order, in runs of at most so many units and graphs; one graph at least.

    Parameters
    ----------
    graphs : PackedGraphs
    chosen : int64 [n]
    most_units, most_graphs : int
        A message counts as a 32nd of a unit.

    Yields
    ------
    int64 array
    """
    units = np.diff(graphs.unit_start)[chosen]
    messages = np.diff(graphs.first[KINDS * graphs.unit_start])[chosen]
    cost = units + messages // 32
    begin, total = 0, 0
    for place, one in enumerate(cost.tolist()):
        if place > begin and (total + one > most_units or place - begin >= most_graphs):
            yield chosen[begin:place]
            begin, total = place, 0
        total += one
    if begin < len(chosen):
        yield chosen[begin:]
