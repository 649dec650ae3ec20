"""What the ways in cost, as ratios, so that another machine, or a busy one, says the same.

Run ``python tests/benchmarks/door_speed.py`` in the repository's root. The measures are the imports of numpy,
and of scikit-learn and pandas, in a fresh interpreter; that of drawing is a loop in Python. Each is the
median of five processes, or of three where it takes seconds.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from time import process_time

import nnstruct as ns

IMPORTS = "import pandas, sklearn.ensemble, sklearn.pipeline"


def usual(times: int, *words: str) -> float:
    """The median of CPU seconds of so many fresh interpreters."""
    return median(child_seconds(*words) for _ in range(times))


def child_seconds(*words: str) -> float:
    """CPU seconds of a fresh interpreter."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *words], check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def loop_seconds(turns: int = 10_000_000) -> float:
    """CPU seconds of a sum in a loop."""
    started, total = process_time(), 0
    for number in range(turns):
        total += number
    return process_time() - started


def main() -> None:
    """Print what each door costs."""
    folder = Path(tempfile.mkdtemp())
    bench = ns.load_benchmark("reber-mini")
    forest = ns.predictors.RandomForest(random_state=0).fit(bench.structures, bench.y)
    forest.save(folder / "forest")
    space = ns.Space("rnn_tanh", units=(10, 30))
    ns.priors.sample(space, n=50, seed=1)
    loop, started = loop_seconds(), process_time()
    nets = ns.priors.sample(space, n=2_000, seed=3)
    drawn = process_time() - started
    ns.save_structures(nets[:1], folder / "one.parquet")
    ns.save_structures(nets * 5, folder / "many.parquet")
    score = ("-m", "nnstruct", "score", str(folder / "forest"))
    child_seconds(*score, str(folder / "one.parquet"))  # fills caches
    child_seconds("-m", "nnstruct", "score", "reber-rnn", str(folder / "one.parquet"))
    bare = usual(5, "-c", "import numpy")
    print(f"import of numpy                    {bare:.2f} CPU s")
    measure = usual(5, "-c", IMPORTS)
    print(f"import of scikit-learn and pandas  {measure:.2f} CPU s")
    told = {
        "nnstruct --help": usual(5, "-m", "nnstruct", "--help"),
        "import nnstruct": usual(5, "-c", "import nnstruct"),
        "nnstruct show datasets/reber-rnn": usual(3, "-m", "nnstruct", "show", "datasets/reber-rnn"),
        "load_pretrained, fresh": usual(5, "-c", "import nnstruct; nnstruct.load_pretrained('reber-rnn')"),
        "score reber-rnn, 1 structure": usual(
            5, "-m", "nnstruct", "score", "reber-rnn", str(folder / "one.parquet")
        ),
        "score a forest, 1 structure": usual(5, *score, str(folder / "one.parquet")),
        "score a forest, 10,000 structures": usual(3, *score, str(folder / "many.parquet"), "--limit", "1"),
    }
    for name, seconds in told.items():
        print(f"{name:<33}  {seconds:.2f} CPU s, {seconds / measure:.2f} times that import")
    print(f"a loop of ten million turns        {loop:.2f} CPU s")
    print(f"priors.sample, 10,000 structures   {5 * drawn:.2f} CPU s, {5 * drawn / loop:.1f} times that loop")


if __name__ == "__main__":
    main()
