"""How a few integers write a cell: with operators on edges, on nodes, or as DARTS draws them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator

import numpy as np

from nnstruct.search.spaces.isomorphism import labelling
from nnstruct.structure import Structure
from nnstruct.structure.cells import edge_cell, edge_cell_edges, unit_cell
from nnstruct.structure.genotypes import Genotype, genotype_structure

Code = tuple[int, ...]
_DARTS = (
    "none", "max_pool_3x3", "avg_pool_3x3", "skip_connect", "sep_conv_3x3", "sep_conv_5x5", "dil_conv_3x3",
    "dil_conv_5x5",
)  # fmt: skip


class Codec(ABC):
    """How a code and a structure belong together."""

    limits: tuple[int, ...]
    size: int | None

    @abstractmethod
    def structure(self, code: Code) -> Structure | None:
        """The structure of a code.

        Parameters
        ----------
        code : tuple of int

        Returns
        -------
        Structure or None
            None where a code stands for none.
        """

    @abstractmethod
    def read(self, structure: Structure) -> Code | None:
        """The code of a structure whose origin has none.

        Parameters
        ----------
        structure : Structure

        Returns
        -------
        tuple of int or None
            None where it is not of the space, or cannot be read.
        """


class EdgeCodec(Codec):
    def __init__(self, operators: tuple[str, ...], nodes: int, family: str) -> None:
        self.operators, self.nodes, self.family = operators, nodes, family
        self.limits = (len(operators),) * (nodes * (nodes - 1) // 2)
        self.size = len(operators) ** len(self.limits)
        self._template = edge_cell_edges(nodes)

    def structure(self, code: Code) -> Structure | None:
        names = [self.operators[value] for value in code]
        return edge_cell(names, family=self.family, origin={"kind": "cell", "cell": list(code)})

    def read(self, structure: Structure) -> Code | None:
        names = structure.attributes.get("operator", ())
        if structure.family != self.family or structure.num_units != len(self.limits) + 2:
            return None
        place = {name: index for index, name in enumerate(self.operators)}
        order = labelling(self._template, structure)
        if order is None or structure.recurrent.any():
            return None
        named = [names[unit] for unit in order]
        if (named[0], named[-1]) != ("input", "output") or any(name not in place for name in named[1:-1]):
            return None
        return tuple(place[name] for name in named[1:-1])


class UnitCodec(Codec):
    """Whether there is an edge, for each pair of nodes, then the operators of the inner ones."""

    def __init__(self, operators: tuple[str, ...], nodes: int, most: int, family: str) -> None:
        self.operators, self.nodes, self.most, self.family = operators, nodes, most, family
        self._pairs = list(_pairs(nodes))
        self.limits = (2,) * len(self._pairs) + (len(operators),) * (nodes - 2)
        self.size = None

    def structure(self, code: Code) -> Structure | None:
        flags = code[: len(self._pairs)]
        edges = [pair for pair, there in zip(self._pairs, flags, strict=True) if there]
        names = [self.operators[value] for value in code[len(self._pairs) :]]
        origin = {"kind": "cell", "cell": list(code)}
        made = unit_cell(edges, names, family=self.family, origin=origin)
        if made is None or made.num_edges > self.most:
            return None
        return made

    def read(self, structure: Structure) -> Code | None:
        names = structure.attributes.get("operator", ())
        count = structure.num_units
        if structure.family != self.family or not 2 <= count <= self.nodes or structure.recurrent.any():
            return None
        place = {name: index for index, name in enumerate(self.operators)}
        order = np.argsort(structure.layer, kind="stable").tolist()
        inner = [names[unit] for unit in order[1:-1]] if names else []
        if not names or any(name not in place for name in inner) or structure.num_edges > self.most:
            return None
        if (names[order[0]], names[order[-1]]) != ("input", "output"):
            return None
        number = {unit: index for index, unit in enumerate(order[:-1])}
        number[order[-1]] = self.nodes - 1
        present = {(number[a], number[b]) for a, b in structure.edge_index.T.tolist()}
        flags = tuple(int(pair in present) for pair in self._pairs)
        return flags + tuple(place[name] for name in inner) + (0,) * (self.nodes - count)


class DartsCodec(Codec):
    """For each of two cells and each inner node: two operators, then which pair of states they read."""

    def __init__(self, nodes: int) -> None:
        self._choices = [list(_pairs(node + 2)) for node in range(nodes)]
        one = [limit for pairs in self._choices for limit in (len(_DARTS), len(_DARTS), len(pairs))]
        self.limits = (*one, *one)
        self.size = int(np.prod([float(limit) for limit in self.limits]))
        self._nodes = nodes

    def structure(self, code: Code) -> Structure | None:
        half = len(code) // 2
        cells = []
        for part in (code[:half], code[half:]):
            cell = []
            for node, pairs in enumerate(self._choices):
                first, second, chosen = part[3 * node : 3 * node + 3]
                cell += [(_DARTS[first], pairs[chosen][0]), (_DARTS[second], pairs[chosen][1])]
            cells.append(cell)
        concat = range(2, 2 + self._nodes)
        genotype = Genotype(cells[0], concat, cells[1], concat)
        return genotype_structure(genotype, None, None, {"kind": "cell", "cell": list(code)})

    def read(self, structure: Structure) -> Code | None:
        return None


def _pairs(nodes: int) -> Iterator[tuple[int, int]]:
    """Sources and targets, by target, then source."""
    return ((source, target) for target in range(nodes) for source in range(target))
