"""CPU seconds of the graph network: training against a plain loop with PyTorch Geometric, scoring, encoding.

Run: python tests/benchmarks/gnn_speed.py [--structures 1500] [--trained 200] [--epochs 3] [--repeats 3]

The plain loop is what a first version looks like: ``Data`` objects with messages along and against every
edge, a DataLoader, layers of ``RGCNConv`` (one matrix for each kind of message, as the layer of the package
has), LayerNorm, GELU, the same read-out, AdamW, one member after the other.
Width, layers, members, batches and epochs are those of the package. Both train in alternation in one process
on one thread. Figures are medians of CPU seconds; scoring is asking, encoding is packing structures.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn
from torch_geometric.data import Batch, Data
from torch_geometric.loader import DataLoader
from torch_geometric.nn import RGCNConv, global_add_pool, global_max_pool, global_mean_pool

from nnstruct import Space, Structure
from nnstruct.encode import GraphEncoder
from nnstruct.encode.graph import edge_lists
from nnstruct.predictors.gnn.members import GraphMembers, MemberSettings
from nnstruct.priors import sample

MEMBERS, KINDS = 3, 4


class PlainNet(nn.Module):
    """The package's network, written with PyTorch Geometric."""

    def __init__(self, nodes: int, overall: int, settings: MemberSettings, typical: float) -> None:
        super().__init__()
        width, self.typical = settings.hidden, typical
        self.embed = nn.Linear(nodes, width)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(settings.layers))
        self.convolutions = nn.ModuleList(
            RGCNConv(width, width, KINDS, aggr="add") for _ in range(settings.layers)
        )
        self.outs = nn.ModuleList(nn.Linear(width, width) for _ in range(settings.layers))
        self.dropout = nn.Dropout(settings.dropout)
        self.head = nn.Sequential(nn.Linear(3 * width + overall, width), nn.GELU(), nn.Linear(width, 1))

    def forward(self, batch: Batch) -> Tensor:
        h = self.embed(batch.x)
        for norm, convolution, out in zip(self.norms, self.convolutions, self.outs, strict=True):
            a = nn.functional.gelu(convolution(norm(h), batch.edge_index, batch.edge_type))
            h = h + out(self.dropout(a))
        pools = [global_add_pool(h, batch.batch) / self.typical]
        pools += [global_mean_pool(h, batch.batch), global_max_pool(h, batch.batch), batch.overall]
        return self.head(torch.cat(pools, dim=1))[:, 0]


def plain_graphs(structures: list[Structure], y: np.ndarray) -> tuple[list[Data], float]:
    """One ``Data`` a structure, and the units of a typical one."""
    encoder = GraphEncoder(contract=True).fit(structures)
    graphs = []
    for structure, label in zip(structures, y, strict=True):
        packed = encoder.pack([structure])
        edges, features = edge_lists(packed)
        graphs.append(
            Data(
                x=torch.from_numpy(packed.nodes),
                edge_index=torch.from_numpy(edges),
                edge_type=torch.from_numpy(features[:, :KINDS].argmax(axis=1)),
                overall=torch.from_numpy(packed.graph),
                y=torch.tensor([label], dtype=torch.float32),
            )
        )
    return graphs, float(np.mean([structure.num_units for structure in structures]))


def train_plainly(structures: list[Structure], y: np.ndarray, settings: MemberSettings) -> None:
    """Each member after the other."""
    graphs, typical = plain_graphs(structures, y)
    for member in range(MEMBERS):
        torch.manual_seed(member)
        net = PlainNet(graphs[0].x.shape[1], graphs[0].overall.shape[1], settings, typical)
        optimizer = torch.optim.AdamW(net.parameters(), lr=settings.learning_rate)
        for _ in range(settings.max_epochs or 0):
            for batch in DataLoader(graphs, settings.batch_size, shuffle=True):
                optimizer.zero_grad()
                nn.functional.mse_loss(net(batch), batch.y).backward()
                optimizer.step()


def train(structures: list[Structure], y: np.ndarray, settings: MemberSettings) -> GraphMembers:
    return GraphMembers(settings).fit(structures, y, np.ones((MEMBERS, len(y))))


def seconds(call: Callable[..., object], *given: object) -> float:
    started = time.process_time()
    call(*given)
    return time.process_time() - started


def main() -> None:
    from nnstruct.predictors.gnn.training import ask

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--structures", type=int, default=1500)
    parser.add_argument("--trained", type=int, default=200)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(1)
    structures = list(sample(Space("rnn_tanh", units=(20, 48)), n=options.structures, seed=0))
    y = np.random.default_rng(0).normal(size=options.trained)
    learned, settings = structures[: options.trained], MemberSettings(max_epochs=options.epochs)
    members = train(learned, y, settings)  # compiled
    train_plainly(learned[:40], y[:40], settings)
    times: dict[str, list[float]] = {"plain": [], "package": [], "encode": [], "ask": []}
    for _ in range(options.repeats):
        times["plain"].append(seconds(train_plainly, learned, y, settings))
        times["package"].append(seconds(train, learned, y, settings))
        times["encode"].append(seconds(members.encoder.pack, structures))
        packed = members.encoder.pack(structures)
        times["ask"].append(seconds(ask, members.net, packed))
    plain, package, encode, asked = (statistics.median(found) for found in times.values())
    units = np.mean([structure.num_units for structure in structures])
    count = len(structures)
    print(f"{count} structures of {units:.0f} units on average, {MEMBERS} members")
    print(f"training: plain {plain:.2f} CPU s, package {package:.2f}, ratio {plain / package:.1f}")
    print(f"encoding: {count / encode:.0f} structures a CPU second")
    print(f"scoring: {count / asked:.0f} a CPU second, with encoding {count / (asked + encode):.0f}")


if __name__ == "__main__":
    main()
