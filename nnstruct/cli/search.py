"""The command that searches for better structures."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nnstruct.cli.options import Config, Data, Debug, Download, Executor, Quiet, Workers, keeps
from nnstruct.cli.search_recipe import run_recipe, show_found
from nnstruct.errors import InvalidInputError, RecipeError

if TYPE_CHECKING:
    from nnstruct.benchmark import Benchmark
    from nnstruct.recipes.sections import SpaceSection
    from nnstruct.record import TrainConfig
    from nnstruct.search import Search
    from nnstruct.tasks import Task

STUDY = "search.db"
NO_GUIDE = "none"
VALIDATION = "val_last"
_FROM = "as known, else "


def search(
    ctx: typer.Context,
    recipe: Annotated[
        Path | None,
        typer.Argument(help="A search recipe, which says all; or options.", show_default=False),
    ] = None,
    task: Annotated[str | None, typer.Option(help="Name of the task.", show_default=f"{_FROM}reber")] = None,
    family: Annotated[
        str | None, typer.Option(help="Family of the networks.", show_default=f"{_FROM}rnn_tanh")
    ] = None,
    units: Annotated[
        tuple[int, int] | None,
        typer.Option(metavar="LO HI", help="Fewest and most units.", show_default=f"{_FROM}10 50"),
    ] = None,
    guide: Annotated[
        str, typer.Option(help="A predictor's name, the folder of a saved one, or none.")
    ] = "auto",
    benchmark: Annotated[
        Path | None,
        typer.Option(help="Start from what this benchmark knows.", show_default=False),
    ] = None,
    config: Config = None,
    target: Annotated[
        str | None,
        typer.Option(
            show_default=VALIDATION,
            help="The score that the search is told; the test data are for the finalists.",
        ),
    ] = None,
    objective: Annotated[
        list[str] | None,
        typer.Option(
            help="Beside the score, may come up several times: parameters, flops, edges, units or layers.",
            show_default=False,
        ),
    ] = None,
    max_parameters: Annotated[
        int | None, typer.Option(min=1, help="Most parameters of a structure.", show_default=False)
    ] = None,
    max_flops: Annotated[
        int | None, typer.Option(min=1, help="Most FLOPs of one forward pass.", show_default=False)
    ] = None,
    generations: Annotated[int, typer.Option(min=1, help="Rounds of choosing and training.")] = 10,
    per_generation: Annotated[int, typer.Option(min=1, help="Structures trained in each.")] = 16,
    seeds: Annotated[int, typer.Option(min=1, help="Trainings of each structure.")] = 1,
    epochs: Annotated[
        int | None, typer.Option(min=1, help="Passes over the training data.", show_default=f"{_FROM}15")
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option(min=1, help="Examples in a batch.", show_default=f"{_FROM}128")
    ] = None,
    learning_rate: Annotated[
        float | None, typer.Option(help="Of Adam.", show_default=f"{_FROM}0.001")
    ] = None,
    fidelity: Annotated[
        list[float] | None,
        typer.Option(
            help="Share of a full training, may come up several times, rising to 1: brief trainings first, "
            "the best of each again at the next. Worth it where brief trainings rank networks as full ones "
            "do, and few of those can be paid.",
            show_default=False,
        ),
    ] = None,
    lower: Annotated[
        str, typer.Option(help="What brief trainings have less of: epochs, examples or both.")
    ] = "epochs",
    repeat_share: Annotated[
        float,
        typer.Option(
            min=0,
            max=1,
            help="Share of trainings that measure promising structures again, by new seeds, so that what is "
            "believed of the best holds. Not with several objectives.",
        ),
    ] = 0.0,
    finalists: Annotated[
        int, typer.Option(min=0, help="Structures trained again at the end, by new seeds.")
    ] = 3,
    final_seeds: Annotated[int, typer.Option(min=2, help="Trainings of each finalist.")] = 5,
    seed: Annotated[int, typer.Option(min=0, help="Decides which structures are asked.")] = 0,
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder for trainings, history and the best structure.")
    ] = Path("runs/search"),
    storage: Annotated[
        str | None,
        typer.Option(help="Database of the Optuna study.", show_default="sqlite:///OUT/search.db"),
    ] = None,
    data: Data = None,
    download: Download = False,
    workers: Workers = None,
    executor: Executor = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with 1 if a score is not as the recipe expects.")
    ] = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Search for better structures: a predictor chooses which ones to train next.

    Settings that are not given are those known from the benchmark, or else from a saved guide.
    Interrupted, the search goes on when the same command is run again.
    """
    if recipe is not None:
        run_recipe(ctx, recipe, workers, executor, quiet=quiet, strict=strict)
        return
    from nnstruct.cli.tables import console
    from nnstruct.predictors import PREDICTORS, load_predictor
    from nnstruct.recipes import estimate_search, finish_search, run_search, save_search
    from nnstruct.search import Search
    from nnstruct.structure.space import Space

    predictor = None
    if guide in PREDICTORS:
        predictor = PREDICTORS[guide](random_state=seed)
    elif guide != NO_GUIDE:
        # Where it is neither a folder nor a name, the registry's error tells the names.
        predictor = (
            load_predictor(Path(guide)) if Path(guide).exists() else PREDICTORS[guide](random_state=seed)
        )
    known = _Known.of_guide(getattr(predictor, "metadata_", {}))
    bench = None
    if benchmark is not None:
        bench = _load(benchmark, target or VALIDATION, config)
        known = _Known.of_benchmark(bench, benchmark, known)
    searched = family or known.family or "rnn_tanh"
    space = Space(
        searched,
        units=units or known.units or (10, 50),
        max_edges=known.max_edges,
        recurrence=known.recurrence,
        **(known.section.attributes_of(searched) if known.section is not None else {}),
    )
    changed = {"epochs": epochs, "batch_size": batch_size, "learning_rate": learning_rate}
    settings = _trained_with(
        known.config, {name: value for name, value in changed.items() if value is not None}
    )
    loaded = known.load(task)

    screen = console(quiet=quiet)
    keeps(ctx, out)
    out.mkdir(parents=True, exist_ok=True)
    run = Search(
        space, predictor, seed=seed, storage=storage or f"sqlite:///{out / STUDY}", study_name="nnstruct",
        objectives=["val", *(name for name in objective if name != "val")] if objective else None,
        task=loaded, config=settings, max_parameters=max_parameters, max_flops=max_flops,
        rungs=fidelity or None, repeat_share=repeat_share,
    )  # fmt: skip
    screen.print(
        f"Searching {space.family} networks of {space.units[0]} to {space.units[1]} units on {loaded!r}, "
        f"guided by {guide}"
    )
    _open(run, storage)
    if bench is not None:
        inside = [s.family == space.family for s in bench.structures]
        chosen = [s for s, keep in zip(bench.structures, inside, strict=True) if keep]
        run.warm_start(chosen, bench.y[inside])
        screen.print(f"{len(chosen)} structures known, the best with {bench.y[inside].max():.4f}")
    left = run.trainings_left(generations * per_generation)
    if left and not quiet:
        screen.print(str(estimate_search(
            run, loaded, trainings=left, config=settings, seeds=seeds, by=lower, top=finalists,
            final_seeds=final_seeds, workers=workers,
        )))  # fmt: skip
    found = run_search(
        run, loaded, out=out / "benchmark", generations=generations, per_generation=per_generation,
        seeds=seeds, config=settings, target=target or VALIDATION, workers=workers, progress=not quiet,
        announce=screen.print, executor=executor or "local",
        lower=lower,
    )  # fmt: skip
    final = None
    if finalists:
        screen.print(f"Training the {finalists} finalists again, with {final_seeds} new seeds each")
        final = finish_search(
            run, loaded, out=out / "finalists", top=finalists, seeds=final_seeds, config=settings,
            target=target or VALIDATION, workers=workers, executor=executor or "local",
        )  # fmt: skip
    save_search(run, final, out)
    show_found(run, found, final, out, quiet=quiet)


@dataclass(frozen=True)
class _Known:
    """Settings that a guide or a benchmark brings along."""

    task: str | None = None
    options: dict[str, Any] = field(default_factory=dict)
    task_fingerprint: str | None = None
    target: str = VALIDATION
    family: str | None = None
    units: tuple[int, int] | None = None
    max_edges: int | None = None
    recurrence: str = "layer"
    section: SpaceSection | None = None
    config: dict[str, Any] | None = None

    @classmethod
    def of_guide(cls, metadata: dict[str, Any]) -> _Known:
        families, units = metadata.get("families") or [], metadata.get("units")
        return cls(
            task=metadata.get("task"),
            target=metadata.get("target", VALIDATION),
            family=families[0] if len(families) == 1 else None,
            units=(int(units[0]), int(units[1])) if units else None,
            config=metadata.get("config"),
        )

    @classmethod
    def of_benchmark(cls, bench: Benchmark, path: Path, guide: _Known) -> _Known:
        from nnstruct.recipes import DatasetRecipe, read_recipe
        from nnstruct.recipes.predictor import describe

        about = describe(bench)
        plain = cls.of_guide(about)
        try:
            recipe = read_recipe(path, DatasetRecipe)
        except (RecipeError, OSError):
            recipe = None
        same = recipe is not None and recipe.task.name == plain.task
        return cls(
            task=plain.task,
            options=recipe.task.options if recipe is not None and same else {},
            task_fingerprint=about["task_fingerprint"],
            target=bench.target,
            family=plain.family or guide.family,
            units=(recipe.space.units[0], recipe.space.units[1]) if recipe is not None else plain.units,
            max_edges=recipe.space.max_edges if recipe is not None else None,
            recurrence=recipe.space.recurrence if recipe is not None else "layer",
            section=recipe.space if recipe is not None else None,
            config=plain.config,
        )

    def load(self, name: str | None) -> Task:
        """The task; that of a benchmark must have the same data."""
        from nnstruct.tasks import load_task

        wanted = name or self.task or "reber"
        loaded = load_task(wanted, **(self.options if wanted == self.task else {}))
        if self.task_fingerprint is not None and loaded.fingerprint != self.task_fingerprint:
            raise InvalidInputError(
                "--task",
                f"have the data of the benchmark ({self.task}, {self.task_fingerprint})",
                f"{wanted} ({loaded.fingerprint})",
                "The scores could not be compared. A recipe.toml beside the benchmark tells its options.",
            )
        return loaded


def _load(path: Path, target: str | None, config: str | None) -> Benchmark:
    from nnstruct.cli.inputs import load_benchmark

    return load_benchmark(path, target, config)


def _open(search: Search, storage: str | None) -> None:
    import sqlalchemy.exc
    from optuna.exceptions import StorageInternalError

    try:
        _ = search.study
    except (sqlalchemy.exc.SQLAlchemyError, StorageInternalError, ImportError) as error:
        reason = str(error).splitlines()[0]
        raise InvalidInputError("--storage", "be the URL of a database", storage, f"{reason}.") from error


def _trained_with(known: dict[str, Any] | None, changed: dict[str, Any]) -> TrainConfig:
    from pydantic import ValidationError

    from nnstruct.record import TrainConfig

    try:
        return TrainConfig.model_validate((known or {}) | changed)
    except ValidationError as error:
        problem = error.errors()[0]
        rule = problem["msg"].removeprefix("Input should ")
        raise InvalidInputError(str(problem["loc"][0]), rule, problem["input"]) from error
