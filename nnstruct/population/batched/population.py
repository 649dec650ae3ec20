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
from nnstruct.population.outcome import Outcome
from nnstruct.record import TrainConfig
from nnstruct.tasks import SPLIT_NAMES, Task

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
        losses : float32 Tensor [P, B]
            Cross-entropies; those of lanes that fill up a small batch have no meaning.
        scores : float32 Tensor [P, C, B]
        """
        scores = self.model.scores(self.model.blocks.split(self.rows), fed.batch)
        return nn.functional.cross_entropy(scores, fed.targets, reduction="none"), scores

    def _train_step(self, positions: Tensor, steps: int) -> None:
        fed = self.feeders["train"].feed(positions, steps, self.group)
        counts = fed.real.sum(1)  # [P]
        each, _ = self.losses(fed)
        means = (each * fed.real).sum(1) / counts
        (gradient,) = torch.autograd.grad(means.sum(), self.rows)
        self.loss += means.detach().double() * counts
        self.alive &= self.loss.isfinite()
        self.adam.step(gradient, self.alive)

    @torch.no_grad()
    def _count(self, name: str, positions: Tensor, steps: int) -> None:
        fed = self.feeders[name].feed(positions, steps, self.group)
        each, scores = self.losses(fed)
        self.loss += (each * fed.real).sum(1).double()
        self.hits += ((scores.argmax(1) == fed.targets) * fed.real).sum(1).double()

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
        return self.loss.cpu().numpy() / len(split)

    def evaluate(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Mean losses and accuracies on a split.

        Parameters
        ----------
        name : {"val", "test"}

        Returns
        -------
        losses : float64 [P]
            Mean cross-entropies.
        accuracies : float64 [P]
            From 0 to 1.
        """
        split = getattr(self.task, name)
        plan = self.feeders[name].plan([evaluation_batches(split, self.config)], self._lanes(name))
        self.loss.zero_()
        self.hits.zero_()
        for positions, steps in zip(plan.positions, plan.steps, strict=True):
            self._evaluate[name](positions, steps)
        return self.loss.cpu().numpy() / len(split), self.hits.cpu().numpy() / len(split)

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
