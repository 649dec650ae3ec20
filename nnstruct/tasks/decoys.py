"""Two-class tasks of strings: those of a grammar against those of look-alike grammars."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from nnstruct.checks import check_integer
from nnstruct.errors import InvalidInputError
from nnstruct.random import check_seed, generator
from nnstruct.tasks.base import Task
from nnstruct.tasks.draws import check_size
from nnstruct.tasks.grammar import MAX_LENGTH, Grammar, apportion
from nnstruct.tasks.splits import encode_sequences, padded_split


@dataclass(frozen=True)
class Decoy:
    """A grammar whose strings are invalid, and its share of the invalid strings in percent."""

    grammar: Grammar
    share: float


def decoy_task(
    name: str,
    valid: Grammar,
    decoys: Mapping[str, Decoy],
    *,
    alphabet: str,
    sizes: Mapping[str, int],
    seed: int,
    min_length: int,
    max_length: int,
    kinds: Sequence[str] | None,
) -> Task:
    """A task with as many valid (class 1) as invalid (class 0) strings in every split.

    All strings differ. Both classes have the same lengths over the whole task, so that length alone
    tells nothing. With an odd size a split has one valid string more.

    Parameters
    ----------
    name : str
    valid : Grammar
    decoys : mapping from the kind's name to a Decoy
        No string of a decoy may be valid; each has as many strings of every length as ``valid``.
    alphabet : str
        The letters in the order of their symbols, from 1.
    sizes : mapping of train, val and test to a number of strings
    seed : int
    min_length, max_length : int
        Letters in a string.
    kinds : sequence of str, optional
        Which decoys to use; their shares are scaled to a sum of one. All by default.

    Returns
    -------
    Task

    Raises
    ------
    InvalidInputError
        If an option breaks its rule, or fewer different strings exist than are asked for.
    """
    check_seed(seed)
    _check_lengths(valid, min_length, max_length)
    counts = [check_size(split, size, fewest=2) for split, size in sizes.items()]
    chosen = _chosen(decoys, kinds)
    num_invalid = [count // 2 for count in counts]
    num_valid = [count - count // 2 for count in counts]

    lengths = valid.lengths(sum(num_valid), min_length, max_length)
    positive = valid.draw(lengths, generator(seed, name, "valid"))
    lengths = valid.lengths(sum(num_invalid), min_length, max_length)
    negative = draw_decoys(chosen, lengths, generator(seed, name, "invalid"))

    rng = generator(seed, name, "split")
    positive = [positive[i] for i in rng.permutation(len(positive))]
    negative = [negative[i] for i in rng.permutation(len(negative))]
    splits = []
    longest = max(len(text) for text in positive + negative)
    for count, other in zip(num_valid, num_invalid, strict=True):
        texts = positive[:count] + negative[:other]
        labels = np.repeat(np.array([1, 0], dtype=np.int64), [count, other])
        order = rng.permutation(len(texts))
        coded = encode_sequences([texts[i] for i in order], alphabet)
        splits.append(padded_split(coded, labels[order], longest))
        positive, negative = positive[count:], negative[other:]
    first, second, third = splits
    return Task(name, first, second, third, num_classes=2, num_symbols=len(alphabet) + 1)


def draw_decoys(
    decoys: Mapping[str, Decoy], lengths: Mapping[int, int], rng: np.random.Generator
) -> list[str]:
    """Different strings of the decoys in their shares; all of them together have the given lengths.

    Parameters
    ----------
    decoys : mapping from the kind's name to a Decoy
    lengths : mapping of int to int
        The number of strings by length.
    rng : numpy.random.Generator

    Returns
    -------
    list of str
        Decoy by decoy.
    """
    pool = rng.permutation(np.repeat(list(lengths.keys()), list(lengths.values())))
    found: list[str] = []
    numbers = apportion(len(pool), [decoy.share for decoy in decoys.values()])
    for decoy, number in zip(decoys.values(), numbers, strict=True):
        part, pool = pool[:number], pool[number:]
        # Some decoys share strings. Enough are left: a length is asked for at most as often, over
        # all decoys, as each decoy has strings of it.
        found += decoy.grammar.draw(Counter(part.tolist()), rng, exclude=set(found))
    return found


def _chosen(decoys: Mapping[str, Decoy], kinds: Sequence[str] | None) -> dict[str, Decoy]:
    if kinds is None:
        return dict(decoys)
    if isinstance(kinds, str) or not kinds or len(set(kinds)) != len(kinds) or set(kinds) - set(decoys):
        raise InvalidInputError("kinds", f"be a list of different names among {', '.join(decoys)}", kinds)
    return {kind: decoy for kind, decoy in decoys.items() if kind in kinds}


def _check_lengths(valid: Grammar, min_length: int, max_length: int) -> None:
    for field, value in (("min_length", min_length), ("max_length", max_length)):
        check_integer(value, field)
    if not min_length <= max_length <= MAX_LENGTH:
        raise InvalidInputError("max_length", f"be in {min_length}..{MAX_LENGTH}", max_length)
