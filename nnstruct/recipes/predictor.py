"""Predictor recipes: which predictor, fitted to which benchmark, and the scores to expect."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import Field, field_validator, model_validator

from nnstruct.errors import InvalidInputError
from nnstruct.recipes.dataset import RUNS, Announce
from nnstruct.recipes.expected import Check, ExpectedSection, check_expected, checks_of
from nnstruct.recipes.labelled import BenchmarkSection, recipe_benchmark
from nnstruct.recipes.reading import Section, check_known, naming, read_recipe, recipe_file
from nnstruct.recipes.stored import save_evaluation

if TYPE_CHECKING:
    from nnstruct.benchmark import Benchmark
    from nnstruct.predictors import Evaluation, Predictor


class PredictorSection(Section):
    """``[predictor]``: its name, the keywords of its class, and whether one fitted to everything is saved."""

    name: str = "auto"
    params: dict[str, Any] = Field(default_factory=dict)
    save: bool = True

    @field_validator("name")
    @classmethod
    def _is_known(cls, name: str) -> str:
        from nnstruct.predictors import PREDICTORS

        check_known(name, PREDICTORS, "name")
        return name


class EvaluationSection(Section):
    """``[evaluation]``: repeated k-fold cross-validation, or random training sets of some sizes.

    The keywords of :func:`nnstruct.predictors.evaluate`: 3 repeats of 5 folds, or 10 draws of each size.
    """

    folds: Annotated[int, Field(ge=2)] | None = None
    repeats: Annotated[int, Field(ge=1)] | None = None
    train_sizes: Annotated[list[int | float], Field(min_length=1)] | None = None
    protocol: list[str] = Field(default_factory=lambda: ["unseen"])
    draws: Annotated[int, Field(ge=1)] | None = None
    k: Annotated[int, Field(ge=1)] = 10
    seed: Annotated[int, Field(ge=0)] = 0

    @model_validator(mode="before")
    @classmethod
    def _with_defaults(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        return ({"draws": 10} if "train_sizes" in given else {"folds": 5, "repeats": 3}) | given

    @field_validator("protocol", mode="before")
    @classmethod
    def _may_be_one(cls, protocol: Any) -> Any:
        return [protocol] if isinstance(protocol, str) else protocol

    @model_validator(mode="after")
    def _is_of_one_kind(self) -> Self:
        from nnstruct.predictors.draws import check_protocols

        check_protocols(self.protocol)
        sizes = self.train_sizes is not None
        for name in ("folds", "repeats") if sizes else ("draws",):
            if getattr(self, name) is not None:
                rule = f"be left out {'with' if sizes else 'without'} train_sizes"
                raise InvalidInputError(name, rule, getattr(self, name))
        if not sizes and (len(self.protocol) > 1 or self.protocol == ["all-rows"]):
            rule = "be unseen or no-twins in cross-validation, several with train_sizes only"
            raise InvalidInputError("protocol", rule, self.protocol)
        return self

    def options(self) -> dict[str, Any]:
        """The keywords of :func:`nnstruct.predictors.evaluate`.

        Returns
        -------
        dict
        """
        kind = ("folds", "repeats") if self.train_sizes is None else ("train_sizes", "draws")
        return {name: getattr(self, name) for name in (*kind, "protocol", "k", "seed")}

    def counts(self, rows: int) -> list[int]:
        """Sizes of the training sets as counts of structures.

        Parameters
        ----------
        rows : int
            Structures that there are.

        Returns
        -------
        list of int
            Empty for a cross-validation.

        Raises
        ------
        InvalidInputError
            If a size leaves too few structures to score.
        """
        from nnstruct.predictors.draws import check_train_sizes

        if self.train_sizes is None:
            return []
        return check_train_sizes(self.train_sizes, rows, tuple(self.protocol))

    @property
    def title(self) -> str:
        """What is done, for a reader."""
        if self.train_sizes is None:
            return f"{self.repeats} x {self.folds}-fold cross-validation"
        return f"{self.draws} draws of {', '.join(map(str, self.train_sizes))} labels"


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
    test: BenchmarkSection | None = None
    predictor: PredictorSection = PredictorSection()
    evaluation: EvaluationSection = EvaluationSection()
    expected: ExpectedSection = ExpectedSection()

    @model_validator(mode="after")
    def _is_of_one_kind(self) -> Self:
        if self.test is not None and self.evaluation.train_sizes is not None:
            raise InvalidInputError("train_sizes", "be left out with [test]", self.evaluation.train_sizes)
        return self

    @property
    def title(self) -> str:
        """What is done, for a reader."""
        return self.evaluation.title if self.test is None else f"learned, then asked about {self.test.name}"

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
        return make_predictor(self.predictor.name, self.predictor.params, self.evaluation.seed)


def make_predictor(name: str, params: Mapping[str, Any], seed: int) -> Predictor:
    """A predictor by name, not fitted.

    Parameters
    ----------
    name : str
    params : mapping
        Keywords of its class; they may name another seed.
    seed : int

    Returns
    -------
    Predictor

    Raises
    ------
    InvalidInputError
        If the predictor has no such parameter.
    """
    from nnstruct.predictors import PREDICTORS

    predictor = PREDICTORS[name]()
    for key in params:
        check_known(key, predictor.get_params(deep=False), "each key of params")
    predictor.set_params(**{"random_state": seed, **params})
    return predictor


@dataclass(frozen=True, eq=False)
class PredictorRun:
    """What became of a predictor recipe.

    Attributes
    ----------
    evaluation : Evaluation
    predictor : Predictor
        Fitted to all structures, unless the recipe says ``save = false``.
    folder : Path or None
        Where it is saved; :func:`nnstruct.load_predictor` reads it.
    checks : tuple of Check
    seconds : float
    scores : Path
        Folder of the evaluation; :func:`nnstruct.recipes.load_evaluation` and
        :func:`nnstruct.predictors.leaderboard` read it.
    """

    evaluation: Evaluation
    predictor: Predictor
    folder: Path | None
    checks: tuple[Check, ...]
    seconds: float
    scores: Path

    @property
    def as_expected(self) -> bool:
        """Whether every score lies within its bounds."""
        return all(check.within for check in self.checks)


def run_predictor_recipe(
    path: str | Path,
    out: str | Path | None = None,
    *,
    tables: str | Path | None = None,
    progress: bool = False,
    announce: Announce | None = None,
) -> PredictorRun:
    """Evaluate a recipe's predictor as the recipe says, fit it to everything and save it.

    Parameters
    ----------
    path : path
        The recipe.
    out : path, optional
        Folder of the saved predictor, ``runs/<name of the file>`` by default. A predictor that is
        there is replaced. The evaluation goes to the folder of this name with ``-scores``.
    tables : path, optional
        Folder of published tables, or the file of the recipe's table; by default what the environment
        variable ``NNSTRUCT_TABLES`` says.
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
    from nnstruct.predictors.fitting import fit_with_noise
    from nnstruct.predictors.model_card import scores_of

    started = time.perf_counter()
    say = announce or (lambda line: None)
    file = recipe_file(path)
    recipe = read_recipe(file, PredictorRecipe)
    settings, name = recipe.evaluation, recipe.predictor.name
    bench = recipe_benchmark(recipe.benchmark, file, tables)
    called = recipe.benchmark.name
    test = None
    if recipe.test is not None:
        test, called = recipe_benchmark(recipe.test, file, tables), f"{called} to {recipe.test.name}"
    with naming(file, "evaluation"):
        sizes = settings.counts(len(bench.structures))
    with naming(file, "expected"):
        check_expected(recipe.expected, sizes, tuple(settings.protocol))
    with naming(file, "predictor"):
        predictor = recipe.make()
    say(f"{name} on {bench!r}: {recipe.title}")
    with naming(file, "predictor"):
        evaluation = evaluate(
            {name: predictor}, bench, test=test, name=called, progress=progress, **settings.options()
        )
    target = RUNS / file.stem if out is None else Path(out)
    checks = checks_of(recipe.expected, evaluation, name, settings.protocol[0])
    folder = None
    if recipe.predictor.save:
        say(f"fitting {name} to all {len(bench)} structures")
        with naming(file, "predictor"):
            fit_with_noise(predictor, bench.structures, bench.y, bench.label_noise, bench.bounds)
        r2 = {} if sizes else {"r2": float(evaluation.table["r2"].iloc[0])}
        told = {} if sizes else {"scores": scores_of(evaluation, name)}
        about = describe(bench) | {"recipe": file.name, "benchmark": called, **r2, **told}
        folder = predictor.save(target, metadata=about, overwrite=True)
    scores = save_evaluation(evaluation, target.with_name(f"{target.name}-scores"))
    return PredictorRun(evaluation, predictor, folder, checks, time.perf_counter() - started, scores)


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
