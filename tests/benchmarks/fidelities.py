"""Does a cheap training rank convolutional networks as a dear one? What datasets/cifar-cnn says, on a page.

Run: python tests/benchmarks/fidelities.py [--datasets datasets/cifar-cnn]
     [--page train/results/fidelities.md]

The same structures were trained with few images and epochs, and with more of both: rank correlations between
the labels, their intervals over structures drawn with replacement, the part of the best that a cheap training
keeps, and CPU seconds.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from nnstruct import Benchmark
from nnstruct.benchmark import CrossTask
from nnstruct.recipes import DatasetRecipe, read_recipe

LEVELS = ("low", "middle", "high")
BEST = 10

PAGE = """# Fidelities

The same convolutional networks, trained on CIFAR-10 (16 x 16 pixels) cheaply and dearly
([datasets/cifar-cnn](../../datasets/cifar-cnn)). Intervals are 95%, over structures drawn with replacement.
Written by `python tests/benchmarks/fidelities.py`.

## Labels

| fidelity | images | epochs | structures | seeds | accuracy: 5% | median | 95% | ceiling | CPU s a training |
|---|---|---|---|---|---|---|---|---|---|
{labels}

The ceiling is the share of the labels' variance that structures decide, the rest is noise of the seeds; it
takes two seeds.

## Rank correlations

Over the {common} structures that all have. Corrected for the noise of the seeds where both have two.

| | | correlation | corrected |
|---|---|---|---|
{pairs}

## What a cheap training would have kept

Of the {best} best at the higher fidelity, those that are among the first half, and the first quarter, at the
lower one; by chance {half:.0f} and {quarter:.1f} are.

| lower | higher | in the first half | in the first quarter | rank at the lower of the best at the higher |
|---|---|---|---|---|
{kept}
"""


def _label_row(name: str, bench: Benchmark, recipe: DatasetRecipe) -> str:
    (config,) = bench.configs.values()
    seeds = bench.table.groupby("fingerprint").size().median()
    accuracy = " | ".join(f"{value:.3f}" for value in np.quantile(bench.y, [0.05, 0.5, 0.95]))
    ceiling = bench.noise_ceiling
    told = f"{ceiling.value:.3f} [{ceiling.low:.3f}, {ceiling.high:.3f}]" if seeds > 1 else "one seed"
    seconds = bench.table["seconds"]
    return (
        f"| {name} | {recipe.task.options['train']:,} | {config.epochs} | {len(bench.y)} | {seeds:.0f} "
        f"| {accuracy} | {told} | {seconds.median():.1f} ({seconds.sum() / 3600:.2f} hours in all) |"
    )


def _pair_rows(cross: CrossTask) -> list[str]:
    rows = []
    for (a, b), row in cross.correlations().iterrows():
        fixed = "one seed"
        if np.isfinite(row["corrected"]):
            fixed = f"{row['corrected']:.2f} [{row['corrected_low']:.2f}, {row['corrected_high']:.2f}]"
        rows.append(
            f"| {a} | {b} | {row['correlation']:.2f} [{row['low']:.2f}, {row['high']:.2f}] | {fixed} |"
        )
    return rows


def _kept_rows(cross: CrossTask) -> list[str]:
    labels = dict(zip(cross.tasks, cross.labels().T, strict=True))
    rows = []
    for i, lower in enumerate(LEVELS):
        for higher in LEVELS[i + 1 :]:
            best = np.argsort(-labels[higher], kind="stable")[:BEST]
            rank = np.argsort(np.argsort(-labels[lower], kind="stable"), kind="stable")
            half, quarter = ((rank[best] < len(rank) / part).sum() for part in (2, 4))
            rows.append(f"| {lower} | {higher} | {half} | {quarter} | {rank[best[0]] + 1} of {len(rank)} |")
    return rows


def main() -> None:
    """Read the three benchmarks and write the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--datasets", type=Path, default=Path("datasets/cifar-cnn"))
    parser.add_argument("--page", type=Path, default=Path("train/results/fidelities.md"))
    given = parser.parse_args()
    benches = {name: Benchmark.load(given.datasets / name) for name in LEVELS}
    cross = CrossTask(benches)
    page = PAGE.format(
        labels="\n".join(
            _label_row(name, bench, read_recipe(given.datasets / name / "recipe.toml", DatasetRecipe))
            for name, bench in benches.items()
        ),
        pairs="\n".join(_pair_rows(cross)),
        kept="\n".join(_kept_rows(cross)),
        common=len(cross),
        best=BEST,
        half=BEST / 2,
        quarter=BEST / 4,
    )
    given.page.write_text(page, encoding="utf-8")
    print(page)


if __name__ == "__main__":
    main()
