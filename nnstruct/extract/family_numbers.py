"""A number of a small program as a weighted sum of what it is made from."""

from __future__ import annotations

from typing import Any


class Scalar:
    """A number as a weighted sum of atoms.

    Parameters
    ----------
    terms : dict of int to float
        By the number of the atom.
    constant : float
    """

    __slots__ = ("constant", "terms")

    def __init__(self, terms: dict[int, float], constant: float = 0.0) -> None:
        self.terms, self.constant = terms, constant

    def key(self) -> tuple[Any, ...]:
        """What two equal sums share.

        Returns
        -------
        tuple
        """
        return (self.constant, *sorted(self.terms.items()))

    def plus(self, other: Scalar, factor: float = 1.0) -> Scalar:
        """The sum with another one times a factor.

        Parameters
        ----------
        other : Scalar
        factor : float

        Returns
        -------
        Scalar
        """
        terms = dict(self.terms)
        for atom, weight in other.terms.items():
            found = terms.get(atom, 0.0) + factor * weight
            if found:
                terms[atom] = found
            else:
                terms.pop(atom, None)
        return Scalar(terms, self.constant + factor * other.constant)

    def times(self, factor: float) -> Scalar:
        """The product with a number.

        Parameters
        ----------
        factor : float

        Returns
        -------
        Scalar
        """
        if not factor:
            return Scalar({})
        return Scalar({a: w * factor for a, w in self.terms.items()}, self.constant * factor)

    def alone(self) -> int | None:
        """The atom that it is, or None.

        Returns
        -------
        int or None
        """
        if self.constant or len(self.terms) != 1:
            return None
        ((atom, weight),) = self.terms.items()
        return atom if weight == 1.0 else None
