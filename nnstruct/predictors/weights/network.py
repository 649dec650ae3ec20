"""The network that reads another network's weights."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from nnstruct.encode.weight_graph import PackedNetworks

# The logarithm of the variance, in units of the labels' variance, stays within these.
_LOG_VARIANCE = (-8.0, 4.0)
_CLIP = 10.0


@dataclass(frozen=True)
class GraphTensors:
    """Some graphs as tensors.

    Attributes
    ----------
    units : float32 [N, node_width]
    source, target : int64 [M]
    edges : float32 [M, edge_width]
    graphs : float32 [B, graph_width]
    owner : int64 [N]
        The graph of each unit.
    """

    units: Tensor
    source: Tensor
    target: Tensor
    edges: Tensor
    graphs: Tensor
    owner: Tensor


class PackedTensors:
    """All graphs as tensors, from which batches are cut.

    Parameters
    ----------
    packed : PackedNetworks
    device : str or torch.device
    """

    def __init__(self, packed: PackedNetworks, device: torch.device | str = "cpu") -> None:
        def moved(array: object) -> Tensor:
            return torch.as_tensor(array).to(device)

        self.units, self.edges, self.graphs = moved(packed.units), moved(packed.edges), moved(packed.graphs)
        self.edge_index = moved(packed.edge_index)
        self.num_units, self.num_edges = moved(packed.num_units), moved(packed.num_edges)
        self._unit_start = self.num_units.cumsum(0) - self.num_units
        self._edge_start = self.num_edges.cumsum(0) - self.num_edges

    def __len__(self) -> int:
        return len(self.graphs)

    def batch(self, rows: Tensor) -> GraphTensors:
        """Some of the graphs, in the order asked for.

        Parameters
        ----------
        rows : int64 Tensor [B]

        Returns
        -------
        GraphTensors
        """
        owner, places, start = _ranges(self.num_units[rows], self._unit_start[rows])
        edge_owner, edge_places, _ = _ranges(self.num_edges[rows], self._edge_start[rows])
        ends = self.edge_index[:, edge_places] + start[edge_owner]  # [2, M]
        return GraphTensors(
            self.units[places], ends[0], ends[1], self.edges[edge_places], self.graphs[rows], owner
        )


def _ranges(counts: Tensor, starts: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Of runs laid behind each other: the run of each item, its place of origin, each run's new start."""
    owner = torch.repeat_interleave(counts)
    begins = counts.cumsum(0) - counts
    return owner, torch.arange(len(owner), device=owner.device) + (starts - begins)[owner], begins


class WeightNet(nn.Module):
    """Message passing in which weights multiply what they carry, then a mean and a variance.

    With ``e`` an embedding of an edge's weights and ``u`` the normalised state of a unit, a layer is
    ``h_i += W silu(U [u_i; f_i; b_i])``, where ``f_i = sum over edges (j, i) of (A e) * u_j`` comes along
    the edges, as activations do, and ``b_i = sum over edges (i, j) of (B e) * u_j`` against them, as
    gradients do; both are divided by the root of their number. States of edges are updated as in Kofinas et
    al. (2024), ``e += V silu(C e + D u_source + E u_target)``. Units are read out as mean, sum and maximum,
    edges as mean, next to features of the whole graph; other names for the units change nothing.

    Parameters
    ----------
    node_width, edge_width, graph_width : int
    hidden : int
    layers : int
    dropout : float
    mean_units : float
        Units of a typical graph; sums over units are divided by it.

    Shapes
    ------
    :class:`GraphTensors` of B graphs -> mean [B], log-variance [B]

    References
    ----------
    M. Kofinas et al. Graph neural networks for learning equivariant representations of neural networks. ICLR
    2024, arXiv 2403.12143.
    """

    def __init__(
        self,
        node_width: int,
        edge_width: int,
        graph_width: int,
        *,
        hidden: int,
        layers: int,
        dropout: float,
        mean_units: float,
    ) -> None:
        super().__init__()
        self.mean_units = mean_units
        self.embed_units = _two_layers(node_width, hidden)
        self.embed_edges = _two_layers(edge_width, hidden)
        self.rounds = nn.ModuleList(_Round(hidden, last=i == layers - 1) for i in range(layers))
        self.dropout = dropout
        self.embed_graph = nn.Linear(graph_width, hidden)
        self.head_norm = nn.LayerNorm(5 * hidden)
        # Dropout stands between the second and the last.
        self.head = nn.Sequential(
            nn.Linear(5 * hidden, hidden), nn.SiLU(), nn.Identity(), nn.Linear(hidden, 2)
        )

    @classmethod
    def drawn(cls, draws: torch.Generator, *widths: int, **options: Any) -> WeightNet:
        """A network with weights to start from, drawn as PyTorch draws them; the last layer is zero.

        Parameters
        ----------
        draws : torch.Generator
            Nothing else is drawn from: no random state is shared with the rest of the process.
        *widths, **options
            As for the class.

        Returns
        -------
        WeightNet
        """
        net = cls.empty(*widths, **options)
        body = [module for name, module in net.named_modules() if not name.startswith("head.")]
        for module in (*body, net.head[3], net.head[0]):
            if isinstance(module, nn.Linear):
                nn.init.kaiming_uniform_(module.weight, a=math.sqrt(5), generator=draws)
                if module.bias is not None:
                    bound = 1 / math.sqrt(module.in_features)
                    nn.init.uniform_(module.bias, -bound, bound, generator=draws)
            elif isinstance(module, nn.LayerNorm):
                module.reset_parameters()
        for parameter in net.head[3].parameters():
            nn.init.zeros_(parameter)
        return net

    @classmethod
    def empty(cls, *widths: int, **options: Any) -> WeightNet:
        """A network whose weights are still to be set.

        Parameters
        ----------
        *widths, **options
            As for the class.

        Returns
        -------
        WeightNet
        """
        with torch.device("meta"):
            net = cls(*widths, **options)
        return net.to_empty(device="cpu")

    def forward(self, given: GraphTensors, draws: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """A mean and a variance for each graph, in units of the labels' spread.

        Parameters
        ----------
        given : GraphTensors
        draws : torch.Generator, optional
            What dropout draws from; there is none without it.

        Returns
        -------
        mean : Tensor [B]
        log_variance : Tensor [B]
            From -8 to 4.
        """
        h = self.embed_units(given.units.clamp(-_CLIP, _CLIP))  # [N, H]
        e = self.embed_edges(given.edges.clamp(-_CLIP, _CLIP))  # [M, H]
        arriving, leaving = (
            h.new_zeros(len(h)).index_add_(0, ends, h.new_ones(len(ends))).clamp_min(1.0).rsqrt()[:, None]
            for ends in (given.target, given.source)
        )
        for each in self.rounds:
            step, e = each(h, e, given.source, given.target, arriving, leaving)
            h = h + _dropped(step, self.dropout, draws)
        size, owner = len(given.graphs), given.owner
        total = h.new_zeros(size, h.shape[1]).index_add_(0, owner, h)
        count = h.new_zeros(size).index_add_(0, owner, h.new_ones(len(h)))[:, None]
        places = owner[:, None].expand_as(h)
        most = h.new_full((size, h.shape[1]), -torch.inf).scatter_reduce_(0, places, h, "amax")
        edge_owner = owner[given.source]
        edges = h.new_zeros(size, h.shape[1]).index_add_(0, edge_owner, e)
        edge_count = h.new_zeros(size).index_add_(0, edge_owner, h.new_ones(len(e))).clamp_min(1.0)[:, None]
        pooled = [
            total / count,
            total / self.mean_units,
            most,
            edges / edge_count,
            self.embed_graph(given.graphs),
        ]
        first, bend, _, last = self.head
        inner = bend(first(self.head_norm(torch.cat(pooled, dim=1))))  # [B, H]
        out = last(_dropped(inner, self.dropout, draws))  # [B, 2]
        return out[:, 0], out[:, 1].clamp(*_LOG_VARIANCE)


class _Round(nn.Module):
    def __init__(self, hidden: int, *, last: bool) -> None:
        super().__init__()
        self.norm, self.edge_norm = nn.LayerNorm(hidden), nn.LayerNorm(hidden)
        self.factors = nn.Linear(hidden, 2 * hidden)
        self.update = nn.Sequential(nn.Linear(3 * hidden, hidden), nn.SiLU(), nn.Linear(hidden, hidden))
        self.edge_parts = None if last else nn.Linear(hidden, hidden)
        self.end_parts = None if last else nn.Linear(hidden, 2 * hidden, bias=False)
        self.edge_out = None if last else nn.Linear(hidden, hidden)

    def forward(
        self, h: Tensor, e: Tensor, source: Tensor, target: Tensor, arriving: Tensor, leaving: Tensor
    ) -> tuple[Tensor, Tensor]:
        u, width = self.norm(h), h.shape[1]
        v = self.edge_norm(e)
        along, against = self.factors(v).split(width, dim=1)  # [M, H]
        forth = torch.zeros_like(u).index_add_(0, target, along * u[source]) * arriving
        back = torch.zeros_like(u).index_add_(0, source, against * u[target]) * leaving
        step = self.update(torch.cat([u, forth, back], dim=1))
        if self.edge_parts is not None and self.end_parts is not None and self.edge_out is not None:
            begin, end = self.end_parts(u).split(width, dim=1)  # [N, H]
            joined = nn.functional.silu(self.edge_parts(v) + begin[source] + end[target])
            e = e + self.edge_out(joined)
        return step, e


def _dropped(x: Tensor, rate: float, draws: torch.Generator | None) -> Tensor:
    if draws is None or rate == 0.0:
        return x
    kept = torch.empty_like(x).bernoulli_(1.0 - rate, generator=draws)
    return x * kept.div_(1.0 - rate)


def _two_layers(width: int, hidden: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(width, hidden), nn.SiLU(), nn.Linear(hidden, hidden))
