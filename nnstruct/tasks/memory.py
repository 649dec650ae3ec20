"""Tasks of memory: something is shown, and asked for later."""

from __future__ import annotations

from typing import Any

import numpy as np

from nnstruct.checks import check_integer
from nnstruct.random import check_seed, generator
from nnstruct.tasks.base import Task
from nnstruct.tasks.generated import as_steps, cut_up, distinct_rows, split_sizes
from nnstruct.tasks.goals import NOT_ASKED


def copy(
    *,
    train: int = 4000,
    val: int = 500,
    test: int = 1000,
    symbols: int = 8,
    length: int = 5,
    delay: int = 10,
    seed: int = 0,
) -> Task:
    """The task ``"copy"``: say again what was shown, after a delay.

    A string of random symbols, ``delay`` blanks, a sign to begin, and blanks while the string is to be said:
    at each of the last ``length`` steps the symbol of ``length + delay + 1`` steps before is asked
    (after Hochreiter and Schmidhuber, 1997, Neural Computation 9; for tasks of this kind see Arjovsky, Shah
    and Bengio, 2016, arXiv:1511.06464, and Henaff, Szlam and LeCun, 2016, arXiv:1602.06662).
    Difficulty is ``delay`` and ``length``.

    Chance level: accuracy ``1 / symbols``. An LSTM of 64 units reaches 0.96 in 30 epochs. Horizon:
    ``length + delay + 1`` steps.

    Parameters
    ----------
    train, val, test : int
        Sequences in each split; all strings differ.
    symbols : int
        Different ones, from 2 on. The blank and the sign are two more.
    length : int
        Of the string.
    delay : int
        Blanks between the string and the sign.
    seed : int

    Returns
    -------
    Task
        Of the kind ``sequence-labelling``.

    Raises
    ------
    InvalidInputError
        If an option breaks its rule, or fewer strings exist than are asked for.

    Examples
    --------
    >>> from nnstruct.tasks import load_task
    >>> task = load_task("copy", train=800, val=100, test=100)
    >>> task, task.input_shape
    (Task('copy', 800/100/100 train/val/test, 11 symbols, 8 classes a step), (21,))
    """
    sizes = split_sizes(train, val, test)
    symbols = check_integer(symbols, "symbols", low=2)
    step = 32 * sum(sizes.values())  # bytes of a step of all strings
    length = check_integer(length, "length", each=2 * step)
    delay = check_integer(delay, "delay", low=0, each=step)
    rng = generator(check_seed(seed), "copy")
    n = sum(sizes.values())
    shown = distinct_rows(lambda k: rng.integers(symbols, size=(k, length)), n, "strings")  # [n, length]
    inputs = np.full((n, 2 * length + delay + 1), symbols + 1)  # the blank
    inputs[:, :length] = shown + 1
    inputs[:, length + delay] = symbols + 2  # the sign
    targets = np.full(inputs.shape, NOT_ASKED)
    targets[:, -length:] = shown
    parts = [(inputs[part], targets[part]) for part in cut_up(sizes)]
    return Task.from_splits("copy", *parts, kind="sequence-labelling", sequences=True)


def adding(*, train: int = 4000, val: int = 500, test: int = 1000, length: int = 30, seed: int = 0) -> Task:
    """The task ``"adding"``: the sum of the two values of a series that are marked.

    The first channel holds values uniform from 0 to 1, the second a 1 at a place of the first half and at one
    of the second half, and 0 elsewhere (after Hochreiter and Schmidhuber, 1997, Neural Computation 9; see
    Arjovsky, Shah and Bengio, 2016, arXiv:1511.06464). Difficulty is ``length``.

    Chance level: R2 0, a mean squared error of 1/6. An LSTM of 64 units reaches R2 0.9998 in 25 epochs.
    Horizon: up to ``length`` steps.

    Parameters
    ----------
    train, val, test : int
        Series in each split.
    length : int
        Steps, from 2 on.
    seed : int

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
    >>> load_task("adding", train=800, val=100, test=100)
    Task('adding', 800/100/100 train/val/test, series [30, 2], 1 real targets)
    """
    sizes = split_sizes(train, val, test)
    length = check_integer(length, "length", low=2, each=48 * sum(sizes.values()))
    rng = generator(check_seed(seed), "adding")
    n, half = sum(sizes.values()), length // 2
    values = as_steps(rng.random((n, length)))
    marks = np.zeros((n, length))
    rows = np.arange(n)
    marks[rows, rng.integers(half, size=n)] = 1
    marks[rows, rng.integers(half, length, size=n)] = 1
    series, total = np.stack([values, marks], axis=2), (values * marks).sum(axis=1)
    parts = [(series[part], total[part]) for part in cut_up(sizes)]
    return Task.from_splits("adding", *parts, kind="regression", series=True)


def delayed_xor(
    *,
    train: int = 2000,
    val: int = 500,
    test: int = 1000,
    length: int = 30,
    delay: int = 5,
    seed: int = 0,
) -> Task:
    """The task ``"delayed-xor"``: at every step, did the bits of a while ago differ?

    At step t the exclusive or of the bits at ``t - delay`` and ``t - delay - 1`` is asked, a task of
    reservoir computing (Bertschinger and Natschlaeger, 2004, Neural Computation 16, for parities with a
    delay). Difficulty is ``delay``.

    Chance level: accuracy 0.5. An LSTM of 64 units reaches 1.0 in 20 epochs. Horizon: ``delay + 1`` steps.

    Parameters
    ----------
    train, val, test : int
        Sequences in each split.
    length : int
        Bits in each, more than ``delay + 1``.
    delay : int
        From 0 on.
    seed : int

    Returns
    -------
    Task
        Of the kind ``sequence-labelling``.

    Raises
    ------
    InvalidInputError
        If an option breaks its rule, or fewer sequences exist than are asked for.

    Examples
    --------
    >>> from nnstruct.tasks import load_task
    >>> load_task("delayed-xor", train=800, val=100, test=100)
    Task('delayed-xor', 800/100/100 train/val/test, 3 symbols, 2 classes a step)
    """
    sizes = split_sizes(train, val, test)
    step = 24 * sum(sizes.values())  # bytes of a step of all sequences
    delay = check_integer(delay, "delay", low=0, each=step)
    rule = f"be an integer from delay + 2, {delay + 2}, on"
    length = check_integer(length, "length", low=delay + 2, rule=rule, each=step)
    rng = generator(check_seed(seed), "delayed-xor")
    bits = distinct_rows(lambda k: rng.integers(2, size=(k, length)), sum(sizes.values()), "sequences")
    targets = np.full(bits.shape, NOT_ASKED)
    targets[:, delay + 1 :] = (bits[:, 1:] ^ bits[:, :-1])[:, : length - delay - 1]
    parts = [(bits[part] + 1, targets[part]) for part in cut_up(sizes)]
    return Task.from_splits("delayed-xor", *parts, kind="sequence-labelling", sequences=True)


def parity(
    *,
    train: int = 4000,
    val: int = 500,
    test: int = 1000,
    min_length: int = 4,
    max_length: int = 14,
    every_step: bool = True,
    seed: int = 0,
) -> Task:
    """The task ``"parity"``: is the number of ones so far in a string of bits odd?

    Every bit counts as much as any other, and no part of the string tells anything; of two bits it is the XOR
    of Minsky and Papert (Perceptrons, 1969). Difficulty is the length, and ``every_step``:
    asked at the end alone, a network must find the rule without any hint of its parts.

    Chance level: accuracy 0.5. An LSTM of 64 units reaches 1.0 in 25 epochs, and stays at chance where it is
    asked at the end alone. Horizon: the whole string.

    Parameters
    ----------
    train, val, test : int
        Strings in each split; all differ, and lengths are drawn evenly.
    min_length, max_length : int
        Bits in a string.
    every_step : bool
        Whether it is asked after every bit, or after the last alone, as a classification.
    seed : int

    Returns
    -------
    Task
        Of the kind ``sequence-labelling``, or ``classification``.

    Raises
    ------
    InvalidInputError
        If an option breaks its rule, or fewer strings exist than are asked for.

    Examples
    --------
    >>> from nnstruct.tasks import load_task
    >>> load_task("parity", train=800, val=100, test=100)
    Task('parity', 800/100/100 train/val/test, 3 symbols, 2 classes a step)
    """
    sizes = split_sizes(train, val, test)
    low = check_integer(min_length, "min_length")
    rule, step = f"be an integer from min_length, {low}, on", 24 * sum(sizes.values())
    high = check_integer(max_length, "max_length", low=low, rule=rule, each=step)
    rng = generator(check_seed(seed), "parity")

    def draw(n: int) -> np.ndarray:
        bits = rng.integers(1, 3, size=(n, high))  # 1 for a zero, 2 for a one
        bits[np.arange(high) >= rng.integers(low, high + 1, size=n)[:, None]] = 0
        return bits

    strings = [row[row > 0] for row in distinct_rows(draw, sum(sizes.values()), "strings")]
    odd = [np.cumsum(row == 2) % 2 for row in strings]
    parts: list[tuple[Any, ...]] = [(strings[part], odd[part]) for part in cut_up(sizes)]
    if every_step:
        return Task.from_splits("parity", *parts, kind="sequence-labelling", sequences=True)
    parts = [(strings, [labels[-1] for labels in odd]) for strings, odd in parts]
    return Task.from_splits("parity", *parts, sequences=True)
