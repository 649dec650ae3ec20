"""What every genetic operator is: a value from which a call makes a new structure out of others."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np

from nnstruct.errors import InvalidInputError
from nnstruct.registry import Registry
from nnstruct.search.genome import Genome
from nnstruct.structure import Structure
from nnstruct.structure.recurrence_rule import rule_of
from nnstruct.structure.space import Space


class Operator(ABC):
    """Makes one offspring from one parent (a mutation) or from two (a crossover).

    A subclass names itself, says how many parents it takes, and works on genomes in
    :meth:`apply`; this class turns structures into genomes and back. An offspring is always
    inside the space, acyclic, weakly connected by its forward edges and without dead units;
    its recurrent edges are made anew by the space's ``recurrence``, or by the rule that those of its
    (first) parent follow where the space has several. Unit attributes come from
    the parents, mended where they break the space's bounds
    (:func:`nnstruct.search.attributes.mended`). Units that lose their last incoming edge become
    inputs, those that lose their last outgoing edge outputs.

    Attributes
    ----------
    name : str
    arity : int
        Number of parents.
    by_depth : bool
        Whether genomes come sorted by layer; see :meth:`nnstruct.search.genome.Genome.of`.

    Examples
    --------
    >>> import numpy as np
    >>> from nnstruct import Space, Structure
    >>> from nnstruct.search import OPERATORS
    >>> parent = Structure.from_layers([3, 4, 2])
    >>> child = OPERATORS["remove_edge"](parent, np.random.default_rng(0), Space("mlp", units=(5, 12)))
    >>> child.num_edges, child.origin["operator"], child.origin["parents"] == [parent.fingerprint]
    (19, 'remove_edge', True)
    """

    name: ClassVar[str]
    arity: ClassVar[int] = 1
    by_depth: ClassVar[bool] = False

    def applies_to(self, space: Space) -> bool:
        """Whether the operator may change anything in a space.

        Parameters
        ----------
        space : Space

        Returns
        -------
        bool
            True, unless an operator says otherwise.
        """
        return True

    @abstractmethod
    def apply(self, genomes: Sequence[Genome], rng: np.random.Generator, space: Space) -> Genome | None:
        """The offspring's genome, or None where the operator cannot apply.

        Parameters
        ----------
        genomes : sequence of Genome, length :attr:`arity`
        rng : numpy.random.Generator
        space : Space

        Returns
        -------
        Genome or None
            A new one; those given stay as they are.
        """

    def __call__(
        self, parents: Structure | Sequence[Structure], rng: np.random.Generator, space: Space
    ) -> Structure | None:
        """A new structure, or None where the operator cannot apply.

        Parameters
        ----------
        parents : Structure, or sequence of them
            As many as :attr:`arity`.
        rng : numpy.random.Generator
        space : Space

        Returns
        -------
        Structure or None
            None also where what comes out lies outside the space.

        Raises
        ------
        InvalidInputError
            If the number of parents is another.
        """
        parents = [parents] if isinstance(parents, Structure) else list(parents)
        if len(parents) != self.arity:
            raise InvalidInputError("parents", f"be {self.arity} for {self.name!r}", len(parents))
        genomes = [Genome.of(parent, rng, by_depth=self.by_depth) for parent in parents]
        if space.recurrences:
            rules = [rule_of(parent, space.recurrences) for parent in parents]
            genomes = [replace(one, recurrence=rule) for one, rule in zip(genomes, rules, strict=True)]
        genome = self.apply(genomes, rng, space)
        if genome is None:
            return None
        fingerprints = [parent.fingerprint for parent in parents]
        return genome.express(space, rng, kind="search", operator=self.name, parents=fingerprints)

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


def _instance(part: Any) -> Operator:
    return part() if isinstance(part, type) else part


OPERATORS: Registry[Operator] = Registry("operator", adopt=_instance)


def room_for_edges(genome: Genome, space: Space) -> int:
    """How many forward edges can be added before the space's bound is met.

    Parameters
    ----------
    genome : Genome
    space : Space

    Returns
    -------
    int
        Not above the pairs of units without an edge; negative where the bound is exceeded.
    """
    pairs = genome.num_units * (genome.num_units - 1) // 2
    most = pairs if space.max_edges is None else min(pairs, space.max_edges)
    return most - genome.num_edges
