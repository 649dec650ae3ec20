"""Randomly wired networks: a chain of small worlds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar

import networkx as nx
import numpy as np
from pydantic import Field

from nnstruct.priors.base import PRIORS, Prior, Probability
from nnstruct.priors.helpers import edge_array, log_uniform, log_uniform_int, networkx_seed, random_sizes

MOST_CELLS = 5
Cells = Annotated[tuple[Annotated[int, Field(ge=2)], ...], Field(min_length=1, strict=False)]


@PRIORS.register("small-world-cells")
class SmallWorldCells(Prior):
    """Watts-Strogatz graphs in a chain, each gathered by one more unit that feeds the next.

    The units of a cell are joined as in a Watts-Strogatz graph, and edges run along its ring from
    the first to the last; a cell of at most ``k`` units is complete. Units of the cell without an
    outgoing edge feed the cell's gathering unit, which feeds those of the next cell without an
    incoming edge. So the graph is connected, whatever is rewired, and nothing is redrawn. In the
    family ``cnn`` each cell is a stage, all sum their inputs, and gathering units do nothing else.

    :meth:`draw` takes 1 to 5 cells of at least 4 units where there are as many, every way to fill
    them with equal likelihood, an even ``k`` log-uniform in 2..8 and at most two thirds of a mean
    cell, and ``p`` log-uniform in 0.1..1.

    Parameters
    ----------
    cells : sequence of int
        Units of each cell without its gathering unit, at least 2.
    k : int
        Neighbours of each unit on the ring, at least 2; an odd number counts as the even one below.
    p : float
        Probability that an edge is rewired, in [0, 1].

    References
    ----------
    Xie, Kirillov, Girshick and He, "Exploring randomly wired neural networks for image recognition",
    ICCV 2019.

    Examples
    --------
    >>> from nnstruct.priors import SmallWorldCells
    >>> structure = SmallWorldCells(cells=[4, 3], k=2, p=0).sample(0, family="mlp")
    >>> structure.forward_edges.T.tolist()
    [[0, 1], [0, 3], [1, 2], [2, 3], [3, 4], [4, 5], [5, 6], [5, 7], [6, 7], [7, 8]]
    """

    name: ClassVar[str] = "small-world-cells"
    min_units: ClassVar[int] = 3

    cells: Cells
    k: Annotated[int, Field(ge=2)]
    p: Probability

    @property
    def num_units(self) -> int:
        """N: the cells' units and one gathering unit each."""
        return sum(self.cells) + len(self.cells)

    @property
    def expected_edges(self) -> float:
        """The cells' edges, exactly, and the sources and sinks that join them, about.

        A unit is a source where no neighbour stands before it; the chance of that is taken as if
        edges were rewired independently of each other, which errs by a few percent.
        """
        total = 0.0
        for index, size in enumerate(self.cells):
            sources = _expected_sources(size, self.k, self.p)
            sinks = _expected_sources(size, self.k, self.p, last=True)
            total += _cell_edges(size, self.k) + sinks + (sources if index else 0.0)
        return total

    @classmethod
    def parameters_for(cls, units: int, rng: np.random.Generator) -> dict[str, Any]:
        """Cells, ``k`` and ``p`` as the class describes them."""
        cells = int(rng.integers(1, max(1, min(MOST_CELLS, units // 5)) + 1))
        least = 4 if units >= 5 else 2
        sizes = random_sizes(units - cells * least, cells, rng)
        return {
            "cells": [size + least - 1 for size in sizes],
            "k": 2 * log_uniform_int(1, max(1, min(4, units // (3 * cells))), rng),
            "p": log_uniform(0.1, 1, rng),
        }

    def pairs(self, rng: np.random.Generator) -> np.ndarray:
        """The edges of one graph, int64 [2, E]."""
        found: list[np.ndarray] = []
        start = 0
        for index, size in enumerate(self.cells):
            edges = np.sort(_cell(size, self.k, self.p, rng), axis=0)  # [2, E], along the ring
            sources = np.setdiff1d(np.arange(size), edges[1])
            sinks = np.setdiff1d(np.arange(size), edges[0])
            found += [start + edges, _fan(start + sinks, start + size)]
            if index:
                found.append(_fan(start + sources, start - 1))
            start += size + 1
        return np.concatenate(found, axis=1)

    def cell_attributes(self) -> Mapping[str, Sequence[str | int | None]]:
        """Each cell is a stage, all sum, and gathering units do nothing else."""
        operators = [(None,) * size + ("identity",) for size in self.cells]
        stages = [(index,) * (size + 1) for index, size in enumerate(self.cells)]
        return {
            "operator": sum(operators, ()),
            "join": ("sum",) * self.num_units,
            "stage": sum(stages, ()),
        }


def _cell(size: int, k: int, p: float, rng: np.random.Generator) -> np.ndarray:
    if size <= k:
        return np.stack(np.triu_indices(size, 1))
    return edge_array(nx.watts_strogatz_graph(size, k, p, seed=networkx_seed(rng)))


def _cell_edges(size: int, k: int) -> int:
    return size * (size - 1) // 2 if size <= k else size * (k // 2)


def _fan(units: np.ndarray, centre: int) -> np.ndarray:
    return np.stack([units, np.full_like(units, centre)])


def _expected_sources(size: int, k: int, p: float, *, last: bool = False) -> float:
    """Mean number of units without a neighbour before them (behind them, if ``last``)."""
    if size <= k:
        return 1.0
    unit, half = np.arange(size), k // 2
    alone = np.ones(size)
    before = (unit if not last else size - 1 - unit) / (size - 1)  # share of the others that stand before
    for step in range(1, half + 1):
        ahead, behind = (unit + step) % size, (unit - step) % size
        own, theirs = (ahead > unit, behind > unit) if last else (ahead < unit, behind < unit)
        alone *= 1 - ((1 - p) * own + p * before)
        alone *= 1 - (1 - p) * theirs
    # Rewired edges of the units before come from each of their half edges with an equal chance.
    return float((alone * (1 - p / (size - 1)) ** (half * before * (size - 1))).sum())
