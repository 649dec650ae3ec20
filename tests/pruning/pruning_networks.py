"""Small networks of every kind that can be pruned, and tasks for them."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import torch
from torch import Tensor, nn

from nnstruct import Structure, TrainConfig
from nnstruct.modules import build_module
from nnstruct.tasks import Task, load_task

QUICK = TrainConfig(epochs=2, batch_size=64, learning_rate=3e-3)


@cache
def digits() -> Task:
    """256 training images of 8 x 8 pixels as vectors."""
    whole = load_task("digits")
    return _cut(whole, lambda inputs: inputs)


@cache
def images() -> Task:
    """The same as images of one channel."""
    return _cut(load_task("digits"), lambda inputs: inputs.reshape(-1, 1, 8, 8))


@cache
def strings() -> Task:
    return load_task("reber", train=128, val=32, test=64, max_length=16)


def _cut(whole: Task, shaped: Callable[[np.ndarray], np.ndarray]) -> Task:
    parts = [
        (shaped(split.inputs[:size]), split.targets[:size])
        for split, size in ((whole.train, 256), (whole.val, 64), (whole.test, 128))
    ]
    return Task.from_splits(whole.name, *parts)


def mlp() -> nn.Module:
    return nn.Sequential(nn.Linear(64, 24), nn.ReLU(), nn.Linear(24, 16), nn.Tanh(), nn.Linear(16, 10))


def cnn() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(8, 12, 3), nn.ReLU(), nn.Flatten(), nn.Linear(48, 10),
    )  # fmt: skip


class Tied(nn.Module):
    """The decoder's weight is the encoder's; a third layer is used twice."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(64, 64), nn.Linear(64, 64)
        self.second.weight = self.first.weight
        self.read = nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.read(torch.relu(self.second(torch.relu(self.first(x)))))


def shared() -> nn.Module:
    """One submodule at two places, and a Sequential within."""
    layer = nn.Linear(20, 20)
    return nn.Sequential(nn.Linear(64, 20), nn.Sequential(layer, nn.Tanh(), layer), nn.Linear(20, 10))


class Reader(nn.Module):
    """An embedding, a recurrent layer of PyTorch, and a read-out at each string's last symbol."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.embedding = nn.Embedding(27, 8)
        layers = {"tanh": nn.RNN, "relu": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}
        options = {"nonlinearity": kind} if kind in ("tanh", "relu") else {}
        self.layer = layers[kind](8, 12, num_layers=2, batch_first=True, **options)
        self.read = nn.Linear(12, 2)

    def forward(self, symbols: Tensor, lengths: Tensor | None = None) -> Tensor:
        states = self.layer(self.embedding(symbols))[0]  # [B, T, H]
        last = states[:, -1] if lengths is None else states[torch.arange(len(lengths)), lengths - 1]
        return self.read(last)


def clean(family: str) -> nn.Module:
    return build_module(Structure.from_layers([8, 8], family=family), strings())


def masked_mlp() -> nn.Module:
    return build_module(Structure.from_layers([16, 12, 8]), digits())


def own_cnn() -> nn.Module:
    return build_module(Structure.from_layers([6, 6, 4], family="cnn"), images())


NETWORKS: dict[str, tuple[Callable[[], nn.Module], Callable[[], Task]]] = {
    "mlp": (mlp, digits),
    "cnn": (cnn, images),
    "tied": (Tied, digits),
    "shared": (shared, digits),
    "tanh": (lambda: Reader("tanh"), strings),
    "gru": (lambda: Reader("gru"), strings),
    "lstm": (lambda: Reader("lstm"), strings),
    "clean gru": (lambda: clean("gru"), strings),
    "masked mlp": (masked_mlp, digits),
    "own cnn": (own_cnn, images),
}


def network(name: str) -> nn.Module:
    torch.manual_seed(3)
    return NETWORKS[name][0]()


def example_of(name: str) -> Tensor | None:
    """What ``extract`` needs to record the network."""
    if hasattr(network(name), "to_network"):
        return None
    inputs = torch.from_numpy(task_of(name).train.inputs[:2])
    return inputs[:, :5] if task_of(name).is_sequence else inputs


def task_of(name: str) -> Task:
    return NETWORKS[name][1]()
