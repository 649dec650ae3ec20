"""Spaces of cells: a few nodes with operators between or on them, as tables of architecture search have."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from nnstruct.checks import check_choice, check_integer
from nnstruct.errors import InvalidInputError
from nnstruct.search.spaces.codes import Code, Codec, DartsCodec, EdgeCodec, UnitCodec
from nnstruct.structure import Structure

_TRIES = 100


class CellSpace:
    """All cells of a kind, written as a code of a few integers: a *genotype*.

    A mutation changes one integer of the code, a crossover takes each from either parent. The code of a
    structure stands in its origin, under ``cell``; a structure from elsewhere is read where that can be
    done, whatever the order of its units.

    Parameters
    ----------
    operators : sequence of str
        What a unit may compute.
    nodes : int
        Of a cell, its input and its output among them.
    on : {"edges", "units"}
        ``edges``: an operator on the edge between any two nodes (NAS-Bench-201). ``units``: an operator on
        each inner node, and edges that are free (NAS-Bench-101).
    max_edges : int, optional
        Most edges, with operators on units.
    family : str
        Of the structures.

    Raises
    ------
    InvalidInputError
        If a parameter breaks its rule.

    See Also
    --------
    CellSpace.nasbench201, CellSpace.nasbench101, CellSpace.darts

    Examples
    --------
    >>> import numpy as np
    >>> from nnstruct.search import CellSpace
    >>> space, rng = CellSpace.nasbench201(), np.random.default_rng(0)
    >>> (cell,) = space.draw(1, rng)
    >>> cell.num_units, len(space.neighbours(cell)), space.size
    (8, 24, 15625)
    """

    def __init__(
        self,
        operators: Sequence[str],
        *,
        nodes: int = 4,
        on: str = "edges",
        max_edges: int | None = None,
        family: str = "module",
    ) -> None:
        check_choice(on, "on", ("edges", "units"))
        nodes = check_integer(nodes, "nodes", low=3, rule="be an integer, at least 3")
        names = _checked_operators(operators)
        if on == "edges":
            if max_edges is not None:
                raise InvalidInputError("max_edges", "be left out with operators on edges", max_edges)
            self._codec: Codec = EdgeCodec(names, nodes, family)
        else:
            most = nodes * (nodes - 1) // 2
            if max_edges is not None:
                most = min(most, check_integer(max_edges, "max_edges", low=1))
            self._codec = UnitCodec(names, nodes, most, family)
        self.family = family
        self._settings: dict[str, Any] = {
            "cells": on, "operators": list(names), "nodes": nodes, "max_edges": max_edges, "family": family,
        }  # fmt: skip

    @classmethod
    def nasbench201(cls) -> CellSpace:
        """The 15,625 cells of NAS-Bench-201: four nodes, one of five operators on each of six edges.

        Returns
        -------
        CellSpace
        """
        return cls(["none", "identity", "conv1x1", "conv3x3", "avgpool3x3"])

    @classmethod
    def nasbench101(cls) -> CellSpace:
        """The cells of NAS-Bench-101: at most seven nodes and nine edges, three operators on nodes.

        Returns
        -------
        CellSpace
        """
        return cls(["conv3x3", "conv1x1", "maxpool3x3"], nodes=7, on="units", max_edges=9)

    @classmethod
    def darts(cls, nodes: int = 4) -> CellSpace:
        """Pairs of a normal and a reduction cell, as DARTS draws them (Liu et al., 2019, arXiv 1806.09055).

        Parameters
        ----------
        nodes : int
            Inner nodes of each cell; each takes two operators, each of another earlier state.

        Returns
        -------
        CellSpace
        """
        space = cls.__new__(cls)
        count = check_integer(nodes, "nodes")
        space._codec, space.family = DartsCodec(count), "module"
        space._settings = {"cells": "darts", "nodes": count}
        return space

    @property
    def size(self) -> int | None:
        """The number of codes; None where edges are free. Several codes may write one structure."""
        return self._codec.size

    def structure(self, code: Sequence[int]) -> Structure:
        """The structure of a code.

        Parameters
        ----------
        code : sequence of int

        Returns
        -------
        Structure

        Raises
        ------
        InvalidInputError
            If it is no code of this space.
        """
        checked = tuple(int(value) for value in code)
        limits = self._codec.limits
        if len(checked) != len(limits) or any(not 0 <= v < k for v, k in zip(checked, limits, strict=False)):
            raise InvalidInputError("code", f"hold {len(limits)} integers, each below its limit", checked)
        made = self._codec.structure(checked)
        if made is None:
            raise InvalidInputError("code", "be a cell with a path from input to output", checked)
        return made

    def code(self, structure: Structure) -> Code | None:
        """The code of a structure.

        Parameters
        ----------
        structure : Structure

        Returns
        -------
        tuple of int or None
            None where it is not of this space, or cannot be read.
        """
        kept = structure.origin.get("cell")
        if isinstance(kept, list | tuple) and len(kept) == len(self._codec.limits):
            code = tuple(int(value) for value in kept)
            if all(0 <= v < k for v, k in zip(code, self._codec.limits, strict=True)):
                made = self._codec.structure(code)
                if made is not None and made.fingerprint == structure.fingerprint:
                    return code
        return self._codec.read(structure)

    def draw(self, n: int, rng: np.random.Generator) -> list[Structure]:
        """Cells whose every integer is drawn with equal chances.

        Parameters
        ----------
        n : int
        rng : numpy.random.Generator

        Returns
        -------
        list of Structure
        """
        found: list[Structure] = []
        limits = np.array(self._codec.limits)
        for _ in range(_TRIES * n):
            if len(found) == n:
                break
            made = self._codec.structure(tuple(rng.integers(limits).tolist()))
            if made is not None:
                found.append(made)
        return found

    def mutate(self, structure: Structure, rng: np.random.Generator) -> Structure | None:
        """A cell whose code differs in one integer.

        Parameters
        ----------
        structure : Structure
        rng : numpy.random.Generator

        Returns
        -------
        Structure or None
        """
        code = self.code(structure)
        if code is None:
            return None
        for _ in range(_TRIES):
            place = int(rng.integers(len(code)))
            value = int(rng.integers(self._codec.limits[place] - 1)) if self._codec.limits[place] > 1 else -1
            if value < 0:
                continue
            value += value >= code[place]
            made = self._changed(code, place, value)
            if made is not None and made.fingerprint != structure.fingerprint:
                return _bred(made, "change_code", [structure.fingerprint])
        return None

    def cross(self, first: Structure, second: Structure, rng: np.random.Generator) -> Structure | None:
        """A cell that takes each integer of its code from either parent.

        Parameters
        ----------
        first, second : Structure
        rng : numpy.random.Generator

        Returns
        -------
        Structure or None
        """
        codes = [self.code(first), self.code(second)]
        if codes[0] is None or codes[1] is None:
            return None
        parents = [first.fingerprint, second.fingerprint]
        for _ in range(_TRIES):
            side = rng.integers(2, size=len(codes[0]))
            made = self._codec.structure(
                tuple(b if s else a for a, b, s in zip(codes[0], codes[1], side, strict=True))
            )
            if made is not None and made.fingerprint not in parents:
                return _bred(made, "cross_code", parents)
        return None

    def neighbours(self, structure: Structure) -> list[Structure]:
        """All cells whose code differs in one integer.

        Parameters
        ----------
        structure : Structure

        Returns
        -------
        list of Structure
        """
        code = self.code(structure)
        if code is None:
            return []
        found = []
        for place, limit in enumerate(self._codec.limits):
            for value in range(limit):
                if value != code[place]:
                    made = self._changed(code, place, value)
                    if made is not None:
                        found.append(made)
        return found

    def _changed(self, code: Code, place: int, value: int) -> Structure | None:
        return self._codec.structure((*code[:place], value, *code[place + 1 :]))

    def contains(self, structure: Structure) -> bool:
        """Whether a structure is a cell of this space.

        Parameters
        ----------
        structure : Structure

        Returns
        -------
        bool
        """
        return self.code(structure) is not None

    def to_dict(self) -> dict[str, Any]:
        """JSON values.

        Returns
        -------
        dict
        """
        return dict(self._settings)

    def __repr__(self) -> str:
        inside = ", ".join(f"{name}={value!r}" for name, value in self._settings.items() if value is not None)
        return f"CellSpace({inside})"


def _bred(structure: Structure, operator: str, parents: list[str]) -> Structure:
    """A structure whose origin, its code among it, tells how it came about too."""
    return structure.with_origin(**structure.origin, operator=operator, parents=parents)


def _checked_operators(operators: Any) -> tuple[str, ...]:
    if isinstance(operators, str) or not isinstance(operators, Sequence) or not operators:
        raise InvalidInputError("operators", "be a sequence of names", operators)
    names = tuple(operators)
    if not all(isinstance(name, str) and name for name in names) or len(set(names)) < len(names):
        raise InvalidInputError("operators", "be names, each once", list(names))
    return names
