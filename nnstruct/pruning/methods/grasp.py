"""GraSP: which connections carry the flow of the gradient before any training.

References
----------
C. Wang, G. Zhang, R. Grosse, Picking winning tickets before training by preserving gradient flow (2020),
arXiv:2002.07376.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from nnstruct.checks import check_integer, check_number
from nnstruct.pruning.base import PRUNERS, ScoringPruner
from nnstruct.pruning.slots import slots_of
from nnstruct.pruning.training.gradients import device_of, effective_gradients, sample, still
from nnstruct.pruning.workpiece import Workpiece


@PRUNERS.register("grasp")
@dataclass(frozen=True, kw_only=True)
class Grasp(ScoringPruner):
    """Keeps the weights whose removal would weaken the gradient most (Wang et al., 2020).

    Without weight w the squared gradient norm changes by ``-2 w (H g)`` to first order, so that those
    with the largest ``w (H g)`` stay; H is the Hessian of the loss, whose product with the gradient g is
    exact. Meant for a network before training.

    Parameters
    ----------
    classes : {"blind", "uniform"}
        Whether the share holds for all tensors together or for each.
    samples : int
        Training examples.
    temperature : float
        Class scores are divided by it; the authors use 200.

    Examples
    --------
    >>> from torch import nn
    >>> from nnstruct import load_task
    >>> from nnstruct.pruning import prune
    >>> sparse = prune(nn.Linear(64, 10), 0.1, method="grasp", task=load_task("digits"))
    >>> int((sparse.weight != 0).sum())
    64
    """

    name = "grasp"
    source = "Wang, Zhang and Grosse, 2020"
    needs_task = True

    samples: int = 256
    temperature: float = 200.0

    def check(self) -> None:
        """Raise :class:`InvalidInputError` where an option breaks its rule."""
        super().check()
        check_integer(self.samples, "samples")
        check_number(self.temperature, "temperature", low=0, open_low=True)

    def scores(self, work: Workpiece) -> list[Tensor]:
        """``w (H g)`` of each unit, summed over its gates and scaled to a mean magnitude of 1."""
        device = device_of(work.module)
        if device.type == "cuda" and any(isinstance(part, nn.RNNBase) for part in work.module.modules()):
            module = copy.deepcopy(work.module).cpu()  # recurrent kernels there have no second derivative
            work = replace(work, module=module, slots=slots_of(module, self.scope))
        batch = sample(work.data(), self.samples, work.seed, device_of(work.module))

        def loss() -> Tensor:
            return batch.goal.loss(batch.scores(work.module) / self.temperature, batch.targets)

        with still(work.module, work.seed, unfused=True):
            gradients, weights = effective_gradients(work.slots, loss, create_graph=True)
            norm = torch.stack([(gradient**2).sum() for gradient in gradients]).sum() / 2
            flat = [weight for places in weights for weight in places]
            found = iter(torch.autograd.grad(norm, flat, allow_unused=True))
        products = []
        for places in weights:
            own = [given for given in (next(found) for _ in places) if given is not None]
            flow = torch.stack(own).sum(0) if own else torch.zeros_like(places[0])
            products.append((flow * places[0]).detach())
        scale = torch.cat([product.abs().flatten() for product in products]).mean().clamp(min=1e-30)
        return [
            slot.total_over_gates(product / scale).to(device)
            for slot, product in zip(work.slots, products, strict=True)
        ]
