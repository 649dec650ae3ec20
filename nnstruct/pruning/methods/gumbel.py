"""Masks that gradient descent learns together with the weights.

References
----------
Z. Zhang, R. Tao, J. Zhang, Neural network pruning by gradient descent (2023), arXiv:2311.12526.
E. Jang, S. Gu, B. Poole, Categorical reparameterization with Gumbel-softmax (2017), arXiv:1611.01144.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor

from nnstruct.checks import check_number, check_share
from nnstruct.pruning.base import PRUNERS, Pruner, Row
from nnstruct.pruning.selection import largest
from nnstruct.pruning.training.hooks import Hook, TrainingPlace
from nnstruct.pruning.training.training import train_in_place
from nnstruct.pruning.workpiece import Workpiece, count_of

# In fewer updates than these logits move faster, so that they get as far.
_FEWEST_UPDATES = 400


@PRUNERS.register("gumbel-softmax")
@dataclass(frozen=True, kw_only=True)
class GumbelSoftmax(Pruner):
    """Learns for each weight the probability to be kept, by gradient descent (Zhang et al., 2023).

    In the search each weight is multiplied with a sample of the relaxed mask
    ``sigmoid((a + l) / temperature)``, with its logit a and logistic noise l (the difference of two
    Gumbel variables), and the loss has a term for the expected share of kept weights. So that the share
    asked for is met, that term is a multiple of what exceeds a goal that falls from what there is to
    ``density``, by the same ratio in each update, and its factor grows as long as the goal is missed.
    Then the weights with the largest logits stay and training goes on with them alone.

    That is our form of the method. The authors' own is ``hard``, with the settings of :meth:`published`:
    samples are 0 or 1, their derivative that of the relaxed mask (the straight-through estimator), at a
    temperature of 3; masks are learned during the whole training, beginning with fresh weights (give it an
    untrained network), and the term is a fixed multiple of the distance between the expected share and the
    density. The weights with the largest logits stay here, too, so that the share is exact.

    Parameters
    ----------
    search : float
        Share of the training in which masks are learned.
    temperature : float
        Of the relaxation; the smaller, the nearer samples are to 0 and 1.
    rate : float
        Learning rate of the logits; more where the search is short.
    logit : float
        First value of every logit.
    pressure : float
        Growth of the factor in one update for each unit by which the logarithm of the share exceeds
        the goal's.
    hard : bool
        Whether masks are those of the authors; ``pressure`` has no use then.
    penalty : float
        What the term is multiplied with where masks are hard.

    Examples
    --------
    >>> from torch import nn
    >>> from nnstruct import TrainConfig, load_task
    >>> from nnstruct.pruning import prune
    >>> task, config = load_task("digits"), TrainConfig(epochs=2)
    >>> sparse = prune(nn.Linear(64, 10), 0.1, method="gumbel-softmax", task=task, config=config)
    >>> int((sparse.weight != 0).sum())
    64
    """

    name = "gumbel-softmax"
    source = "Zhang, Tao and Zhang, 2023"
    needs_task = True
    trains = True

    search: float = 0.7
    temperature: float = 0.5
    rate: float = 0.05
    logit: float = 3.0
    pressure: float = 0.2
    hard: bool = False
    penalty: float = 5.0

    @classmethod
    def published(cls, **options: Any) -> Self:
        """The authors' form.

        Parameters
        ----------
        **options
            In place of their settings.

        Returns
        -------
        GumbelSoftmax

        Examples
        --------
        >>> GumbelSoftmax.published().temperature
        3.0
        """
        return cls(**({"hard": True, "search": 1.0, "temperature": 3.0} | options))

    def check(self) -> None:
        """Raise :class:`InvalidInputError` where an option breaks its rule."""
        check_share(self.search, "search", ends="(]")
        for field in ("temperature", "rate", "logit", "pressure", "penalty"):
            check_number(getattr(self, field), field, low=0, open_low=True)

    def apply(self, work: Workpiece, density: float) -> list[Row]:
        """Learn the masks for a share of the training, and go on with the best units."""
        hook = _Logits(work, self, count_of(work, density))
        rows = train_in_place(work.module, work.data(), work.config, seed=work.seed, hooks=[hook])
        hook.settle()
        return rows


class _Logits(Hook):
    def __init__(self, work: Workpiece, options: GumbelSoftmax, count: int) -> None:
        self.work, self.options, self.count = work, options, count
        self.alive = work.alive
        self.total = sum(work.totals)
        self.start = sum(int(alive.sum()) for alive in self.alive)
        # A weight's magnitude orders what no gradient has told apart yet.
        self.logits = [
            torch.full_like(slot.magnitude(slot.value), options.logit).requires_grad_() for slot in work.slots
        ]
        self.factor = 0.0
        self.settled = False
        config, examples = work.config, len(work.data().train)
        updates = config.epochs * math.ceil(examples / config.batch_size) * options.search
        self.haste = max(1.0, _FEWEST_UPDATES / updates)

    @property
    def is_over(self) -> bool:
        return self.settled

    def parameter_groups(self) -> list[dict[str, Any]]:
        return [{"params": self.logits, "lr": self.options.rate * self.haste, "weight_decay": 0.0}]

    def before(self, progress: TrainingPlace) -> None:
        if progress.share >= self.options.search:
            self.settle()
        if self.settled:
            return
        goal = max(self.count, 0.5)
        done = progress.share / self.options.search
        self.goal = math.log(self.start) + (math.log(goal) - math.log(self.start)) * min(1.0, done / 0.9)
        for slot, logits in zip(self.work.slots, self.logits, strict=True):
            uniform = torch.rand_like(logits).clamp_(1e-6, 1 - 1e-6)
            gate = torch.sigmoid((logits + uniform.logit()) / self.options.temperature)
            if self.options.hard:
                gate = (gate > 0.5).to(gate) - gate.detach() + gate
            slot.mask.gate = slot.spread(gate)

    def penalty(self) -> Tensor | None:
        if self.settled:
            return None
        kept = torch.stack(
            [
                torch.sigmoid(logits[alive]).sum()
                for logits, alive in zip(self.logits, self.alive, strict=True)
            ]
        ).sum()
        if self.options.hard:
            return self.options.penalty * (kept - self.count).abs() / self.total
        excess = kept.log() - self.goal
        self.factor = max(0.0, self.factor + self.options.pressure * self.haste * float(excess.detach()))
        return self.factor * torch.relu(excess)

    def settle(self) -> None:
        """Keep the weights with the largest logits, for good."""
        if self.settled:
            return
        self.settled = True
        scores = [
            logits.detach().double() + 1e-9 * slot.magnitude(slot.value)
            for slot, logits in zip(self.work.slots, self.logits, strict=True)
        ]
        for slot, mean in zip(self.work.slots, self._means(), strict=True):
            slot.mask.gate = None
            if not self.options.hard:
                with torch.no_grad():
                    slot.parameter.mul_(mean)
        self.work.keep(largest(scores, self.alive, self.count))

    def before_evaluation(self, epoch: int) -> None:
        if not self.settled:
            for slot, mean in zip(self.work.slots, self._means(), strict=True):
                slot.mask.gate = mean

    def _means(self) -> list[Tensor]:
        """The mask of each slot without noise, of the weight's shape."""
        if self.options.hard:
            likely = [(logits.detach() > 0).to(logits) for logits in self.logits]
        else:
            likely = [(logits.detach() / self.options.temperature).sigmoid() for logits in self.logits]
        return [slot.spread(mean) for slot, mean in zip(self.work.slots, likely, strict=True)]

    def columns(self) -> Row:
        if self.settled:
            return {"density": self.count / self.total}
        kept = sum(
            float(torch.sigmoid(a.detach()[b]).sum()) for a, b in zip(self.logits, self.alive, strict=True)
        )
        return {"density": kept / self.total}
