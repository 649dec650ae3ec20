"""The part of a space whose structures keep limits, such as a number of parameters."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from nnstruct.search.spaces.base import SearchSpace
from nnstruct.structure import Structure

# Draws in a row, each of as many structures as are wanted, and steps towards the limits after them.
_ROUNDS, _STEPS = 20, 200


class LimitedSpace:
    """A space without the structures that exceed a limit.

    Parameters
    ----------
    space : SearchSpace
    limits : sequence of pair (measure, most)
        A structure is left out where a measure of it exceeds ``most``.
    constraints : sequence of callable
        Functions from a Structure to a number, above 0 where it is violated.

    Examples
    --------
    >>> import numpy as np
    >>> from nnstruct import Space, Structure
    >>> from nnstruct.search.spaces import as_search_space
    >>> space = as_search_space(Space("mlp", units=(4, 20)))
    >>> few = LimitedSpace(space, [(lambda s: s.num_edges, 12)])
    >>> found = few.draw(5, np.random.default_rng(0))
    >>> max(s.num_edges for s in found) <= 12, few.contains(Structure.from_layers([5, 5]))
    (True, False)
    """

    def __init__(
        self,
        space: SearchSpace,
        limits: Sequence[tuple[Callable[[Structure], float], float]] = (),
        constraints: Sequence[Callable[[Structure], float]] = (),
    ) -> None:
        self.space, self.limits, self.constraints = space, tuple(limits), tuple(constraints)
        self._violations: dict[str, float] = {}
        if hasattr(space, "cross"):
            self.cross = space.cross
        if hasattr(space, "neighbours"):
            self.neighbours = lambda structure: [s for s in space.neighbours(structure) if self.feasible(s)]
        for name in ("operators", "family"):
            if hasattr(space, name):
                setattr(self, name, getattr(space, name))

    def violation(self, structure: Structure) -> float:
        """By how much a structure exceeds the limits.

        Parameters
        ----------
        structure : Structure

        Returns
        -------
        float
            0 where it keeps them; else the sum of what each limit is exceeded by, as a share of it, and of
            what the constraints give above 0.
        """
        known = self._violations.get(structure.fingerprint)
        if known is None:
            over = [(measure(structure) - most) / max(abs(most), 1e-12) for measure, most in self.limits]
            over += [float(constraint(structure)) for constraint in self.constraints]
            known = self._violations[structure.fingerprint] = sum(max(0.0, part) for part in over)
        return known

    def feasible(self, structure: Structure) -> bool:
        """Whether a structure keeps all limits.

        Parameters
        ----------
        structure : Structure

        Returns
        -------
        bool
        """
        return self.violation(structure) == 0.0

    def draw(self, n: int, rng: np.random.Generator) -> list[Structure]:
        """Draws of the whole space that keep the limits; where there are none, steps lead to one.

        Parameters
        ----------
        n : int
        rng : numpy.random.Generator

        Returns
        -------
        list of Structure, length at most n
        """
        kept: dict[str, Structure] = {}
        nearest: Structure | None = None
        for _ in range(_ROUNDS):
            drawn = self.space.draw(n, rng)
            for structure in drawn:
                if self.feasible(structure):
                    kept[structure.fingerprint] = structure
                elif nearest is None or self.violation(structure) < self.violation(nearest):
                    nearest = structure
            if len(kept) >= n or not drawn:
                break
        if not kept and nearest is not None:
            found = self._led(nearest, rng)
            kept = {} if found is None else {found.fingerprint: found}
        return list(kept.values())[:n]

    def _led(self, structure: Structure, rng: np.random.Generator) -> Structure | None:
        """Mutations that come nearer to the limits, until they are kept (Deb's rule for the infeasible)."""
        for _ in range(_STEPS):
            child = self.space.mutate(structure, rng)
            if child is None or not self.space.contains(child):
                continue
            if self.violation(child) <= self.violation(structure):
                structure = child
            if self.feasible(structure):
                return structure
        return None

    def mutate(self, structure: Structure, rng: np.random.Generator, **operator: Any) -> Structure | None:
        """As in the whole space.

        Parameters
        ----------
        structure : Structure
        rng : numpy.random.Generator
        **operator
            The name of one of the space's operators, where it has them.

        Returns
        -------
        Structure or None
        """
        return self.space.mutate(structure, rng, **operator)

    def contains(self, structure: Structure) -> bool:
        """Whether a structure is of the space and keeps the limits.

        Parameters
        ----------
        structure : Structure

        Returns
        -------
        bool
        """
        return bool(self.space.contains(structure)) and self.feasible(structure)

    def to_dict(self) -> Mapping[str, Any]:
        """What tells the whole space: a study may be continued with other limits.

        Returns
        -------
        mapping of str to JSON values
        """
        from nnstruct.search.spaces.base import settings_of

        return settings_of(self.space)

    def __repr__(self) -> str:
        return f"{self.space!r} within {len(self.limits) + len(self.constraints)} limits"
