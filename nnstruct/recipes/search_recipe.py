"""Search recipes: which space, which guide, how each structure is trained, and how the finalists are."""

from __future__ import annotations

import inspect
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import Field, field_validator, model_validator

from nnstruct.errors import InvalidInputError
from nnstruct.executors import LOCAL, Executor
from nnstruct.recipes.dataset import RUNS, Announce
from nnstruct.recipes.estimate import estimate_search
from nnstruct.recipes.expected import Bounds, Check
from nnstruct.recipes.labelled import BenchmarkSection, recipe_benchmark
from nnstruct.recipes.predictor import make_predictor
from nnstruct.recipes.reading import Section, changed_config, check_known, naming, read_recipe, recipe_file
from nnstruct.recipes.searching import finish_search, run_search, save_search
from nnstruct.recipes.sections import RungsSection, SpaceSection, StartSection, TaskSection
from nnstruct.record import TrainConfig

if TYPE_CHECKING:
    from distributed import Client

    from nnstruct.benchmark import Benchmark
    from nnstruct.search import Final, Search
    from nnstruct.tasks import Task

STUDY = "search.db"
# What other tables of a recipe say, or the place where it runs.
_SAID_ELSEWHERE = {
    "self", "space", "guide", "task", "config", "storage", "study_name", "load_if_exists", "rungs",
}  # fmt: skip


class GuideSection(Section):
    """``[guide]``: a predictor's name and the keywords of its class, or ``saved``, a saved one's folder.

    ``name = "none"`` is plain evolution.
    """

    name: str = "auto"
    params: dict[str, Any] = Field(default_factory=dict)
    saved: str | None = None

    @field_validator("name")
    @classmethod
    def _is_known(cls, name: str) -> str:
        from nnstruct.predictors import PREDICTORS

        check_known(name, [*PREDICTORS, "none"], "name")
        return name


class SearchSection(Section):
    """``[search]``: how many structures, of how many trainings, told which score; ``params`` of Search."""

    generations: Annotated[int, Field(ge=1)] = 10
    per_generation: Annotated[int, Field(ge=1)] = 16
    seeds: Annotated[int, Field(ge=1)] = 1
    target: str = "val_last"
    params: dict[str, Any] = Field(default_factory=dict)

    @field_validator("target")
    @classmethod
    def _is_a_target(cls, target: str) -> str:
        from nnstruct.benchmark import TARGETS

        check_known(target, TARGETS, "target")
        return target

    @field_validator("params")
    @classmethod
    def _are_known(cls, params: dict[str, Any]) -> dict[str, Any]:
        from nnstruct.search import Search

        known = set(inspect.signature(Search.__init__).parameters) - _SAID_ELSEWHERE
        for name in params:
            check_known(name, known, "each key of params")
        return params


class FinishSection(Section):
    """``[finish]``: how many finalists are trained again by how many new seeds.

    ``train`` changes fields of ``[train]`` for them and ``task`` keywords of the task, so that a search may
    train briefly on few examples, and its finalists longer on all.
    """

    top: Annotated[int, Field(ge=0)] = 5
    seeds: Annotated[int, Field(ge=1)] = 6
    target: str = "val_last"
    report: str = "test"
    train: dict[str, Any] = Field(default_factory=dict)
    task: dict[str, Any] = Field(default_factory=dict)

    @field_validator("target", "report")
    @classmethod
    def _is_a_target(cls, target: str) -> str:
        from nnstruct.benchmark import TARGETS

        check_known(target, TARGETS, "target")
        return target


class FoundSection(Section):
    """``[expected]``: bounds of the highest score told, of the believed best's and of the winner's."""

    claimed: Bounds | None = None
    believed: Bounds | None = None
    winner: Bounds | None = None
    minutes: Annotated[float, Field(gt=0)] | None = None

    def checks(self, scores: Mapping[str, float]) -> tuple[Check, ...]:
        """The scores that have bounds beside these.

        Parameters
        ----------
        scores : mapping of str to float

        Returns
        -------
        tuple of Check
            A score that is not there is no number.
        """
        bounds = {name: getattr(self, name) for name in ("claimed", "believed", "winner")}
        return tuple(
            Check(n, scores.get(n, math.nan), *pair) for n, pair in bounds.items() if pair is not None
        )


class SearchRecipe(Section):
    """How better structures are searched; see :mod:`nnstruct.recipes` for the file.

    Examples
    --------
    >>> from nnstruct.recipes import SearchRecipe
    >>> recipe = SearchRecipe(task={"name": "digits"}, space={"families": ["mlp"], "units": [4, 8]})
    >>> recipe.guide.name, recipe.search.generations, recipe.finish.top
    ('auto', 10, 5)
    """

    task: TaskSection
    space: SpaceSection
    guide: GuideSection = GuideSection()
    known: BenchmarkSection | None = None
    start: list[StartSection] = Field(default_factory=list)
    search: SearchSection = SearchSection()
    rungs: RungsSection | None = None
    train: TrainConfig = TrainConfig()
    finish: FinishSection = FinishSection()
    expected: FoundSection = FoundSection()

    @field_validator("space")
    @classmethod
    def _is_of_one_family(cls, space: SpaceSection) -> SpaceSection:
        if len(space.families) != 1:
            raise InvalidInputError("families", "be one family, which a search is of", space.families)
        return space

    @model_validator(mode="after")
    def _finalists_can_be_trained(self) -> Self:
        _ = self.final_config
        return self

    @property
    def final_config(self) -> TrainConfig:
        """How finalists are trained."""
        return changed_config(self.train, self.finish.train, "finish.train")

    @property
    def lower(self) -> str:
        """What trainings of a lower fidelity have less of."""
        return "epochs" if self.rungs is None else self.rungs.lower

    def make(self, task: Task, folder: Path, recipe: Path | None = None) -> Search:
        """The search, in a study beside its results.

        Parameters
        ----------
        task : Task
        folder : Path
            Of the results.
        recipe : Path, optional
            The file, from which the folder of a saved guide is told.

        Returns
        -------
        Search

        Raises
        ------
        InvalidInputError
            If a predictor has no such parameter, or one of the search breaks its rule.
        """
        from nnstruct.search import Search

        folder.mkdir(parents=True, exist_ok=True)
        with naming(recipe, "guide"):
            guide = self._guide(recipe)
        return Search(
            self.space.of(self.space.families[0]), guide, task=task, config=self.train,
            storage=f"sqlite:///{folder / STUDY}", study_name="nnstruct",
            rungs=None if self.rungs is None else self.rungs.make(), **self.search.params,
        )  # fmt: skip

    def _guide(self, recipe: Path | None) -> Any:
        from nnstruct.predictors import load_predictor

        if self.guide.saved is not None:
            saved = (recipe.parent if recipe is not None else Path()) / self.guide.saved
            if not saved.is_dir():
                hint = "`nnstruct train` on a recipe of its own fits a guide and saves it, in runs/."
                raise InvalidInputError("saved", "be the folder of a saved predictor", str(saved), hint)
            return load_predictor(saved)
        if self.guide.name == "none":
            return None
        return make_predictor(self.guide.name, self.guide.params, self.search.params.get("seed", 0))


@dataclass(frozen=True, eq=False)
class SearchRun:
    """What became of a search recipe.

    Attributes
    ----------
    search : Search
    found : Benchmark
        Of the structures that were asked.
    final : Final or None
        None where no finalists are wanted.
    checks : tuple of Check
    folder : Path
    seconds : float
    """

    search: Search
    found: Benchmark
    final: Final | None
    checks: tuple[Check, ...]
    folder: Path
    seconds: float

    @property
    def as_expected(self) -> bool:
        """Whether every score lies within its bounds."""
        return all(check.within for check in self.checks)


def run_search_recipe(
    path: str | Path,
    out: str | Path | None = None,
    *,
    tables: str | Path | None = None,
    workers: int | None = None,
    progress: bool = False,
    announce: Announce | None = None,
    executor: str | Client | Executor = LOCAL,
) -> SearchRun:
    """Search as a recipe says, and train its finalists again.

    Interrupted, by whatever means, it continues when it is called again.

    Parameters
    ----------
    path : path
        The recipe.
    out : path, optional
        Folder of the results, ``runs/<name of the file>`` by default: the study ``search.db``, the benchmark
        folders ``benchmark`` and ``finalists``, and what :func:`save_search` writes.
    tables : path, optional
        Folder of published tables, for ``[known]``.
    workers : int, optional
        Processes that train; by default one a CPU.
    progress : bool
        Show a bar.
    announce : callable, optional
        Called with a line of text: how long it will take (:func:`nnstruct.recipes.estimate_search`), and
        after each generation.
    executor : str, distributed.Client or Executor
        Who trains; see :func:`nnstruct.executors.open_executor`.

    Returns
    -------
    SearchRun

    Raises
    ------
    MissingDataError
        If there is no such recipe, or the data of the task or the benchmark is not there.
    RecipeError
        If the recipe breaks a rule; the message names the file, the key, the rule and the value.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from nnstruct.recipes import run_search_recipe
    >>> file = Path(tempfile.mkdtemp()) / "search-digits.toml"
    >>> _ = file.write_text('''
    ... task = { name = "digits" }
    ... space = { families = ["mlp"], units = [4, 8] }
    ... guide = { name = "none" }
    ... search = { generations = 2, per_generation = 2, params = { population = 2 } }
    ... train = { epochs = 1 }
    ... finish = { top = 1, seeds = 2, train = { epochs = 2 } }
    ... ''')
    >>> run = run_search_recipe(file, file.parent / "found", workers=1)
    >>> len(run.found), len(run.final.table)
    (4, 1)
    """
    from nnstruct.tasks import load_task

    file, started = recipe_file(path), time.monotonic()
    recipe = read_recipe(file, SearchRecipe)
    folder = Path(out) if out is not None else RUNS / file.stem
    wanted, finish = recipe.search, recipe.finish
    with naming(file, "task"):
        task = load_task(recipe.task.name, **recipe.task.options)
    with naming(file, "finish"):
        final_task = load_task(recipe.task.name, **recipe.task.options | finish.task) if finish.task else task
    with naming(file, "search"):
        search = recipe.make(task, folder, file)
        _ = search.study
    if recipe.known is not None:
        bench = recipe_benchmark(recipe.known, file, tables)
        inside = [s.family == recipe.space.families[0] for s in bench.structures]
        search.warm_start(
            [s for s, held in zip(bench.structures, inside, strict=True) if held], bench.y[inside]
        )
    with naming(file, "start"):
        search.enqueue([start.make(recipe.space.families[0]) for start in recipe.start])
    left = search.trainings_left(wanted.generations * wanted.per_generation)
    if announce is not None and left:
        announce(str(estimate_search(
            search, task, trainings=left, config=recipe.train,
            seeds=wanted.seeds, by=recipe.lower, top=finish.top, final_seeds=finish.seeds,
            final_config=recipe.final_config, final_task=final_task, workers=workers,
        )))  # fmt: skip
    found = run_search(
        search, task, out=folder / "benchmark", generations=wanted.generations,
        per_generation=wanted.per_generation, seeds=wanted.seeds, config=recipe.train, target=wanted.target,
        workers=workers, progress=progress, announce=announce, executor=executor, lower=recipe.lower,
    )  # fmt: skip
    final = None
    if finish.top:
        if announce is not None:
            announce(f"Training the {finish.top} finalists again, with {finish.seeds} new seeds each")
        final = finish_search(
            search, final_task, out=folder / "finalists", top=finish.top, seeds=finish.seeds,
            config=recipe.final_config, target=finish.target, report=finish.report, workers=workers,
            executor=executor,
        )  # fmt: skip
    save_search(search, final, folder)
    scores = {"claimed": search.best_claim, "believed": search.best_score}
    scores |= {"winner": final.score} if final is not None else {}
    seconds = time.monotonic() - started
    return SearchRun(search, found, final, recipe.expected.checks(scores), folder, seconds)
