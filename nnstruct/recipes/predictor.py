"""Predictor recipes: which predictor, fitted to which benchmark, and the scores to expect."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, Field, field_validator

from nnstruct.errors import InvalidInputError, RecipeError
from nnstruct.recipes.dataset import RUNS, Announce
from nnstruct.recipes.reading import Section, check_known, naming, read_recipe, recipe_file
from nnstruct.structure.families import FAMILIES

if TYPE_CHECKING:
    from nnstruct.benchmark import Benchmark
    from nnstruct.predictors import Evaluation, Predictor


def _in_order(bounds: list[float]) -> list[float]:
    if bounds[0] > bounds[1]:
        raise InvalidInputError("bounds", "be the lowest and the highest score, in this order", bounds)
    return bounds


Bounds = Annotated[list[float], Field(min_length=2, max_length=2), AfterValidator(_in_order)]


class BenchmarkSection(Section):
    """``[benchmark]``: where it lies, and which part of it counts."""

    path: str
    families: Annotated[list[str], Field(min_length=1)] | None = None
    target: str = "test"

    @field_validator("families")
    @classmethod
    def _are_known(cls, families: list[str] | None) -> list[str] | None:
        for family in families or ():
            check_known(family, FAMILIES, "families")
        return families

    @field_validator("target")
    @classmethod
    def _is_known(cls, target: str) -> str:
        from nnstruct.benchmark import TARGETS

        check_known(target, TARGETS, "target")
        return target


class PredictorSection(Section):
    """``[predictor]``: a predictor's name and the keywords of its class."""

    name: str
    params: dict[str, Any] = Field(default_factory=dict)

    @field_validator("name")
    @classmethod
    def _is_known(cls, name: str) -> str:
        from nnstruct.predictors import PREDICTORS

        check_known(name, PREDICTORS, "name")
        return name


class EvaluationSection(Section):
    """``[evaluation]``: repeated k-fold cross-validation."""

    folds: Annotated[int, Field(ge=2)] = 5
    repeats: Annotated[int, Field(ge=1)] = 3
    seed: Annotated[int, Field(ge=0)] = 0


class ExpectedSection(Section):
    """``[expected]``: lowest and highest value of each score, and the minutes it takes."""

    r2: Bounds | None = None
    mae: Bounds | None = None
    rmse: Bounds | None = None
    kendall: Bounds | None = None
    spearman: Bounds | None = None
    coverage_90: Bounds | None = None
    minutes: Annotated[float, Field(gt=0)] | None = None

    def bounds(self) -> dict[str, list[float]]:
        """The scores that have bounds.

        Returns
        -------
        dict of str to [float, float]
            Lowest and highest value by the name of the score.
        """
        return {name: value for name, value in self.model_dump().items() if isinstance(value, list)}


class PredictorRecipe(Section):
    """How a predictor is made; see :mod:`nnstruct.recipes` for the file.

    Examples
    --------
    >>> from nnstruct.recipes import PredictorRecipe
    >>> recipe = PredictorRecipe(
    ...     benchmark={"path": "bench"}, predictor={"name": "mean"}, expected={"r2": [-0.1, 0.0]}
    ... )
    >>> recipe.evaluation.folds, recipe.expected.bounds()
    (5, {'r2': [-0.1, 0.0]})
    """

    benchmark: BenchmarkSection
    predictor: PredictorSection
    evaluation: EvaluationSection = EvaluationSection()
    expected: ExpectedSection = ExpectedSection()

    def make(self) -> Predictor:
        """The predictor, not fitted; its seed is that of the evaluation unless ``params`` has another.

        Returns
        -------
        Predictor

        Raises
        ------
        InvalidInputError
            If the predictor has no such parameter.
        """
        from nnstruct.predictors import PREDICTORS

        predictor = PREDICTORS[self.predictor.name]()
        for name in self.predictor.params:
            check_known(name, predictor.get_params(deep=False), "each key of params")
        predictor.set_params(**{"random_state": self.evaluation.seed, **self.predictor.params})
        return predictor


@dataclass(frozen=True)
class Check:
    """A score beside what was expected of it."""

    metric: str
    value: float
    low: float
    high: float

    @property
    def within(self) -> bool:
        """Whether the score lies between its bounds; a score that is no number does not."""
        return self.low <= self.value <= self.high


@dataclass(frozen=True, eq=False)
class PredictorRun:
    """What became of a predictor recipe.

    Attributes
    ----------
    evaluation : Evaluation
    predictor : Predictor
        Fitted to all structures.
    folder : Path
        Where it is saved; :func:`nnstruct.load_predictor` reads it.
    checks : tuple of Check
    seconds : float
    """

    evaluation: Evaluation
    predictor: Predictor
    folder: Path
    checks: tuple[Check, ...]
    seconds: float

    @property
    def as_expected(self) -> bool:
        """Whether every score lies within its bounds."""
        return all(check.within for check in self.checks)


def run_predictor_recipe(
    path: str | Path,
    out: str | Path | None = None,
    *,
    progress: bool = False,
    announce: Announce | None = None,
) -> PredictorRun:
    """Evaluate a recipe's predictor by cross-validation, fit it to everything and save it.

    Parameters
    ----------
    path : path
        The recipe.
    out : path, optional
        Folder of the saved predictor, ``runs/<name of the file>`` by default. A predictor that is
        there is replaced.
    progress : bool
        Show a bar.
    announce : callable, optional
        Called with a line of text before each step.

    Returns
    -------
    PredictorRun

    Raises
    ------
    MissingDataError
        If there is no such recipe or no benchmark where it points to.
    RecipeError
        If the recipe breaks a rule; the message names the file, the key, the rule and the value.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from nnstruct.recipes import DatasetRecipe, build_dataset, run_predictor_recipe
    >>> folder = Path(tempfile.mkdtemp())
    >>> dataset = DatasetRecipe(
    ...     task={"name": "digits"}, space={"families": ["mlp"], "units": [4, 8]}, sample={"count": 6},
    ...     train={"epochs": 1},
    ... )
    >>> bench = build_dataset(dataset, folder / "bench", workers=1)
    >>> file = folder / "mean-digits.toml"
    >>> _ = file.write_text('''
    ... benchmark = { path = "bench" }
    ... predictor = { name = "mean" }
    ... evaluation = { folds = 2, repeats = 1 }
    ... expected = { r2 = [-3.0, 0.1] }
    ... ''')
    >>> run = run_predictor_recipe(file, folder / "predictor")
    >>> run.as_expected, run.folder.name
    (True, 'predictor')
    """
    from nnstruct.predictors import evaluate

    started = time.perf_counter()
    say = announce or (lambda line: None)
    file = recipe_file(path)
    recipe = read_recipe(file, PredictorRecipe)
    bench = _benchmark(recipe, file)
    with naming(file, "predictor"):
        predictor = recipe.make()
    settings = recipe.evaluation
    say(f"{recipe.predictor.name} on {bench!r}: {settings.repeats} x {settings.folds}-fold cross-validation")
    with naming(file, "predictor"):
        evaluation = evaluate(
            {recipe.predictor.name: predictor},
            bench,
            folds=settings.folds,
            repeats=settings.repeats,
            seed=settings.seed,
            progress=progress,
        )
        say(f"fitting {recipe.predictor.name} to all {len(bench)} structures")
        predictor.fit(bench.structures, bench.y)
    scores = evaluation.table.to_dict("index")[recipe.predictor.name]
    checks = tuple(
        Check(name, scores[name], low, high) for name, (low, high) in recipe.expected.bounds().items()
    )
    folder = predictor.save(
        RUNS / file.stem if out is None else out,
        metadata=describe(bench) | {"recipe": file.name, "r2": scores["r2"]},
        overwrite=True,
    )
    return PredictorRun(evaluation, predictor, folder, checks, time.perf_counter() - started)


def describe(bench: Benchmark) -> dict[str, Any]:
    """What a saved predictor should say about the benchmark that it was fitted to.

    Parameters
    ----------
    bench : Benchmark
        With records of one task and one configuration.

    Returns
    -------
    dict
        JSON values: ``task``, ``task_fingerprint``, ``target``, ``families``, ``units`` (fewest, most)
        and ``config``. What is unknown is None, as are the last and the second of scores from elsewhere.
    """
    # Scores from elsewhere have neither a configuration nor data that a fingerprint could tell of.
    (config,) = set(bench.table["config_id"]) if "config_id" in bench.table else {""}
    known = bench.configs.get(config)
    fingerprints = bench.table.get("task_fingerprint")
    return {
        "task": getattr(bench, "task", "") or str(bench.table["task"].iloc[0]),
        "task_fingerprint": None if fingerprints is None else str(fingerprints.iloc[0]),
        "target": bench.target,
        "families": sorted({structure.family for structure in bench.structures}),
        "units": [min(s.num_units for s in bench.structures), max(s.num_units for s in bench.structures)],
        "config": known.as_dict() if known is not None else None,
    }


def _benchmark(recipe: PredictorRecipe, file: Path) -> Benchmark:
    from nnstruct.benchmark import Benchmark

    wanted = recipe.benchmark
    bench = Benchmark.load(file.parent / wanted.path, target=wanted.target)
    if wanted.families is not None:
        chosen = [s.fingerprint for s in bench.structures if s.family in wanted.families]
        if not chosen:
            there = sorted({structure.family for structure in bench.structures})
            raise RecipeError(
                f"{file}: [benchmark] families", f"be among those of the benchmark, {there}", wanted.families
            )
        bench = bench.select(chosen)
    return bench
