"""What became of a pruning recipe: tables, tests, files."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nnstruct.executors import LOCAL, Executor
from nnstruct.files import frame_bytes, write_atomically
from nnstruct.recipes.dataset import RUNS, Announce
from nnstruct.recipes.pruning import PruningRecipe
from nnstruct.recipes.reading import naming, read_recipe, recipe_file

if TYPE_CHECKING:
    import pandas as pd
    from distributed import Client

    from nnstruct.pruning import Trajectory

TRAJECTORIES = "trajectories"
LEVEL = 0.05
_MEANS = ("before", "after", "above_dense")


@dataclass(frozen=True)
class Claim:
    """Something that a recipe expects, what was found, and whether that bears it out."""

    text: str
    found: str
    holds: bool


@dataclass(frozen=True, eq=False)
class PruningRun:
    """What became of a pruning recipe.

    Attributes
    ----------
    trajectories : list of Trajectory
    table : pandas.DataFrame
        A row for each label and density, 1 being the dense networks: ``seeds``, ``kept``,
        ``parameters``, ``epochs`` and ``seconds`` (means), and over the seeds the mean of test accuracy
        ``before`` and ``after`` re-training and of ``above_dense``, by how much ``after`` is above that
        of the same network when dense, each with the ends of its 95% interval by Student's t.
    comparisons : pandas.DataFrame
        A row for each pair of labels and density: ``difference`` of test accuracy after re-training
        (first less second) with ``low`` and ``high``, ``p`` of the paired t test and ``p_holm``, corrected
        for the densities of the pair (Holm, 1979).
    thresholds : pandas.DataFrame
        See :func:`nnstruct.pruning.trajectories.thresholds`.
    claims : tuple of Claim
    folder : Path
    """

    trajectories: list[Trajectory]
    table: pd.DataFrame
    comparisons: pd.DataFrame
    thresholds: pd.DataFrame
    claims: tuple[Claim, ...]
    folder: Path

    @property
    def as_expected(self) -> bool:
        """Whether everything that the recipe expects was found."""
        return all(claim.holds for claim in self.claims)


def run_pruning_recipe(
    path: str | Path,
    out: str | Path | None = None,
    *,
    workers: int | None = 1,
    announce: Announce | None = None,
    executor: str | Client | Executor = LOCAL,
) -> PruningRun:
    """Prune and re-train as a recipe says, and compare what came of it with what was expected.

    Interrupted, by whatever means, it continues when it is called again.

    Parameters
    ----------
    path : path
        The recipe.
    out : path, optional
        Folder of the results, ``runs/<name of the file>`` by default: a file for each trajectory,
        ``table.parquet`` (means over seeds with 95% intervals), ``steps.parquet``,
        ``comparisons.parquet``, ``thresholds.parquet``, all of it to read in ``table.md``, and
        ``accuracy.png``.
    workers : int or None
        Processes that train; None for one a CPU.
    announce : callable, optional
        Called with a line of text before the first and after each trajectory.
    executor : str, distributed.Client or Executor
        Who prunes and trains; see :func:`nnstruct.executors.open_executor`.

    Returns
    -------
    PruningRun

    Raises
    ------
    MissingDataError
        If there is no such recipe, or the task's data is not there.
    RecipeError
        If the recipe breaks a rule; the message names the file, the key, the rule and the value.
    InvalidInputError
        If ``out`` holds trajectories of other settings.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from nnstruct.recipes import run_pruning_recipe
    >>> file = Path(tempfile.mkdtemp()) / "prune-digits.toml"
    >>> _ = file.write_text('''
    ... task = { name = "digits" }
    ... network = { start = "mlp:8" }
    ... pruning = { densities = [0.5], seeds = 1 }
    ... methods = { random = {} }
    ... train = { epochs = 1 }
    ... ''')
    >>> run = run_pruning_recipe(file, file.parent / "found")
    >>> run.table[["label", "density", "seeds"]].values.tolist()
    [['random', 1.0, 1], ['random', 0.5, 1]]
    """
    from nnstruct.pruning import run_trajectories, starting_network
    from nnstruct.tasks import load_task

    file = recipe_file(path)
    recipe = read_recipe(file, PruningRecipe)
    with naming(file, "task"):
        task = load_task(recipe.task.name, **recipe.task.options)
    with naming(file, "network"):
        starting_network(recipe.network.start, task, config=recipe.train)
    folder = RUNS / file.stem if out is None else Path(out)
    methods = {label: recipe.settings_of(label) for label in recipe.methods}
    seeds = recipe.pruning.seeds
    say = announce or (lambda line: None)
    say(f"{len(methods)} ways to prune {recipe.network.start}, {seeds} seeds each, on {task!r}")
    runs = run_trajectories(
        recipe.network.start,
        task,
        recipe.pruning.densities,
        methods,
        seeds=seeds,
        out=folder / TRAJECTORIES,
        workers=workers,
        executor=executor,
        on_trajectory=lambda run: say(f"{run.label}, seed {run.seed}: done"),
    )
    return pruning_run(recipe, runs, folder, title=file.stem)


def pruning_run(recipe: PruningRecipe, runs: list[Trajectory], folder: Path, *, title: str) -> PruningRun:
    """Count, test, compare with what was expected, and write it all to the folder."""
    from nnstruct.pruning import thresholds

    table, comparisons = summary(runs), _comparisons(recipe, runs)
    found = PruningRun(
        runs, table, comparisons, thresholds(runs), _claims(recipe, table, comparisons), folder
    )
    _write(found, title)
    return found


def summary(runs: Sequence[Trajectory]) -> pd.DataFrame:
    """The table of :class:`PruningRun`."""
    import pandas as pd

    from nnstruct.intervals import mean_interval
    from nnstruct.pruning import trajectory_table

    steps = trajectory_table(runs)
    dense = steps[steps["step"] == 0].set_index(["label", "seed"])["after_test"]
    own = dense.loc[pd.MultiIndex.from_frame(steps[["label", "seed"]])].to_numpy()
    steps = steps.assign(
        before=steps["before_test"].where(steps["step"] > 0), after=steps["after_test"],
        above_dense=steps["after_test"] - own,
    )  # fmt: skip
    rows = []
    for (label, density), part in steps.groupby(["label", "density"], sort=False):
        row: dict[str, Any] = {"label": label, "density": density, "seeds": len(part)}
        row |= {name: float(part[name].mean()) for name in ("kept", "parameters", "epochs", "seconds")}
        for name in _MEANS:
            values = mean_interval(part[name].to_numpy(dtype=np.float64))
            if name != "above_dense":
                values = tuple(np.clip(values, 0.0, 1.0).tolist())
            row |= dict(zip((name, f"{name}_low", f"{name}_high"), values, strict=True))
        rows.append(row)
    return pd.DataFrame(rows)


def holm(p: Iterable[float]) -> np.ndarray:
    """P values corrected for their number by Holm's step-down method.

    Parameters
    ----------
    p : iterable of float
        NaN where there was no test.

    Returns
    -------
    float64 [n]
        NaN stays NaN and is not counted.

    References
    ----------
    S. Holm, A simple sequentially rejective multiple test procedure, Scandinavian Journal of
    Statistics 6 (1979).

    Examples
    --------
    >>> from nnstruct.recipes.pruning_run import holm
    >>> holm([0.01, 0.04, 0.03]).round(2).tolist()
    [0.03, 0.06, 0.06]
    """
    values = np.array(list(p), dtype=np.float64)
    order = np.argsort(values)  # NaN last
    count = int(np.isfinite(values).sum())
    corrected = np.full(len(values), np.nan)
    largest = 0.0
    for rank, place in enumerate(order[:count]):
        largest = max(largest, min(1.0, (count - rank) * values[place]))
        corrected[place] = largest
    return corrected


def _comparisons(recipe: PruningRecipe, runs: Sequence[Trajectory]) -> pd.DataFrame:
    import pandas as pd

    from nnstruct.pruning import compare

    columns = ["first", "second", "density", "seeds", "difference", "low", "high", "p", "p_holm"]
    tables = []
    for (first, second), densities in recipe.pairs().items():
        sides = [[run for run in runs if run.label == label] for label in (first, second)]
        rows = compare(*sides).reset_index()
        rows = rows[rows["density"] < 1 if densities is None else rows["density"].isin(densities)]
        tables.append(rows.assign(first=first, second=second, p_holm=holm(rows["p"]))[columns])
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=columns)


def _claims(recipe: PruningRecipe, table: pd.DataFrame, comparisons: pd.DataFrame) -> tuple[Claim, ...]:
    rows = {(row["label"], row["density"]): row for row in table.to_dict("records")}
    tests = {(row["first"], row["second"], row["density"]): row for row in comparisons.to_dict("records")}
    claims = []
    for (label, density), wanted in recipe.expectations().items():
        row, place = rows[label, density], f"{label} at {100 * density:g}%"
        for name in ("before", "after"):
            bounds = getattr(wanted, name)
            if bounds is not None:
                holds = bounds[0] <= row[name] <= bounds[1]
                text = f"{place}: test accuracy {name} re-training from {bounds[0]:g} to {bounds[1]:g}"
                claims.append(Claim(text, f"{row[name]:.4f}", holds))
        if wanted.above_dense:
            difference = row["above_dense"]
            claims.append(Claim(f"{place}: above its dense network", f"{difference:+.4f}", difference > 0))
        for other in wanted.significantly_below:
            test = tests.get((label, other, density)) or tests[other, label, density]
            difference = test["difference"] if test["first"] == label else -test["difference"]
            text = f"{place}: significantly below {other}"
            found = f"{difference:+.4f}, p = {test['p_holm']:.2g}"
            claims.append(Claim(text, found, difference < 0 and test["p_holm"] < LEVEL))
    return tuple(claims)


def _write(run: PruningRun, title: str) -> None:
    from matplotlib.figure import Figure

    from nnstruct.pruning import plot_accuracy, trajectory_table
    from nnstruct.report.images import figure_bytes

    run.folder.mkdir(parents=True, exist_ok=True)
    tables = {
        "table": run.table,
        "steps": trajectory_table(run.trajectories),
        "comparisons": run.comparisons,
        "thresholds": run.thresholds,
    }
    for name, table in tables.items():
        write_atomically(run.folder / f"{name}.parquet", frame_bytes(table))
    write_atomically(run.folder / "table.md", as_markdown(run, title).encode())
    figure = Figure(figsize=(9.6, 5.4), layout="constrained")
    axes = plot_accuracy(run.trajectories, figure.subplots())
    # So many names would cover the lines.
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False, fontsize=8.5)
    for kind in ("png", "svg"):
        write_atomically(run.folder / f"accuracy.{kind}", figure_bytes(figure, kind))


def as_markdown(run: PruningRun, title: str) -> str:
    """All tables of a run, to read."""
    first = run.trajectories[0]
    minutes = run.table["seconds"].mul(run.table["seeds"]).sum() / 60
    intro = [
        f"{first.network} on {first.task}; means over seeds with 95% intervals (Student's t); "
        f"{minutes:.1f} CPU minutes.",
        "",
        "Test accuracy after re-training in percent, and half its interval, by the share of weights left:",
        *_at_a_glance(run.table),
        "",
        "The same in full:",
        *_grid(
            ("method", "density", "weights", "seeds", "epochs", "test before", "test after", "above dense"),
            (
                (row["label"], f"{100 * row['density']:.4g}%", f"{row['kept']:.0f}", row["seeds"],
                 f"{row['epochs']:.3g}", *(_span(row, name, sign=name == "above_dense") for name in _MEANS))
                for row in run.table.to_dict("records")
            ),
        ),
    ]  # fmt: skip
    limits = [
        "## Largest share that may go",
        "",
        "Pruned fractions at which train (fits) or test accuracy (generalises) is at least the dense's.",
        *_grid(
            ("method", "fits", "generalises"),
            (
                (row["label"], _span(row, "fits"), _span(row, "generalises"))
                for row in run.thresholds.reset_index().to_dict("records")
            ),
        ),
    ]
    parts = ["\n".join([f"# {title}", "", *intro])]
    if len(run.comparisons):
        parts.append("\n".join(_comparison_lines(run.comparisons)))
    parts.append("\n".join(limits))
    if run.claims:
        rows = ((claim.text, claim.found, "yes" if claim.holds else "no") for claim in run.claims)
        parts.append("\n".join(["## Expected", *_grid(("expected", "found", "holds"), rows)]))
    return "\n\n".join(parts) + "\n"


def _at_a_glance(table: pd.DataFrame) -> list[str]:
    """A row a method, a column a density."""
    densities = sorted(set(table["density"]), reverse=True)
    cells = {
        (row["label"], row["density"]): f"{100 * row['after']:.2f}"
        + (
            f" ± {100 * max(row['after_high'] - row['after'], row['after'] - row['after_low']):.2f}"
            if row["seeds"] > 1
            else ""
        )
        for row in table.to_dict("records")
    }
    rows = (
        (label, *(cells.get((label, density), "") for density in densities))
        for label in dict.fromkeys(table["label"])
    )
    return _grid(("method", *(f"{100 * density:.4g}%" for density in densities)), rows)


def _comparison_lines(comparisons: pd.DataFrame) -> list[str]:
    head = ("first", "second", "density", "seeds", "first less second", "p", "p (Holm)")
    rows = (
        (row["first"], row["second"], f"{100 * row['density']:.4g}%", row["seeds"],
         _span(row, "difference", "low", "high", sign=True), f"{row['p']:.2g}", f"{row['p_holm']:.2g}")
        for row in comparisons.to_dict("records")
    )  # fmt: skip
    return [
        "## Comparisons",
        "",
        "Test accuracy after re-training, paired by seed, by a two-sided t test; Holm's correction "
        "counts the densities of a pair.",
        *_grid(head, rows),
    ]


def _span(row: Mapping[Any, Any], name: str, low: str = "", high: str = "", *, sign: bool = False) -> str:
    ends = (row[low or f"{name}_low"], row[high or f"{name}_high"])
    if math.isnan(row[name]):
        return ""
    form = "+.4f" if sign else ".4f"
    if any(math.isnan(end) for end in ends):
        return f"{row[name]:{form}}"
    return f"{row[name]:{form}} [{ends[0]:{form}}, {ends[1]:{form}}]"


def _grid(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> list[str]:
    lines = ["", f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    return lines + [f"| {' | '.join(str(cell) for cell in row)} |" for row in rows]
