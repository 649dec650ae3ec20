"""Many distinct offspring from a population."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

import numpy as np

from nnstruct.search.selection import Selection
from nnstruct.search.spaces import SearchSpace, as_search_space
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
    space: Space | SearchSpace,
    rng: np.random.Generator,
    selection: Selection,
    crossover_rate: float = 0.3,
    mutation_rate: float = 0.3,
    known: AbstractSet[str] = frozenset(),
    rates: Mapping[str, float] | None = None,
) -> list[Candidate]:
    """Offspring that are new: none isomorphic to another or to a known structure.

    With probability ``crossover_rate`` two parents are crossed, otherwise one is mutated; then
    one more mutation follows with probability ``mutation_rate``, and again after each that
    did. The mutation is drawn from those of the space; where it cannot apply, another is tried.

    Parameters
    ----------
    population : sequence of Structure, length P
    scores : float [P]
        The higher, the better.
    count : int
    space : Space or SearchSpace
    rng : numpy.random.Generator
    selection : Selection
    crossover_rate, mutation_rate : float
    known : set of str
        Fingerprints that may not come up.
    rates : mapping of str to float, optional
        The chance of each mutation that the space names; equal ones by default.

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
    where = as_search_space(space)
    seen, misses = set(known), 0
    while len(found) < count and misses < PATIENCE:
        mates = [population[index] for index in selection(scores, 2, rng)]
        child = _mate(mates, where, rng, crossover_rate, mutation_rate, rates or {})
        if child is None or child.structure.fingerprint in seen or not where.contains(child.structure):
            misses += 1
            continue
        misses = 0
        seen.add(child.structure.fingerprint)
        found.append(child)
    return found


def _mate(
    mates: Sequence[Structure],
    space: SearchSpace,
    rng: np.random.Generator,
    crossover_rate: float,
    mutation_rate: float,
    rates: Mapping[str, float],
) -> Candidate | None:
    names: list[str] = []
    child, parents = mates[0], mates[:1]
    cross = getattr(space, "cross", None)
    if cross is not None and rng.random() < crossover_rate and mates[0] is not mates[1]:
        crossed = cross(mates[0], mates[1], rng)
        if crossed is not None:
            child, parents = crossed, mates
            names.append(_operator(crossed, "crossover"))
    while not names or rng.random() < mutation_rate:
        mutated = _mutated(child, space, rng, rates)
        if mutated is None:
            break
        child = mutated
        names.append(_operator(mutated, "mutation"))
    if not names:
        return None
    operator, fingerprints = "+".join(names), [parent.fingerprint for parent in parents]
    if len(names) > 1 and child.origin.get("kind") == "search":
        child = child.with_origin(kind="search", operator=operator, parents=fingerprints)
    return Candidate(child, operator, tuple(fingerprints))


def _mutated(
    structure: Structure, space: SearchSpace, rng: np.random.Generator, rates: Mapping[str, float]
) -> Structure | None:
    """By an operator drawn by its rate, or by another one where that cannot apply."""
    left = dict(rates)
    while left:
        names, chances = list(left), np.array(list(left.values()))
        name = names[int(rng.choice(len(names), p=chances / chances.sum()))]
        child = space.mutate(structure, rng, operator=name)  # type: ignore[call-arg]
        if child is not None:
            return child
        del left[name]
    return None if rates else space.mutate(structure, rng)


def _operator(structure: Structure, otherwise: str) -> str:
    name = structure.origin.get("operator")
    return name if isinstance(name, str) else otherwise
