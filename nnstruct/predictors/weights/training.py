"""One member of the ensemble, trained on packed graphs."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from nnstruct.predictors.weights.network import PackedTensors, WeightNet

CLIP_NORM = 1.0
BETA = 0.5
_WARM = 0.1
_CHUNK = 256


@dataclass(frozen=True)
class MemberSchedule:
    """How a member is trained; :class:`nnstruct.predictors.WeightGraphNetwork` says what each means."""

    max_epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float


def train_member(
    net: WeightNet,
    graphs: PackedTensors,
    target: Tensor,
    weight: Tensor,
    inside: Tensor,
    outside: Tensor,
    schedule: MemberSchedule,
    seed: int,
    draws: torch.Generator,
) -> WeightNet:
    """Train a network and bring back its best epoch on the graphs held out.

    Parameters
    ----------
    net : WeightNet
        Changed in place.
    graphs : PackedTensors
        n graphs.
    target, weight : float32 Tensor [n]
        Standardised labels, and how much each counts.
    inside, outside : int64 Tensor
        The graphs to learn from, and those held out.
    schedule : MemberSchedule
    seed : int
        Decides the order of the batches.
    draws : torch.Generator
        What dropout draws from.

    Returns
    -------
    WeightNet
        The same, in evaluation mode.
    """
    shuffle = torch.Generator().manual_seed(seed)
    batches = -(-len(inside) // schedule.batch_size)
    optimizer = torch.optim.AdamW(
        net.parameters(), lr=schedule.learning_rate, weight_decay=schedule.weight_decay
    )
    rates = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, schedule.learning_rate, total_steps=batches * schedule.max_epochs + 1, pct_start=_WARM
    )
    least, best = float("inf"), None
    for _ in range(schedule.max_epochs):
        net.train()
        order = torch.randperm(len(inside), generator=shuffle).to(inside.device)
        for part in order.split(schedule.batch_size):
            rows = inside[part]
            mean, log_variance = net(graphs.batch(rows), draws)
            loss = _loss(mean, log_variance, target[rows], weight[rows])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(net.parameters(), CLIP_NORM)
            optimizer.step()
            rates.step()
        found = _held_out_loss(*outputs(net, graphs, outside), target[outside], weight[outside])
        if found < least:
            least, best = found, {name: value.clone() for name, value in net.state_dict().items()}
    if best is not None:
        net.load_state_dict(best)
    return net.eval()


def _loss(mean: Tensor, log_variance: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    # Weighted by variance ** BETA, so that a large variance does not excuse a bad mean
    # (Seitzer et al., 2022, "On the pitfalls of heteroscedastic uncertainty estimation").
    nll = 0.5 * (log_variance + (target - mean) ** 2 * torch.exp(-log_variance))
    loss = nll * torch.exp(BETA * log_variance).detach()
    return (weight * loss).sum() / weight.sum().clamp_min(1e-12)


def _held_out_loss(mean: Tensor, log_variance: Tensor, target: Tensor, weight: Tensor) -> float:
    """Mean squared error; variances are scaled afterwards."""
    return float((weight * (target - mean) ** 2).sum() / weight.sum().clamp_min(1e-12))


@torch.no_grad()
def outputs(net: WeightNet, graphs: PackedTensors, rows: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and logarithm of the variance of each graph's standardised label.

    Parameters
    ----------
    net : WeightNet
    graphs : PackedTensors
    rows : int64 Tensor [n]

    Returns
    -------
    mean, log_variance : float32 Tensor [n]
    """
    net.eval()
    found = [net(graphs.batch(part)) for part in rows.split(_CHUNK)]
    return torch.cat([mean for mean, _ in found]), torch.cat([spread for _, spread in found])
