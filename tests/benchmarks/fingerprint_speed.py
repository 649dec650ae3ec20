"""Microseconds a structure for construction, fingerprint and relabelling.

Run it as ``python tests/benchmarks/fingerprint_speed.py``; one core, best of several rounds.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import networkx as nx
import numpy as np

from nnstruct.structure import Structure
from nnstruct.structure.fingerprint import fingerprint

SIZES = (12, 30, 48, 200, 1000)
ROUNDS = 5


def best_microseconds(action: Callable[[], object], repeats: int) -> float:
    """The fastest of :data:`ROUNDS` averages over ``repeats`` calls."""
    best = np.inf
    for _ in range(ROUNDS):
        begin = time.perf_counter()
        for _ in range(repeats):
            action()
        best = min(best, (time.perf_counter() - begin) / repeats)
    return best * 1e6


def graphs(n: int) -> dict[str, Structure]:
    """The usual shapes at ``n`` units: scale-free with layer recurrence, small-world, dense layers."""
    third = n // 3
    return {
        "BA(n,3) rnn": Structure.from_networkx(nx.barabasi_albert_graph(n, 3, seed=0), family="rnn_tanh"),
        "WS(n,6,.5) mlp": Structure.from_networkx(nx.connected_watts_strogatz_graph(n, 6, 0.5, seed=0)),
        "dense 3 layers": Structure.from_layers([third, third, n - 2 * third]),
    }


def main() -> None:
    print(
        f"{'graph':<16}{'units':>6}{'edges':>8}{'construct us':>14}{'fingerprint us':>16}{'relabel us':>12}"
    )
    for n in SIZES:
        for name, structure in graphs(n).items():
            permutation = np.random.default_rng(0).permutation(n)
            edges, recurrent, family = structure.edge_index, structure.recurrent, structure.family
            repeats = max(1, 3000 // n)
            times = [
                best_microseconds(lambda: Structure(edges, n, recurrent=recurrent, family=family), repeats),  # noqa: B023
                best_microseconds(lambda: fingerprint(structure), max(1, repeats // 10)),  # noqa: B023
                best_microseconds(lambda: structure.relabel(permutation), repeats),  # noqa: B023
            ]
            print(
                f"{name:<16}{n:>6}{structure.num_edges:>8}{times[0]:>14.0f}{times[1]:>16.0f}{times[2]:>12.0f}"
            )


if __name__ == "__main__":
    main()
