"""How many dimensions of its features, and how many classes, a network's scores hang on."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from nnstruct.checks import check_integer, check_number, check_rounds, check_share
from nnstruct.errors import InvalidInputError
from nnstruct.network import Network
from nnstruct.probes.numerics import RANK_TOLERANCE
from nnstruct.probes.subject import Situation, Subject, check_classes, subject_of
from nnstruct.random import generator
from nnstruct.tasks import Split, Task


def perturbed_dimensions(
    module: nn.Module | Network,
    task: Task,
    *,
    noise: float = 1e-3,
    draws: int = 256,
    samples: int = 8,
    seed: int = 0,
) -> list[float]:
    """The PCA dimension of each layer's features around an example, mean over examples.

    An example is shifted by Gaussian noise many times; the dimension is the number of principal components
    of the features whose standard deviation is above 1e-3 of the largest. No map can raise it, so that it
    does not grow from layer to layer of a chain. (The authors' code counts eigenvalues of the covariance
    above the rounding error of float32, a threshold that moves with the width; this one does not.)

    Parameters
    ----------
    module : torch.nn.Module or Network
    task : Task
        Of vectors or images.
    noise : float
        Standard deviation, relative to that of the inputs.
    draws : int
        Shifts of each example, at least 2; no dimension can be above ``draws - 1``.
    samples : int
        Training examples, at least 1.
    seed : int

    Returns
    -------
    list of float
        A value a layer, those of :func:`nnstruct.probes.layer_probes`.

    Raises
    ------
    InvalidInputError
        If the task is of sequences, whose symbols cannot be shifted.

    References
    ----------
    Feng, Zheng, Huang, Zhao, Jordan and Zha, "Rank Diminishing in Deep Neural Networks",
    arXiv:2206.06072, 2022.
    """
    if task.is_sequence:
        raise InvalidInputError("task", "be of vectors or images", task.name)
    noise = check_number(noise, "noise", low=0.0, open_low=True)
    draws = check_rounds(draws, "draws", low=2)
    samples = check_integer(samples, "samples", low=1)
    situation = Situation(module, task, None, samples, seed)
    shifts = generator(seed, "shifts").normal(size=(draws, *situation.x.shape[1:]))
    steps = torch.from_numpy(shifts) * noise * situation.x.std()
    counts = []
    for example in situation.x:
        with torch.no_grad():
            states = situation.subject.states(example + steps, situation.lengths[:1].expand(draws))
        counts.append([_dimension(state) for state in states])
    return np.mean(counts, axis=0).tolist()


def _dimension(features: Tensor) -> int:
    spread = torch.linalg.svdvals(features - features.mean(0))
    return int(((spread > RANK_TOLERANCE * spread[0]) & (spread > 0)).sum())


def classification_dimension(
    module: nn.Module | Network, task: Task, *, share: float = 0.95, split: str = "test"
) -> int:
    """The fewest principal components of the last features that keep a share of the accuracy.

    What the module's last ``torch.nn.Linear`` sees is projected on its first components around its mean, both
    of the training data, and read out as before. (The authors' code takes the components of the data that it
    tests on, and drops the mean with the other components.)

    Parameters
    ----------
    module : torch.nn.Module or Network
    task : Task
    share : float
        Of the accuracy without a projection, in (0, 1].
    split : {"val", "test"}

    Returns
    -------
    int
        From 0: the mean alone is enough.

    Raises
    ------
    InvalidInputError
        If the module has no ``torch.nn.Linear`` that gives its scores.

    References
    ----------
    Feng et al., arXiv:2206.06072, 2022; the share of .95 and the rule as in ``run_cls_dim.py`` of the
    authors' code (github.com/Yukun-Huang/Rank-Diminishing-in-Deep-Neural-Networks).
    """
    share = check_share(share, "share", ends="(]")
    check_classes(task)
    subject = subject_of(module, task)
    shown = getattr(task, split)
    before, _ = _read_out(subject, task.train)
    features, readout = _read_out(subject, shown)
    mean = before.mean(0)
    axes = torch.linalg.svd(before - mean, full_matrices=False)[2]  # [components, features]
    targets = torch.from_numpy(shown.targets)

    def accuracy(count: int) -> float:
        kept = axes[:count]
        with torch.no_grad():
            scores = readout(mean + (features - mean) @ kept.T @ kept)
        return float((scores.argmax(1) == targets).double().mean())

    with torch.no_grad():
        needed = share * float((readout(features).argmax(1) == targets).double().mean())
    return next((k for k in range(len(axes)) if accuracy(k) >= needed), len(axes))


def _read_out(subject: Subject, split: Split) -> tuple[Tensor, nn.Linear]:
    """What the last linear map of a module sees, float64 [B, features], and the map."""
    seen: list[tuple[nn.Linear, Tensor, Any]] = []

    def keep(layer: nn.Linear, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        seen.append((layer, inputs[0], output))

    hooks = [m.register_forward_hook(keep) for m in subject.module.modules() if isinstance(m, nn.Linear)]
    try:
        with torch.no_grad():
            scores = subject.scores(*subject.encode(split))
    finally:
        for hook in hooks:
            hook.remove()
    if not seen or seen[-1][2].shape != scores.shape or not torch.equal(seen[-1][2], scores):
        rule = "give its scores by a torch.nn.Linear"
        raise InvalidInputError("module", rule, type(subject.module).__name__)
    return seen[-1][1], seen[-1][0]


def independence_deficit(scores: np.ndarray, targets: np.ndarray, *, penalty: float = 20.0) -> np.ndarray:
    """How each class's score is made of the others' by a sparse linear map.

    For class k the map is the Lasso ``min_c mean((s_k - sum over j of c_j s_j)^2) + penalty sum |c_j|``
    over the examples of that class, without an intercept. Where few coefficients are not zero and the map is
    near the score, the class has no say of its own: the network's confidence in it is decided by a handful of
    other classes.

    Parameters
    ----------
    scores : array [B, C]
        Class scores of examples, before a softmax.
    targets : array of int [B]
        Classes of the examples.
    penalty : float
        In squared units of the scores; 0 gives least squares. The authors' 20 is meant for the scores of
        ImageNet classifiers.

    Returns
    -------
    float64 [C, C]
        Row k holds the coefficients of class k; its diagonal is zero. NaN where a class has no example.

    Raises
    ------
    InvalidInputError
        If the scores are no finite matrix, or the targets no classes of theirs.

    References
    ----------
    Feng, Zheng, Huang, Zhao, Jordan and Zha, arXiv:2206.06072, 2022; the objective as in ``run_deficit.py``
    of the authors' code (github.com/Yukun-Huang/Rank-Diminishing-in-Deep-Neural-Networks), solved exactly
    here by coordinate descent.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> free = rng.normal(size=(300, 3))
    >>> scores = np.column_stack([free, 2 * free[:, 0] - free[:, 1]])
    >>> independence_deficit(scores, np.full(300, 3), penalty=0.0)[3, :2].round(3).tolist()
    [2.0, -1.0]
    """
    from sklearn.linear_model import Lasso, LinearRegression

    values, classes = np.asarray(scores, dtype=np.float64), np.asarray(targets)
    penalty = check_number(penalty, "penalty", low=0.0)
    if values.ndim != 2 or not np.isfinite(values).all():
        raise InvalidInputError("scores", "be finite numbers of shape [B, C]", list(values.shape))
    if classes.shape != (len(values),) or not np.isin(classes, np.arange(values.shape[1])).all():
        rule = f"be [{len(values)}] classes in 0..{values.shape[1] - 1}"
        raise InvalidInputError("targets", rule, list(classes.shape))
    # scikit-learn halves the squares.
    plain = penalty == 0.0
    model = (
        LinearRegression(fit_intercept=False)
        if plain
        else Lasso(alpha=penalty / 2.0, fit_intercept=False, tol=1e-8, max_iter=100_000)
    )
    found = np.full((values.shape[1],) * 2, np.nan)
    for place in np.unique(classes).tolist():
        own = values[classes == place]
        others = np.delete(own, place, axis=1)
        found[place] = np.insert(model.fit(others, own[:, place]).coef_, place, 0.0)
    return found
