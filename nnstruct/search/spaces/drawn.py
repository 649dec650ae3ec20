"""The structures of a family within bounds: drawn from the priors, changed by the genetic operators."""

from __future__ import annotations

from typing import Any

import numpy as np

from nnstruct import priors
from nnstruct.errors import InvalidInputError
from nnstruct.search.operators import OPERATORS
from nnstruct.structure import Structure
from nnstruct.structure.space import Space


class DrawnSpace:
    """A :class:`~nnstruct.structure.space.Space` as a search sees it.

    Parameters
    ----------
    space : Space

    Examples
    --------
    >>> import numpy as np
    >>> from nnstruct import Space
    >>> space, rng = DrawnSpace(Space("mlp", units=(4, 9))), np.random.default_rng(0)
    >>> (parent,) = space.draw(1, rng)
    >>> child = space.mutate(parent, rng, operator="add_edge")
    >>> child.num_edges - parent.num_edges
    1
    """

    def __init__(self, space: Space) -> None:
        self.space = space
        self.family = space.family
        self.operators = self._names(1)
        self._crossovers = self._names(2)

    def _names(self, arity: int) -> tuple[str, ...]:
        return tuple(
            n for n in OPERATORS if OPERATORS[n].arity == arity and OPERATORS[n].applies_to(self.space)
        )

    def draw(self, n: int, rng: np.random.Generator) -> list[Structure]:
        """Structures from every prior in turn; see :func:`nnstruct.priors.sample`.

        Parameters
        ----------
        n : int
        rng : numpy.random.Generator

        Returns
        -------
        list of Structure
            Distinct; fewer than n where the priors have no more in these bounds.
        """
        count, seed = n, int(rng.integers(2**31))
        while count:
            try:
                return priors.sample(self.space, count, seed=seed)
            except InvalidInputError:  # the priors have fewer distinct structures in this space
                count //= 2
        return []

    def mutate(
        self, structure: Structure, rng: np.random.Generator, operator: str | None = None
    ) -> Structure | None:
        """A structure by one mutation.

        Parameters
        ----------
        structure : Structure
        rng : numpy.random.Generator
        operator : str, optional
            One of :attr:`operators`; by default they are tried in random order.

        Returns
        -------
        Structure or None
            None where the operator cannot apply.
        """
        names = (
            [self.operators[i] for i in rng.permutation(len(self.operators))]
            if operator is None
            else [operator]
        )
        for name in names:
            child = OPERATORS[name](structure, rng, self.space)
            if child is not None:
                return child
        return None

    def cross(self, first: Structure, second: Structure, rng: np.random.Generator) -> Structure | None:
        """A structure out of two.

        Parameters
        ----------
        first, second : Structure
        rng : numpy.random.Generator

        Returns
        -------
        Structure or None
        """
        for index in rng.permutation(len(self._crossovers)):
            child = OPERATORS[self._crossovers[index]]([first, second], rng, self.space)
            if child is not None:
                return child
        return None

    def contains(self, structure: Structure) -> bool:
        """Whether a structure keeps the bounds.

        Parameters
        ----------
        structure : Structure

        Returns
        -------
        bool
        """
        return self.space.contains(structure)

    def to_dict(self) -> dict[str, Any]:
        """The bounds, as JSON values.

        Returns
        -------
        dict
        """
        return self.space.to_dict()

    def __repr__(self) -> str:
        return repr(self.space)
