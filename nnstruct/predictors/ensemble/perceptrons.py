"""The member that learns smooth functions of all columns together: small perceptrons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from nnstruct.encode.table import means_and_scales
from nnstruct.predictors.base import FittedState
from nnstruct.predictors.ensemble.graphs import worth_a_network
from nnstruct.predictors.label_transform import LabelTransform
from nnstruct.processes import torch_threads
from nnstruct.random import derive_seed
from nnstruct.structure import Structure

if TYPE_CHECKING:
    from torch import Tensor

PERCEPTRONS = "perceptrons"
# Perceptrons that learn from all labels, and from all but each fold.
WHOLE, A_FOLD = 16, 4
HIDDEN, LAYERS = 32, 2
STEPS, BATCH = 2000, 64
RATE, DECAY, DROPOUT, WARM_UP = 6e-3, 0.3, 0.02, 0.1
CLIPPED = 4.0
# Labels from which they are taken by themselves. With 1,629 columns of operators and 400 labels they have R2
# .82 where the others have .90.
FEWEST_LABELS = 200
# Seconds of one core of an average machine for a multiplication of a step, and for all else of it.
_A_PRODUCT, _A_STEP = 8e-11, 5e-4


def worth_perceptrons(structures: Sequence[Structure]) -> bool:
    """Whether perceptrons are known to help: many labels, and units that do not differ in their operators.

    Parameters
    ----------
    structures : sequence of Structure
        Those with a label.

    Returns
    -------
    bool
    """
    return len(structures) >= FEWEST_LABELS and not worth_a_network(structures)


def learning_seconds(columns: int, folds: int) -> float:
    """Seconds of one core of an average machine that learning takes.

    Parameters
    ----------
    columns, folds : int

    Returns
    -------
    float

    Examples
    --------
    >>> from nnstruct.predictors.ensemble.perceptrons import learning_seconds
    >>> 1.0 < learning_seconds(columns=125, folds=5) < 10.0
    True
    """
    products = 3.0 * BATCH * (columns * HIDDEN + (LAYERS - 1) * HIDDEN**2 + HIDDEN)
    return STEPS * (_A_STEP + (WHOLE + A_FOLD * folds) * products * _A_PRODUCT)


class Perceptrons:
    """Perceptrons of two hidden layers on standardised columns, all of which learn in one pass.

    ``WHOLE`` of them learn from all labels, and their mean is what is said of new structures; ``A_FOLD`` for
    each fold learn from the other folds, so that what they say of the fold is honest. Each learns the labels
    as :class:`nnstruct.predictors.label_transform.LabelTransform` bends them, by squared errors and AdamW
    (Loshchilov and Hutter, 2019, arXiv 1711.05101), with a scale for each column that is learned, too.

    Parameters
    ----------
    seed, n_jobs : int
    """

    def __init__(self, seed: int, n_jobs: int) -> None:
        self.seed, self.n_jobs = seed, n_jobs

    def fit(self, table: np.ndarray, y: np.ndarray, weight: np.ndarray, fold: np.ndarray) -> np.ndarray:
        """Learn from all labels.

        Parameters
        ----------
        table : float64 [n, c]
            Without gaps.
        y, weight : float64 [n]
        fold : int64 [n]

        Returns
        -------
        float64 [n]
            What is said of labels that were not seen.
        """
        folds = int(fold.max()) + 1
        numbers = np.append(np.repeat(np.arange(folds), A_FOLD), np.full(WHOLE, folds))  # [M], not seen
        self.centre, self.spread = means_and_scales(table)
        x = self._standardised(table)
        seen = [(fold != number) & (weight > 0) for number in range(folds + 1)]
        scales = [_Scale.of(y[rows]) for rows in seen]
        targets = np.stack([scale.bend(y) for scale in scales])  # [folds + 1, n]
        rows = [np.flatnonzero(seen[number]) for number in numbers]
        with torch_threads(self.n_jobs):
            learned = _learned(x, targets[numbers], weight, rows, derive_seed(self.seed, PERCEPTRONS))
        of_fold = [[array[numbers == number] for array in learned] for number in range(folds + 1)]
        honest = np.stack([_mean_answer(layers, x) for layers in of_fold[:-1]])  # [folds, n]
        at = (fold, np.arange(len(y)))
        error = weight * (honest[at] - targets[at]) ** 2
        self.scale, self.deviation = scales[-1], _root_mean(error, weight)
        self.layers = of_fold[-1]
        told = np.empty(len(y))
        for number in range(folds):
            # Its own errors must not say how far a fold's predictions are drawn to the mean.
            others, asked = fold != number, fold == number
            deviation = _root_mean(error[others], weight[others])
            told[asked] = scales[number].back(honest[number, asked], deviation)
        return told

    def predict(self, table: np.ndarray) -> np.ndarray:
        """The mean of those that learned from all labels.

        Parameters
        ----------
        table : float64 [m, c]

        Returns
        -------
        float64 [m]
        """
        return self.scale.back(_mean_answer(self.layers, self._standardised(table)), self.deviation)

    def _standardised(self, table: np.ndarray) -> np.ndarray:
        return np.clip((table - self.centre) / self.spread, -CLIPPED, CLIPPED).astype(np.float32)

    def state(self) -> FittedState:
        """What :meth:`restore` needs.

        Returns
        -------
        FittedState
        """
        scale = self.scale
        values = {
            "transform": scale.transform.state(),
            "mean": scale.mean,
            "std": scale.std,
            "deviation": self.deviation,
        }
        arrays = {f"layer.{place}": array for place, array in enumerate(self.layers)}
        return FittedState(values, {"centre": self.centre, "spread": self.spread, **arrays})

    def restore(self, values: Mapping[str, Any], arrays: Mapping[str, np.ndarray], columns: int) -> None:
        """Bring back what :meth:`state` told of.

        Parameters
        ----------
        values, arrays : mappings
        columns : int
            Of the table.

        Raises
        ------
        ValueError, KeyError
            If they are not whole.
        """
        mean, std, self.deviation = (float(values[name]) for name in ("mean", "std", "deviation"))
        self.scale = _Scale(LabelTransform.from_state(values["transform"]), mean, std)
        self.centre, self.spread = (
            np.asarray(arrays[name], dtype=np.float64) for name in ("centre", "spread")
        )
        shapes = _shapes(columns)
        self.layers = [np.asarray(arrays[f"layer.{place}"], dtype=np.float32) for place in range(len(shapes))]
        expected = [(WHOLE, *shape) for shape in shapes]
        if self.centre.shape != (columns,) or self.spread.shape != (columns,):
            raise ValueError("the columns of the perceptrons are not whole")
        if [layer.shape for layer in self.layers] != expected:
            raise ValueError("the layers of the perceptrons are not whole")
        if not all(np.isfinite(layer).all() for layer in self.layers):
            raise ValueError("the layers of the perceptrons are not finite")


@dataclass(frozen=True)
class _Scale:
    """How labels are bent, centred and divided before they are learned."""

    transform: LabelTransform
    mean: float
    std: float

    @classmethod
    def of(cls, y: np.ndarray) -> Self:
        transform = LabelTransform().fit(y)
        bent = transform.transform(y)
        return cls(transform, float(bent.mean()), float(bent.std()) or 1.0)

    def bend(self, y: np.ndarray) -> np.ndarray:
        return (self.transform.transform(y) - self.mean) / self.std

    def back(self, z: np.ndarray, deviation: float) -> np.ndarray:
        """The means of labels, float64 [m], where z [m] is off by a normal error of the deviation."""
        bent = self.mean + self.std * z.astype(np.float64)
        return self.transform.moments(bent, np.full(len(z), self.std * deviation))[0]


def _root_mean(error: np.ndarray, weight: np.ndarray) -> float:
    return float(np.sqrt(error.sum() / weight.sum()))


def _shapes(columns: int) -> list[tuple[int, ...]]:
    """Shapes of the scale and of the weights and biases of each layer, of one perceptron."""
    widths = [columns, *[HIDDEN] * LAYERS, 1]
    pairs = pairwise(widths)
    return [(1, columns), *(shape for a, b in pairs for shape in ((a, b), (1, b)))]


def _learned(
    x: np.ndarray, targets: np.ndarray, weight: np.ndarray, rows: Sequence[np.ndarray], seed: int
) -> list[np.ndarray]:
    """Arrays [M, ...] as ``_shapes`` says, after learning; perceptron m from ``targets[m, rows[m]]``."""
    import torch
    from torch.nn.functional import dropout, gelu

    chance = torch.Generator().manual_seed(seed % 2**63)
    count = torch.tensor([len(row) for row in rows])  # [M]
    places = torch.zeros(len(rows), int(count.max()), dtype=torch.int64)  # [M, most]
    for m, row in enumerate(rows):
        places[m, : len(row)] = torch.from_numpy(row)
    columns, labels = torch.from_numpy(x), torch.from_numpy(targets.astype(np.float32))
    counts = torch.from_numpy((weight / weight.mean()).astype(np.float32))
    parameters: list[Tensor] = []
    for shape in _shapes(x.shape[1]):
        start = torch.zeros(len(rows), *shape)
        if not parameters:
            start += 1.0
        elif len(parameters) % 2:  # a weight; the first layer's inputs are of variance one, others are halved
            gain = (1.0 if len(parameters) == 1 else 2.0) / shape[0]
            start = torch.randn(len(rows), *shape, generator=chance) * gain**0.5
        parameters.append(start.requires_grad_())
    optimizer = torch.optim.AdamW(parameters, lr=RATE, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, STEPS, pct_start=WARM_UP)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(seed, "dropout") % 2**63)  # dropout takes no generator
        for _ in range(STEPS):
            drawn = (torch.rand(len(rows), BATCH, generator=chance) * count[:, None]).long()
            batch = places.gather(1, drawn.clamp(max=places.shape[1] - 1))  # [M, B]
            scale, *layers = parameters
            hidden = columns[batch] * scale  # [M, B, c]
            for place in range(0, len(layers), 2):
                if place:
                    hidden = dropout(gelu(hidden), DROPOUT)
                hidden = torch.baddbmm(layers[place + 1], hidden, layers[place])
            error = (hidden[..., 0] - labels.gather(1, batch)) ** 2
            loss = (counts[batch] * error).mean(dim=1).sum()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return [parameter.detach().numpy() for parameter in parameters]


def _mean_answer(layers: Sequence[np.ndarray], x: np.ndarray) -> np.ndarray:
    """The mean over perceptrons, whose arrays are [M, ...], float32 [m]."""
    each = zip(*layers, strict=True)
    return np.asarray(np.mean([_answers(one, x) for one in each], axis=0))


def _answers(layers: Sequence[np.ndarray], x: np.ndarray) -> np.ndarray:
    """What one perceptron says, float32 [m]."""
    scale, *rest = layers
    hidden = x * scale
    for place in range(0, len(rest), 2):
        if place:
            hidden = _gelu(hidden)
        hidden = hidden @ rest[place] + rest[place + 1]
    return hidden[:, 0]


def _gelu(x: np.ndarray) -> np.ndarray:
    from scipy.special import ndtr

    return x * ndtr(x)
