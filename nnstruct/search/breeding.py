"""Many distinct offspring from a population."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

import numpy as np

from nnstruct.search.operators import OPERATORS
from nnstruct.search.selection import Selection
from nnstruct.structure import Structure
from nnstruct.structure.space import Space

# Matings in a row without anything new after which a space counts as exhausted.
PATIENCE = 300


@dataclass(frozen=True)
class Candidate:
    """A structure and how it came about.

    Attributes
    ----------
    structure : Structure
    operator : str
        Names of the operators applied, joined by ``+``, or ``prior``.
    parents : tuple of str
        Fingerprints.
    """

    structure: Structure
    operator: str = "prior"
    parents: tuple[str, ...] = ()


def breed(
    population: Sequence[Structure],
    scores: np.ndarray,
    count: int,
    *,
    space: Space,
    rng: np.random.Generator,
    selection: Selection,
    crossover_rate: float = 0.3,
    mutation_rate: float = 0.3,
    known: AbstractSet[str] = frozenset(),
) -> list[Candidate]:
    """Offspring that are new: none isomorphic to another or to a known structure.

    With probability ``crossover_rate`` two parents are crossed, otherwise one is mutated; then
    one more mutation follows with probability ``mutation_rate``, and again after each that
    did. The mutation is drawn from all registered ones; where it cannot apply, another is tried.

    Parameters
    ----------
    population : sequence of Structure, length P
    scores : float [P]
        The higher, the better.
    count : int
    space : Space
    rng : numpy.random.Generator
    selection : Selection
    crossover_rate, mutation_rate : float
    known : set of str
        Fingerprints that may not come up.

    Returns
    -------
    list of Candidate
        Fewer than ``count`` only where :data:`PATIENCE` matings in a row gave nothing new.

    Examples
    --------
    >>> import numpy as np
    >>> from nnstruct import Space, Structure
    >>> from nnstruct.search import Tournament
    >>> from nnstruct.search.breeding import breed
    >>> parents = [Structure.from_layers([2, 3, 2]), Structure.from_layers([4, 4])]
    >>> rng = np.random.default_rng(0)
    >>> space = Space("mlp", units=(5, 10))
    >>> len(breed(parents, np.array([0.3, 0.7]), 5, space=space, rng=rng, selection=Tournament()))
    5
    """
    found: list[Candidate] = []
    seen, misses = set(known), 0
    while len(found) < count and misses < PATIENCE:
        mates = [population[index] for index in selection(scores, 2, rng)]
        child = _mate(mates, space, rng, crossover_rate, mutation_rate)
        if child is None or child.structure.fingerprint in seen:
            misses += 1
            continue
        misses = 0
        seen.add(child.structure.fingerprint)
        found.append(child)
    return found


def _mate(
    mates: Sequence[Structure],
    space: Space,
    rng: np.random.Generator,
    crossover_rate: float,
    mutation_rate: float,
) -> Candidate | None:
    names: list[str] = []
    child, parents = mates[0], mates[:1]
    if rng.random() < crossover_rate and mates[0] is not mates[1]:
        crossed = _apply(2, mates, space, rng)
        if crossed is not None:
            child, parents = crossed[0], mates
            names.append(crossed[1])
    while not names or rng.random() < mutation_rate:
        mutated = _apply(1, [child], space, rng)
        if mutated is None:
            break
        child = mutated[0]
        names.append(mutated[1])
    if not names:
        return None
    operator, fingerprints = "+".join(names), [parent.fingerprint for parent in parents]
    if len(names) > 1:
        child = child.with_origin(kind="search", operator=operator, parents=fingerprints)
    return Candidate(child, operator, tuple(fingerprints))


def _apply(
    arity: int, parents: Sequence[Structure], space: Space, rng: np.random.Generator
) -> tuple[Structure, str] | None:
    """The first operator of that arity, in random order, that can apply."""
    registered = (OPERATORS[name] for name in OPERATORS)
    operators = [one for one in registered if one.arity == arity and one.applies_to(space)]
    for index in rng.permutation(len(operators)).tolist():
        child = operators[index](parents, rng, space)
        if child is not None:
            return child, operators[index].name
    return None
