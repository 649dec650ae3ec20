"""What the ways in cost, as ratios, so that another machine, or a busy one, says the same.

Run ``python tests/benchmarks/door_speed.py``. The measure of ``score`` is the import of scikit-learn and
pandas in a fresh interpreter, which a saved forest needs in any case; that of drawing is a loop in Python.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from time import process_time

import nnstruct as ns

IMPORTS = "import pandas, sklearn.ensemble, sklearn.pipeline"


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
    measure = min(child_seconds("-c", IMPORTS) for _ in range(3))
    one = min(child_seconds(*score, str(folder / "one.parquet")) for _ in range(3))
    many = child_seconds(*score, str(folder / "many.parquet"), "--limit", "1")
    print(f"import of scikit-learn and pandas  {measure:.2f} CPU s")
    usage = child_seconds("-m", "nnstruct", "--help")
    print(f"nnstruct --help                    {usage:.2f} CPU s, {usage / measure:.2f} of that import")
    print(f"score, 1 structure                 {one:.2f} CPU s, {one / measure:.2f} times that import")
    print(f"score, 10,000 structures           {many:.2f} CPU s, {many / measure:.2f} times that import")
    print(f"a loop of ten million turns        {loop:.2f} CPU s")
    print(f"priors.sample, 10,000 structures   {5 * drawn:.2f} CPU s, {5 * drawn / loop:.1f} times that loop")


if __name__ == "__main__":
    main()
