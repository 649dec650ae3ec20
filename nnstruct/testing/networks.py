"""Small networks of every kind that can be pruned, and tasks for them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from nnstruct.modules import build_module
from nnstruct.record import TrainConfig
from nnstruct.structure import Structure
from nnstruct.tasks import Task, load_task

QUICK = TrainConfig(epochs=2, batch_size=64, learning_rate=3e-3)


@cache
def digits() -> Task:
    """256 training images of 8 x 8 pixels as vectors."""
    return _cut(load_task("digits"), lambda inputs: inputs)


@cache
def images() -> Task:
    """The same as images of one channel."""
    return _cut(load_task("digits"), lambda inputs: inputs.reshape(-1, 1, 8, 8))


@cache
def strings() -> Task:
    """128 training strings of the Reber grammar."""
    return load_task("reber", train=128, val=32, test=64, max_length=16)


def _cut(whole: Task, shaped: Callable[[np.ndarray], np.ndarray]) -> Task:
    parts = [
        (shaped(split.inputs[:size]), split.targets[:size])
        for split, size in ((whole.train, 256), (whole.val, 64), (whole.test, 128))
    ]
    return Task.from_splits(whole.name, *parts)


def mlp() -> nn.Module:
    """Three linear layers."""
    return nn.Sequential(nn.Linear(64, 24), nn.ReLU(), nn.Linear(24, 16), nn.Tanh(), nn.Linear(16, 10))


def cnn() -> nn.Module:
    """Two convolutions, a normalisation and a linear layer."""
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(8, 12, 3), nn.ReLU(), nn.Flatten(), nn.Linear(48, 10),
    )  # fmt: skip


class _Tied(nn.Module):
    """The decoder's weight is the encoder's."""

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
    """An embedding, a recurrent layer of PyTorch, and a read-out at each string's last symbol.

    Parameters
    ----------
    kind : {"tanh", "relu", "gru", "lstm"}
    """

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.embedding = nn.Embedding(27, 8)
        layers: dict[str, Any] = {"tanh": nn.RNN, "relu": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}
        options = {"nonlinearity": kind} if kind in ("tanh", "relu") else {}
        self.layer = layers[kind](8, 12, num_layers=2, batch_first=True, **options)
        self.read = nn.Linear(12, 2)

    def forward(self, symbols: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Scores of each string.

        Parameters
        ----------
        symbols : int64 Tensor [B, T]
        lengths : int64 Tensor [B], optional

        Returns
        -------
        Tensor [B, 2]
        """
        states = self.layer(self.embedding(symbols))[0]  # [B, T, H]
        last = states[:, -1] if lengths is None else states[torch.arange(len(lengths)), lengths - 1]
        return self.read(last)


def clean(family: str) -> nn.Module:
    """Two layers of eight units of a recurrent family, as nnstruct builds them."""
    return build_module(Structure.from_layers([8, 8], family=family), strings())


def masked_mlp() -> nn.Module:
    """A perceptron of three layers, as nnstruct builds it."""
    return build_module(Structure.from_layers([16, 12, 8]), digits())


def own_cnn() -> nn.Module:
    """A convolutional network of single channels, as nnstruct builds it."""
    return build_module(Structure.from_layers([6, 6, 4], family="cnn"), images())


@dataclass(frozen=True)
class ExampleNetwork:
    """A network to prune.

    Parameters
    ----------
    make : callable
        Builds it.
    task : callable
        Gives its task.
    has_channels : bool
        Whether methods that prune whole channels or neurons apply.
    many_weights_an_edge : bool
        Whether an edge of the extracted structure stays as long as one of its weights does.
    """

    make: Callable[[], nn.Module]
    task: Callable[[], Task]
    has_channels: bool = False
    many_weights_an_edge: bool = False


NETWORKS: dict[str, ExampleNetwork] = {
    "mlp": ExampleNetwork(mlp, digits, has_channels=True),
    "cnn": ExampleNetwork(cnn, images, has_channels=True, many_weights_an_edge=True),
    "tied": ExampleNetwork(_Tied, digits, has_channels=True),
    "shared": ExampleNetwork(shared, digits, has_channels=True),
    "tanh": ExampleNetwork(lambda: Reader("tanh"), strings),
    "gru": ExampleNetwork(lambda: Reader("gru"), strings, many_weights_an_edge=True),
    "lstm": ExampleNetwork(lambda: Reader("lstm"), strings, many_weights_an_edge=True),
    "clean gru": ExampleNetwork(lambda: clean("gru"), strings),
    "masked mlp": ExampleNetwork(masked_mlp, digits),
    "own cnn": ExampleNetwork(own_cnn, images),
}


def network(name: str) -> nn.Module:
    """A network by its name in NETWORKS, the same at every call.

    Parameters
    ----------
    name : str

    Returns
    -------
    torch.nn.Module

    Examples
    --------
    >>> from nnstruct.testing.networks import network
    >>> [tuple(weight.shape) for name, weight in network("mlp").named_parameters() if "weight" in name]
    [(24, 64), (16, 24), (10, 16)]
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        return NETWORKS[name].make()


def task_of(name: str) -> Task:
    """The task of a network in NETWORKS."""
    return NETWORKS[name].task()


def example_of(name: str) -> Tensor | None:
    """What ``extract`` needs to record a network in NETWORKS; None where it needs nothing."""
    if hasattr(network(name), "to_network"):
        return None
    inputs = torch.from_numpy(task_of(name).train.inputs[:2])
    return inputs[:, :5] if task_of(name).is_sequence else inputs
