"""How far a few training steps move the values of units, against the width of the network."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch

from nnstruct.errors import InvalidInputError
from nnstruct.population.reference import Training
from nnstruct.probes.subject import subject_of
from nnstruct.random import seed_list
from nnstruct.record import TrainConfig
from nnstruct.structure import Structure
from nnstruct.tasks import Task
from nnstruct.tasks.splits import part_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from torch import Tensor


def coordinate_check(
    structures: Mapping[int, Structure],
    task: Task,
    config: TrainConfig | None = None,
    *,
    steps: int = 4,
    seeds: int | Sequence[int] = 2,
    samples: int = 32,
) -> pd.DataFrame:
    """The mean change of units' values after a few steps, for networks of several widths.

    In the maximal update parametrization it does not depend on the width, in any layer; in the
    standard one it grows with it at the same learning rate (Yang et al., 2022, arXiv:2203.03466,
    appendix D.1).

    Parameters
    ----------
    structures : mapping of int to Structure
        One for each width, of the same layers.
    task : Task
    config : TrainConfig, optional
        Its ``parametrization`` is what is checked.
    steps : int
        Training steps.
    seeds : int or sequence of int
    samples : int
        Training examples whose values are compared.

    Returns
    -------
    pandas.DataFrame
        Columns ``width``, ``seed``, ``step`` (from 1), ``layer`` (from 0; the last are the scores, but
        in recurrent families) and ``change``, the mean magnitude of the difference from the values
        before training.

    Raises
    ------
    InvalidInputError
        If there are fewer than two widths, or networks of different numbers of layers.

    Examples
    --------
    >>> from nnstruct import Structure, TrainConfig, load_task
    >>> task = load_task("digits")
    >>> widths = {width: Structure.from_layers([width, width]) for width in (16, 64)}
    >>> config = TrainConfig(parametrization="mup", learning_rate=0.01)
    >>> table = coordinate_check(widths, task, config, steps=2, seeds=1)
    >>> table.shape  # 2 widths, 2 steps, 2 layers and the scores
    (12, 5)
    >>> bool(coordinate_slopes(table).abs().max() < 0.5)
    True
    """
    config = config or TrainConfig()
    if len(structures) < 2:
        raise InvalidInputError("structures", "hold two widths or more", sorted(structures))
    batches = math.ceil(len(task.train) / config.batch_size)
    config = config.model_copy(update={"epochs": max(config.epochs, math.ceil(steps / batches))})
    rows = []
    for width, structure in sorted(structures.items()):
        for seed in seed_list(seeds):
            rows += [
                (width, seed, step, layer, change)
                for step, changes in enumerate(_changes(structure, task, config, seed, steps, samples), 1)
                for layer, change in enumerate(changes)
            ]
    table = pd.DataFrame(rows, columns=["width", "seed", "step", "layer", "change"])
    if table.groupby("width")["layer"].max().nunique() > 1:
        found = table.groupby("width")["layer"].max().to_dict()
        raise InvalidInputError("structures", "have the same number of layers", found)
    return table


def coordinate_slopes(table: pd.DataFrame) -> pd.Series:
    """Exponent s of change ~ width^s after the last step, for each layer.

    Parameters
    ----------
    table : pandas.DataFrame
        From :func:`coordinate_check`.

    Returns
    -------
    pandas.Series
        Indexed by ``layer``: near 0 where the width does not matter.

    Examples
    --------
    >>> import pandas as pd
    >>> columns = ["width", "seed", "step", "layer", "change"]
    >>> rows = [(16, 0, 1, 0, 0.1), (64, 0, 1, 0, 0.2)]
    >>> coordinate_slopes(pd.DataFrame(rows, columns=columns)).round(3).tolist()
    [0.5]
    """
    last = table[table["step"] == table["step"].max()]
    means = last.groupby(["layer", "width"])["change"].mean().unstack()  # [layers, widths]
    slopes = np.polyfit(np.log(means.columns.to_numpy(float)), np.log(means.to_numpy()).T, 1)[0]
    return pd.Series(slopes, index=means.index, name="slope")


def plot_coordinates(table: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw the change of each layer against the width, after the last step; both axes logarithmic.

    Parameters
    ----------
    table : pandas.DataFrame
        From :func:`coordinate_check`.
    ax : matplotlib Axes, optional

    Returns
    -------
    matplotlib Axes

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> import pandas as pd
    >>> columns = ["width", "seed", "step", "layer", "change"]
    >>> rows = [(16, 0, 1, 0, 0.1), (64, 0, 1, 0, 0.2)]
    >>> plot_coordinates(pd.DataFrame(rows, columns=columns)).get_xlabel()
    'width'
    """
    if ax is None:
        import matplotlib.pyplot as plt

        ax = plt.subplots(figsize=(5, 4))[1]
    last = table[table["step"] == table["step"].max()]
    means = last.groupby(["layer", "width"])["change"].mean().unstack()
    for number, (layer, row) in enumerate(means.iterrows()):
        name = "scores" if number == len(means) - 1 else f"layer {layer}"
        ax.plot(row.index.to_numpy(), row.to_numpy(), marker="o", label=name)
    ax.set_xscale("log", base=2)
    ax.set_yscale("log")
    ax.set_xlabel("width")
    ax.set_ylabel(f"mean change of values after {int(last['step'].iloc[0])} steps")
    ax.legend()
    return ax


def _changes(
    structure: Structure, task: Task, config: TrainConfig, seed: int, steps: int, samples: int
) -> list[list[float]]:
    """For each step, each layer's mean change."""
    training = Training(structure, task, config, seed)
    examples = part_of(task.train, np.arange(min(samples, len(task.train))))

    def states() -> list[Tensor]:
        subject = subject_of(training.module, task)
        with torch.no_grad():
            x, lengths = subject.encode(examples)
            return subject.states(x, lengths)

    before, found = states(), []
    losses = (loss for epoch in range(config.epochs) for loss in training.epoch(epoch))
    for _, _ in zip(range(steps), losses, strict=False):
        found.append([float((new - old).abs().mean()) for new, old in zip(states(), before, strict=True)])
    return found
