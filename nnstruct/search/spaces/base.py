"""What a search asks of a space of structures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

import numpy as np

from nnstruct.errors import InvalidInputError
from nnstruct.search.spaces.drawn import DrawnSpace
from nnstruct.structure import Structure
from nnstruct.structure.space import Space


@runtime_checkable
class SearchSpace(Protocol):
    """Structures that a :class:`~nnstruct.search.Search` may ask: three methods are enough.

    A space may have more, each of which a search uses where it is there:

    - ``cross(first, second, rng)``: a structure out of two, or None.
    - ``operators``: names of its mutations; ``mutate`` is then called with ``operator=name``, and the
      search learns which of them succeed.
    - ``to_dict()``: JSON values that tell the space, so that a stored study is not continued in another.

    Examples
    --------
    A space of perceptrons with two hidden layers:

    >>> import numpy as np
    >>> from nnstruct import Search, Structure
    >>> class TwoLayers:
    ...     def draw(self, n, rng):
    ...         return [Structure.from_layers(rng.integers(1, 9, size=2).tolist()) for _ in range(n)]
    ...     def mutate(self, structure, rng):
    ...         sizes = np.bincount(structure.layer)
    ...         sizes[rng.integers(2)] += rng.choice([-1, 1])
    ...         return Structure.from_layers(sizes.tolist()) if sizes.min() > 0 else None
    ...     def contains(self, structure):
    ...         return structure.num_layers == 2 and bool(np.bincount(structure.layer).max() < 9)
    >>> search = Search(TwoLayers(), population=4)
    >>> candidates = search.ask(4)
    >>> search.tell(candidates, [s.num_edges for s in candidates])
    >>> len(search.ask(4))
    4
    """

    def draw(self, n: int, rng: np.random.Generator) -> list[Structure]:
        """Structures at random; they may come up twice, and there may be fewer.

        Parameters
        ----------
        n : int
        rng : numpy.random.Generator

        Returns
        -------
        list of Structure, length at most n
        """

    def mutate(self, structure: Structure, rng: np.random.Generator) -> Structure | None:
        """A structure a small step away.

        Parameters
        ----------
        structure : Structure
        rng : numpy.random.Generator

        Returns
        -------
        Structure or None
            None where no step could be made.
        """

    def contains(self, structure: Structure) -> bool:
        """Whether a structure is of this space.

        Parameters
        ----------
        structure : Structure

        Returns
        -------
        bool
        """


def as_search_space(space: Any) -> SearchSpace:
    """A space to search in: bounds on a family, or an own one as it is.

    Parameters
    ----------
    space : Space or SearchSpace

    Returns
    -------
    SearchSpace

    Raises
    ------
    InvalidInputError
        If it is neither.
    """
    if isinstance(space, Space):
        return DrawnSpace(space)
    if isinstance(space, type) or not isinstance(space, SearchSpace):
        raise InvalidInputError("space", "be a Space, or have draw, mutate and contains", space)
    return space


def settings_of(space: SearchSpace) -> Mapping[str, Any]:
    """JSON values that tell a space; its class alone where it has no ``to_dict``.

    Parameters
    ----------
    space : SearchSpace

    Returns
    -------
    mapping of str to JSON values
    """
    known = getattr(space, "to_dict", None)
    return dict(known()) if callable(known) else {"space": type(space).__qualname__}


def family_of(space: SearchSpace) -> str | None:
    """The one family of a space's structures, where it says so.

    Parameters
    ----------
    space : SearchSpace

    Returns
    -------
    str or None
    """
    family = getattr(space, "family", None)
    return family if isinstance(family, str) else None
