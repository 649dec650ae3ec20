"""How all members of an ensemble are trained and asked together."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from nnstruct.encode.packed import PackedGraphs
from nnstruct.encode.packed_kernel import KINDS
from nnstruct.predictors.gnn.batches import GraphBatch, spans
from nnstruct.predictors.gnn.inference import Questions
from nnstruct.predictors.gnn.losses import LOG_VARIANCE, batch_loss
from nnstruct.predictors.gnn.network import Dropout, StructureNet
from nnstruct.predictors.threads import limited_threads
from nnstruct.random import derive_seed, generator

# Float32 numbers that one pass may hold beside the weights, and units that fit into a processor's caches.
_MOST_NUMBERS = 2**27
_CACHED_UNITS = 1536
_PREDICT_GRAPHS = 512
# How often a course asks what was held out.
CHECKS = 20


@dataclass(frozen=True)
class LearningCourse:
    """A course of training.

    Attributes
    ----------
    steps : int
        Of the optimiser, AdamW (Loshchilov and Hutter, 2019); the rate falls to zero as a half cosine.
    batch_size : int
        Graphs a step.
    learning_rate, weight_decay, dropout : float
    loss : str
        One of :data:`nnstruct.predictors.gnn.losses.LOSSES`.
    seed : int
        Decides the batches and the dropout.
    """

    steps: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    dropout: float
    loss: str
    seed: int


class Learner:
    """Members that learn from labelled graphs, all in one pass; each batch serves every member.

    Parameters
    ----------
    net : StructureNet
        Its weights are the start, and stay as they are.
    graphs : PackedGraphs
        Of n graphs.
    target : float64 [members, n]
    weight : float64 [members, n]
        Zero where a member does not learn from a graph.
    course : LearningCourse
    held_out : float64 [members, n], optional
        What the graphs count by which a member's best weights are told, as its loss on them is taken after
        every twentieth of the course; otherwise the last weights are kept.
    """

    def __init__(
        self,
        net: StructureNet,
        graphs: PackedGraphs,
        target: np.ndarray,
        weight: np.ndarray,
        course: LearningCourse,
        held_out: np.ndarray | None = None,
    ) -> None:
        self.graphs, self.course, self.steps_done = graphs, course, 0
        self.device = next(iter(net.weights.values())).device
        weights = {name: one.detach().clone().requires_grad_() for name, one in net.weights.items()}
        self._learner = StructureNet(net.shape, weights, net.typical)
        self._parameters = list(weights.values())
        self._optimizer = torch.optim.AdamW(
            self._parameters, lr=course.learning_rate, weight_decay=course.weight_decay, fused=True
        )
        seed = derive_seed(course.seed, "dropout") % 2**63
        self._dropout = Dropout(course.dropout, seed, str(self.device))
        self._rng = generator(course.seed, "batches")
        self._targets = torch.from_numpy(target.astype(np.float32)).to(self.device)
        self._shares = torch.from_numpy(weight.astype(np.float32)).to(self.device)
        self._useful = np.flatnonzero(weight.any(axis=0))
        self._waiting = np.zeros(0, dtype=np.int64)
        self._most_units = unit_budget(net)
        self._held_out = None if held_out is None else torch.from_numpy(held_out.astype(np.float32))
        self._checked = np.flatnonzero(np.zeros(0) if held_out is None else held_out.any(axis=0))
        self._best_loss = torch.full((net.shape.members,), torch.inf)
        self._best: dict[str, Tensor] = {}

    @property
    def net(self) -> StructureNet:
        """What was learned, apart from the learner."""
        if self._best:
            return StructureNet(self._learner.shape, self._best, self._learner.typical)
        return self._now()

    def _now(self) -> StructureNet:
        weights = {name: one.detach().clone() for name, one in self._learner.weights.items()}
        return StructureNet(self._learner.shape, weights, self._learner.typical)

    def step(self) -> Tensor:
        """Take one step.

        Returns
        -------
        float32 Tensor [members]
            The loss of each.
        """
        course = self.course
        progress = self.steps_done / course.steps
        for group in self._optimizer.param_groups:
            group["lr"] = course.learning_rate * 0.5 * (1.0 + math.cos(math.pi * progress))
        size = min(course.batch_size, len(self._useful))
        while len(self._waiting) < size:
            self._waiting = np.concatenate([self._waiting, self._rng.permutation(self._useful)])
        chosen, self._waiting = self._waiting[:size], self._waiting[size:]
        whole = self._shares[:, chosen].sum(dim=1).clamp_min(1e-12)
        told = torch.zeros_like(whole)
        for parameter in self._parameters:
            parameter.grad = None
        for part in spans(self.graphs, chosen, self._most_units, size):
            share = self._shares[:, part]
            output = self._learner(GraphBatch.of(self.graphs, part, self.device), self._dropout)
            losses = batch_loss(course.loss, output, self._targets[:, part], share)
            losses = losses * share.sum(dim=1) / whole
            # Members share no weight, so that the slope of the sum is the slope of each.
            losses.sum().backward()
            told += losses.detach()
        for parameter in self._parameters:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        self._optimizer.step()
        self.steps_done += 1
        due = self.steps_done * CHECKS // course.steps > (self.steps_done - 1) * CHECKS // course.steps
        if due and self._held_out is not None:
            self._keep_the_best(self._held_out)
        return told

    def _keep_the_best(self, held_out: Tensor) -> None:
        now = self._now()
        said = torch.from_numpy(ask(now, self.graphs, self._checked)).to(torch.float32)
        share, target = held_out[:, self._checked], self._targets.cpu()[:, self._checked]
        if self.course.loss == "gaussian":
            # Variances are scaled to errors afterwards: plain overconfidence must not hide a better mean.
            log_variance = said[..., 1].clamp(*LOG_VARIANCE)
            total = share.sum(dim=1)
            scale = (share * (said[..., 0] - target) ** 2 * torch.exp(-log_variance)).sum(dim=1) / total
            loss = (share * log_variance).sum(dim=1) / total + torch.log(scale.clamp_min(1e-12))
        else:
            loss = batch_loss(self.course.loss, said, target, share)
        better = loss < self._best_loss
        self._best_loss = torch.where(better, loss, self._best_loss)
        for name, one in now.weights.items():
            places = better.to(one.device).view(-1, *[1] * (one.dim() - 1))
            self._best[name] = torch.where(places, one, self._best.get(name, one))


def run_through(stage: str, learner: Learner) -> None:
    """Take all steps.

    Parameters
    ----------
    stage : str
        What is learned from, for those that tell of it.
    learner : Learner
    """
    while learner.steps_done < learner.course.steps:
        learner.step()


@torch.no_grad()
def ask(net: StructureNet, graphs: PackedGraphs, chosen: np.ndarray | None = None) -> np.ndarray:
    """What each member says of each graph.

    Parameters
    ----------
    net : StructureNet
    graphs : PackedGraphs
        Of n graphs.
    chosen : int64 [m], optional
        Which; all by default.

    Returns
    -------
    float64 [members, m, outputs]
    """
    device = next(iter(net.weights.values())).device
    # Graphs of like size side by side make passes of like size.
    chosen = np.arange(len(graphs)) if chosen is None else chosen
    order = np.argsort(np.diff(graphs.unit_start)[chosen], kind="stable")
    compiled = device.type == "cpu" and net.shape.layer == "bidirectional"
    most_units = unit_budget(net)
    if device.type == "cpu" and not compiled:
        most_units = min(_CACHED_UNITS, most_units)
    sorted_said = np.empty((net.shape.members, len(chosen), net.shape.outputs))
    answer = Questions(net) if compiled else net
    done = 0
    with limited_threads(torch.get_num_threads()):
        for part in spans(graphs, chosen[order], most_units, _PREDICT_GRAPHS):
            said_of_part = answer(GraphBatch.of(graphs, part, device))
            sorted_said[:, done : done + len(part)] = said_of_part.cpu().numpy()
            done += len(part)
    said = np.empty_like(sorted_said)
    said[:, order] = sorted_said
    return said


def unit_budget(net: StructureNet) -> int:
    """Units that one pass may hold, so that memory stays bounded: what is larger comes alone.

    Parameters
    ----------
    net : StructureNet

    Returns
    -------
    int
        At least 1.
    """
    shape = net.shape
    a_unit = shape.members * shape.hidden * (KINDS + 6) * shape.layers
    return max(1, _MOST_NUMBERS // a_unit)
