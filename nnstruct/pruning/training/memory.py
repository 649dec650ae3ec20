"""What an optimiser of PyTorch remembers, as hooks and compiled loops take it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from nnstruct.pruning.training.hooks import Memory


class OptimizerMemory(Memory):
    """The state of an optimiser of PyTorch.

    Parameters
    ----------
    optimizer : torch.optim.Optimizer
        An Adam, for everything but :meth:`forget`.
    """

    def __init__(self, optimizer: torch.optim.Optimizer) -> None:
        self._state = optimizer.state

    def forget(self, parameter: nn.Parameter, kept: Tensor) -> None:
        """Clear some entries of every tensor of the parameter's shape in the optimiser's state."""
        for value in self._state.get(parameter, {}).values():
            if isinstance(value, Tensor) and value.shape == kept.shape:
                value.mul_(kept)

    @property
    def steps_taken(self) -> int:
        """Updates so far."""
        return max((int(held["step"]) for held in self._state.values()), default=0)

    def first(self, parameter: Tensor) -> Tensor:
        """The running mean of a parameter's gradient.

        Parameters
        ----------
        parameter : Tensor
            One that the optimiser trains.

        Returns
        -------
        Tensor
            Of the parameter's shape; zeros before the first update.
        """
        return self._of(parameter, "exp_avg")

    def second(self, parameter: Tensor) -> Tensor:
        """The running mean of the square of a parameter's gradient.

        Parameters
        ----------
        parameter : Tensor
            One that the optimiser trains.

        Returns
        -------
        Tensor
            Of the parameter's shape; zeros before the first update.
        """
        return self._of(parameter, "exp_avg_sq")

    def _of(self, parameter: Tensor, name: str) -> Tensor:
        held = self._state.get(parameter)
        return held[name] if held else torch.zeros_like(parameter)
