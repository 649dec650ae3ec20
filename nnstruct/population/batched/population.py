"""A population in training: losses, steps, curves."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from nnstruct.modules.parameters import initial_parameters
from nnstruct.population.batched.blocks import pack, unpack
from nnstruct.population.batched.feeder import Fed, Feeder
from nnstruct.population.batched.model import BatchedModel
from nnstruct.population.batched.optimiser import PopulationAdam
from nnstruct.population.batched.replay import Replayed
from nnstruct.population.batches import epoch_batches, evaluation_batches
from nnstruct.population.loop.data import PLAIN, goal_code
from nnstruct.population.outcome import Outcome
from nnstruct.record import TrainConfig
from nnstruct.tasks import SPLIT_NAMES, Split, Task
from nnstruct.tasks.goals import NOT_ASKED

if TYPE_CHECKING:
    from nnstruct.population.job import Job

# Lengths are rounded up on a GPU so that few graphs serve all batches.
GPU_ROUNDING = 8


class Population:
    """P networks of one family, trained together and each as if alone.

    Parameters
    ----------
    jobs : sequence of P Job
    model : BatchedModel
        Of their structures, in that order.
    task : Task
    config : TrainConfig
    device : str
        ``cpu``, ``cuda``, ``cuda:1`` ...
    """

    def __init__(
        self, jobs: Sequence[Job], model: BatchedModel, task: Task, config: TrainConfig, device: str = "cpu"
    ) -> None:
        self.jobs, self.model, self.task, self.config = jobs, model, task, config
        self.device = torch.device(device)
        self.seeds = sorted({job.seed for job in jobs})
        self.group = torch.tensor([self.seeds.index(job.seed) for job in jobs], device=self.device)
        self.slots = [model.slots(index) for index in range(len(jobs))]
        named = [initial_parameters(job.structure, task, config, job.seed) for job in jobs]
        rows, trained = pack(self.slots, named, model.blocks.size)
        self.rows = torch.from_numpy(rows).to(self.device).requires_grad_()
        self.adam = PopulationAdam(self.rows, torch.from_numpy(trained).to(self.rows), config)
        rounding = 1 if self.device.type == "cpu" else GPU_ROUNDING
        self.feeders = {
            name: Feeder(getattr(task, name), model.lookup, rounding=rounding, device=self.device)
            for name in SPLIT_NAMES
        }
        weights = task.goal.class_weights
        self.class_weights = None if weights is None else torch.tensor(weights, device=self.device)
        self.plain = goal_code(task) == PLAIN
        shape = (len(jobs), task.num_outputs)
        self.counts = {
            name: torch.zeros(shape, dtype=torch.float64, device=self.device)
            for name in ("squared", "absolute", "hits_by_class")
        }
        self.cross_entropy = torch.zeros(len(jobs), dtype=torch.float64, device=self.device)
        self.alive = torch.ones(len(jobs), dtype=torch.bool, device=self.device)
        self.loss = torch.zeros(len(jobs), dtype=torch.float64, device=self.device)
        self.hits = torch.zeros_like(self.loss)
        self._train = Replayed(self._train_step, self.device)
        self._evaluate = {name: Replayed(partial(self._count, name), self.device) for name in ("val", "test")}

    def losses(self, fed: Fed) -> tuple[Tensor, Tensor]:
        """Losses and scores on a batch, with the current parameters.

        Parameters
        ----------
        fed : Fed
            Of B examples for each network.

        Returns
        -------
        losses : float32 Tensor [P, B], or [P, T * B]
            Cross-entropies without weights, or squared errors, the mean over targets; those of lanes that
            fill up a small batch have no meaning.
        scores : float32 Tensor [P, C, B], or [P, C, T * B]
        """
        scores = self.model.scores(self.model.blocks.split(self.rows), fed.batch)
        if self.task.kind == "regression":
            return ((scores - fed.targets) ** 2).mean(1), scores
        return nn.functional.cross_entropy(scores, fed.targets, reduction="none"), scores

    def weights(self, fed: Fed) -> Tensor:
        """What each loss counts, of the shape of the losses; 0 for what is not asked.

        Parameters
        ----------
        fed : Fed

        Returns
        -------
        Tensor
        """
        return fed.real if self.class_weights is None else fed.real * self.class_weights[fed.targets]

    def _train_step(self, positions: Tensor, steps: int) -> None:
        fed = self.feeders["train"].feed(positions, steps, self.group)
        weights = self.weights(fed)
        counts = weights.sum(1)  # [P]
        each, _ = self.losses(fed)
        means = (each * weights).sum(1) / counts
        (gradient,) = torch.autograd.grad(means.sum(), self.rows)
        self.loss += means.detach().double() * counts
        self.alive &= self.loss.isfinite()
        self.adam.step(gradient, self.alive)

    @torch.no_grad()
    def _count(self, name: str, positions: Tensor, steps: int) -> None:
        fed = self.feeders[name].feed(positions, steps, self.group)
        each, scores = self.losses(fed)
        self.loss += (each * self.weights(fed)).sum(1).double()
        if self.task.kind == "regression":
            error = ((scores - fed.targets) * fed.real[:, None]).double()  # [P, K, B]
            self.counts["squared"] += (error**2).sum(2)
            self.counts["absolute"] += error.abs().sum(2)
            return
        right = (scores.argmax(1) == fed.targets) * fed.real
        self.hits += right.sum(1).double()
        if not self.plain:
            self.cross_entropy += (each * fed.real).sum(1).double()
            self.counts["hits_by_class"].scatter_add_(1, fed.targets, right.double())

    def _lanes(self, name: str) -> int:
        return min(self.config.batch_size, len(getattr(self.task, name)))

    def train_epoch(self, epoch: int) -> np.ndarray:
        """One pass over the training split.

        Parameters
        ----------
        epoch : int
            From 0 on; with each network's seed it decides the batches.

        Returns
        -------
        float64 [P]
            Mean losses in the course of the epoch; not finite for a network that has diverged.
        """
        split = self.task.train
        batches = [epoch_batches(split, self.config, seed, epoch) for seed in self.seeds]
        plan = self.feeders["train"].plan(batches, self._lanes("train"))
        self.loss.zero_()
        for positions, steps in zip(plan.positions, plan.steps, strict=True):
            self._train(positions, steps)
        return self.loss.cpu().numpy() / self._asked("train")

    def _asked(self, name: str) -> float:
        """Weight of all that a split asks."""
        return self.task.goal.weight(torch.from_numpy(getattr(self.task, name).targets))

    def evaluate(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Mean losses and scores on a split.

        Parameters
        ----------
        name : {"val", "test"}

        Returns
        -------
        losses : float64 [P]
            Means, as the task's goal counts them.
        scores : float64 [P]
            The task's metric, such as the accuracy.
        """
        split = getattr(self.task, name)
        plan = self.feeders[name].plan([evaluation_batches(split, self.config)], self._lanes(name))
        for total in (self.loss, self.hits, self.cross_entropy, *self.counts.values()):
            total.zero_()
        for positions, steps in zip(plan.positions, plan.steps, strict=True):
            self._evaluate[name](positions, steps)
        losses = self.loss.cpu().numpy() / self._asked(name)
        if self.plain:
            return losses, self.hits.cpu().numpy() / len(split)
        return losses, np.array([self._score(index, split) for index in range(len(self.jobs))])

    def _score(self, index: int, split: Split) -> float:
        """The task's metric of one network, from what was counted."""
        tally, targets = self.task.goal.tally(), split.targets
        if self.task.kind == "regression":
            real = targets.astype(np.float64)
            tally.sums = {
                "asked": len(split), "targets": real.sum(axis=0), "targets_squared": (real**2).sum(axis=0),
                "squared": self.counts["squared"][index].cpu().numpy(),
                "absolute": self.counts["absolute"][index].cpu().numpy(),
            }  # fmt: skip
            return tally.score
        asked = targets[targets != NOT_ASKED]
        tally.sums = {
            "asked": len(asked), "hits": float(self.hits[index]),
            "cross_entropy": float(self.cross_entropy[index]),
            "hits_by_class": self.counts["hits_by_class"][index].cpu().numpy(),
            "asked_by_class": np.bincount(asked, minlength=self.task.num_outputs).astype(np.float64),
        }  # fmt: skip
        return tally.score

    def train(self, keep: Collection[int] = ()) -> list[Outcome]:
        """Train for all epochs, or until every network has diverged.

        Parameters
        ----------
        keep : collection of int
            Epochs, from 1 on, after which parameters are kept.

        Returns
        -------
        list of P Outcome
            In the order of the jobs, with the parameters.
        """
        outcomes = [Outcome() for _ in self.jobs]
        running = set(range(len(self.jobs)))
        for epoch in range(self.config.epochs):
            train_loss = self.train_epoch(epoch)
            val_loss, val = self.evaluate("val")
            running -= {
                index
                for index in running
                if not outcomes[index].add_epoch(
                    float(train_loss[index]), float(val_loss[index]), float(val[index])
                )
            }
            if not running:
                break
            if epoch + 1 in keep:
                for index, parameters in self._parameters():
                    if index in running:
                        outcomes[index].kept[epoch + 1] = parameters
        else:
            test_loss, test = self.evaluate("test")
            for index in running:
                outcomes[index].test_loss, outcomes[index].test = float(test_loss[index]), float(test[index])
        for index, parameters in self._parameters():
            outcomes[index].parameters = parameters
        return outcomes

    def _parameters(self) -> Iterator[tuple[int, dict[str, np.ndarray]]]:
        """Each network's place and its parameters as they are now."""
        rows = self.rows.detach().cpu().numpy()
        for index, (slots, row) in enumerate(zip(self.slots, rows, strict=True)):
            yield index, unpack(slots, row)
