"""``prune`` and ``load_pruner``: methods by their names."""

from __future__ import annotations

import inspect
from typing import Any, overload

from torch import nn

from nnstruct.errors import InvalidInputError
from nnstruct.network import Network
from nnstruct.pruning.base import PRUNERS, Pruner
from nnstruct.record import TrainConfig
from nnstruct.tasks import Task


def load_pruner(name: str, **options: Any) -> Pruner:
    """A pruner by its registered name.

    Parameters
    ----------
    name : str
        One of ``PRUNERS``.
    **options
        As the method's class takes them.

    Returns
    -------
    Pruner
        Checked; its :meth:`~Pruner.prune` makes a sparser copy of a network.

    Raises
    ------
    UnknownNameError
        If no method has the name.
    InvalidInputError
        If the method has no such option, or an option breaks its rule.

    Examples
    --------
    >>> from nnstruct.pruning import load_pruner
    >>> load_pruner("magnitude-class-blind", part="hidden").scope.part
    'hidden'
    >>> load_pruner("magnitude-class-blind", port="hidden")
    Traceback (most recent call last):
    ...
    nnstruct.errors.InvalidInputError: option of method 'magnitude-class-blind' must be one of gates,
    parameters, part, got 'port'.
    """
    kind = PRUNERS[name]
    known = sorted(inspect.signature(kind).parameters)
    for option in options:
        if option not in known:
            rule = f"be one of {', '.join(known)}"
            raise InvalidInputError(f"option of method {name!r}", rule, option)
    pruner = kind(**options)
    pruner.check()
    pruner.scope.check()
    return pruner


def as_pruner(method: str | Pruner, **options: Any) -> Pruner:
    """A pruner from its name, or the pruner itself.

    Parameters
    ----------
    method : str or Pruner
    **options
        Of a method that is given by its name.

    Returns
    -------
    Pruner

    Raises
    ------
    UnknownNameError
        If no method has the name.
    InvalidInputError
        If an option breaks its rule, or a Pruner comes with options.
    """
    if isinstance(method, Pruner):
        if options:
            raise InvalidInputError("options", "be given with a method's name only", sorted(options))
        return method
    return load_pruner(method, **options)


@overload
def prune(
    network: nn.Module, density: float, *, method: str | Pruner = ..., task: Task | None = ...,
    config: TrainConfig | None = ..., seed: int = ..., **options: Any,
) -> nn.Module: ...  # fmt: skip
@overload
def prune(
    network: Network, density: float, *, method: str | Pruner = ..., task: Task | None = ...,
    config: TrainConfig | None = ..., seed: int = ..., **options: Any,
) -> Network: ...  # fmt: skip
def prune(
    network: nn.Module | Network,
    density: float,
    *,
    method: str | Pruner = "magnitude-class-blind",
    task: Task | None = None,
    config: TrainConfig | None = None,
    seed: int = 0,
    **options: Any,
) -> nn.Module | Network:
    """A sparser copy of a network.

    Parameters
    ----------
    network : torch.nn.Module or Network
        Left as it is. Tied weights have one mask; what was pruned before stays pruned.
    density : float
        Share of the weights that is kept, of those before any pruning: exactly ``round(density * E)``,
        or that share of each layer for the class-uniform methods. Biases, normalisations and embeddings
        are left alone unless ``parameters`` names them.
    method : str or Pruner
        One of ``list(PRUNERS)``.
    task : Task, optional
        Needed by methods that look at data.
    config : TrainConfig, optional
        Of methods that train on the way.
    seed : int
        Decides whatever is random.
    **options
        Of the method; those of every method are ``parameters``, ``part`` and ``gates``, see
        :class:`nnstruct.pruning.Scope`.

    Returns
    -------
    torch.nn.Module or Network
        As the input. Weights of a module that were pruned are zero and stay so when it is trained, by
        any optimiser; :func:`nnstruct.extract.extract` sees them as absent.

    Raises
    ------
    UnknownNameError
        If no method has the name.
    InvalidInputError
        If an argument or option breaks its rule, or more would be kept than is left.

    Examples
    --------
    >>> import torch
    >>> from nnstruct.extract import extract
    >>> from nnstruct.pruning import prune
    >>> mlp = torch.nn.Sequential(torch.nn.Linear(8, 6), torch.nn.ReLU(), torch.nn.Linear(6, 2))
    >>> sparse = prune(mlp, 0.25)
    >>> extract(sparse, torch.zeros(1, 8)).structure.num_edges  # of 60
    15
    """
    pruner = as_pruner(method, **options)
    return pruner.prune(network, density, task=task, config=config, seed=seed)  # type: ignore[type-var]
