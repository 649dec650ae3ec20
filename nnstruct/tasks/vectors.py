"""Tasks of vectors: two spirals, and what a random teacher network says."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from nnstruct.checks import check_integer, check_number
from nnstruct.errors import InvalidInputError
from nnstruct.random import check_seed, generator
from nnstruct.structure import Structure
from nnstruct.tasks.base import Task
from nnstruct.tasks.generated import as_steps, cut_up, split_sizes


def two_spirals(
    *,
    train: int = 1000,
    val: int = 300,
    test: int = 1000,
    turns: float = 1.5,
    noise: float = 0.05,
    seed: int = 0,
) -> Task:
    """The task ``"two-spirals"``: on which of two spirals that wind into each other does a point lie?

    The radius of a spiral grows from 0 to 2 in proportion to its angle; the other is turned by half a turn
    (a benchmark of A. Wieland's, with three turns and 97 points a spiral; Lang and Witbrock, Learning to tell
    two spirals apart, 1988). Difficulty is ``turns`` and ``noise``.

    Chance level: accuracy 0.5, which a linear map hardly exceeds.

    Parameters
    ----------
    train, val, test : int
        Points in each split, from 2 on.
    turns : float
        Of each spiral.
    noise : float
        Standard deviation of both coordinates.
    seed : int

    Returns
    -------
    Task

    Raises
    ------
    InvalidInputError
        If an option breaks its rule.

    Examples
    --------
    >>> from nnstruct.tasks import load_task
    >>> load_task("two-spirals")
    Task('two-spirals', 1000/300/1000 train/val/test, inputs [2], 2 classes)
    """
    sizes = split_sizes(train, val, test, fewest=2)
    turns = check_number(turns, "turns", low=0, open_low=True)
    noise = check_number(noise, "noise", low=0)
    rng = generator(check_seed(seed), "two-spirals")
    labels = np.concatenate([rng.permutation(np.arange(size) % 2) for size in sizes.values()])
    along = np.sqrt(rng.random(len(labels)))  # evenly over the length of the spiral
    angle = 2 * np.pi * turns * along + np.pi * labels
    points = 2 * along[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    points = as_steps(points + noise * rng.standard_normal(points.shape))
    parts = [(points[part], labels[part]) for part in cut_up(sizes)]
    return Task.from_splits("two-spirals", *parts)


def teacher(
    *,
    train: int = 2000,
    val: int = 500,
    test: int = 1000,
    inputs: int = 8,
    units: Sequence[int] = (6, 6, 6),
    outputs: int = 1,
    density: float = 0.5,
    noise: float = 0.0,
    structure: Structure | None = None,
    seed: int = 0,
) -> Task:
    """The task ``"teacher"``: say what a random network says, whose structure is known.

    Inputs are normal. The teacher's units take tanh of a weighted sum, with normal weights of variance
    ``3 / fan_in``, so that it is far from linear; :func:`teacher_structure` gives its structure. Does a
    student learn more if its own is like it (for students and teachers see Saad and Solla, 1995, Physical
    Review E 52)? Difficulty is the depth of the teacher and ``noise``.

    Chance level: R2 0; without noise 1 can be reached.

    Parameters
    ----------
    train, val, test : int
        Examples in each split.
    inputs : int
        Values of an input.
    units : sequence of int
        Units in each layer of the teacher.
    outputs : int
        Targets; each sums the teacher's output units with weights of its own.
    density : float
        Share of the connections between neighbouring layers that the teacher has; each unit has one or more.
    noise : float
        Standard deviation of noise on the training targets, relative to theirs.
    structure : Structure, optional
        Of the teacher, of the family ``mlp``, in the place of ``units`` and ``density``.
    seed : int
        Decides structure, weights and inputs.

    Returns
    -------
    Task
        Of the kind ``regression``.

    Raises
    ------
    InvalidInputError
        If an option breaks its rule.

    Examples
    --------
    >>> from nnstruct.tasks import load_task
    >>> from nnstruct.tasks.vectors import teacher_structure
    >>> load_task("teacher")
    Task('teacher', 2000/500/1000 train/val/test, inputs [8], 1 real targets)
    >>> teacher_structure(seed=0).layer_sizes.tolist()
    [6, 6, 6]
    """
    sizes = split_sizes(train, val, test)
    inputs = check_integer(inputs, "inputs", each=16 * sum(sizes.values()))
    outputs = check_integer(outputs, "outputs", each=16 * sum(sizes.values()))
    noise = check_number(noise, "noise", low=0)
    chosen = teacher_structure(units=units, density=density, seed=seed) if structure is None else structure
    if chosen.family != "mlp":
        raise InvalidInputError("structure", "be of the family 'mlp' to teach", chosen.family)
    rng = generator(check_seed(seed), "teacher", chosen.fingerprint)
    x = as_steps(rng.standard_normal((sum(sizes.values()), inputs)))
    y = _said(chosen, x, outputs, rng)
    y[: sizes["train"]] += noise * y.std(axis=0) * rng.standard_normal((sizes["train"], outputs))
    parts = [(x[part], as_steps(y[part])) for part in cut_up(sizes)]
    return Task.from_splits("teacher", *parts, kind="regression")


def teacher_structure(*, units: Sequence[int] = (6, 6, 6), density: float = 0.5, seed: int = 0) -> Structure:
    """The structure of the teacher of :func:`teacher`.

    Parameters
    ----------
    units : sequence of int
        Units in each layer.
    density : float
        Share of the connections between neighbouring layers; each unit has one into it and one out of it or
        more.
    seed : int

    Returns
    -------
    Structure
        Of the family ``mlp``.

    Raises
    ------
    InvalidInputError
        If an option breaks its rule.
    """
    widths = [check_integer(width, "units") for width in units]
    density = check_number(density, "density", low=0, high=1, open_low=True)
    rng = generator(check_seed(seed), "teacher", "structure")
    edges: list[np.ndarray] = []
    start = 0
    for before, after in pairwise(widths):
        kept = rng.random((before, after)) < density
        for column in np.flatnonzero(~kept.any(axis=0)):
            kept[rng.integers(before), column] = True
        for row in np.flatnonzero(~kept.any(axis=1)):
            kept[row, rng.integers(after)] = True
        source, target = np.nonzero(kept)
        edges.append(np.stack([source + start, target + start + before]))
        start += before
    index = np.concatenate(edges, axis=1) if edges else np.zeros((2, 0), dtype=np.int64)
    return Structure(index, sum(widths))


def _said(structure: Structure, x: np.ndarray, outputs: int, rng: np.random.Generator) -> np.ndarray:
    """Values [n, outputs] of a network with random weights."""
    source, target = structure.edge_index
    fan_in = np.bincount(target, minlength=structure.num_units) + x.shape[1] * structure.inputs  # [N]
    scale = np.sqrt(3 / np.maximum(fan_in, 1))
    weight = rng.standard_normal(structure.num_edges) * scale[target]
    entering = rng.standard_normal((x.shape[1], structure.num_units)) * scale * structure.inputs
    state = x @ entering  # [n, N], sums until their unit's turn
    for unit in np.argsort(structure.layer, kind="stable"):
        into = np.flatnonzero(target == unit)
        state[:, unit] = np.tanh(state[:, unit] + state[:, source[into]] @ weight[into])
    last = state[:, structure.outputs]
    return last @ rng.standard_normal((last.shape[1], outputs)) / np.sqrt(last.shape[1])
