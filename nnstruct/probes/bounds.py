"""The generalisation bound of a perceptron from how far noise in its weights travels on data."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import nn

from nnstruct.checks import check_integer, check_number
from nnstruct.errors import InvalidInputError
from nnstruct.modules import MaskedMLP
from nnstruct.network import Network
from nnstruct.probes.subject import Situation
from nnstruct.properties.compressibility import cp_terms, fourier_factors
from nnstruct.properties.weight_tensors import LayerTensor, weight_tensors
from nnstruct.random import check_seed
from nnstruct.tasks import Task

_ALL = 1 - 1e-12


def tensor_bound(
    module: nn.Module | Network, task: Task, *, margin: float = 1.0, samples: int = 128, seed: int = 0
) -> pd.DataFrame:
    """How many terms of each layer's tensor the scores need on data, and the bound that follows.

    By Li et al. (2020), for layers k = 1 to n with terms of strengths s_r = |lambda_r| F_r, the largest first
    (:mod:`nnstruct.properties.compressibility` says what they are):

    - tensor noise of k after j terms: xi_j = sum of s_r for r > j;
    - tensorisation factor: t_j = sum of s_r for r <= j;
    - layer cushion times the norm of the layer's weights: c_k = min over examples of ||T x|| / ||x||, x being
      what the layer reads; examples for which that is zero are left out;
    - rank: the least j with ``xi_j * prod of t over later layers <= margin / (2 n max ||f(x)||) * prod of c
      over k and later layers``: dropping the other terms changes no score by more than the margin allows.

    With high probability the expected error is at most the share of examples within the margin and
    ``sqrt(sum over layers of rank (targets + sources + positions + 1) / m)``, m being the training examples,
    constants and logarithms left out. Layers are those of the structure; where one holds several tensors, its
    factor is the largest of theirs and its cushion the least, which is exact for layers in a chain.

    Parameters
    ----------
    module : MaskedMLP or Network
        Of the family ``mlp``.
    task : Task
    margin : float
        gamma, positive.
    samples : int
        Training examples on which cushions are measured.
    seed : int
        Decides which.

    Returns
    -------
    pandas.DataFrame
        A row a tensor: ``layer``, ``kind``, ``targets``, ``sources``, ``rank``, ``largest_rank``, ``noise``
        (what the rank leaves), ``tensorisation``, ``cushion`` (c_k), ``parameters`` and ``bound``, the root
        of the parameters over m.

    Raises
    ------
    InvalidInputError
        If the module is no perceptron, or an option breaks its rule.

    References
    ----------
    J. Li, Y. Sun, J. Su, T. Suzuki, F. Huang, Understanding generalization in deep learning via tensor
    methods, AISTATS 2020, arXiv:2001.05070.

    Examples
    --------
    >>> from nnstruct import Structure, load_task
    >>> from nnstruct.modules import build_module
    >>> digits = load_task("digits")
    >>> table = tensor_bound(build_module(Structure.from_layers([20]), digits), digits, margin=100.0)
    >>> table["kind"].tolist(), bool((table["rank"] <= table["largest_rank"]).all())
    (['input', 'readout'], True)
    """
    margin = check_number(margin, "margin", low=0, open_low=True)
    samples = check_integer(samples, "samples")
    situation = Situation(module, task, None, samples, check_seed(seed))
    perceptron = situation.subject.module
    if not isinstance(perceptron, MaskedMLP):
        raise InvalidInputError("module", "be of the family 'mlp'", type(perceptron).__name__)
    with torch.no_grad():
        states = [state.numpy() for state in situation.states]
        norm = float(situation.states[-1].norm(dim=1).max())
    units = np.concatenate(states[:-1], axis=1)[:, np.argsort(perceptron.order.numpy())]  # [B, N]
    inputs = situation.x.flatten(1).numpy()
    outputs = units[:, np.flatnonzero(perceptron.structure.outputs)]
    measured = [
        _measured(part, {"input": inputs, "forward": units, "readout": outputs}[part.kind])
        for part in weight_tensors(perceptron.to_network())
    ]
    layers = sorted({one.part.layer for one in measured})
    allowed = margin / (2 * len(layers) * norm)
    later, rows = 1.0, []
    for layer in reversed(layers):
        here = [one for one in measured if one.part.layer == layer]
        allowed *= min(one.cushion for one in here)
        found = [_row(one, allowed, later, len(task.train)) for one in here]
        later *= max(float(row[7]) for row in found)
        rows += found
    columns = [
        "layer", "kind", "targets", "sources", "rank", "largest_rank", "noise", "tensorisation", "cushion",
        "parameters", "bound",
    ]  # fmt: skip
    return pd.DataFrame(rows[::-1], columns=columns)


class _Measured(NamedTuple):
    part: LayerTensor
    strength: np.ndarray
    cushion: float


def _measured(part: LayerTensor, values: np.ndarray) -> _Measured:
    weights, _, kernels = cp_terms(part.tensor, _ALL)
    strength = np.sort(np.abs(weights) * fourier_factors(kernels))[::-1]
    read = values[:, part.sources]
    size = np.linalg.norm(read, axis=1)
    alive = size > 0
    made = np.linalg.norm(read[alive] @ part.tensor[:, :, 0].T, axis=1)
    cushion = float((made / size[alive]).min(initial=np.inf)) if alive.any() else 0.0
    return _Measured(part, strength, cushion)


def _row(one: _Measured, allowed: float, later: float, examples: int) -> tuple[float | str, ...]:
    noise = one.strength.sum() - np.cumsum([0.0, *one.strength])  # [R + 1], after 0 to R terms
    noise[-1] = 0.0
    rank = max(1, int(np.argmax(noise * later <= allowed)))
    targets, sources, positions = one.part.tensor.shape
    parameters = rank * (targets + sources + positions + 1)
    return (
        one.part.layer, one.part.kind, targets, sources, rank, len(one.strength), float(noise[rank]),
        float(one.strength[:rank].sum()), one.cushion, parameters, math.sqrt(parameters / examples),
    )  # fmt: skip
