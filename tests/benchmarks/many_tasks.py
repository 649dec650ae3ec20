"""Is a good structure good everywhere? What datasets/many-tasks says, on a page.

Run: python tests/benchmarks/many_tasks.py [--datasets datasets/many-tasks] [--groups mlp rnn_tanh gru]
     [--draws 3] [--runs runs/many-tasks] [--page train/results/many-tasks.md]

Each group is one family on all of its tasks. Rank correlations are corrected for the noise of the seeds.
What predictors reach across tasks takes the time (about a CPU minute a task); of each group it is kept in a
file of ``--runs``, and a group that has one is not run again.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import pandas as pd

from nnstruct.benchmark import Benchmark, CrossTask
from nnstruct.predictors import task_transfer

RECURRENT = [
    *("reber", "reber-next", "copy", "adding", "delayed-xor", "parity", "dyck-2"),
    *("narma-10", "mackey-glass", "multi-sine"),
]
FORWARD = ["two-spirals", "teacher", "wine", "diabetes", "breast-cancer", "digits"]
GROUPS = {"mlp": FORWARD, "rnn_tanh": RECURRENT, "gru": RECURRENT}
FAMILIES = ("paper", "layered", "capacity")
HEAD = """# Many tasks

The same structures on several tasks ([datasets/many-tasks](../../datasets/many-tasks)): 400 perceptrons on
six, 360 tanh and 360 GRU networks on ten, three seeds each. Intervals are 95%, over structures drawn with
replacement; the tasks stay as they are. Written by `python tests/benchmarks/many_tasks.py`, which says how.
"""
VARIANCE = """
## What labels differ by

Shares of the variance of single trainings, as normal scores within each task. `start` is what one seed gives
a structure on every task (its first weights), `training` what it gives on one. `everywhere`: of what
structure decides, the part that holds on every task.
"""
CORRELATIONS = """
## Rank correlations between tasks

Below the diagonal corrected for the noise of the seeds, above it as they are, on it the noise ceiling of R2.
"""
PROPERTIES = """
## Properties

Spearman's rank correlation with the label. `everywhere`: the intervals of all tasks lie on one side of 0.
"""
TRANSFER = """
## Predictors across tasks

Kendall's tau / R2 on a fifth of the structures, held out on every task; means over draws. Labels are
normal scores within the task. `other tasks`: models of all other tasks, no label of this one.
`same structures elsewhere`: the mean label of the held out structures on the other tasks, no predictor.
`both`: 20 labels, and those models as a prior.
"""


def crossed(folder: Path, group: str) -> CrossTask:
    """A family on its tasks, one that has no folder yet left out."""
    names = [name for name in GROUPS[group] if (folder / name / "manifest.json").exists()]
    return CrossTask({name: Benchmark.load(folder / name) for name in names}).select_family(group)


def cells(*values: object) -> str:
    return "| " + " | ".join(map(str, values)) + " |"


def table(head: list[str], rows: list[list[object]]) -> str:
    return "\n".join([cells(*head), "|" + "---|" * len(head), *(cells(*row) for row in rows)])


def ranges(row: pd.Series, name: str, low: str, high: str) -> str:
    return f"{row[name]:.2f} [{row[low]:.2f}, {row[high]:.2f}]"


def matrix_part(cross: CrossTask) -> str:
    """Corrected correlations below the diagonal, as they are above it, ceilings on it."""
    pairs = cross.correlations()
    fixed, plain = cross.matrix(), cross.matrix(corrected=False)
    ceiling = {name: float(bench.noise_ceiling) for name, bench in cross.benchmarks.items()}
    rows: list[list[object]] = []
    for i, a in enumerate(cross.tasks):
        row: list[object] = [a]
        for j, b in enumerate(cross.tasks):
            shown = fixed if j < i else plain
            row.append(f"*{ceiling[a]:.2f}*" if i == j else f"{shown.loc[a, b]:.2f}")
        rows.append(row)
    lowest, highest = pairs["corrected"].idxmin(), pairs["corrected"].idxmax()
    ends = [
        f"{a} and {b} {ranges(pairs.loc[(a, b)], 'corrected', 'corrected_low', 'corrected_high')}"
        for a, b in (lowest, highest)
    ]
    words = (
        f"Mean of the corrected ones {pairs['corrected'].mean():.2f}, of those as they are "
        f"{pairs['correlation'].mean():.2f}; the least alike are {ends[0]}, the most {ends[1]}."
    )
    return table(["", *cross.tasks], rows) + "\n\n" + words


def variance_part(crosses: dict[str, CrossTask]) -> str:
    rows: list[list[object]] = []
    for group, cross in crosses.items():
        shares = cross.variance()
        shown = [ranges(shares.loc[name], "share", "low", "high") for name in shares.index if name != "task"]
        rows.append([group, len(cross), len(cross.tasks), *shown])
    names = ["structure", "structure and task", "start", "training", "everywhere"]
    return table(["family", "structures", "tasks", *names], rows)


def labels_part(crosses: dict[str, CrossTask]) -> str:
    """How the labels of each task are spread."""
    rows: list[list[object]] = []
    for group, cross in crosses.items():
        for name, bench in cross.benchmarks.items():
            low, middle, high = np.quantile(bench.y, [0.05, 0.5, 0.95])
            seconds = float(bench.table["seconds"].sum()) / 60
            rows.append(
                [group, name, bench.metric, f"{low:.3f}", f"{middle:.3f}", f"{high:.3f}",
                 str(bench.noise_ceiling), f"{seconds:.1f}"]
            )  # fmt: skip
    return table(["family", "task", "score", "5%", "median", "95%", "ceiling", "CPU minutes"], rows)


def properties_part(cross: CrossTask, most: int = 6) -> str:
    """The strongest properties that matter everywhere, and those whose correlations differ most."""
    found = cross.property_correlations(FAMILIES)
    found = found[~found[cross.tasks].round(6).duplicated()]  # two that rank structures alike are one
    everywhere = found[found["everywhere"] != 0]
    differ = found.sort_values("spread", ascending=False, kind="stable")
    rows: list[list[object]] = []
    for kind, part in (("everywhere", everywhere), ("differs most", differ)):
        for name, row in part.head(most).iterrows():
            on = row[cross.tasks].astype(float)
            rows.append(
                [kind, f"`{name}`", f"{row['mean']:+.2f}", f"{on.idxmin()} {on.min():+.2f}",
                 f"{on.idxmax()} {on.max():+.2f}"]
            )  # fmt: skip
    words = f"{len(everywhere)} of {len(found)} properties have one sign on every task."
    return table(["", "property", "mean", "lowest", "highest"], rows) + "\n\n" + words


def transfer_part(cross: CrossTask, path: Path, draws: int) -> str:
    if path.exists():
        found = pd.read_csv(path, dtype={"labels": str}).set_index(["task", "labels", "source"])
    else:
        started = time.process_time()
        found = task_transfer(cross, draws=draws).assign(draws=draws)
        path.parent.mkdir(parents=True, exist_ok=True)
        found.to_csv(path)
        print(f"{path}: {(time.process_time() - started) / 60:.1f} CPU minutes", flush=True)
    kinds = list(dict.fromkeys(found.index.droplevel("task")))
    rows: list[list[object]] = []
    for task in cross.tasks:
        part = found.loc[task]
        rows.append([task, *(f"{part.loc[k, 'kendall']:.2f} / {part.loc[k, 'r2']:.2f}" for k in kinds)])
    found["half"] = (found["kendall_high"] - found["kendall_low"]) / 2
    means = found.groupby(level=["labels", "source"])[["kendall", "r2", "half"]].mean()
    rows.append(["**mean**", *(f"{means.loc[k, 'kendall']:.2f} / {means.loc[k, 'r2']:.2f}" for k in kinds)])
    words = {"0": "no label", "all": "all labels"}
    head = [f"{words.get(size, size + ' labels')}: {source}" for size, source in kinds]
    half = ", ".join(f"{means.loc[k, 'half']:.2f}" for k in kinds)
    draws = int(found["draws"].iloc[0])
    note = f"{draws} draws; 95% intervals of tau, in the mean of the tasks, by column: {half} to both sides."
    return table(["task", *head], rows) + "\n\n" + note


def page(crosses: dict[str, CrossTask], runs: Path, draws: int) -> str:
    parts = [HEAD, "## Labels\n", labels_part(crosses), VARIANCE, variance_part(crosses), CORRELATIONS]
    for group, cross in crosses.items():
        parts += [f"### {group}\n", matrix_part(cross), ""]
    parts.append(PROPERTIES.lstrip("\n"))
    for group, cross in crosses.items():
        parts += [f"### {group}\n", properties_part(cross), ""]
    parts.append(TRANSFER.lstrip("\n"))
    for group, cross in crosses.items():
        parts += [f"### {group}\n", transfer_part(cross, runs / f"{group}.csv", draws), ""]
    return "\n".join(parts).rstrip("\n") + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--datasets", type=Path, default=Path("datasets/many-tasks"))
    parser.add_argument("--groups", nargs="+", choices=GROUPS, default=list(GROUPS))
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument("--runs", type=Path, default=Path("runs/many-tasks"))
    parser.add_argument("--page", type=Path, default=None)
    options = parser.parse_args()
    crosses = {group: crossed(options.datasets, group) for group in options.groups}
    text = page(crosses, options.runs, options.draws)
    if options.page is None:
        print(text)
    else:
        options.page.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
