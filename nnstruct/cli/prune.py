"""The command that prunes a network and tells how its accuracy falls with its density."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nnstruct.cli.models import FILES, function_of, is_model, names_function, read_model, takes_seed
from nnstruct.cli.options import Data, Debug, Download, Executor, Quiet, keeps
from nnstruct.cli.prune_recipe import run_recipe
from nnstruct.errors import InvalidInputError, MissingDataError

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Console

    from nnstruct.pruning import Trajectory
    from nnstruct.tasks import Task

_BESIDE_A_RECIPE = ("network", "out", "workers", "executor", "strict", "data", "quiet", "debug")
_DENSITIES = [0.5, 0.2, 0.1, 0.05, 0.02, 0.01]


def prune(
    ctx: typer.Context,
    network: Annotated[
        str,
        typer.Argument(
            help="A recipe, NAME.toml, which says all else; or lenet-300-100, mlp:SIZES, cnn:SIZES, "
            "rnn_tanh:SIZES, rnn_relu, gru or lstm:SIZES (as in mlp:300-100), or FILE.py:FUNCTION, a "
            "function of a seed that returns a torch module; or a trained model, a .onnx or .pt2 file, "
            "which is pruned as it is."
        ),
    ],
    task: Annotated[
        str | None,
        typer.Argument(
            help="A task's name, an .npz file with inputs and targets, or FILE.py:FUNCTION, which returns "
            "a Task.",
            show_default="that of the recipe",
        ),
    ] = None,
    method: Annotated[
        list[str] | None,
        typer.Option("--method", "-m", help="Repeat for several.", show_default="magnitude-class-blind"),
    ] = None,
    density: Annotated[
        list[float] | None,
        typer.Option(
            "--density",
            "-d",
            min=0.0,
            max=1.0,
            help="Share of the weights to keep; repeat for several.",
            show_default=" ".join(map(str, _DENSITIES)),
        ),
    ] = None,
    schedule: Annotated[str, typer.Option(help="iterative, one-shot, gradual or rewind.")] = "iterative",
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the data by the dense network.")] = 15,
    retrain: Annotated[
        int | None, typer.Option(min=0, help="Passes after each pruning.", show_default="as --epochs")
    ] = None,
    retrain_rate: Annotated[
        float | None,
        typer.Option(min=0.0, help="Learning rate of those passes.", show_default="as --learning-rate"),
    ] = None,
    patience: Annotated[
        int | None,
        typer.Option(
            min=1, help="End re-training when so many passes brought nothing.", show_default="never"
        ),
    ] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Prune before any training instead of after.")
    ] = False,
    part: Annotated[
        str | None,
        typer.Option(help="Of recurrent layers only: input, hidden or both.", show_default="all weights"),
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Networks for each method.")] = 1,
    learning_rate: Annotated[float, typer.Option(min=0.0, help="Of Adam.")] = 1e-3,
    batch_size: Annotated[int, typer.Option(min=1)] = 128,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="Folder for the trajectories, the table and the plot; resumed where it stopped.",
            show_default="runs/NAME of a recipe, else nothing is written",
        ),
    ] = None,
    workers: Annotated[int, typer.Option("--workers", "-w", min=1, help="Processes that train.")] = 1,
    executor: Executor = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with 1 if a score is not as the recipe expects.")
    ] = False,
    data: Data = None,
    download: Download = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Prune a network step by step, re-train it, and show its accuracy at each density.

    A recipe names network, task, methods and the scores to expect; beside it only --out, --workers,
    --executor, --strict, --data and --quiet can be given.
    """
    from nnstruct.cli.tables import console
    from nnstruct.pruning import Schedule, run_trajectories, thresholds, trajectory_table
    from nnstruct.record import TrainConfig

    screen = console(quiet=quiet)
    if network.endswith(".toml"):
        _refuse_others(ctx)
        run_recipe(ctx, Path(network), out, workers, screen, quiet=quiet, strict=strict, executor=executor)
        return
    if task is None:
        raise typer.BadParameter("A network needs a task; only a recipe has its own.", param_hint="'TASK'")
    if out is not None:
        keeps(ctx, out)
    chosen_task = _task(task)
    settings: dict[str, Any] = {"part": part} if part else {}
    shared: dict[str, Any] = {"retrain": retrain, "patience": patience, "retrain_rate": retrain_rate}
    pretrain = 0 if fresh or network.lower().endswith(FILES) else None
    runs = run_trajectories(
        _network(network),
        chosen_task,
        sorted(set(density or _DENSITIES) - {1.0}, reverse=True),
        {
            name: {"method": name, "schedule": Schedule(_fitting(schedule, name), pretrain, **shared)}
            for name in method or [_FIRST]
        },
        seeds=seeds,
        out=None if out is None else out / "trajectories",
        workers=workers,
        executor=executor or "local",
        on_trajectory=lambda run: screen.print(f"{run.label}, seed {run.seed}: done"),
        config=TrainConfig(epochs=epochs, learning_rate=learning_rate, batch_size=batch_size),
        **settings,
    )
    table = trajectory_table(runs)
    _print(table, thresholds(runs), screen)
    if out is not None:
        _write(out, runs, table)
        screen.print(f"written to {out}")
    if quiet:
        for _, rows in table[table["step"] > 0].groupby(["label", "density"], sort=False):
            label, share = rows["label"].iloc[0], rows["density"].iloc[0]
            typer.echo(f"{label} {share:g} {rows['after_test'].mean():.4f}")


_FIRST = "magnitude-class-blind"


def _refuse_others(ctx: typer.Context) -> None:
    """What a recipe says cannot be said twice."""
    for parameter in ctx.command.params:
        name = parameter.name or ""
        source = ctx.get_parameter_source(name)
        if name not in _BESIDE_A_RECIPE and source is not None and source.name == "COMMANDLINE":
            raise InvalidInputError(parameter.opts[0], "be left out with a recipe", ctx.params[name])


def _fitting(schedule: str, method: str) -> str:
    """Methods that train on the way have no gradual schedule and nothing to rewind."""
    from nnstruct.pruning import PRUNERS

    return "one-shot" if PRUNERS[method].trains and schedule in ("gradual", "rewind") else schedule


def _network(text: str) -> Any:
    """A name, a function of a seed, or a trained module or Network."""
    from nnstruct.pruning.trajectories.starting import KINDS

    path = Path(text)
    if text.partition(":")[0] in KINDS or not is_model(path):
        return text
    if not names_function(path):
        return read_model(path)
    function = function_of(text)
    if takes_seed(function):
        return function
    made = function()
    return made[0] if isinstance(made, tuple) else made


def _task(text: str) -> Task:
    from nnstruct.tasks import Task, load_task

    if ".py:" in text:
        made = function_of(text)()
        if not isinstance(made, Task):
            raise InvalidInputError(text, "return a Task", type(made).__name__)
        return made
    if text.endswith(".npz"):
        return _from_arrays(Path(text))
    return load_task(text)


def _from_arrays(path: Path) -> Task:
    from nnstruct.tasks import Task
    from nnstruct.unpacking import read_npz

    if not path.exists():
        raise MissingDataError(f"There is no {path}.")
    arrays = read_npz(path)
    if not {"inputs", "targets"} <= set(arrays):
        raise InvalidInputError(str(path), "hold the arrays inputs and targets", sorted(arrays))
    return Task.from_arrays(path.stem, arrays["inputs"], arrays["targets"])


def _print(table: pd.DataFrame, limits: pd.DataFrame, screen: Console) -> None:
    import numpy as np

    from nnstruct.cli.tables import table as made
    from nnstruct.intervals import mean_interval

    rows = []
    for (label, _), part in table.groupby(["label", "density"], sort=False):
        after = np.clip(mean_interval(part["after_test"].to_numpy()), 0.0, 1.0).tolist()
        share, kept = float(part["density"].iloc[0]), int(part["kept"].mean())
        before = mean_interval(part["before_test"].to_numpy())[0] if share < 1 else float("nan")
        rows.append((str(label), f"{100 * share:.4g}%", kept, before, *after))
    screen.print(made(("method", "density", "weights", "test before", "test after", "95% low", "high"), rows))
    names = [f"{name}{end}" for name in ("fits", "generalises") for end in ("", "_low", "_high")]
    shares = [
        (str(label), *values)
        for label, values in zip(limits.index, limits[names].to_numpy().tolist(), strict=True)
    ]
    ends = ("95% low", "high")
    screen.print(
        made(("largest pruned share", "as good in training", *ends, "as good in test", *ends), shares)
    )


def _write(out: Path, runs: list[Trajectory], table: pd.DataFrame) -> None:
    from matplotlib.figure import Figure

    from nnstruct.files import write_atomically
    from nnstruct.pruning import plot_accuracy
    from nnstruct.report.images import figure_bytes

    write_atomically(out / "table.csv", table.to_csv(index=False).encode())
    figure = Figure(figsize=(7.2, 4.6), layout="constrained")
    plot_accuracy(runs, figure.subplots())
    write_atomically(out / "accuracy.png", figure_bytes(figure, "png"))
