"""Networks to start from, by name."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from nnstruct.errors import InvalidInputError, UnknownNameError
from nnstruct.modules import build_module
from nnstruct.pruning.masks import copy_module
from nnstruct.random import check_seed, derive_seed
from nnstruct.record import TrainConfig
from nnstruct.structure import Structure
from nnstruct.structure.families import RNN_FAMILIES
from nnstruct.tasks import Task

ALIASES = {"lenet-300-100": "mlp:300-100"}
KINDS = ("mlp", "cnn", *RNN_FAMILIES)


def starting_network(name: str, task: Task, *, seed: int = 0, config: TrainConfig | None = None) -> nn.Module:
    """A freshly initialised network for a task.

    Parameters
    ----------
    name : str
        A kind and the sizes of its hidden layers:

        - ``mlp:300-100`` (or ``lenet-300-100``): linear layers with ReLU between;
        - ``cnn:16-32``: blocks of a 3 x 3 convolution, batch normalisation, ReLU and a pool over 2 x 2,
          then a linear layer;
        - ``rnn_tanh:50-50-50``, ``rnn_relu``, ``gru`` and ``lstm``: an nnstruct network of fully connected
          layers, as :func:`nnstruct.modules.build_module` makes it.
    task : Task
        Gives the shapes of input and output.
    seed : int
    config : TrainConfig, optional
        Of recurrent networks.

    Returns
    -------
    torch.nn.Module

    Raises
    ------
    UnknownNameError
        If the kind is none of these.
    InvalidInputError
        If the sizes are no positive integers, or the task has inputs of another kind.

    Examples
    --------
    >>> from nnstruct import load_task
    >>> from nnstruct.pruning import starting_network
    >>> network = starting_network("lenet-300-100", load_task("digits"))
    >>> sum(p.numel() for p in network.parameters() if p.dim() == 2)
    50200
    """
    kind, _, text = ALIASES.get(name, name).partition(":")
    if kind not in KINDS:
        raise UnknownNameError("network", f"be {', '.join(ALIASES)} or one of {', '.join(KINDS)}", name)
    try:
        sizes = [int(part) for part in text.split("-")]
    except ValueError:
        sizes = [0]
    if min(sizes) < 1:
        raise InvalidInputError("network", f"name sizes as in {kind}:50-50", name)
    seed = check_seed(seed)
    if kind in RNN_FAMILIES:
        return build_module(Structure.from_layers(sizes, family=kind), task, config, seed=seed)
    if task.is_sequence:
        raise InvalidInputError("task", f"hold vectors or images for {name!r}", task.name)
    with torch.random.fork_rng([]):
        torch.manual_seed(derive_seed(seed, "init", name))
        return _mlp(sizes, task) if kind == "mlp" else _cnn(sizes, task)


def check_takes(module: nn.Module, task: Task, example: Any) -> None:
    """Raise :class:`InvalidInputError` unless a module takes examples of a task and gives enough outputs.

    Parameters
    ----------
    module : torch.nn.Module
        Left as it is.
    task : Task
    example : Tensor, or tuple of arguments
    """
    rule = (
        f"take examples of {task.name!r}, of shape {list(task.input_shape)}, with {task.num_outputs} outputs"
    )
    try:
        with torch.no_grad():
            made = copy_module(module).eval()(*(example if isinstance(example, tuple) else (example,)))
    except (RuntimeError, TypeError, ValueError, IndexError) as error:  # the module's own
        raise InvalidInputError("network", rule, f"{type(error).__name__}: {error}") from error
    if isinstance(made, torch.Tensor) and made.dim() == 2 and made.shape[1] < task.num_outputs:
        raise InvalidInputError("network", rule, f"{made.shape[1]} outputs")


def _mlp(sizes: Sequence[int], task: Task) -> nn.Module:
    layers: list[nn.Module] = [nn.Flatten()]
    before = math.prod(task.input_shape)
    for size in sizes:
        layers += [nn.Linear(before, size), nn.ReLU()]
        before = size
    return nn.Sequential(*layers, nn.Linear(before, task.num_outputs))


def _cnn(sizes: Sequence[int], task: Task) -> nn.Module:
    shape = task.input_shape
    if len(shape) not in (2, 3):
        raise InvalidInputError("task", "hold images for a cnn", f"{task.name} with inputs {list(shape)}")
    layers: list[nn.Module] = [] if len(shape) == 3 else [nn.Unflatten(1, (1, shape[0]))]
    channels, height, width = shape if len(shape) == 3 else (1, *shape)
    for size in sizes:
        layers += [nn.Conv2d(channels, size, 3, padding=1), nn.BatchNorm2d(size), nn.ReLU(), nn.MaxPool2d(2)]
        channels, height, width = size, height // 2, width // 2
        if min(height, width) < 1:
            rule = f"have at most {len(layers) // 4 - 1} blocks for images of {list(shape)}"
            raise InvalidInputError("network", rule, list(sizes))
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(channels * height * width, task.num_outputs))
