"""The relational graphs of You et al. (2020) with the errors of networks made of them."""

from __future__ import annotations

import random
import re
from pathlib import Path

import numpy as np

from nnstruct.benchmark.scores import Rows
from nnstruct.errors import InvalidInputError, MissingDataError
from nnstruct.structure import Structure
from nnstruct.structure.undirected import both_ways
from nnstruct.tables.base import TABLES
from nnstruct.tables.files import mean_and_std

# Columns of the names' and the results' arrays.
_NODES, _KIND, _SPARSITY, _P, _SEED = 2, 3, 4, 5, 7
_TOP1 = 3
_TRIES = 100
_HINT = (
    "A folder such as analysis/final_results/mlp_cifar10 of github.com/facebookresearch/graph2nn is wanted."
)


@TABLES.register("graph2nn")
def read_graph2nn(path: Path) -> Rows:
    """Read the results of "Graph structure of neural networks".

    The path is a folder of the authors' ``analysis/final_results``, such as ``mlp_cifar10``, with
    ``names_<task>_epoch<e>.npy`` and ``results_<task>_epoch<e>.npy``. The last epoch of which there are
    results counts. Names are text [n, 15]: the nodes, the kind of graph (``ws``), its sparsity, its ``p`` and
    its seed stand in columns 2, 3, 4, 5 and 7. Results are float [n, seeds, 8]: the
    top-1 error in per cent is column 3.

    The graphs themselves are not in the files: each is drawn again, as the authors' generator of
    Watts-Strogatz-flex graphs draws it from its seed. A Structure (family ``relational``) has its nodes as
    units; its edges have no direction, and each node also talks to itself
    (:mod:`nnstruct.structure.undirected`). Twins have equal fingerprints: graphs that differ in the order of
    their nodes alone are one.

    Parameters
    ----------
    path : Path

    Returns
    -------
    Rows
        With the task ``cifar10`` or ``imagenet``, by the folder's name: target ``test``.

    Raises
    ------
    MissingDataError
        If the folder has no such files.
    InvalidInputError
        If a file is in another format, or a graph of another kind.

    References
    ----------
    J. You et al. Graph structure of neural networks. ICML 2020, arXiv 2007.06559. The format and the
    generator: github.com/facebookresearch/graph2nn, ``analysis/analyze_results.ipynb``, ``yaml_gen.py`` and
    ``pycls/models/relation_graph.py``.
    """
    names = _array(_last(path, "names"))
    results = _array(_last(path, "results"))
    if names.dtype.kind != "U" or names.ndim != 2 or names.shape[1] <= _SEED:
        raise InvalidInputError(
            str(path), "hold names of 15 columns of text", f"{names.dtype} {names.shape}", _HINT
        )
    if results.ndim != 3 or len(results) != len(names) or results.shape[2] <= _TOP1:
        raise InvalidInputError(str(path), f"hold results of {len(names)} graphs, their seeds, 8 columns",
                                list(results.shape), _HINT)  # fmt: skip
    task = "cifar10" if "cifar10" in path.name else "imagenet"
    return Rows.of_labels(
        [_structure(name, path.name) for name in names],
        {(task, "test"): mean_and_std(1 - results[:, :, _TOP1] / 100)},
        source=f"graph2nn-{path.name}",
    )


def ws_flex_edges(nodes: int, sparsity: float, p: float, seed: int) -> list[tuple[int, int]]:
    """Edges of a connected Watts-Strogatz-flex graph, drawn as the authors draw it.

    The graph starts from a ring in which the ``nodes^2 sparsity / 2`` edges are dealt to the nodes as evenly
    as can be, each node's leading to those that follow it. Then each edge, by node and by distance, is
    rewired with probability ``p`` to a node drawn anew until it is neither the edge's own nor a neighbour. A
    graph that is not connected is drawn again from the same stream.

    Parameters
    ----------
    nodes : int
    sparsity : float
        Mean degree over ``nodes``.
    p : float
    seed : int

    Returns
    -------
    list of (int, int)
        Sorted, lower node first.

    Raises
    ------
    InvalidInputError
        If the mean degree is not in 2..nodes, or no draw is connected.

    Examples
    --------
    >>> ws_flex_edges(4, 0.5, 0.0, 1)
    [(0, 1), (0, 3), (1, 2), (2, 3)]
    """
    degree = nodes * sparsity
    if not 2 <= degree <= nodes:
        raise InvalidInputError("sparsity", f"give a mean degree in 2..{nodes}", sparsity)
    stream = random.Random(seed)
    for _ in range(_TRIES):
        around = _draw(nodes, round(degree * nodes / 2), p, stream)
        if _connected(around):
            return sorted((u, v) for u in range(nodes) for v in around[u] if u < v)
    raise InvalidInputError("graph", f"be connected in {_TRIES} draws", [nodes, sparsity, p, seed])


def _draw(nodes: int, edges: int, p: float, stream: random.Random) -> list[set[int]]:
    share, more = divmod(edges, nodes)
    ahead = [[(u + step) % nodes for step in range(1, share + (u < more) + 1)] for u in range(nodes)]
    around: list[set[int]] = [set() for _ in range(nodes)]
    for u in range(nodes):
        for v in ahead[u]:
            around[u].add(v)
            around[v].add(u)
    everyone = list(range(nodes))
    for u in range(nodes):
        for v in ahead[u]:
            if stream.random() >= p:
                continue
            w, full = stream.choice(everyone), False
            while (w == u or w in around[u]) and not full:
                w = stream.choice(everyone)
                full = len(around[u]) >= nodes - 1
            if not full:
                around[u].discard(v)
                around[v].discard(u)
                around[u].add(w)
                around[w].add(u)
    return around


def _connected(around: list[set[int]]) -> bool:
    reached, waiting = {0}, [0]
    while waiting:
        new = around[waiting.pop()] - reached
        reached |= new
        waiting += new
    return len(reached) == len(around)


def _structure(name: np.ndarray, task: str) -> Structure:
    if name[_KIND] != "ws":
        raise InvalidInputError("kind of graph", "be 'ws', whose draw is known", str(name[_KIND]))
    try:
        nodes, seed = int(float(name[_NODES])), int(float(name[_SEED]))
        sparsity, p = float(name[_SPARSITY]), float(name[_P])
    except ValueError as error:
        raise InvalidInputError("names", "hold nodes, sparsity, p and seed", name.tolist()) from error
    origin = {"kind": "table", "table": "graph2nn", "task": task, "sparsity": sparsity, "p": p, "seed": seed}
    edges = np.array(both_ways(ws_flex_edges(nodes, sparsity, p, seed))).T
    delayed = np.ones(edges.shape[1], dtype=bool)
    return Structure(edges, nodes, recurrent=delayed, family="relational", origin=origin)


def _last(folder: Path, kind: str) -> Path:
    found = {}
    for path in folder.glob(f"{kind}_*_epoch*.npy") if folder.is_dir() else ():
        match = re.search(r"_epoch(\d+)\.npy$", path.name)
        if match:
            found[int(match[1])] = path
    if not found:
        raise MissingDataError(f"{folder} holds no {kind}_<task>_epoch<e>.npy. {_HINT}")
    return found[max(found)]


def _array(path: Path) -> np.ndarray:
    try:
        return np.load(path, allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise InvalidInputError(str(path), "be a numpy array without pickles", str(error), _HINT) from error
