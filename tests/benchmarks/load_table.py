"""What large loads take: measures of many structures, a structure of 10^6 edges, a search told much.

    python tests/benchmarks/load_table.py [edges features search] [--structures 100000] [--told 10000]

Prints a row of a table a piece of work: CPU seconds, megabytes of memory beyond what the process had, and how
it ended. A refusal in one sentence ends it too. Each piece has a process of its own, and ``--seconds`` of
processor time. Benchmarks of many records: ``storage_scale.py``; asks of a search: ``search_ask_cost.py``.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import nnstruct as ns
from nnstruct.errors import NnstructError
from nnstruct.predictors import PREDICTORS
from nnstruct.properties import PROPERTY_FAMILIES, features, topology_distance

SIZES = [1000, 999, 1]  # 10^6 edges less a few
FITTED = (
    "random-forest", "extra-trees", "adaboost", "hist-gradient-boosting", "bayesian-ridge",
    "gaussian-process", "grouped-gp", "gnn", "semi-supervised-assessor", "auto",
)  # fmt: skip
Work = Callable[[], Any]


def of_edges() -> Iterator[tuple[str, Work]]:
    """Public functions of structures, properties and predictors, of a structure of 10^6 edges."""
    large = ns.Structure.from_layers(SIZES)
    folder = Path(tempfile.mkdtemp())
    keep = large.edge_index[0] % 2 == 0
    pairs = [tuple(pair) for pair in large.edge_index.T.tolist()]
    yield "from_layers", lambda: ns.Structure.from_layers(SIZES)
    yield "from_edges", lambda: ns.Structure.from_edges(pairs)
    yield "fingerprint", lambda: large.relabel(range(large.num_units)).fingerprint
    yield "dead_units, reachability", lambda: (large.dead_units, large.reachability)
    yield "with_edges", lambda: large.with_edges(keep)
    yield "trim", lambda: large.with_edges(keep).trim()
    yield "with_recurrence", lambda: ns.Structure.from_layers(SIZES, family="gru")
    yield "to_networkx and back", lambda: ns.Structure.from_networkx(large.to_networkx())
    yield "to_pyg and back", lambda: ns.Structure.from_pyg(large.to_pyg())
    for suffix in ("parquet", "json", "graphml"):
        file = folder / f"one.{suffix}"
        yield (
            f"save and load {suffix}",
            lambda file=file: (ns.save_structures([large], file), ns.load_structures(file)),
        )
    yield "_repr_html_", lambda: large._repr_html_()
    yield "plot", lambda: large.plot()
    yield "topology_distance", lambda: topology_distance(large, large)
    for family in PROPERTY_FAMILIES:
        yield f"features {family}", lambda family=family: features([large], [family], progress=True)
    small = [ns.Structure.from_layers([2, width, 2]) for width in range(1, 31)]
    labels = [float(net.num_units) for net in small]
    for name in FITTED:

        def predict(name: str = name) -> Any:
            return PREDICTORS[name]().fit(small, labels).predict([large, small[0]], return_std=True)

        yield f"predict {name}", predict


def of_features(count: int) -> Iterator[tuple[str, Work]]:
    """Measures of many structures of 10 to 50 units."""

    def drawn() -> list[ns.Structure]:
        return ns.priors.sample(ns.Space("rnn_tanh", units=(10, 50)), count, seed=0)

    yield f"priors.sample, {count:,}", drawn
    given = drawn()
    for family in ("paper", "layered"):
        yield f"features {family}, {count:,}", lambda family=family: features(given, [family], progress=True)


def of_search(told: int) -> Iterator[tuple[str, Work]]:
    """A search that has been told much."""
    space = ns.Space("rnn_tanh", units=(10, 50))
    known = ns.priors.sample(space, told, seed=1)
    scores = [net.num_layers / 20 - net.num_edges / 1e4 for net in known]
    path = Path(tempfile.mkdtemp()) / "search.db"
    for guide in (None, "grouped-gp"):
        for storage in (None, f"sqlite:///{path}"):

            def run(guide: str | None = guide, storage: str | None = storage) -> Any:
                predictor = None if guide is None else PREDICTORS[guide](random_state=0)
                search = ns.Search(space, predictor, seed=0, storage=storage, study_name=str(guide))
                search.tell(known, scores)
                return search.ask(8), search.best

            kept = "in memory" if storage is None else "in SQLite"
            yield f"tell {told:,} and ask, guide {guide or 'none'}, {kept}", run


def _run(work: Work, pipe: Any, seconds: int) -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.process_time()
    try:
        work()
        ended = "done"
    except NnstructError as error:
        ended = f"refused: {error}"
    except MemoryError as error:
        ended = f"no memory: {error}"
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    pipe.send((time.process_time() - started, (peak - before) / 1024, ended))


def measured(work: Work, seconds: int) -> tuple[float, float, str]:
    """CPU seconds, megabytes and the end of one piece of work, in a process of its own."""
    context = multiprocessing.get_context("fork")
    mine, other = context.Pipe(duplex=False)
    process = context.Process(target=_run, args=(work, other, seconds))
    process.start()
    other.close()
    try:
        found = mine.recv()
    except EOFError:
        found = (float(seconds), float("nan"), f"not done after {seconds} s")
    process.join()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", default=["edges", "features", "search"])
    parser.add_argument("--structures", type=int, default=100_000)
    parser.add_argument("--told", type=int, default=10_000)
    parser.add_argument("--seconds", type=int, default=600)
    given = parser.parse_args()
    # Libraries and kernels are not what is measured.
    features([ns.Structure.from_layers([2, 3, 1])], list(PROPERTY_FAMILIES))
    parts = {"edges": of_edges, "features": of_features, "search": of_search}
    arguments = {"features": (given.structures,), "search": (given.told,)}
    print("| what | CPU s | MB | end |\n|---|---|---|---|")
    for part in given.parts:
        for name, work in parts[part](*arguments.get(part, ())):
            seconds, memory, ended = measured(work, given.seconds)
            print(f"| {name} | {seconds:.2f} | {memory:.0f} | {ended} |", flush=True)


if __name__ == "__main__":
    main()
