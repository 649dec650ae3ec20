"""SynFlow: iterative pruning at initialisation that looks at no data and never cuts a layer off first.

References
----------
H. Tanaka, D. Kunin, D. L. K. Yamins, S. Ganguli, Pruning neural networks without any data by iteratively
conserving synaptic flow (2020), arXiv:2006.05467.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from nnstruct.checks import check_rounds
from nnstruct.modules.saliency import magnitudes, saliency
from nnstruct.pruning.base import PRUNERS, Row, ScoringPruner
from nnstruct.pruning.training.gradients import TaskBatch, device_of, effective_gradients, still
from nnstruct.pruning.workpiece import Workpiece
from nnstruct.tasks import Task


@PRUNERS.register("synflow")
@dataclass(frozen=True, kw_only=True)
class SynFlow(ScoringPruner):
    """Keeps the weights with the largest synaptic flow, in many small steps (Tanaka et al., 2020).

    With all weights replaced by their magnitudes, no biases, and an input of ones, R is the sum of the
    outputs; the flow of a weight is ``|dR/dw * w|``. In step i of n the share ``density ** (i / n)`` is
    kept. The task gives the shape of the input only; a network of symbols reads each symbol once.

    Parameters
    ----------
    classes : {"blind", "uniform"}
        Whether the share holds for all tensors together or for each.
    steps : int
        n.

    Examples
    --------
    >>> from torch import nn
    >>> from nnstruct import load_task
    >>> from nnstruct.pruning import prune
    >>> sparse = prune(nn.Linear(64, 10), 0.1, method="synflow", task=load_task("digits"))
    >>> int((sparse.weight != 0).sum())
    64
    """

    name = "synflow"
    source = "Tanaka, Kunin, Yamins and Ganguli, 2020"
    needs_task = True

    steps: int = 100

    def check(self) -> None:
        """Raise :class:`InvalidInputError` where an option breaks its rule."""
        super().check()
        check_rounds(self.steps, "steps")

    def apply(self, work: Workpiece, density: float) -> list[Row]:
        """Prune in ``steps`` steps, each with the flow of what the step before has left."""
        batch = _ones(work.data(), work)
        present = sum(int(alive.sum()) for alive in work.alive) / sum(work.totals)
        if not present:
            return []
        with still(work.module, work.seed), magnitudes(work.module, added=False):
            for step in range(1, self.steps + 1):
                # From what is left to what is asked for, the same ratio in every step.
                now = density if step == self.steps else present * (density / present) ** (step / self.steps)
                scores = self._flow(work, batch)
                work.keep(self.best_of(scores, work, max(now, density)), clear=False)
        work.keep(work.alive)
        return []

    def scores(self, work: Workpiece) -> list[Tensor]:
        """The synaptic flow of each unit, summed over its gates."""
        with still(work.module, work.seed), magnitudes(work.module, added=False):
            return self._flow(work, _ones(work.data(), work))

    def _flow(self, work: Workpiece, batch: TaskBatch) -> list[Tensor]:
        gradients, _ = effective_gradients(work.slots, lambda: batch.scores(work.module).sum())
        flows = [
            slot.total_over_gates(saliency(slot.weight, gradient))
            for slot, gradient in zip(work.slots, gradients, strict=True)
        ]
        # Products over many layers leave the range in which sums of ranks stay exact.
        scale = max((float(flow.max()) for flow in flows), default=1.0) or 1.0
        return [flow / scale for flow in flows]


def _ones(task: Task, work: Workpiece) -> TaskBatch:
    device = device_of(work.module)
    nothing = torch.zeros(1, dtype=torch.int64, device=device)
    if task.is_series:
        lengths = torch.tensor([task.input_shape[0]], device=device)
        inputs = torch.ones((1, *task.input_shape), dtype=torch.float64, device=device)
        return TaskBatch(inputs, lengths, nothing, task.goal)
    if task.is_sequence:
        symbols = torch.arange(1, int(task.num_symbols or 0), device=device)[None]
        lengths = torch.tensor([symbols.shape[1]], device=device)
        return TaskBatch(symbols, lengths, nothing, task.goal)
    inputs = torch.ones((1, *task.input_shape), dtype=torch.float64, device=device)
    return TaskBatch(inputs, None, nothing, task.goal)
