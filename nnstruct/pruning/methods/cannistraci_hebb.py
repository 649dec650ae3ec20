"""Cannistraci-Hebb training: links go by their weight and come by the topology alone, without a gradient.

References
----------
Y. Zhang, J. Zhao, W. Wu, A. Muscoloni, C. V. Cannistraci, Epitopological learning and Cannistraci-Hebb
network shape intelligence brain-inspired theory for ultra-sparse advantage in deep learning (ICLR 2024),
openreview.net/forum?id=iayEcORsGd.

Y. Zhang, J. Zhao, Z. Liao, W. Wu, U. Michieli, C. V. Cannistraci, Brain network science modelling of sparse
neural networks enables Transformers and LLMs to perform as fully connected (2025), arXiv:2501.19107.

What the steps are and in which order was read in the abstracts and in the authors' programs,
github.com/biomedical-cybernetics/Cannistraci-Hebb-training and Cannistraci-Hebb-Training-Soft-Rule-.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from nnstruct.checks import check_choice, check_number, check_share
from nnstruct.pruning.base import PRUNERS, Row
from nnstruct.pruning.methods.dynamic import DynamicPruner, Rewiring
from nnstruct.pruning.methods.hebbian_formulas import relative_importance, sigmoid_share
from nnstruct.pruning.methods.link_scores import LINK_SCORES, link_scores
from nnstruct.pruning.methods.percolation import active_units, layers_in_a_row, percolated
from nnstruct.pruning.methods.receptive_fields import receptive_fields
from nnstruct.pruning.selection import largest_in_each
from nnstruct.pruning.slots import Slot
from nnstruct.pruning.training.hooks import Memory, TrainingPlace
from nnstruct.pruning.workpiece import Workpiece
from nnstruct.random import generator

IMPORTANCES = ("magnitude", "relative")
LAYOUTS = ("random", "receptive-field")
# Given to every free place where paths of length three lead to fewer than shall be filled.
_LEAST = 1e-5


@PRUNERS.register("cht")
@dataclass(frozen=True, kw_only=True)
class CannistraciHebb(DynamicPruner):
    """Trains a sparse network and moves weak weights to where many short paths lead (Zhang et al., 2024).

    After each epoch but the last, in each tensor, the given fraction of the weights goes, the least
    important ones. In a :class:`torch.nn.Sequential` of linear layers so do the links of units that then
    have none in or none out. As many come where the score of a missing link is largest
    (:func:`nnstruct.pruning.methods.link_scores.link_scores`), from zero. Rows of the training say how many
    units between the layers are ``active``. A kernel is taken as the matrix of its outputs against all else.

    Parameters
    ----------
    fraction, distribution, rescale
        As for :class:`nnstruct.pruning.methods.dynamic.DynamicPruner`.
    score : {"ch3-l3p", "ch2-l3p", "ch2-l3n", "ch3-l3n"}
        Of missing links.
    importance : {"magnitude", "relative"}
        Of a weight: |w|, or its share of the |w| of its output plus that of its input.
    layout : {"random", "receptive-field"}
        Where weights are in the beginning. The correlations of inputs, with which the paper begins the
        first layer, are not among them.
    spread : float
        Of receptive fields, from 0, the nearest inputs, to 1, any.
    settled : float or None
        A tensor is left alone once at least this share of the weights that come are among those that went;
        None, never.

    Examples
    --------
    >>> from torch import nn
    >>> from nnstruct import TrainConfig, load_task
    >>> from nnstruct.pruning import masks_of, prune
    >>> task, config = load_task("digits"), TrainConfig(epochs=2)
    >>> sparse = prune(nn.Linear(64, 10), 0.1, method="cht", task=task, config=config)
    >>> int(masks_of(sparse)["weight"].sum())
    64
    """

    name = "cht"
    source = "Zhang et al., 2024"

    distribution: str = "uniform"
    rescale: bool = True
    score: str = "ch3-l3p"
    importance: str = "magnitude"
    layout: str = "random"
    spread: float = 0.25
    settled: float | None = 0.9

    def check(self) -> None:
        """Raise :class:`InvalidInputError` where an option breaks its rule."""
        super().check()
        check_choice(self.score, "score", LINK_SCORES)
        check_choice(self.importance, "importance", IMPORTANCES)
        check_choice(self.layout, "layout", LAYOUTS)
        check_share(self.spread, "spread", ends="[]")
        if self.settled is not None:
            check_share(self.settled, "settled", ends="(]")

    def rewiring(self, work: Workpiece, allowed: list[Tensor]) -> Rewiring:
        """Moves the least important weights to where the paths lead."""
        return _Hebbian(work, allowed, self)

    def start(self, work: Workpiece, density: float) -> list[Tensor]:
        """Units of each slot to begin with, at random or around the place of each unit."""
        if self.layout == "random":
            return super().start(work, density)
        counts, found = self.counts(work, density), []
        for slot, allowed, count in zip(work.slots, work.alive, counts, strict=True):
            rng = generator(work.seed, "prune", "dynamic", slot.name, "fields")
            links = receptive_fields(_matrix(allowed), count, self.spread, rng)
            found.append(torch.from_numpy(links).view(allowed.shape).to(allowed.device))
        return found

    def counts_after(self, work: Workpiece, density: float, share: float) -> list[int]:
        """Units of each slot once a share of the moves is done.

        Parameters
        ----------
        work : Workpiece
            As it was before this method began.
        density : float
            Asked for.
        share : float
            In [0, 1].

        Returns
        -------
        list of int
        """
        return self.counts(work, density)

    def sharpness(self, share: float) -> float:
        """The power of a weight's importance by which it is drawn to stay.

        Parameters
        ----------
        share : float
            Of the training that is done.

        Returns
        -------
        float
            Infinite where nothing is drawn: the most important weights stay, the best links come.
        """
        return math.inf

    def thinned(self, slot: Slot, alive: Tensor, count: int) -> Tensor:
        """The units of a slot from which a move begins, where there are to be fewer after it.

        Parameters
        ----------
        slot : Slot
        alive : bool Tensor [*unit_shape]
        count : int
            After the move.

        Returns
        -------
        bool Tensor [*unit_shape]
        """
        return alive


@PRUNERS.register("chts")
@dataclass(frozen=True, kw_only=True)
class CannistraciHebbSoft(CannistraciHebb):
    """As ``cht``, with weights that go and come drawn at random (CHTs; Zhang et al., 2025).

    The weights that stay are drawn without replacement in proportion to a power of their importance, which
    grows in the course of the training, and those that come in proportion to their score.

    Parameters
    ----------
    fraction, distribution, rescale, score, importance, layout, spread, settled
        As for :class:`CannistraciHebb`.
    first_power, last_power : float
        Of the importance, at the beginning and at the end; it grows evenly.

    Examples
    --------
    >>> from torch import nn
    >>> from nnstruct import TrainConfig, load_task
    >>> from nnstruct.pruning import masks_of, prune
    >>> task, config = load_task("digits"), TrainConfig(epochs=2)
    >>> sparse = prune(nn.Linear(64, 10), 0.1, method="chts", task=task, config=config)
    >>> int(masks_of(sparse)["weight"].sum())
    64
    """

    name = "chts"
    source = "Zhang et al., 2025"

    score: str = "ch2-l3n"
    layout: str = "receptive-field"
    settled: float | None = None
    first_power: float = 1.0
    last_power: float = 3.0

    def check(self) -> None:
        """Raise :class:`InvalidInputError` where an option breaks its rule."""
        super().check()
        check_number(self.first_power, "first_power", low=0, open_low=True)
        check_number(self.last_power, "last_power", low=0, open_low=True)

    def sharpness(self, share: float) -> float:
        """From the first power to the last one, evenly."""
        return self.first_power + (self.last_power - self.first_power) * share


@PRUNERS.register("chtss")
@dataclass(frozen=True, kw_only=True)
class CannistraciHebbSigmoid(CannistraciHebbSoft):
    """As ``chts``, from a dense beginning along a sigmoid to the density (CHTss; Zhang et al., 2025).

    What is too much at a move goes first, by its relative importance, whatever ``importance`` says of the
    weights that change places.

    Parameters
    ----------
    fraction, distribution, rescale, score, importance, layout, spread, settled, first_power, last_power
        As for :class:`CannistraciHebbSoft`.
    initial : float
        Density in the beginning, if it is not below the one asked for.
    steepness : float
        The sigmoid runs from minus this to this.
    end : float
        Share of the moves after which the density is the one asked for, in (0, 1]; the authors' scripts
        decay over eight tenths of the training.

    Examples
    --------
    >>> from torch import nn
    >>> from nnstruct import TrainConfig, load_task
    >>> from nnstruct.pruning import masks_of, prune
    >>> task, config = load_task("digits"), TrainConfig(epochs=3)
    >>> sparse = prune(nn.Linear(64, 10), 0.1, method="chtss", task=task, config=config)
    >>> int(masks_of(sparse)["weight"].sum())
    64
    """

    name = "chtss"
    source = "Zhang et al., 2025"

    initial: float = 0.5
    steepness: float = 6.0
    end: float = 0.8

    def check(self) -> None:
        """Raise :class:`InvalidInputError` where an option breaks its rule."""
        super().check()
        check_share(self.initial, "initial", ends="(]")
        check_share(self.end, "end", ends="(]")
        check_number(self.steepness, "steepness", low=0, open_low=True)

    def apply(self, work: Workpiece, density: float) -> list[Row]:
        """As for ``chts``; what a training that broke off has left too much goes by its magnitude."""
        wanted = self.counts(work, density)
        rows = super().apply(work, density)
        alive = work.alive
        scores = [slot.magnitude(slot.weight.detach()) for slot in work.slots]
        least = [min(int(mask.sum()), count) for mask, count in zip(alive, wanted, strict=True)]
        work.keep(largest_in_each(scores, alive, least))
        return rows

    def start(self, work: Workpiece, density: float) -> list[Tensor]:
        """As many as fit the first density, if there is time to go to the last."""
        return super().start(work, self._first(work, density))

    def counts_after(self, work: Workpiece, density: float, share: float) -> list[int]:
        """Units of each slot along the sigmoid from the first density to the last."""
        first, last = self.counts(work, self._first(work, density)), self.counts(work, density)
        risen = sigmoid_share(min(1.0, share / self.end), self.steepness)
        return [round(high + (low - high) * risen) for high, low in zip(first, last, strict=True)]

    def thinned(self, slot: Slot, alive: Tensor, count: int) -> Tensor:
        """As many units as there are after the move, those of the largest relative importance."""
        weight = slot.magnitude(slot.weight.detach()) * alive
        return largest_in_each([relative_importance(weight)], [alive], [min(count, int(alive.sum()))])[0]

    def _first(self, work: Workpiece, density: float) -> float:
        left = sum(int(mask.sum()) for mask in work.alive) / max(1, sum(work.totals))
        return max(density, min(self.initial, left)) if work.config.epochs > 1 else density


class _Hebbian(Rewiring):
    def __init__(self, work: Workpiece, allowed: list[Tensor], options: CannistraciHebb) -> None:
        super().__init__(work, allowed)
        self.options = options
        self.row = layers_in_a_row(work.module, work.slots)
        self.still: set[int] = set()
        self.targets: list[list[int]] = []

    def aim(self, work: Workpiece, density: float) -> None:
        steps = work.config.epochs - 1
        shares = [(number + 1) / steps for number in range(steps)]
        self.targets = [self.options.counts_after(work, density, share) for share in shares]

    def after(self, progress: TrainingPlace, memory: Memory) -> None:
        power = self.options.sharpness((progress.step + 1) / progress.steps)
        counts, present = self.targets[progress.epoch], self.work.alive
        stay = [
            mask if number in self.still else self._staying(number, mask, counts[number], power, progress)
            for number, mask in enumerate(present)
        ]
        if self.row:
            whole = percolated(self._layers(stay))
            for (_, number), links in zip(self.row, whole, strict=True):
                if number is not None and number not in self.still:
                    stay[number] = links
        for number, slot in enumerate(self.work.slots):
            if number not in self.still:
                grown = self._coming(number, stay[number], counts[number], power, progress)
                back = int((grown & present[number]).sum())
                if self.options.settled is not None and back >= self.options.settled * int(grown.sum()):
                    self.still.add(number)
                # One that goes and comes again at once keeps its weight and is not forgotten.
                slot.keep(stay[number] | grown)
                memory.forget(slot.parameter, slot.spread((stay[number] | grown) & present[number]))
        self.moves += 1

    def _staying(
        self, number: int, alive: Tensor, count: int, power: float, progress: TrainingPlace
    ) -> Tensor:
        slot = self.work.slots[number]
        least = self.options.thinned(slot, alive, count)
        weight = slot.magnitude(slot.weight.detach()) * least
        kept = int(least.sum()) - round(self.options.fraction * int(least.sum()))
        value = self._importance(weight)
        if math.isfinite(power):
            value = power * value.double().clamp_min(1e-30).log() + self._noise(slot, "stay", progress)
        return largest_in_each([value], [least], [kept])[0]

    def _coming(self, number: int, stay: Tensor, count: int, power: float, progress: TrainingPlace) -> Tensor:
        slot = self.work.slots[number]
        free = self.allowed[number] & ~stay
        wanted = count - int(stay.sum())
        found = torch.from_numpy(link_scores(_matrix(stay), self.options.score)).view(stay.shape)
        scores = found.to(stay.device).double() * free
        if int((scores > 0).sum()) < wanted:
            scores = scores + _LEAST
        noise = self._noise(slot, "come", progress)
        if math.isfinite(power):
            drawn = scores.clamp_min(1e-30).log() + noise
            return largest_in_each([drawn], [free], [wanted])[0]
        return _largest_of(scores, free, wanted, noise)

    def _importance(self, weight: Tensor) -> Tensor:
        return weight if self.options.importance == "magnitude" else relative_importance(weight)

    def _noise(self, slot: Slot, key: str, progress: TrainingPlace) -> Tensor:
        """Gumbel's: the largest of log-weights plus noise are a draw without replacement by the weights."""
        rng = generator(self.work.seed, "prune", "dynamic", slot.name, key, progress.epoch)
        chance = rng.random(tuple(slot.domain.shape))
        return torch.from_numpy(-np.log(-np.log(np.maximum(chance, 1e-300)))).to(slot.domain.device)

    def _layers(self, masks: list[Tensor]) -> list[Tensor]:
        return [
            torch.ones_like(part.weight, dtype=torch.bool) if number is None else masks[number]
            for part, number in self.row
        ]

    def columns(self) -> Row:
        row = super().columns()
        return row | {"active": float(active_units(self._layers(self.work.alive)))} if self.row else row


def _largest_of(scores: Tensor, free: Tensor, count: int, chance: Tensor) -> Tensor:
    """The free places with the largest scores, equal ones by chance."""
    best = largest_in_each([scores], [free], [count])[0]
    if not best.any():
        return best
    least = scores[best].min()
    above = free & (scores > least)
    ties = largest_in_each([chance], [free & (scores == least)], [count - int(above.sum())])[0]
    return above | ties


def _matrix(mask: Tensor) -> np.ndarray:
    return mask.reshape(len(mask), -1).cpu().numpy()
