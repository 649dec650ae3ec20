"""One member of the ensemble, trained with Lightning."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import EarlyStopping
from torch import Tensor
from torch_geometric.data import Batch, Data
from torch_geometric.loader import DataLoader

from nnstruct.predictors.gnn.network import StructureNet
from nnstruct.processes import torch_threads

CLIP_NORM = 1.0
BETA = 0.5
_LOGGERS = ("lightning", "lightning.pytorch", "lightning.fabric", "lightning.pytorch.utilities.rank_zero")


@dataclass(frozen=True)
class TrainingOptions:
    """How a member is trained; see :class:`nnstruct.predictors.GNN` for the meaning of each."""

    max_epochs: int
    patience: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    accelerator: str
    progress: bool


class _LitNet(LightningModule):
    def __init__(self, net: StructureNet, options: TrainingOptions, steps: int) -> None:
        super().__init__()
        self.net = net
        self.options = options
        self.steps = steps

    def training_step(self, batch: Batch, index: int) -> Tensor:
        return _loss(self.net, batch)

    def validation_step(self, batch: Batch, index: int) -> None:
        # The likelihood under the best common scale of the variances, since they are scaled to
        # the errors afterwards: plain overconfidence of a late epoch must not hide its better mean.
        mean, log_variance = self.net(
            batch.x, batch.edge_index, batch.edge_attr, batch.graph_attr, batch.batch
        )
        share = batch.weight / batch.weight.sum()
        scale = (share * (batch.y - mean) ** 2 * torch.exp(-log_variance)).sum().clamp_min(1e-12)
        loss = 0.5 * ((share * log_variance).sum() + torch.log(scale))
        self.log("val_loss", loss, batch_size=batch.num_graphs, prog_bar=True)

    def configure_optimizers(self) -> Any:
        options = self.options
        optimizer = torch.optim.AdamW(
            self.parameters(), lr=options.learning_rate, weight_decay=options.weight_decay
        )
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, options.learning_rate, total_steps=self.steps, pct_start=0.15
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def _loss(net: StructureNet, batch: Batch) -> Tensor:
    # Weighted by variance ** BETA, so that a large variance does not excuse a bad mean
    # (Seitzer et al., 2022, "On the pitfalls of heteroscedastic uncertainty estimation").
    mean, log_variance = net(batch.x, batch.edge_index, batch.edge_attr, batch.graph_attr, batch.batch)
    nll = 0.5 * (log_variance + (batch.y - mean) ** 2 * torch.exp(-log_variance))
    loss = nll * torch.exp(BETA * log_variance).detach()
    return (batch.weight * loss).sum() / batch.weight.sum().clamp_min(1e-12)


class _KeepBest(Callback):
    """Remembers the weights of the epoch with the least validation loss, in memory."""

    def __init__(self, net: StructureNet) -> None:
        self.net = net
        self.loss = float("inf")
        self.weights: dict[str, Tensor] = {}

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        loss = float(trainer.callback_metrics["val_loss"])
        if loss < self.loss:
            self.loss, self.weights = loss, deepcopy(self.net.state_dict())


def train_member(
    net: StructureNet, train: list[Data], validation: list[Data], options: TrainingOptions, seed: int
) -> StructureNet:
    """Train a network and bring back its best epoch on the validation graphs.

    The global random state is left as it was, and no file is written.

    Parameters
    ----------
    net : StructureNet
        Changed in place.
    train : list of torch_geometric.data.Data
        With the standardised label ``y`` and the ``weight`` of each graph.
    validation : list of torch_geometric.data.Data
        Likewise.
    options : TrainingOptions
    seed : int
        Decides the order of the batches.

    Returns
    -------
    StructureNet
        The same, on the CPU and in evaluation mode.
    """
    shuffle = torch.Generator().manual_seed(seed)
    batches = DataLoader(train, batch_size=options.batch_size, shuffle=True, generator=shuffle)
    held_out = DataLoader(validation, batch_size=max(1, len(validation)))
    best = _KeepBest(net)
    module = _LitNet(net, options, steps=len(batches) * options.max_epochs)
    with _quiet():
        trainer = Trainer(
            max_epochs=options.max_epochs,
            accelerator=options.accelerator,
            devices=1,
            logger=False,
            enable_checkpointing=False,
            enable_model_summary=False,
            enable_progress_bar=options.progress,
            num_sanity_val_steps=0,
            gradient_clip_val=CLIP_NORM,
            callbacks=[best, EarlyStopping("val_loss", patience=options.patience, check_finite=False)],
        )
        trainer.fit(module, batches, held_out)
    if best.weights:
        net.load_state_dict(best.weights)
    return net.cpu().eval()


@torch.no_grad()
def predict_member(net: StructureNet, graphs: list[Data], batch_size: int) -> tuple[Tensor, Tensor]:
    """Mean and variance of each graph's standardised label.

    Parameters
    ----------
    net : StructureNet
    graphs : list of n torch_geometric.data.Data
    batch_size : int
        Graphs at a time.

    Returns
    -------
    mean, variance : float32 Tensor [n]
    """
    outputs = [
        net(batch.x, batch.edge_index, batch.edge_attr, batch.graph_attr, batch.batch)
        for batch in DataLoader(graphs, batch_size=batch_size, generator=torch.Generator().manual_seed(0))
    ]
    mean, log_variance = (torch.cat([output[part] for output in outputs]) for part in (0, 1))
    return mean, log_variance.exp()


@contextmanager
def isolated(seed: int, threads: int) -> Iterator[None]:
    """A context in which torch is seeded and limited in its threads; outside all is as it was before.

    Parameters
    ----------
    seed : int
    threads : int

    Yields
    ------
    None
    """
    devices = list(range(torch.cuda.device_count())) if torch.cuda.is_available() else []
    with torch.random.fork_rng(devices=devices), torch_threads(threads):
        torch.manual_seed(seed)
        yield


@contextmanager
def _quiet() -> Iterator[None]:
    # Lightning reports devices and advises workers at each fit; neither helps here.
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
