"""How much of what a network knows is in the first two moments of its data.

Networks learn distributions of increasing complexity (Refinetti, Ingrosso and Goldt, 2022): early in training
they do as well on Gaussian data with each class's mean, then with its covariance, as on the data, and only
later better on the data. Measured here by accuracy and loss on Gaussian surrogates of the test data (see
:func:`nnstruct.probes.surrogates.gaussian_surrogate`), beside those on the data.

``beyond_mean`` and ``beyond_covariance``: accuracy on the data less that on the surrogate, so what the
network owes to higher moments. :func:`nnstruct.probes.simplicity_over_training` follows them by epoch.
All measures are defined.
"""

from __future__ import annotations

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
    "beyond_mean": "accuracy on the test data less that on Gaussian data with the classes' means",
    "beyond_covariance": "accuracy on the test data less that on data with means and covariances",
}
MOST_EXAMPLES = 1000


def simplicity_measures(situation: Situation) -> list[float]:
    """The measures of one module."""
    return probe_simplicity(situation.subject, situation.task, situation.seed)


def probe_simplicity(subject: Subject, task: Task, seed: int) -> list[float]:
    """The measures on at most ``MOST_EXAMPLES`` of the test data and as many surrogates of each kind."""
    key = (task.fingerprint, type(subject).__name__, seed)
    if key not in _KEPT:
        # Modules of one table, or epochs of one training, share their data; only the last is kept.
        data = _data(subject, task, seed)
        _KEPT.clear()
        _KEPT[key] = data
    found = [_evaluate(subject, *part) for part in _KEPT[key]]
    accuracy = [pair[0] for pair in found]
    beyond = [accuracy[0] - other for other in accuracy[1:]]
    return [*(value for pair in found for value in pair), *beyond]


_KEPT: dict[tuple[str, str, int], list[tuple[Tensor, Tensor, Tensor]]] = {}


def _data(subject: Subject, task: Task, seed: int) -> list[tuple[Tensor, Tensor, Tensor]]:
    """Inputs, lengths and targets of the test data and of each surrogate."""
    import torch

    from nnstruct.probes.subject import part_of
    from nnstruct.probes.surrogates import ORDERS, gaussian_surrogate
    from nnstruct.random import generator

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


SIMPLICITY = ProbeFamily(
    name="simplicity",
    measures=MEASURES,
    compute=simplicity_measures,
    source="Refinetti, Ingrosso and Goldt, 2022, Neural networks trained with SGD learn distributions of "
    "increasing complexity, arXiv 2211.11567",
)
PROBE_FAMILIES.register(SIMPLICITY.name)(SIMPLICITY)
