"""The plain engine: one PyTorch module after the other, by the book."""

from __future__ import annotations

import numpy as np

from nnstruct.population.batches import epoch_batches, evaluation_batches
from nnstruct.population.outcome import Outcome
from nnstruct.record import TrainConfig
from nnstruct.structure import Structure
from nnstruct.tasks import Split, Task

ADAM_BETAS = (0.9, 0.999)
ADAM_EPSILON = 1e-8


def train_one(structure: Structure, task: Task, config: TrainConfig, seed: int) -> Outcome:
    """Train one network and keep its curves and weights."""
    import torch
    from torch import nn

    from nnstruct.networks import build_module

    module = build_module(structure, task, config, seed=seed)
    optimiser = torch.optim.Adam(
        module.parameters(), lr=config.learning_rate, betas=ADAM_BETAS, eps=ADAM_EPSILON
    )
    data = {name: _tensors(getattr(task, name)) for name in ("train", "val", "test")}
    outcome = Outcome()

    def evaluate(name: str) -> tuple[float, float]:
        inputs, targets = data[name]
        loss = correct = 0.0
        with torch.no_grad():
            for batch in evaluation_batches(getattr(task, name), config):
                scores = module(*(array[batch] for array in inputs))
                loss += float(nn.functional.cross_entropy(scores, targets[batch], reduction="sum"))
                correct += float((scores.argmax(1) == targets[batch]).sum())
        return loss / len(targets), correct / len(targets)

    inputs, targets = data["train"]
    for epoch in range(config.epochs):
        total = 0.0
        for batch in epoch_batches(task.train, config, seed, epoch):
            optimiser.zero_grad()
            scores = module(*(array[batch] for array in inputs))
            loss = nn.functional.cross_entropy(scores, targets[batch])
            loss.backward()
            nn.utils.clip_grad_norm_(module.parameters(), config.clip_norm)
            optimiser.step()
            total += float(loss.detach()) * len(batch)
            if not np.isfinite(total):
                break
        if not np.isfinite(total) or not outcome.add_epoch(total / len(targets), *evaluate("val")):
            break
    else:
        outcome.test_loss, outcome.test = evaluate("test")
    outcome.parameters = module.parameters_by_name()
    return outcome


def _tensors(split: Split) -> tuple:
    """What the module takes, and the targets."""
    import torch

    arrays = (split.inputs,) if split.lengths is None else (split.inputs, split.lengths)
    return tuple(torch.from_numpy(array) for array in arrays), torch.from_numpy(split.targets)
