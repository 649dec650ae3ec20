"""Optimisers, their schedules and the rates of single parameters."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from nnstruct.record import TrainConfig

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

ADAM_BETAS = (0.9, 0.999)
ADAM_EPSILON = 1e-8

Moment = TypeVar("Moment")


class AdamState(NamedTuple, Generic[Moment]):
    """What Adam remembers between two updates; a moment holds an array for each parameter."""

    steps_taken: int
    first: Moment
    second: Moment

    @property
    def moments(self) -> tuple[Moment, Moment]:
        """Both, to change them alike."""
        return self.first, self.second


def make_optimizer(
    module: nn.Module, config: TrainConfig, *, fused: bool | None = None
) -> torch.optim.Optimizer:
    """The optimiser that a configuration names, for all parameters that are trained.

    Weight decay acts on weights alone: on parameters with two axes or more that are no bias. In Adam
    and SGD it is a part of the gradient, in AdamW it is not (Loshchilov and Hutter, 2019,
    arXiv:1711.05101).

    Parameters
    ----------
    module : torch.nn.Module
    config : TrainConfig
    fused : bool, optional
        Whether an update is one loop over all values, as PyTorch has it: quicker, with another rounding.

    Returns
    -------
    torch.optim.Optimizer

    Examples
    --------
    >>> import torch
    >>> from nnstruct import TrainConfig
    >>> optimizer = make_optimizer(torch.nn.Linear(3, 2), TrainConfig(optimizer="adamw", weight_decay=0.1))
    >>> [group["weight_decay"] for group in optimizer.param_groups]
    [0.1, 0.0]
    """
    import torch

    groups, rate = _groups(module, config.weight_decay), config.learning_rate
    if config.optimizer == "sgd":
        return torch.optim.SGD(
            groups, lr=rate, momentum=config.momentum, nesterov=config.momentum > 0, fused=fused
        )
    kind = torch.optim.AdamW if config.optimizer == "adamw" else torch.optim.Adam
    return kind(groups, lr=rate, betas=ADAM_BETAS, eps=ADAM_EPSILON, fused=fused)


def rate_at(config: TrainConfig, step: int, steps: int) -> float:
    """Learning rate of one step of a training.

    Parameters
    ----------
    config : TrainConfig
        Gives the highest rate, the schedule and the share of the warm-up.
    step : int
        Counted from 0.
    steps : int
        Of the whole training.

    Returns
    -------
    float

    Examples
    --------
    >>> from nnstruct import TrainConfig
    >>> config = TrainConfig(learning_rate=0.1, schedule="cosine")
    >>> [round(rate_at(config, step, 4), 3) for step in range(4)]
    [0.1, 0.085, 0.05, 0.015]
    >>> config = TrainConfig(learning_rate=0.1, schedule="linear", warmup=0.5)
    >>> [round(rate_at(config, step, 4), 3) for step in range(4)]
    [0.05, 0.1, 0.1, 0.05]
    """
    rising = config.warmup * steps
    if step < rising:
        return config.learning_rate * min(1.0, (step + 1) / rising)
    done = (step - rising) / (steps - rising)
    if config.schedule == "cosine":
        return config.learning_rate * 0.5 * (1.0 + math.cos(math.pi * done))
    return config.learning_rate * (1.0 - done if config.schedule == "linear" else 1.0)


class Updates:
    """One update of a module's parameters after another: what all that train share.

    Parameters
    ----------
    module : torch.nn.Module
    config : TrainConfig
    steps : int
        How many there will be.
    rates : sequence of Tensor, optional
        For each parameter factors on its learning rate, one for each of its values.
    optimizer : torch.optim.Optimizer, optional
        Of the module's parameters; by default that of the configuration. The learning rates that its groups
        have now follow the configuration's schedule.

    Examples
    --------
    >>> import torch
    >>> from nnstruct import TrainConfig
    >>> module = torch.nn.Linear(3, 2)
    >>> updates = Updates(module, TrainConfig(), steps=1)
    >>> module(torch.ones(1, 3)).sum().backward()
    >>> before = module.bias.clone()
    >>> updates.step()
    >>> bool((module.bias < before).all())
    True
    """

    def __init__(
        self,
        module: nn.Module,
        config: TrainConfig,
        steps: int,
        rates: Sequence[Tensor] | None = None,
        optimizer: torch.optim.Optimizer | None = None,
    ) -> None:
        self.config, self.steps, self.done = config, steps, 0
        self.parameters, self.rates = list(module.parameters()), rates
        self.trained = [parameter for parameter in self.parameters if parameter.requires_grad]
        self.optimizer = optimizer or make_optimizer(module, config)
        self._first = [group["lr"] for group in self.optimizer.param_groups]

    def step(self) -> None:
        """Clip the gradient and move along it; gradients are cleared."""
        import torch

        torch.nn.utils.clip_grad_norm_(self.trained, self.config.clip_norm)
        rate = rate_at(self.config, self.done, self.steps)
        for group, first in zip(self.optimizer.param_groups, self._first, strict=True):
            same = first == self.config.learning_rate
            group["lr"] = rate if same else first * (rate / self.config.learning_rate)
        if self.rates is None:
            self.optimizer.step()
        else:
            self._scaled_step(self.rates)
        self.optimizer.zero_grad()
        self.done += 1

    def _scaled_step(self, rates: Sequence[Tensor]) -> None:
        """A step with a rate of its own for each value: all optimisers are linear in the rate.

        Rate times decay is the same for all values, so that the decay does not fade as the width grows: that
        of AdamW comes first and unscaled, that of the others is divided by the rate.
        """
        import torch

        decays = [group["weight_decay"] for group in self.optimizer.param_groups]
        with torch.no_grad():
            rate_of = dict(zip(map(id, self.parameters), rates, strict=True))
            for group in self.optimizer.param_groups:
                for parameter in group["params"] if group["weight_decay"] else ():
                    if self.config.optimizer == "adamw":
                        parameter.mul_(1.0 - group["lr"] * group["weight_decay"])
                    elif parameter.grad is not None:
                        rate = rate_of[id(parameter)]
                        decayed = group["weight_decay"] * parameter / rate.clamp_min(1e-30)
                        parameter.grad.add_(torch.where(rate > 0, decayed, 0.0))
                group["weight_decay"] = 0.0
            before = [parameter.clone() for parameter in self.parameters]
            self.optimizer.step()
            for parameter, old, rate in zip(self.parameters, before, rates, strict=True):
                parameter.copy_(torch.lerp(old, parameter, rate))
        for group, decay in zip(self.optimizer.param_groups, decays, strict=True):
            group["weight_decay"] = decay


def _groups(module: nn.Module, decay: float) -> list[dict[str, Any]]:
    trained = [(name, p) for name, p in module.named_parameters() if p.requires_grad]
    weights = [p for name, p in trained if p.dim() > 1 and "bias" not in name.rpartition(".")[2]]
    if not decay or not weights:
        return [{"params": [p for _, p in trained], "weight_decay": 0.0}]
    known = {id(p) for p in weights}
    others = [p for _, p in trained if id(p) not in known]
    return [{"params": weights, "weight_decay": decay}, {"params": others, "weight_decay": 0.0}]
