"""The network that reads a structure's graph."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch_geometric.nn import GINEConv, global_add_pool, global_max_pool, global_mean_pool

# The logarithm of the variance, in units of the labels' variance, stays within these.
_LOG_VARIANCE = (-8.0, 4.0)


class StructureNet(nn.Module):
    """Message passing with edge features, then a mean and a variance for the whole graph.

    Layers are those of Hu et al. (2020), ``x'_i = MLP((1 + eps) x_i + sum_j relu(x_j + W e_ji))``,
    each behind a normalisation and beside a shortcut. The graph is read out as mean, sum and
    maximum over its units, next to features of the whole graph.

    Parameters
    ----------
    node_width, edge_width, graph_width : int
        Columns of ``x``, ``edge_attr`` and ``graph_attr``.
    hidden : int
    layers : int
    dropout : float
    mean_units : float
        Units of a typical graph; sums over units are divided by it.

    Shapes
    ------
    x [N, node_width], edge_index [2, M], edge_attr [M, edge_width], graph_attr [B, graph_width],
    batch [N] -> mean [B], log-variance [B]
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
        self.embed = nn.Linear(node_width, hidden)
        self.norms = nn.ModuleList(nn.LayerNorm(hidden) for _ in range(layers))
        self.convolutions = nn.ModuleList(
            GINEConv(_two_layers(hidden, hidden), train_eps=True, edge_dim=edge_width) for _ in range(layers)
        )
        self.dropout = nn.Dropout(dropout)
        self.head_norm = nn.LayerNorm(3 * hidden)
        last = nn.Linear(hidden, 2)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.head = nn.Sequential(
            nn.Linear(3 * hidden + graph_width, hidden), nn.SiLU(), nn.Dropout(dropout), last
        )

    def forward(
        self, x: Tensor, edge_index: Tensor, edge_attr: Tensor, graph_attr: Tensor, batch: Tensor
    ) -> tuple[Tensor, Tensor]:
        """A mean and a variance for each of B graphs, in units of the labels' spread.

        Parameters
        ----------
        x : float32 Tensor [N, node_width]
            The units of all graphs, one graph after the other.
        edge_index : int64 Tensor [2, M]
            Sends messages from its first row to its second.
        edge_attr : float32 Tensor [M, edge_width]
        graph_attr : float32 Tensor [B, graph_width]
        batch : int64 Tensor [N]
            The graph of each unit.

        Returns
        -------
        mean : Tensor [B]
        log_variance : Tensor [B]
            The logarithm of the variance, from -8 to 4.
        """
        x = self.embed(x)  # [N, H]
        for norm, convolution in zip(self.norms, self.convolutions, strict=True):
            x = x + self.dropout(convolution(norm(x), edge_index, edge_attr))
        size = len(graph_attr)
        pooled = torch.cat(
            [
                global_mean_pool(x, batch, size),
                global_add_pool(x, batch, size) / self.mean_units,
                global_max_pool(x, batch, size),
            ],
            dim=1,
        )  # [B, 3H]
        out = self.head(torch.cat([self.head_norm(pooled), graph_attr], dim=1))  # [B, 2]
        return out[:, 0], out[:, 1].clamp(*_LOG_VARIANCE)


def _two_layers(width: int, hidden: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(width, hidden), nn.SiLU(), nn.Linear(hidden, width))
