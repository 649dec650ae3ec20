"""What a read-out alone could learn from a network that is not trained.

The units that are read out, in networks with the weights they start from, are random features of the examples
(Rahimi and Recht, 2007); how far apart they hold the examples, and how well ridge regression on them tells
the class of an example that was left out, tells much of what training will reach. As columns beside the
structure's own they belong to the zero-cost measures that help predictors most (White et al., 2021, arXiv
2104.01177).

With F [B, d] the read-out units on B examples, C the same less their means, and p the eigenvalues of C^T C
over their sum:

- ``units``: d.
- ``participation``: 1 / sum p^2; ``entropy``: exp(-sum p log p): how many directions are taken.
- ``log_variance``, ``log_power``: of the mean square of C, and of the squared means.
- ``cosine``, ``cosine_spread``: mean and deviation of the cosine between two examples, over all pairs.
- ``log_between``: of the squared class means of C, summed over classes, over the mean squared length of C.
- ``accuracy_R``, ``error_R``: of ridge regression with penalty R from the standardised C to the one-hot
  classes, every example predicted from the others (the hat matrix gives that in closed form).
- ``accuracy_all_R``, ``error_all_R``: the same from the features of all draws side by side.

Each is the mean over the draws of weights. The deviations between draws are left out: of four draws, made
twice for structures of fashion-cnn, they correlate by .31 to .43, the means by .88 to .99.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from nnstruct.caches import LookupCache
from nnstruct.checks import check_integer
from nnstruct.errors import InvalidInputError
from nnstruct.random import derive_seed
from nnstruct.structure import Structure
from nnstruct.structure.checks import check_structures
from nnstruct.tasks import Task
from nnstruct.tasks.splits import Split, part_of

if TYPE_CHECKING:
    import pandas as pd

PENALTIES = (1.0, 10.0, 100.0, 1000.0)
_SPREAD = (
    "units", "participation", "entropy", "log_variance", "log_power", "cosine", "cosine_spread",
    "log_between",
)  # fmt: skip
_RIDGE = tuple(f"{name}_{penalty:g}" for penalty in PENALTIES for name in ("accuracy", "error"))
_TOGETHER = tuple(f"{name}_all_{penalty:g}" for penalty in PENALTIES for name in ("accuracy", "error"))
COLUMNS = (*_SPREAD, *_RIDGE, *_TOGETHER)
# Those that mean the same in networks of other kinds, whatever the size of their read-out and of its values.
RELATIVE = tuple(name for name in COLUMNS if name not in ("units", "log_variance", "log_power"))
_SMALL = 1e-12

_known: LookupCache[tuple[Structure, str, int, int, int], np.ndarray] = LookupCache(capacity=50_000)


def random_features(
    structures: Sequence[Structure], task: Task, *, samples: int = 800, draws: int = 8, seed: int = 0
) -> pd.DataFrame:
    """Measures of untrained networks of each structure on a task's training examples.

    A structure of convolutions takes about a second. What was measured in this process is kept.

    Parameters
    ----------
    structures : sequence of S Structures
    task : Task
        A classification of vectors, images or sequences.
    samples : int
        Training examples, at least 2, the first ones; all of them where there are fewer.
    draws : int
        Networks with weights drawn anew, at least 2.
    seed : int

    Returns
    -------
    pandas.DataFrame
        A row a structure; float64 columns as the module says, NaN where a network overflows.

    Raises
    ------
    InvalidInputError
        If the task is no classification, does not fit a structure, or an option is out of range.

    Examples
    --------
    >>> from nnstruct import Structure, load_task
    >>> from nnstruct.probes import random_features
    >>> task = load_task("digits")
    >>> table = random_features([Structure.from_layers([n]) for n in (2, 40)], task, samples=200)
    >>> few, many = table["random_features.accuracy_10"]
    >>> bool(many > few + 0.2)
    True
    """
    import pandas as pd

    given = check_structures(structures, empty=False)
    check_classes(task)
    samples, draws = check_integer(samples, "samples", low=2), check_integer(draws, "draws", low=2)
    chosen = part_of(task.train, np.arange(min(samples, len(task.train.targets))))
    keys = [(structure, task.fingerprint, samples, draws, seed) for structure in given]
    rows = _known.lookup(keys, lambda missing: [_row(key[0], task, chosen, draws, seed) for key in missing])
    return pd.DataFrame(np.stack(rows), columns=[f"random_features.{name}" for name in COLUMNS])


def check_classes(task: Task) -> None:
    """Whether read-outs can be measured on a task.

    Parameters
    ----------
    task : Task

    Raises
    ------
    InvalidInputError
        If it is no Task, or has no class for each example.
    """
    if not isinstance(task, Task):
        raise InvalidInputError("task", "be a Task", task)
    if task.kind != "classification":
        raise InvalidInputError("task.kind", "be 'classification'", task.kind)


def _row(structure: Structure, task: Task, chosen: Split, draws: int, seed: int) -> np.ndarray:
    classes = np.eye(task.num_outputs)[np.asarray(chosen.targets)]
    classes = classes[:, classes.any(axis=0)]
    held, rows = [], []
    for draw in range(draws):
        features = _read_out(structure, task, chosen, derive_seed(seed, "random features", draw))
        if not np.isfinite(features).all():
            return np.full(len(COLUMNS), np.nan)
        held.append(features)
        rows.append([*_spread(features, classes), *_ridge(features, classes)])
    table = np.array(rows)  # [draws, measures]
    return np.array([*table.mean(axis=0), *_ridge(np.concatenate(held, axis=1), classes)])


def _read_out(structure: Structure, task: Task, chosen: Split, seed: int) -> np.ndarray:
    """What the read-out of a new network sees, float64 [B, d]."""
    import torch

    from nnstruct.modules import build_module

    with torch.random.fork_rng(devices=[]):  # layers draw weights of their own before they are given these
        module = build_module(structure, task, seed=seed)
    seen: list[torch.Tensor] = []
    module.get_submodule("readout").register_forward_hook(
        lambda _module, inputs, _made: seen.append(inputs[0])
    )
    given = [torch.as_tensor(np.asarray(chosen.inputs))]
    if task.is_sequence:
        given.append(torch.as_tensor(np.asarray(chosen.lengths)))
    with torch.no_grad():
        module.train()(*given)  # a normalisation has seen no data yet but this batch
    return seen[0].flatten(1).double().numpy()


def _spread(features: np.ndarray, classes: np.ndarray) -> list[float]:
    means = features.mean(axis=0)
    centred = features - means
    values = np.clip(np.linalg.eigvalsh(centred.T @ centred), 0.0, None)
    share = values / values.sum() if values.sum() > 0 else np.full(len(values), 1.0 / len(values))
    positive = share[share > 0]
    length = np.sqrt((features**2).sum(axis=1))
    directions = features / np.maximum(length, _SMALL)[:, None]
    cosines = (directions @ directions.T)[np.triu_indices(len(features), 1)]
    of_class = classes.T @ centred / classes.sum(axis=0)[:, None]  # [C, d]
    between = (of_class**2).sum() / max((centred**2).sum() / len(features), _SMALL)
    return [
        features.shape[1],
        1.0 / (share**2).sum(),
        float(np.exp(-(positive * np.log(positive)).sum())),
        float(np.log((centred**2).mean() + _SMALL)),
        float(np.log((means**2).mean() + _SMALL)),
        float(cosines.mean()),
        float(cosines.std()),
        float(np.log(between + _SMALL)),
    ]


def _ridge(features: np.ndarray, classes: np.ndarray) -> list[float]:
    """Accuracy and squared error of examples that were left out, for each penalty."""
    centred = features - features.mean(axis=0)
    standardised = centred / np.sqrt((centred**2).mean(axis=0) + _SMALL)
    left, values, _ = np.linalg.svd(standardised, full_matrices=False)
    n, truth, found = len(features), classes.argmax(axis=1), []
    mean = classes.mean(axis=0)
    projected = left.T @ (classes - mean)
    for penalty in PENALTIES:
        shrunk = values**2 / (values**2 + penalty)
        told = mean + (left * shrunk) @ projected
        hat = np.minimum((left**2) @ shrunk + 1.0 / n, 1.0 - 1e-9)[:, None]
        unseen = (told - hat * classes) / (1.0 - hat)
        found += [
            float((unseen.argmax(axis=1) == truth).mean()),
            float(((unseen - classes) ** 2).sum(axis=1).mean()),
        ]
    return found
