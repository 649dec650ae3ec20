"""How much of a network's depth its scores need, and by which ways the gradient reaches its layers.

Networks with residual edges stand a cut: without what the layers behind it compute, the sums of what came
before are still there. An auto-compressing network, whose layers all feed the output by residual edges, gives
``x_0 + ... + x_k`` after k layers; a residual network hands on the state before the cut.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import torch
from torch import nn

from nnstruct.checks import check_choice, check_integer, check_share
from nnstruct.errors import InvalidInputError
from nnstruct.modules import MaskedMLP, module_from_network
from nnstruct.network import Network
from nnstruct.network.cell_layout import CellLayout
from nnstruct.probes.subject import Subject, check_classes, subject_of
from nnstruct.structure import PRUNED, Structure
from nnstruct.structure.units import unit_values
from nnstruct.tasks import Split, Task
from nnstruct.tasks.splits import part_of

_RIDGE = 1e-2  # of the mean variance of a layer's units


def truncate(network: Network, layers: int) -> Network:
    """A network without what its layers behind the first ones compute.

    Weighted and recurrent edges into units of later layers go, but the recurrent ones of output units;
    residual edges stay, and units that nothing reaches any more are left out. A unit that residual edges
    alone are left to is their plain sum.

    Parameters
    ----------
    network : Network
        As a training leaves it, of the family ``mlp``, ``cnn`` or a recurrent one, with residual edges.
    layers : int
        From 0; layer 0 is that of the input units and always stays.

    Returns
    -------
    Network
        Its own read-out reads the same output units.

    Raises
    ------
    InvalidInputError
        If no residual edges lead to an output unit from what is left.

    Examples
    --------
    >>> from nnstruct import load_task
    >>> from nnstruct.modules import build_module
    >>> from nnstruct.priors import AutoCompressing
    >>> structure = AutoCompressing(sizes=[4, 4, 4, 4]).sample(0, family="mlp")
    >>> network = build_module(structure, load_task("digits"), seed=0).to_network()
    >>> [truncate(network, k).structure.num_units for k in (0, 1, 2)]
    [8, 12, 16]
    """
    layers = check_integer(layers, "layers", low=0)
    structure = network.structure
    target = structure.edge_index[1]
    kept = structure.residual | (structure.layer[target] <= layers)
    kept |= structure.recurrent & structure.outputs[target]
    cut = structure.with_edges(kept, origin={**structure.origin, "kind": PRUNED})
    reached = cut.reachability.from_input
    if not reached[cut.outputs].all():
        lost = int(np.flatnonzero(cut.outputs & ~reached)[0])
        hint = "Residual edges have to lead there, as in AutoCompressing and ResidualChain."
        raise InvalidInputError("network", f"reach every output unit from layers 0 to {layers}", lost, hint)
    stays = kept & reached[structure.edge_index].all(axis=0)
    smaller = _as_sums(cut, structure).with_units(reached)
    tensors = {_renamed(name, reached): values for name, values in network.tensors.items()}
    for name in ("norm_scale", "norm_shift", "norm_mean", "norm_var"):
        if name in tensors:
            tensors[name] = tensors[name][reached]
    if "unit_weight" in tensors:
        own = CellLayout(structure).own_units
        new = np.flatnonzero(reached)[CellLayout(smaller).own_units]
        tensors["unit_weight"] = tensors["unit_weight"][np.searchsorted(own, new)]
    return Network(smaller, network.weight[stays], network.bias[reached], tensors)


def _renamed(name: str, reached: np.ndarray) -> str:
    """Input weights that are named after their unit, after its number among those left."""
    kind, _, unit = name.partition(".")
    return f"{kind}.{np.count_nonzero(reached[: int(unit)])}" if unit.isdigit() else name


def _as_sums(cut: Structure, before: Structure) -> Structure:
    """Cells that only residual edges are left to pass their sum on and compute nothing."""
    if cut.family != "cnn":
        return cut
    left, had = (np.bincount(s.edge_index[1, ~s.residual], minlength=s.num_units) for s in (cut, before))
    bare = (left == 0) & (had > 0) & ~cut.inputs
    attributes = {
        name: tuple(np.where(bare, plain, unit_values(cut, name)).tolist())
        for name, plain in (("operator", "identity"), ("join", "sum"))
    }
    return replace(cut, attributes={**cut.attributes, **attributes})


def depth_profile(module: nn.Module | Network, task: Task, *, split: str = "test") -> pd.DataFrame:
    """How well a network does when it is cut behind each layer, and what a linear read-out of each reaches.

    Parameters
    ----------
    module : torch.nn.Module or Network
        With residual edges to its output units; see :func:`truncate`.
    task : Task
        Of classes.
    split : {"val", "test"}

    Returns
    -------
    pandas.DataFrame
        A row a layer of the structure, but for a last one that only sums, as that of an auto-compressing
        network: ``layer``, ``units``, ``truncated`` (accuracy of :func:`truncate` behind it, in the last row
        that of the whole network) and ``probe`` (of a ridge regression onto the classes from the values of
        the layer's units, fitted to the training split).

    References
    ----------
    Dorovatas, Paraskevopoulos and Potamianos, "Auto-Compressing Networks", arXiv:2506.09714, 2025. Alain and
    Bengio, "Understanding intermediate layers using linear classifier probes", arXiv:1610.01644, 2016.

    Examples
    --------
    >>> from nnstruct import load_task
    >>> from nnstruct.modules import build_module
    >>> from nnstruct.priors import AutoCompressing
    >>> structure = AutoCompressing(sizes=[4, 4, 4, 4]).sample(0, family="mlp")
    >>> module = build_module(structure, load_task("digits"), seed=0)
    >>> depth_profile(module, load_task("digits"))["units"].tolist()
    [4, 4, 4]
    """
    check_choice(split, "split", ("val", "test"))
    check_classes(task)
    network = module if isinstance(module, Network) else module.to_network()  # type: ignore[operator]
    shown, structure = getattr(task, split), network.structure
    probes = _probe_accuracies(subject_of(network, task), task.train, shown)
    rows = []
    weighted = structure.edge_index[1, ~structure.residual & ~structure.recurrent]
    for layer in range(int(structure.layer[weighted].max(initial=0)) + 1):
        cut = subject_of(truncate(network, layer), task)
        units = int(structure.layer_sizes[layer])
        probe = probes[layer] if len(probes) >= structure.num_layers else float("nan")
        rows.append((layer, units, _accuracy(cut, shown), probe))
    return pd.DataFrame(rows, columns=["layer", "units", "truncated", "probe"])


def effective_depth(profile: pd.DataFrame, share: float = 0.99) -> int:
    """The fewest layers that reach a share of the accuracy of all.

    Parameters
    ----------
    profile : pandas.DataFrame
        From :func:`depth_profile`.
    share : float
        In (0, 1].

    Returns
    -------
    int
        From 1.

    Examples
    --------
    >>> effective_depth(pd.DataFrame({"truncated": [0.2, 0.9, 0.895, 0.9]}))
    2
    """
    share = check_share(share, "share", ends="(]")
    accuracy = profile["truncated"].to_numpy()
    return int(np.flatnonzero(accuracy >= share * accuracy[-1])[0]) + 1


def gradient_paths(module: nn.Module | Network, task: Task, *, samples: int = 256) -> pd.DataFrame:
    """How much of the loss's gradient reaches each layer directly, and how much through later layers.

    The gradient by a layer's values is the sum over all ways to the read-out. Its direct part is that of ways
    along residual edges alone: in an auto-compressing network and at the blocks of a residual one the
    gradient by what the read-out sees, the term 1 of the paper's gradients. Its forward part is that of all
    other ways, which lead along weighted edges; the paper calls it network-mediated.

    Parameters
    ----------
    module : MaskedMLP or Network of the family ``mlp``
    task : Task
    samples : int
        The first so many training examples.

    Returns
    -------
    pandas.DataFrame
        A row a layer: ``layer``, and ``direct``, ``forward`` and ``total``, the Frobenius norms of the parts
        and of their sum, of the mean loss by the layer's values.

    Raises
    ------
    InvalidInputError
        If the module is none of nnstruct's perceptrons.

    References
    ----------
    Dorovatas, Paraskevopoulos and Potamianos, "Auto-Compressing Networks", arXiv:2506.09714, 2025.
    """
    module = module_from_network(module) if isinstance(module, Network) else module
    if not isinstance(module, MaskedMLP):
        raise InvalidInputError("module", "be a perceptron of nnstruct", type(module).__name__)
    samples = check_integer(samples, "samples", low=1)
    subject = subject_of(module, task)
    batch = part_of(task.train, np.arange(min(samples, len(task.train))))
    whole = _gradients(subject, task, batch, lambda made: (made, made))
    # Weighted edges see the same values, and hand no gradient back.
    direct = _gradients(subject, task, batch, lambda made: (made.detach(), made))
    rows = []
    for layer, (own, total) in enumerate(zip(direct, whole, strict=True)):
        norms = [float(torch.linalg.norm(part)) for part in (own, total - own, total)]
        rows.append((layer, *norms))
    return pd.DataFrame(rows, columns=["layer", "direct", "forward", "total"])


def _gradients(
    subject: Subject,
    task: Task,
    batch: Split,
    tap: Callable[[torch.Tensor], tuple[torch.Tensor, torch.Tensor]],
) -> list[torch.Tensor]:
    """The mean loss's gradient by each layer's values, zero where it does not reach."""
    made: list[torch.Tensor] = []

    def kept(values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        made.append(values.clone())
        made[-1].retain_grad()
        return tap(made[-1])

    x, _ = subject.encode(batch)
    scores = subject.module.tapped_forward(x, kept)  # type: ignore[operator]
    task.goal.loss(scores, torch.from_numpy(batch.targets)).backward()
    return [torch.zeros_like(values) if values.grad is None else values.grad for values in made]


def _accuracy(subject: Subject, split: Split) -> float:
    with torch.no_grad():
        scores = subject.scores(*subject.encode(split))
    return float((scores.argmax(1).numpy() == split.targets).mean())


def _probe_accuracies(subject: Subject, train: Split, shown: Split) -> list[float]:
    with torch.no_grad():
        fitted, asked = (subject.states(*subject.encode(split)) for split in (train, shown))
    classes = int(train.targets.max()) + 1
    wanted = torch.nn.functional.one_hot(torch.from_numpy(train.targets), classes).double()
    found = []
    for before, after in zip(fitted, asked, strict=True):
        mean = before.mean(0)
        centred = before - mean
        gram = centred.T @ centred / len(centred)
        gram += _RIDGE * gram.diagonal().mean().clamp_min(1e-12) * torch.eye(len(gram), dtype=gram.dtype)
        slope = torch.linalg.solve(gram, centred.T @ (wanted - wanted.mean(0)) / len(centred))
        scores = (after - mean) @ slope + wanted.mean(0)
        found.append(float((scores.argmax(1).numpy() == shown.targets).mean()))
    return found
