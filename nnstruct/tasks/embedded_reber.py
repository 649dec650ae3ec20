"""The embedded Reber grammar, whose second letter decides the last but one.

A string is ``B T inner T E`` or ``B P inner P E``, where ``inner`` is a whole string of the Reber
grammar. A network must keep one letter over the whole inner string, whose letters say nothing about
it; this made it a standard test of memory.

Invalid strings of the task ``"reber-embedded"``:

======================  =====  ================================================================
kind                    share  what is wrong
======================  =====  ================================================================
``long-range``            70%  only the last but one letter: T where P is due, or P where T is
``inner-entry``          7.5%  the inner string, which is one of the look-alike grammar of that
``inner-loops``          7.5%  name in :mod:`nnstruct.tasks.reber`; the outer letters agree
``inner-exits``          7.5%
``inner-loop-for-exit``  7.5%
======================  =====  ================================================================

A network that knows the inner grammar and forgets the second letter is right for at most 65% of the
strings; one that ignores the inner grammar and only compares the two outer letters, for 85%.

References
----------
A. Cleeremans, D. Servan-Schreiber, J. L. McClelland, Finite state automata and simple recurrent
networks, Neural Computation 1 (1989). S. Hochreiter, J. Schmidhuber, Long short-term memory, Neural
Computation 9 (1997).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from nnstruct.tasks.base import Task
from nnstruct.tasks.decoys import Decoy, decoy_task
from nnstruct.tasks.grammar import Grammar, State
from nnstruct.tasks.reber import OWN_LETTERS, REBER

ALPHABET: Final = "BEPSTVX"


def embed(inner: Grammar, closing: Mapping[str, str]) -> Grammar:
    """The grammar of ``B``, an opening letter, an inner string, the letter that closes it, ``E``.

    Parameters
    ----------
    inner : Grammar
    closing : mapping from opening to closing letter

    Returns
    -------
    Grammar

    Examples
    --------
    >>> from nnstruct.tasks.embedded_reber import embed
    >>> from nnstruct.tasks.reber import REBER
    >>> embed(REBER, {"T": "T", "P": "P"}).accepts("BTBPVVETE")
    True
    """
    arcs: dict[State, dict[str, State]] = {
        "start": {"B": "open"},
        "open": {letter: (letter, inner.start) for letter in closing},
        "close": {"E": "end"},
    }
    for opened, closed in closing.items():
        for state, steps in inner.arcs.items():
            arcs[opened, state] = {letter: (opened, target) for letter, target in steps.items()}
        arcs[opened, inner.end] = {closed: "close"}
    return Grammar(arcs, start="start", end="end")


_AGREE: Final = {"T": "T", "P": "P"}
EMBEDDED_REBER: Final = embed(REBER, _AGREE)
KINDS: Final = {
    "long-range": Decoy(embed(REBER, {"T": "P", "P": "T"}), 70),
    **{f"inner-{kind}": Decoy(embed(decoy.grammar, _AGREE), 7.5) for kind, decoy in OWN_LETTERS.items()},
}


def is_embedded_reber(text: str) -> bool:
    """Whether a string belongs to the embedded Reber grammar.

    Parameters
    ----------
    text : str

    Returns
    -------
    bool

    Examples
    --------
    >>> from nnstruct.tasks.embedded_reber import is_embedded_reber
    >>> is_embedded_reber("BTBPVVETE"), is_embedded_reber("BTBPVVEPE")
    (True, False)
    """
    return EMBEDDED_REBER.accepts(text)


def embedded_reber(
    *,
    train: int = 4000,
    val: int = 1000,
    test: int = 2000,
    seed: int = 0,
    min_length: int = 9,
    max_length: int = 50,
    kinds: Sequence[str] | None = None,
) -> Task:
    """The task ``"reber-embedded"``: does the last but one letter agree with the second?

    Half of every split is valid (class 1); all strings differ; both classes have the same lengths.
    Symbols are 1 to 7 for B, E, P, S, T, V, X, and 0 for the padding.

    Parameters
    ----------
    train, val, test : int
        Strings in each split. With an odd size one string more is valid.
    seed : int
    min_length, max_length : int
        Letters in a whole string; the shortest of all have 9. Longer ones ask for longer memory.
    kinds : sequence of str, optional
        Kinds of invalid strings, by default all of the module's table in their shares;
        ``["long-range"]`` leaves only those that need the memory.

    Returns
    -------
    Task

    Raises
    ------
    InvalidInputError
        If an option breaks its rule, or fewer different strings exist than are asked for.

    Examples
    --------
    >>> from nnstruct.tasks import load_task
    >>> load_task("reber-embedded", train=800, val=200, test=400)
    Task('reber-embedded', 800/200/400 train/val/test, 8 symbols, 2 classes)
    """
    return decoy_task(
        "reber-embedded",
        EMBEDDED_REBER,
        KINDS,
        alphabet=ALPHABET,
        sizes={"train": train, "val": val, "test": test},
        seed=seed,
        min_length=min_length,
        max_length=max_length,
        kinds=kinds,
    )
