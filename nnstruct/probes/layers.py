"""One row a layer instead of one a module."""

from __future__ import annotations

import pandas as pd
from torch import nn

from nnstruct.network import Network
from nnstruct.probes.gram import layer_grams
from nnstruct.probes.ranks import layer_ranks
from nnstruct.probes.subject import Situation
from nnstruct.tasks import Task


def layer_probes(
    module: nn.Module | Network,
    task: Task,
    *,
    initial: nn.Module | Network | None = None,
    samples: int = 32,
    seed: int = 0,
) -> pd.DataFrame:
    """Ranks and kernels of each layer of a module.

    Parameters
    ----------
    module : torch.nn.Module or Network
    task : Task
    initial : torch.nn.Module or Network, optional
        The module before training.
    samples, seed : int
        As for :func:`nnstruct.probes.functional_features`.

    Returns
    -------
    pandas.DataFrame
        A row a layer: ``width``, then the measures of :mod:`nnstruct.probes.ranks` and, with ``gram_`` before
        the name, of :mod:`nnstruct.probes.gram`.

    Examples
    --------
    >>> from nnstruct import Structure, load_task
    >>> from nnstruct.modules import build_module
    >>> task = load_task("reber")
    >>> module = build_module(Structure.from_layers([4, 2], family="rnn_tanh"), task)
    >>> layer_probes(module, task, samples=8)[["width", "feature_rank"]].values.tolist()
    [[4.0, 4.0], [2.0, 2.0]]
    """
    situation = Situation(module, task, initial, samples, seed)
    columns = {"width": [float(state.shape[1]) for state in situation.states]}
    columns |= layer_ranks(situation)
    columns |= {f"gram_{name}": values for name, values in layer_grams(situation).items()}
    return pd.DataFrame(columns)
