"""How well a network does on Gaussian data with the first two moments of its task's.

Early in training networks do as well on Gaussian data with each class's mean, then with its covariance, as on
the data (Belrose et al., 2024). Measured here by accuracy and loss on Gaussian surrogates of the test data
(see :func:`nnstruct.probes.surrogates.gaussian_surrogate`), beside those on the data, for a network that has
been trained on the data. :func:`nnstruct.probes.simplicity_over_training` asks the other way round, with
networks that are trained on Gaussian clones.

``gap_mean`` and ``gap_covariance``: accuracy on the data less that on the surrogate. They are negative where
the surrogate is easier, as it often is, and so are no amounts of anything learned.
:func:`nnstruct.probes.surrogates_over_training` follows them by epoch. All measures are defined.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from nnstruct.probes.base import PROBE_FAMILIES, ProbeFamily

if TYPE_CHECKING:
    from torch import Tensor

    from nnstruct.probes.subject import Situation, Subject
    from nnstruct.tasks import Task

MEASURES = {
    "accuracy": "accuracy on the test data",
    "loss": "loss on the test data",
    "accuracy_mean": "accuracy on Gaussian data with the classes' means",
    "loss_mean": "loss on Gaussian data with the classes' means",
    "accuracy_covariance": "accuracy on Gaussian data with the classes' means and covariances",
    "loss_covariance": "loss on Gaussian data with the classes' means and covariances",
    "gap_mean": "accuracy on the test data less that on Gaussian data with the classes' means",
    "gap_covariance": "accuracy on the test data less that on data with means and covariances",
}
MOST_EXAMPLES = 1000


def surrogate_measures(situation: Situation) -> list[float]:
    """The measures of one module, NaN where there are no classes."""
    if situation.task.kind != "classification":
        return [math.nan] * len(MEASURES)
    return probe_surrogates(situation.subject, situation.task, situation.seed)


def probe_surrogates(subject: Subject, task: Task, seed: int) -> list[float]:
    """The measures on at most ``MOST_EXAMPLES`` of the test data and as many surrogates of each kind."""
    key = (task.fingerprint, type(subject).__name__, seed)
    if key not in _KEPT:
        # Modules of one table, or epochs of one training, share their data; only the last is kept.
        data = _data(subject, task, seed)
        _KEPT.clear()
        _KEPT[key] = data
    found = [_evaluate(subject, *part) for part in _KEPT[key]]
    accuracy = [pair[0] for pair in found]
    gaps = [accuracy[0] - other for other in accuracy[1:]]
    return [*(value for pair in found for value in pair), *gaps]


_KEPT: dict[tuple[str, str, int], list[tuple[Tensor, Tensor, Tensor]]] = {}


def _data(subject: Subject, task: Task, seed: int) -> list[tuple[Tensor, Tensor, Tensor]]:
    """Inputs, lengths and targets of the test data and of each surrogate."""
    import torch

    from nnstruct.probes.surrogates import ORDERS, gaussian_surrogate
    from nnstruct.random import generator
    from nnstruct.tasks.splits import part_of

    chosen = generator(seed, "simplicity", task.fingerprint).permutation(len(task.test))[:MOST_EXAMPLES]
    split = part_of(task.test, chosen)
    surrogates = [gaussian_surrogate(subject, split, order, len(split), seed) for order in ORDERS]
    return [(*subject.encode(split), torch.from_numpy(split.targets)), *surrogates]


def _evaluate(subject: Subject, x: Tensor, lengths: Tensor, targets: Tensor) -> tuple[float, float]:
    """Accuracy and mean cross-entropy."""
    import torch
    from torch import nn

    with torch.no_grad():
        scores = subject.scores(x, lengths)
        loss = nn.functional.cross_entropy(scores, targets)
        return float((scores.argmax(1) == targets).double().mean()), float(loss)


SURROGATES = ProbeFamily(
    name="surrogates",
    measures=MEASURES,
    compute=surrogate_measures,
    source="Belrose et al., 2024, Neural Networks Learn Statistics of Increasing Complexity, 2402.04362",
)
PROBE_FAMILIES.register(SURROGATES.name)(SURROGATES)
