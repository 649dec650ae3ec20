"""Adam with gradient clipping, for each network of a population on its own."""

from __future__ import annotations

import torch
from torch import Tensor

from nnstruct.population.optimisers import ADAM_BETAS, ADAM_EPSILON
from nnstruct.record import TrainConfig


class PopulationAdam:
    """Adam (Kingma and Ba, 2015, arXiv:1412.6980) over rows of parameters, all on the device.

    Parameters
    ----------
    rows : Tensor [P, M]
        Changed in place.
    trained : Tensor [P, M]
        1 where a row holds a parameter, 0 where it is padding.
    config : TrainConfig
        Gives the learning rate and the norm to which gradients are clipped.
    """

    def __init__(self, rows: Tensor, trained: Tensor, config: TrainConfig) -> None:
        self.rows, self.trained, self.config = rows, trained, config
        self.first, self.second = torch.zeros_like(trained), torch.zeros_like(trained)
        self.steps = torch.zeros((), dtype=torch.float64, device=rows.device)

    @torch.no_grad()
    def step(self, gradient: Tensor, alive: Tensor) -> None:
        """Take one step, each network with its own gradient norm clipped.

        Parameters
        ----------
        gradient : Tensor [P, M]
            Overwritten.
        alive : bool Tensor [P]
            The rows of the other networks stay as they are.
        """
        gradient.mul_(self.trained)
        norm = torch.linalg.vector_norm(gradient, dim=1, keepdim=True)
        gradient.mul_((self.config.clip_norm / (norm + 1e-6)).clamp(max=1.0))
        self.steps += 1
        beta1, beta2 = ADAM_BETAS
        self.first.lerp_(gradient, 1 - beta1)
        self.second.mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)
        correction1 = 1 - torch.pow(beta1, self.steps)
        correction2 = (1 - torch.pow(beta2, self.steps)).sqrt()
        scale = (self.config.learning_rate / correction1).to(gradient.dtype)
        size = torch.sqrt(self.second).div_(correction2.to(gradient.dtype)).add_(ADAM_EPSILON)
        change = torch.div(self.first, size, out=gradient).mul_(scale)
        self.rows.sub_(change.masked_fill_(~alive[:, None], 0.0))
