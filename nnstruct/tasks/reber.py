"""The Reber grammar, and the task to tell its strings from those of look-alike grammars.

The 25,000 labelled strings of the seed study (Stier, Darji and Granitzer 2021) show which kinds of
invalid strings it used, and the kinds here are those. Every figure is for its train and test file
together; the label agrees with the grammar for every one of the 25,000 strings.

**Valid strings.** 12,500, all different, with 11 to 53 letters (mean 23.6). Their lengths are those
of about 2 million fair walks over the grammar of which strings with fewer than 11 letters and
repetitions were dropped: all 2,404 strings of 11 to 20 letters are there, 98% of those of 21, 62% of
those of 23, 22% of those of 25, 3% of those of 28.

**Invalid strings.** 12,500, 11 to 48 letters (mean 18.7). None is random, and none comes from changing
letters here and there. All are fair walks, drawn in the same way, over eight automata that have the
shape of Reber's grammar with other letters on its arcs:

======================  =======  =====  ===========================================================
kind                    strings  share  arcs that carry other letters
======================  =======  =====  ===========================================================
``entry``                 1,500    12%  the two first letters, T and P, are exchanged
``loops``                 2,000    16%  the two loops with their exits: S, X against T, V
``exits``                 1,500    12%  the two pairs of arcs at the end: X, S against P, V
``loop-for-exit``           500     4%  each loop with its own exit: S against X and T against V
``letters-acdf``          2,000    16%  A C D F J I H G L K in the place of T P S X T V X S P V
``letters-qomn``          1,500    12%  Q O M N C A U R F D
``letters-mnoq``          1,500    12%  M N O Q C A U R F D
``letters-mnoqvw``        2,000    16%  M N O Q W V U R Z Y
======================  =======  =====  ===========================================================

So 44% of the invalid strings use Reber's own letters, and only ``entry`` never shows a pair of
neighbours that no valid string has. The last two kinds share the strings B M O...O Q R E, of which
eight stand twice. None of the eight automata shares a string with Reber's grammar, of any length.

**Shortcuts in the study's files.** Length alone (valid from 21 letters on) is right for 77.7% of
the test strings, because fewer strings were drawn from each of the eight automata, so that their
short strings were not used up; letters alone (no letter foreign to the grammar) for 77.9%; pairs of
neighbours (all seen in valid train strings) for 93.7%.

The task ``"reber"`` keeps the kinds and their shares and the way in which lengths come about, with
one change: valid and invalid strings have the same lengths, so that length tells nothing. With the
default sizes (strings of 20.5 letters on average) length alone is right for 51%, letters for 78% and
pairs of neighbours for 94% of the test strings; the rest must be remembered from the entry.
``"reber-stier2021"`` reads the study's own files.

References
----------
A. S. Reber, Implicit learning of artificial grammars, Journal of Verbal Learning and Verbal
Behavior 6 (1967). J. Stier, H. Darji, M. Granitzer, Experiments on properties of hidden structures
of sparse neural networks (2021), arXiv:2107.12917.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from nnstruct.random import check_seed, generator
from nnstruct.tasks.base import Task
from nnstruct.tasks.decoys import Decoy, decoy_task
from nnstruct.tasks.grammar import Grammar, State

ALPHABET: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

_ARCS: Final = ((1, 2), (1, 3), (2, 2), (2, 4), (3, 3), (3, 5), (4, 3), (4, 6), (5, 4), (5, 6))


def reber_like(letters: str) -> Grammar:
    """The automaton of Reber's shape with these ten letters on its arcs, between B and E.

    Parameters
    ----------
    letters : str
        The letters of the arcs 1-2, 1-3 (entry), 2-2, 2-4 (upper loop and its exit), 3-3, 3-5 (lower
        loop and its exit), 4-3, 4-6, 5-4 and 5-6 (back, or to the end).

    Returns
    -------
    Grammar

    Examples
    --------
    >>> from nnstruct.tasks.reber import reber_like
    >>> reber_like("TPSXTVXSPV").accepts("BTSSXSE")
    True
    """
    arcs: dict[State, dict[str, State]] = {0: {"B": 1}, 6: {"E": 7}}
    for (source, target), letter in zip(_ARCS, letters, strict=True):
        arcs.setdefault(source, {})[letter] = target
    return Grammar(arcs, start=0, end=7)


REBER: Final = reber_like("TPSXTVXSPV")

OWN_LETTERS: Final = {
    "entry": Decoy(reber_like("PTSXTVXSPV"), 12),
    "loops": Decoy(reber_like("TPTVSXXSPV"), 16),
    "exits": Decoy(reber_like("TPSXTVPVXS"), 12),
    "loop-for-exit": Decoy(reber_like("TPXSVTXSPV"), 4),
}
OTHER_LETTERS: Final = {
    "letters-acdf": Decoy(reber_like("ACDFJIHGLK"), 16),
    "letters-qomn": Decoy(reber_like("QOMNCAURFD"), 12),
    "letters-mnoq": Decoy(reber_like("MNOQCAURFD"), 12),
    "letters-mnoqvw": Decoy(reber_like("MNOQWVURZY"), 16),
}
KINDS: Final = {**OWN_LETTERS, **OTHER_LETTERS}


def is_reber(text: str) -> bool:
    """Whether a string belongs to the Reber grammar.

    Parameters
    ----------
    text : str

    Returns
    -------
    bool

    Examples
    --------
    >>> from nnstruct.tasks.reber import is_reber
    >>> is_reber("BTSXXTVVE"), is_reber("BPSXXTVVE")
    (True, False)
    """
    return REBER.accepts(text)


def reber_strings(n: int, *, seed: int = 0, min_length: int = 11, max_length: int = 50) -> list[str]:
    """Different valid strings, as a fair walk over the grammar finds them, shortest first.

    Parameters
    ----------
    n : int
    seed : int
    min_length, max_length : int
        Letters in a string, B and E included; the shortest of all have 5.

    Returns
    -------
    list of str

    Raises
    ------
    InvalidInputError
        If fewer than ``n`` strings exist between the two lengths.

    Examples
    --------
    >>> from nnstruct.tasks.reber import reber_strings
    >>> sorted(reber_strings(5, min_length=5, max_length=6))
    ['BPTVVE', 'BPVPSE', 'BPVVE', 'BTSXSE', 'BTXSE']
    """
    check_seed(seed)
    return REBER.draw(REBER.lengths(n, min_length, max_length), generator(seed, "reber", "strings"))


def reber(
    *,
    train: int = 4000,
    val: int = 1000,
    test: int = 2000,
    seed: int = 0,
    min_length: int = 11,
    max_length: int = 50,
    kinds: Sequence[str] | None = None,
) -> Task:
    """The task ``"reber"``: is a string valid (class 1) or of a look-alike grammar (class 0)?

    Half of every split is valid; all strings differ; both classes have the same lengths. Symbols
    are 1 for A to 26 for Z, and 0 for the padding.

    Parameters
    ----------
    train, val, test : int
        Strings in each split. With an odd size one string more is valid.
    seed : int
    min_length, max_length : int
        Letters in a string, B and E included; the shortest of all have 5.
    kinds : sequence of str, optional
        Kinds of invalid strings, by default all eight of the module's table in their shares. Only
        ``entry``, ``loops``, ``exits`` and ``loop-for-exit`` keep to Reber's own letters.

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
    >>> load_task("reber")
    Task('reber', 4000/1000/2000 train/val/test, 27 symbols, 2 classes)
    >>> harder = load_task("reber", train=400, val=100, test=100, kinds=["entry", "exits"])
    """
    return decoy_task(
        "reber",
        REBER,
        KINDS,
        alphabet=ALPHABET,
        sizes={"train": train, "val": val, "test": test},
        seed=seed,
        min_length=min_length,
        max_length=max_length,
        kinds=kinds,
    )
