"""Tasks of formal languages: the next symbol, brackets that close, and counting."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from nnstruct.checks import check_integer, check_room
from nnstruct.errors import InvalidInputError
from nnstruct.random import check_seed, generator
from nnstruct.tasks.base import Task
from nnstruct.tasks.embedded_reber import ALPHABET
from nnstruct.tasks.generated import cut_up, split_sizes
from nnstruct.tasks.reber import REBER
from nnstruct.tasks.splits import part_of

BRACKETS = "()[]"
_CLOSING = {"(": ")", "[": "]"}
_MOST_DRAWS = 200  # for each string that is wanted


def next_reber(
    *,
    train: int = 2000,
    val: int = 500,
    test: int = 1000,
    min_length: int = 5,
    max_length: int = 40,
    seed: int = 0,
) -> Task:
    """The task ``"reber-next"``: which symbol follows in a string of the Reber grammar?

    Before each symbol but the first the network is asked for it (Cleeremans, Servan-Schreiber and
    McClelland, 1989, Neural Computation 1); in most states of the grammar two symbols may follow. Strings are
    those of :func:`nnstruct.tasks.reber.reber_strings`. Difficulty is the length.

    Chance level: inverse perplexity 1/8. Who knows the grammar, and takes both arcs of a state as equally
    likely, has a little over 0.5; as strings are different ones of known lengths, more can be known. An LSTM
    of 64 units reaches 0.59 in 12 epochs. Horizon: two symbols tell the state.

    Parameters
    ----------
    train, val, test : int
        Strings in each split; all differ.
    min_length, max_length : int
        Letters in a string, B and E included.
    seed : int

    Returns
    -------
    Task
        Of the kind ``next-symbol``.

    Raises
    ------
    InvalidInputError
        If an option breaks its rule, or fewer strings exist than are asked for.

    Examples
    --------
    >>> from nnstruct.tasks import load_task
    >>> load_task("reber-next", train=800, val=100, test=100)
    Task('reber-next', 800/100/100 train/val/test, 8 symbols, next symbols)
    """
    sizes = split_sizes(train, val, test)
    rng = generator(check_seed(seed), "reber-next")
    strings = REBER.draw(REBER.lengths(sum(sizes.values()), min_length, max_length), rng)
    strings = [strings[place] for place in rng.permutation(len(strings))]
    parts = [(strings[part], None) for part in cut_up(sizes)]
    return Task.from_splits(
        "reber-next", *parts, kind="next-symbol", sequences=True, alphabet=ALPHABET, ends=False
    )


def dyck2(
    *,
    train: int = 4000,
    val: int = 500,
    test: int = 1000,
    min_pairs: int = 4,
    max_pairs: int = 12,
    max_depth: int = 4,
    seed: int = 0,
) -> Task:
    """The task ``"dyck-2"``: does every bracket of a string close one of its own kind?

    Strings of two kinds of brackets that nest at most ``max_depth`` deep; half of them are valid (class 1).
    In the others two closing brackets of different kinds have changed places, so that counts of symbols, and
    the depth at every step, tell nothing: the kinds of all open brackets must be kept, in their order
    (the Dyck language of Chomsky and Schuetzenberger, with bounded depth as in Hewitt et al., 2020,
    arXiv:2010.07515). Difficulty is depth and length.

    Chance level: accuracy 0.5. An LSTM of 64 units reaches 0.997 in 25 epochs. Horizon: up to
    ``2 * max_pairs`` steps.

    Parameters
    ----------
    train, val, test : int
        Strings in each split; all differ.
    min_pairs, max_pairs : int
        Pairs of brackets in a string, from 2 on; drawn evenly.
    max_depth : int
        Open brackets at once, from 1 on.
    seed : int

    Returns
    -------
    Task

    Raises
    ------
    InvalidInputError
        If an option breaks its rule, or fewer strings exist than are asked for.

    Examples
    --------
    >>> from nnstruct.tasks import load_task
    >>> load_task("dyck-2", train=800, val=100, test=100)
    Task('dyck-2', 800/100/100 train/val/test, 5 symbols, 2 classes)
    """
    sizes = split_sizes(train, val, test, fewest=2)
    low = check_integer(min_pairs, "min_pairs", low=2)
    rule, pair = f"be an integer from min_pairs, {low}, on", 16 * sum(sizes.values())
    high = check_integer(max_pairs, "max_pairs", low=low, rule=rule, each=pair)
    depth = check_integer(max_depth, "max_depth")
    rng = generator(check_seed(seed), "dyck-2")
    wanted = {1: 0, 0: 0}
    for size in sizes.values():
        wanted[1] += size - size // 2
        wanted[0] += size // 2
    found: dict[int, list[str]] = {1: [], 0: []}
    seen: set[str] = set()
    for _ in range(_MOST_DRAWS * sum(sizes.values())):
        label = 1 if len(found[1]) < wanted[1] else 0
        if len(found[label]) == wanted[label]:
            break
        text = _brackets(int(rng.integers(low, high + 1)), depth, rng)
        broken = text if label else _exchanged(text, rng)
        if broken is not None and broken not in seen:
            seen.add(broken)
            found[label].append(broken)
    else:
        rule = "ask for no more than there are different strings, "
        raise InvalidInputError("train, val and test", f"{rule}about {len(seen)}", sum(sizes.values()))
    parts = []
    for size in sizes.values():
        texts = [found[1].pop() for _ in range(size - size // 2)] + [found[0].pop() for _ in range(size // 2)]
        labels = np.repeat([1, 0], [size - size // 2, size // 2])
        order = rng.permutation(size)
        parts.append(([texts[place] for place in order], labels[order]))
    return Task.from_splits("dyck-2", *parts, sequences=True, alphabet=BRACKETS)


def _brackets(pairs: int, depth: int, rng: np.random.Generator) -> str:
    text, still_open = "", ""
    left = pairs
    while left or still_open:
        opens = left and len(still_open) < depth and (not still_open or rng.random() < 0.5)
        if opens:
            still_open += "(["[rng.integers(2)]
            text += still_open[-1]
            left -= 1
        else:
            text += _CLOSING[still_open[-1]]
            still_open = still_open[:-1]
    return text


def _exchanged(text: str, rng: np.random.Generator) -> str | None:
    """With two closing brackets exchanged; None where all are of one kind."""
    round_ones, square_ones = ([i for i, sign in enumerate(text) if sign == kind] for kind in ")]")
    if not round_ones or not square_ones:
        return None
    first, second = rng.choice(round_ones), rng.choice(square_ones)
    signs = list(text)
    signs[first], signs[second] = "]", ")"
    return "".join(signs)


def anbncn(
    *, max_n: int = 40, copies: int = 20, val: float = 0.15, test: float = 0.15, seed: int = 0
) -> Task:
    """The task ``"anbncn"``: which symbol follows in ``a...ab...bc...c``, as many of each?

    The strings ``a^n b^n c^n`` for n from 1 to ``max_n``, with the end to be foretold (Gers and Schmidhuber,
    2001, IEEE Transactions on Neural Networks 12). Only when the first b comes is left to chance; then a
    network that counts knows all, and one that does not misses where the c begin and where the string ends.
    No n stands on two sides of the split. Difficulty is ``max_n``.

    Chance level: inverse perplexity 1/4. Who counts, and takes all n as equally likely, lacks ``ln(max_n)``
    nats a string of about ``1.5 max_n`` symbols: 0.94 for ``max_n=40``. An LSTM of 64
    units reaches 0.86 in 60 epochs. Horizon: ``2 n`` steps.

    Parameters
    ----------
    max_n : int
        The largest n, from 3 on.
    copies : int
        How often each string stands in the training split, as there are few.
    val, test : float
        Shares of the strings.
    seed : int
        Decides the split.

    Returns
    -------
    Task
        Of the kind ``next-symbol``.

    Raises
    ------
    InvalidInputError
        If an option breaks its rule.

    Examples
    --------
    >>> from nnstruct.tasks import load_task
    >>> load_task("anbncn")
    Task('anbncn', 560/6/6 train/val/test, 4 symbols, next symbols)
    """
    max_n = check_integer(max_n, "max_n", low=3)
    check_room(max_n, "max_n", 30.0 * max_n * max_n)  # bytes: as many strings, each as padded as the longest
    copies = check_integer(copies, "copies", each=24 * max_n * max_n)
    strings = ["a" * n + "b" * n + "c" * n for n in range(1, max_n + 1)]
    task = Task.from_sequences("anbncn", strings, kind="next-symbol", val=val, test=test, seed=seed)
    places = np.tile(np.arange(len(task.train)), copies)
    return replace(task, train=part_of(task.train, places))
