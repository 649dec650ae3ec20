"""A split as the compiled loops read it, and what they count of it."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from nnstruct.tasks import Goal, Split, Task
from nnstruct.tasks.goals import NOT_ASKED

# What is asked of a network: classes at a sequence's end that all weigh the same, with weights or counts by
# class, a class for each step, real targets.
PLAIN, CLASSES, STEPS, REAL = 0, 1, 2, 3


def goal_code(task: Task) -> int:
    """Which of the loops' losses a task has.

    Parameters
    ----------
    task : Task

    Returns
    -------
    int
        ``PLAIN``, ``CLASSES``, ``STEPS`` or ``REAL``.
    """
    if task.kind == "regression":
        return REAL
    if task.goal.every_step:
        return STEPS
    return PLAIN if task.score_name == "accuracy" and task.class_weights is None else CLASSES


def read_only(inputs: np.ndarray) -> np.ndarray:
    """An array that is marked as those are that a worker maps from memory: loops are compiled once for both.

    Parameters
    ----------
    inputs : float32 array

    Returns
    -------
    float32 array
        A view, contiguous.
    """
    view = np.ascontiguousarray(inputs).view()
    view.setflags(write=False)
    return np.asarray(view)


class Data(NamedTuple):
    """A split of n examples for a compiled loop; arrays that a goal has no use for are empty.

    Attributes
    ----------
    tokens : int32 [n, T]
        Places of symbols among those that the network knows; [n, 0] for series, and for vectors.
    lengths : int32 [n]
    targets : int32 [n]
        Classes; 0 where there are others.
    goal : int
        As :func:`goal_code` says.
    series : float32 [n, T, D], read-only
    steps : int32 [n, T]
        The class of each step, -1 where nothing is asked.
    real : float32 [n, K]
    weights : float64 [n]
        Of all that an example asks.
    class_weights : float32 [C]
    counts : float64
        To which the loop adds in an evaluation: the cross-entropy, without weights, and the hits by class
        [1 + C]; or the squared and the absolute errors [2 * K].
    """

    tokens: np.ndarray
    lengths: np.ndarray
    targets: np.ndarray
    goal: int = PLAIN
    series: np.ndarray = read_only(np.zeros((0, 0, 0), dtype=np.float32))
    steps: np.ndarray = np.zeros((0, 0), dtype=np.int32)
    real: np.ndarray = np.zeros((0, 0), dtype=np.float32)
    weights: np.ndarray = np.zeros(0)
    class_weights: np.ndarray = np.zeros(0, dtype=np.float32)
    counts: np.ndarray = np.zeros(0)


def split_data(split: Split, task: Task, symbols: np.ndarray) -> Data:
    """A split of a task of sequences or series.

    Parameters
    ----------
    split : Split
    task : Task
    symbols : int64 [S]
        That have a place in the network's input weights, sorted.

    Returns
    -------
    Data
    """
    assert split.lengths is not None
    lengths = split.lengths.astype(np.int32)
    if task.is_series:
        tokens = np.zeros((len(split), 0), dtype=np.int32)
        return goal_data(split, task, tokens, lengths)._replace(series=read_only(split.inputs))
    place = np.zeros(int(symbols[-1]) + 1, dtype=np.int32)
    place[symbols] = np.arange(len(symbols))
    return goal_data(split, task, place[split.inputs], lengths)


def goal_data(split: Split, task: Task, tokens: np.ndarray, lengths: np.ndarray) -> Data:
    """What a split asks, beside its inputs.

    Parameters
    ----------
    split : Split
    task : Task
    tokens : int32 [n, T]
    lengths : int32 [n]

    Returns
    -------
    Data
    """
    code, outputs, n = goal_code(task), task.num_outputs, len(split)
    if code == PLAIN:
        return Data(tokens, lengths, split.targets.astype(np.int32))
    none = np.zeros(n, dtype=np.int32)
    if code == REAL:
        real = np.ascontiguousarray(split.targets, dtype=np.float32).copy()
        return Data(tokens, lengths, none, code, real=real, weights=np.ones(n), counts=np.zeros(2 * outputs))
    of_class = np.ones(outputs) if task.goal.class_weights is None else np.array(task.goal.class_weights)
    asked = split.targets.reshape(n, -1)
    weights = np.where(asked == NOT_ASKED, 0.0, of_class[asked]).sum(axis=1)
    data = Data(
        tokens, lengths, none, code, weights=weights, class_weights=of_class.astype(np.float32),
        counts=np.zeros(1 + outputs),
    )  # fmt: skip
    if code == STEPS:
        return data._replace(steps=split.targets.astype(np.int32))
    return data._replace(targets=split.targets.astype(np.int32))


def counted(goal: Goal, split: Split, data: Data, loss: float, hits: float) -> dict[str, Any]:
    """The sums over a split that metrics are made of, as :mod:`nnstruct.tasks.goals` names them.

    Parameters
    ----------
    goal : Goal
    split : Split
    data : Data
        Of the split, with the counts of one evaluation.
    loss : float
        Sum of the examples' losses.
    hits : float

    Returns
    -------
    dict of str to number or float64 array
        After a training pass ``loss`` and ``weight`` alone mean something.
    """
    if data.goal == PLAIN:
        return {"loss": loss, "weight": len(split), "asked": len(split), "hits": hits}
    found: dict[str, Any] = {"loss": loss, "weight": float(data.weights.sum())}
    if data.goal == REAL:
        outputs, targets = goal.outputs, data.real.astype(np.float64)
        return found | {
            "asked": len(split), "squared": data.counts[:outputs].copy(),
            "absolute": data.counts[outputs:].copy(), "targets": targets.sum(axis=0),
            "targets_squared": (targets**2).sum(axis=0),
        }  # fmt: skip
    asked = split.targets[split.targets != NOT_ASKED]
    return found | {
        "asked": len(asked), "hits": float(hits), "cross_entropy": float(data.counts[0]),
        "hits_by_class": data.counts[1:].copy(),
        "asked_by_class": np.bincount(asked, minlength=goal.outputs).astype(np.float64),
    }  # fmt: skip
