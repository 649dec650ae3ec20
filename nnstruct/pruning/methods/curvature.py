"""The diagonal of the Gauss-Newton matrix of the loss."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, vjp, vmap

from nnstruct.errors import InvalidInputError
from nnstruct.pruning.training.gradients import TaskBatch
from nnstruct.tasks import Goal
from nnstruct.tasks.goals import RegressionGoal

_MOST_VALUES = 2**24  # gradients held at once
Weights = dict[str, Tensor]


def gauss_newton_diagonal(module: nn.Module, names: list[str], batch: TaskBatch) -> list[Tensor]:
    """The exact diagonal for the mean loss of a batch, by some parameters.

    With the Jacobian J of an example's C class scores and their probabilities p, the matrix is the mean
    of ``J^T (diag(p) - p p^T) J``, positive semi-definite, and equal to the Hessian wherever the scores
    are linear in the weight. The middle factor is ``S S^T`` with ``S = diag(sqrt p) - p sqrt(p)^T``, so
    that the diagonal is a sum of squared gradients, C for each example. For the mean squared error of K
    targets ``S`` is the unit matrix times sqrt(2 / K).

    Parameters
    ----------
    module : nn.Module
    names : list of str
        Of its parameters.
    batch : TaskBatch

    Returns
    -------
    list of Tensor
        Of each parameter's shape.
    """
    if batch.goal.every_step or batch.goal.class_weights is not None:
        rule = "ask once an example, without weights of classes, for second derivatives"
        raise InvalidInputError("task", rule, type(batch.goal).__name__)
    weights = {name: module.get_parameter(name).detach() for name in names}
    found = None
    if batch.lengths is None:
        try:
            found = _together(module, weights, batch)
        except (RuntimeError, ValueError):  # an operation that cannot be batched over examples
            found = None
    if found is None:
        found = _one_by_one(module, names, batch)
    return [total / len(batch.targets) for total in found]


def _factor(scores: Tensor, goal: Goal) -> Tensor:
    if isinstance(goal, RegressionGoal):  # the mean of K squares has the second derivative 2 / K
        return torch.eye(len(scores), dtype=scores.dtype, device=scores.device) * math.sqrt(2 / len(scores))
    p = scores.detach().softmax(0)
    return (torch.diag(p.sqrt()) - torch.outer(p, p.sqrt())).T  # [C, C], a row for each gradient


def _together(module: nn.Module, weights: Weights, batch: TaskBatch) -> list[Tensor]:
    def squares(example: Tensor) -> Weights:
        pulled: Any = vjp(lambda own: functional_call(module, own, (example[None],))[0], weights)
        scores, pull = pulled[:2]
        gradients = vmap(pull)(_factor(scores, batch.goal))[0]  # [C, *weight] each
        return {name: (gradient**2).sum(0) for name, gradient in gradients.items()}

    classes = functional_call(module, weights, (batch.inputs[:1],)).shape[1]
    size = max(1, _MOST_VALUES // (classes * sum(weight.numel() for weight in weights.values())))
    totals = [torch.zeros_like(weight) for weight in weights.values()]
    for part in batch.inputs.split(size):
        for total, square in zip(totals, vmap(squares)(part).values(), strict=True):
            total += square.detach().sum(0)
    return totals


def _one_by_one(module: nn.Module, names: list[str], batch: TaskBatch) -> list[Tensor]:
    weights = [module.get_parameter(name).requires_grad_(True) for name in names]
    totals = [torch.zeros_like(weight, requires_grad=False) for weight in weights]
    for example in range(len(batch.targets)):
        with torch.enable_grad():
            scores = batch.part(torch.tensor([example])).scores(module)[0]  # [C]
        for row in _factor(scores, batch.goal):
            gradients = torch.autograd.grad(scores, weights, row, retain_graph=True, allow_unused=True)
            for total, gradient in zip(totals, gradients, strict=True):
                if gradient is not None:
                    total.addcmul_(gradient, gradient)
    return totals
