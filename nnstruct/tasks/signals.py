"""Tasks of signals: systems with memory, chaos and sums of sines."""

from __future__ import annotations

import numpy as np

from nnstruct.checks import check_integer, check_number
from nnstruct.errors import InvalidInputError
from nnstruct.random import check_seed, generator
from nnstruct.tasks.base import Task
from nnstruct.tasks.generated import as_steps, cut_up, split_sizes

_MACKEY_GLASS = (0.2, 0.1, 10)  # beta, gamma, the exponent
_STEP = 0.5  # of the Runge-Kutta method


def narma10(
    *,
    train: int = 4000,
    val: int = 500,
    test: int = 1000,
    length: int = 30,
    order: int = 10,
    seed: int = 0,
) -> Task:
    """The task ``"narma-10"``: the output of a nonlinear system with a memory of ten steps.

    ``y(t + 1) = 0.3 y(t) + 0.05 y(t) (y(t) + ... + y(t - 9)) + 1.5 u(t - 9) u(t) + 0.1`` from y = 0, with
    inputs u uniform from 0 to 0.5 (Atiya and Parlos, 2000, IEEE Transactions on Neural Networks 11, equation
    86); asked is y after the last input. Difficulty is ``order``, in the place of 10.

    Chance level: R2 0. An LSTM of 64 units reaches 0.85 in 20 epochs. Horizon: ``order`` steps for the
    product, a few more for the sum.

    Parameters
    ----------
    train, val, test : int
        Series in each split.
    length : int
        Inputs in each, more than ``order``.
    order : int
        Steps of memory, from 1 to 10; the system runs away beyond.
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
    >>> load_task("narma-10", train=800, val=100, test=100)
    Task('narma-10', 800/100/100 train/val/test, series [30, 1], 1 real targets)
    """
    sizes = split_sizes(train, val, test)
    order, total = check_integer(order, "order", low=1, high=10), sum(sizes.values())
    length = check_integer(
        length, "length", low=order + 1, rule=f"be an integer above order, {order}", each=24 * total
    )
    rng = generator(check_seed(seed), "narma-10")
    u = as_steps(rng.uniform(0, 0.5, size=(sum(sizes.values()), length)))  # [n, T]
    y = np.zeros((len(u), length + 1))
    for t in range(length):
        past = y[:, max(0, t - order + 1) : t + 1].sum(axis=1)
        delayed = u[:, t - order + 1] if t >= order - 1 else 0.0
        y[:, t + 1] = 0.3 * y[:, t] + 0.05 * y[:, t] * past + 1.5 * delayed * u[:, t] + 0.1
    parts = [(u[part], as_steps(y[part, -1])) for part in cut_up(sizes)]
    return Task.from_splits("narma-10", *parts, kind="regression", series=True)


def mackey_glass(
    *,
    train: int = 4000,
    val: int = 500,
    test: int = 1000,
    length: int = 20,
    every: int = 3,
    ahead: int = 30,
    tau: int = 17,
    seed: int = 0,
) -> Task:
    """The task ``"mackey-glass"``: where a chaotic system will be.

    ``dx/dt = 0.2 x(t - tau) / (1 + x(t - tau)^10) - 0.1 x(t)`` (Mackey and Glass, 1977, Science 197), by the
    Runge-Kutta method from a random constant past, after 300 units of time. Each series has a past of its
    own. Difficulty is ``ahead``, and ``tau``: chaos begins at about 17.

    Chance level: R2 0. An LSTM of 64 units reaches 0.9996 in 25 epochs. Horizon: ``length * every``
    units of time are shown; ``tau`` of them tell all.

    Parameters
    ----------
    train, val, test : int
        Series in each split.
    length : int
        Values shown in each.
    every : int
        Units of time between them.
    ahead : int
        Units of time from the last value shown to the one asked for.
    tau : int
        The delay of the equation.
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
    >>> load_task("mackey-glass", train=800, val=100, test=100)
    Task('mackey-glass', 800/100/100 train/val/test, series [20, 1], 1 real targets)
    """
    sizes = split_sizes(train, val, test)
    step = 8 * sum(sizes.values())  # bytes of a unit of time
    every = check_integer(every, "every", each=step)
    length = check_integer(length, "length", each=step * every)
    ahead, tau = (check_integer(n, name, each=step) for n, name in ((ahead, "ahead"), (tau, "tau")))
    rng = generator(check_seed(seed), "mackey-glass")
    past = rng.uniform(0.4, 1.4, size=sum(sizes.values()))  # [n]
    shown = (length - 1) * every
    x = mackey_glass_series(past, 300 + shown + ahead, tau)[300:]  # [units of time, n]
    series = as_steps(x[: shown + 1 : every].T)  # [n, length]
    target = as_steps(x[shown + ahead])
    parts = [(series[part], target[part]) for part in cut_up(sizes)]
    return Task.from_splits("mackey-glass", *parts, kind="regression", series=True)


def mackey_glass_series(past: np.ndarray, duration: int, tau: int) -> np.ndarray:
    """Solutions of the Mackey-Glass equation from constant pasts.

    Parameters
    ----------
    past : float [n]
        The values up to time 0.
    duration : int
        Units of time.
    tau : int
        The delay.

    Returns
    -------
    float64 [duration + 1, n]
        At whole units of time.

    Examples
    --------
    >>> import numpy as np
    >>> from nnstruct.tasks.signals import mackey_glass_series
    >>> mackey_glass_series(np.array([1.0]), 50, tau=17)[-1].round(3).tolist()  # 1 is where it can rest
    [1.0]
    """
    beta, gamma, power = _MACKEY_GLASS
    substeps = round(1 / _STEP)
    back = tau * substeps
    x = np.empty((duration * substeps + back + 1, len(past)))
    x[: back + 1] = past

    def slope(value: np.ndarray, delayed: np.ndarray) -> np.ndarray:
        return beta * delayed / (1 + delayed**power) - gamma * value

    for t in range(back, len(x) - 1):
        begin, end = x[t - back], x[t - back + 1]
        middle = (begin + end) / 2
        first = slope(x[t], begin)
        second = slope(x[t] + _STEP / 2 * first, middle)
        third = slope(x[t] + _STEP / 2 * second, middle)
        fourth = slope(x[t] + _STEP * third, end)
        x[t + 1] = x[t] + _STEP / 6 * (first + 2 * second + 2 * third + fourth)
    return x[back::substeps]


def multi_sine(
    *,
    train: int = 4000,
    val: int = 500,
    test: int = 1000,
    classes: int = 6,
    length: int = 40,
    noise: float = 0.5,
    seed: int = 0,
) -> Task:
    """The task ``"multi-sine"``: which two tones sound together?

    Class c is the sum of two sines, of the tones c and c + 1 of a ladder on which each tone has 1.4 times the
    frequency of the one below, with random phases and sizes from 0.5 to 1.5, and noise: sums of sines as in
    the task of multiple superimposed oscillations (Wierstra, Gomez and Schmidhuber, 2005, GECCO), to be told
    apart. Neighbouring classes share a tone. Difficulty is ``noise`` and ``length``.

    Chance level: accuracy ``1 / classes``. An LSTM of 64 units reaches 0.98 in 12 epochs. Horizon: a
    period of the lowest tone, 20 steps.

    Parameters
    ----------
    train, val, test : int
        Series in each split.
    classes : int
        From 2 to 6; beyond, the highest tone would be sampled too coarsely.
    length : int
        Steps.
    noise : float
        Standard deviation of the noise at each step.
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
    >>> load_task("multi-sine", train=800, val=100, test=100)
    Task('multi-sine', 800/100/100 train/val/test, series [40, 1], 6 classes)
    """
    sizes = split_sizes(train, val, test)
    classes = check_integer(classes, "classes", low=2, high=6)
    for name, size in sizes.items():
        if size < classes:
            raise InvalidInputError(name, f"be at least the number of classes, {classes}", size)
    length = check_integer(length, "length", low=2, each=48 * sum(sizes.values()))
    noise = check_number(noise, "noise", low=0)
    rng = generator(check_seed(seed), "multi-sine")
    labels = np.concatenate([rng.permutation(np.arange(size) % classes) for size in sizes.values()])
    n = len(labels)
    frequency = 1.4 ** (labels[:, None] + np.arange(2)) / 20  # [n, 2], turns a step
    phase, amplitude = rng.random((n, 2)), rng.uniform(0.5, 1.5, size=(n, 2))
    turns = frequency[:, None] * np.arange(length)[:, None] + phase[:, None]  # [n, T, 2]
    clean = (amplitude[:, None] * np.sin(2 * np.pi * turns)).sum(axis=2)
    series = as_steps(clean + noise * rng.standard_normal((n, length)))
    parts = [(series[part], labels[part]) for part in cut_up(sizes)]
    return Task.from_splits("multi-sine", *parts, series=True)
