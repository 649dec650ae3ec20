"""Dataset recipes: what to sample, on which task, how many seeds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import Field, field_validator, model_validator

from nnstruct.errors import InvalidInputError
from nnstruct.executors import LOCAL, Executor, check_executor
from nnstruct.random import seed_list
from nnstruct.recipes.pruned import PrunedSection, build_pruned
from nnstruct.recipes.reading import (
    FILE_NAME,
    Section,
    changed_config,
    check_known,
    naming,
    read_recipe,
    recipe_file,
)
from nnstruct.recipes.sections import (
    SampleSection,
    SpaceSection,
    TargetSection,
    TaskSection,
    WeightsSection,
)
from nnstruct.record import TrainConfig
from nnstruct.structure.families import FAMILIES
from nnstruct.structure.ports import with_ports

if TYPE_CHECKING:
    from distributed import Client

    from nnstruct.benchmark import Benchmark
    from nnstruct.tasks import Task

RUNS = Path("runs")
DEFAULT = "default"
SEEDS = "seeds"
Announce = Callable[[str], None]


class DatasetRecipe(Section):
    """How a benchmark is made; see :mod:`nnstruct.recipes` for the file.

    Examples
    --------
    >>> from nnstruct.recipes import DatasetRecipe
    >>> recipe = DatasetRecipe(
    ...     task={"name": "reber"}, space={"families": ["gru"], "units": [5, 9]}, sample={"count": 3}
    ... )
    >>> [structure.family for structure in recipe.structures("gru")], recipe.seeds_of("gru")
    (['gru', 'gru', 'gru'], 1)
    """

    task: TaskSection
    space: SpaceSection
    sample: SampleSection
    train: TrainConfig = TrainConfig()
    variants: list[dict[str, Any]] = Field(default_factory=list)
    seeds: dict[str, Annotated[int, Field(ge=1)]] = Field(default_factory=lambda: {DEFAULT: 1})
    executor: str | None = None
    target: TargetSection = TargetSection()
    pruning: PrunedSection | None = None
    weights: WeightsSection | None = None

    @field_validator("executor")
    @classmethod
    def _is_an_executor(cls, executor: str | None) -> str | None:
        return None if executor is None else str(check_executor(executor))

    @field_validator("seeds")
    @classmethod
    def _name_families(cls, seeds: dict[str, int]) -> dict[str, int]:
        for name in seeds:
            check_known(name, [DEFAULT, *FAMILIES], "keys")
        return seeds

    @model_validator(mode="after")
    def _differ(self) -> Self:
        for variant in self.variants:
            seed_list(variant.get(SEEDS, 1), f"[[variants]] {SEEDS}")
        configs = self.configs
        if len({config.id for config in configs}) < len(configs):
            raise InvalidInputError("[[variants]]", "each differ from [train] and each other", self.variants)
        return self

    @model_validator(mode="after")
    def _can_prune(self) -> Self:
        if self.pruning is None:
            return self
        if self.weights is not None:
            raise InvalidInputError("[weights]", "be left out of a recipe with [pruning]", self.weights)
        for method in self.pruning.methods:
            self.pruning.settings_of(method, self.train)
        return self

    @property
    def configs(self) -> list[TrainConfig]:
        """``[train]``, then each of ``[[variants]]``: the keys in which it differs from that."""
        changes = [{key: value for key, value in v.items() if key != SEEDS} for v in self.variants]
        return [self.train, *(changed_config(self.train, change, "[[variants]]") for change in changes)]

    @model_validator(mode="after")
    def _has_seeds(self) -> Self:
        for family in self.space.families:
            if family not in self.seeds and DEFAULT not in self.seeds:
                raise InvalidInputError("[seeds]", f"have the key {DEFAULT!r} or {family!r}", self.seeds)
        return self

    def seeds_of(self, family: str, variant: int | None = None) -> int:
        """Trainings of each structure of a family.

        Parameters
        ----------
        family : str
        variant : int, optional
            The place in ``[[variants]]``, from 0; by default ``[train]`` is meant.

        Returns
        -------
        int
        """
        return len(self.seed_numbers(family, variant))

    def seed_numbers(self, family: str, variant: int | None = None) -> list[int]:
        """The seeds of each structure of a family: from 0 on, or those that a variant lists.

        Parameters
        ----------
        family : str
        variant : int, optional
            As for :meth:`seeds_of`.

        Returns
        -------
        list of int
        """
        given = self.seeds.get(family, self.seeds.get(DEFAULT, 1))
        if variant is not None:
            given = self.variants[variant].get(SEEDS, given)
        return seed_list(given)

    def structures(self, family: str) -> list[Any]:
        """The structures of a family, drawn anew: the same with every call.

        Parameters
        ----------
        family : str

        Returns
        -------
        list of Structure
        """
        from nnstruct.priors import stier2021
        from nnstruct.recipes.drawing import narrowed_sample, pruned_sample

        chosen = self.sample
        if chosen.study:
            drawn = stier2021(chosen.count, seed=chosen.seed, family=family)
        else:
            drawn = narrowed_sample(chosen, self.space.of(family))
        if chosen.pruned is not None:
            drawn = [*drawn, *pruned_sample(chosen.pruned, family)]
        if (chosen.inputs, chosen.outputs) == ("sources", "sinks"):
            return drawn
        return [with_ports(s, inputs=chosen.inputs, outputs=chosen.outputs) for s in drawn]


def build_dataset(
    recipe: DatasetRecipe,
    out: str | Path,
    *,
    workers: int | None = None,
    device: str = "cpu",
    progress: bool = False,
    announce: Announce | None = None,
    file: Path | None = None,
    executor: str | Client | Executor | None = None,
) -> Benchmark:
    """Sample and train what a recipe says; done work in ``out`` is kept and skipped.

    Parameters
    ----------
    recipe : DatasetRecipe
    out : path
        The benchmark's folder.
    workers : int, optional
        Processes; by default one a CPU.
    device : str
        As for :func:`nnstruct.train`: ``cpu``, ``cuda``, ``cuda:1`` ...; with ``[pruning]`` only ``cpu``.
    progress : bool
        Show a bar for each family.
    announce : callable, optional
        Called with a line of text before each family.
    file : path, optional
        Where the recipe was read; errors name it, and the benchmark gets a copy.
    executor : str, distributed.Client or Executor, optional
        Who trains, see :mod:`nnstruct.executors`; by default the one that the recipe names as ``executor``,
        or processes of this machine.

    Returns
    -------
    Benchmark
        The records of ``[train]``, with the recipe's target; the folder holds those of the variants too.

    Raises
    ------
    InvalidInputError
        If an argument breaks its rule, ``out`` holds another task's records, or the space has fewer
        structures than the recipe asks for; a :class:`RecipeError` where ``file`` is given and a table of
        the recipe is at fault.

    Examples
    --------
    >>> import tempfile
    >>> from nnstruct.recipes import DatasetRecipe, build_dataset
    >>> recipe = DatasetRecipe(
    ...     task={"name": "digits"}, space={"families": ["mlp"], "units": [4, 8]}, sample={"count": 3},
    ...     train={"epochs": 1},
    ... )
    >>> bench = build_dataset(recipe, tempfile.mkdtemp(), workers=1)
    >>> len(bench), len(bench.table), bench.target
    (3, 3, 'test')
    """
    from nnstruct.benchmark import Benchmark, build, write_card
    from nnstruct.benchmark.card import check_no_foreign_card
    from nnstruct.tasks import load_task

    check_no_foreign_card(out)
    with naming(file, "task"):
        task = load_task(recipe.task.name, **recipe.task.options)
    drawn = {}
    for family in recipe.space.families:
        with naming(file, "sample"):
            drawn[family] = recipe.structures(family)
    chosen = executor or recipe.executor or LOCAL
    main, variants = recipe.train.id, [None, *range(len(recipe.variants))]
    if recipe.pruning is not None:
        if device != "cpu":
            raise InvalidInputError("device", "be 'cpu' for a recipe with [pruning]", device)
        drawn, main = _prune(recipe, recipe.pruning, task, drawn, Path(out), workers, announce, chosen)
        variants = variants[1:]
    for variant in variants:
        config = recipe.train if variant is None else recipe.configs[1 + variant]
        for family, structures in drawn.items():
            seeds = recipe.seed_numbers(family, variant)
            if announce is not None:
                times = f"{len(seeds)} seed{'s' if len(seeds) > 1 else ''}"
                announce(f"{len(structures)} structures of the family {family}, {times} each, on {task!r}")
            build(
                task, structures, seeds=seeds, config=config, out=out, device=device, workers=workers,
                progress=progress, keep_weights=recipe.weights.epochs if recipe.weights else False,
                executor=chosen,
            )  # fmt: skip
    bench = Benchmark.load(out)
    write_card(bench, out, recipe=file)
    return bench.select_config(main).with_target(recipe.target.name)


def _prune(
    recipe: DatasetRecipe,
    pruning: PrunedSection,
    task: Task,
    drawn: dict[str, list[Any]],
    out: Path,
    workers: int | None,
    announce: Announce | None,
    executor: str | Client | Executor,
) -> tuple[dict[str, list[Any]], str]:
    """Prune and re-train; the structures of all steps by family, and the configuration of their records."""
    if announce is not None:
        count = sum(len(structures) for structures in drawn.values())
        announce(f"{count} structures to prune at {len(pruning.densities)} densities, on {task!r}")
    by_seeds: dict[int, list[Any]] = {}
    for family, structures in drawn.items():
        by_seeds.setdefault(recipe.seeds_of(family), []).extend(structures)
    runs = build_pruned(pruning, task, by_seeds, recipe.train, out, workers=workers, executor=executor)
    steps = {s.fingerprint: s for run in runs for s in run.structures}.values()
    return {family: [s for s in steps if s.family == family] for family in drawn}, runs[0].config.id


def run_dataset_recipe(
    path: str | Path,
    out: str | Path | None = None,
    *,
    workers: int | None = None,
    device: str = "cpu",
    progress: bool = False,
    announce: Announce | None = None,
    executor: str | Client | Executor | None = None,
) -> Benchmark:
    """Make the benchmark that a recipe file describes, with its dataset card.

    Interrupted, by whatever means, it continues when it is called again.

    Parameters
    ----------
    path : path
        The recipe, or a folder with a ``recipe.toml``.
    out : path, optional
        The benchmark's folder; see :func:`dataset_folder` for the default.
    workers, device, progress, announce, executor
        As for :func:`build_dataset`.

    Returns
    -------
    Benchmark

    Raises
    ------
    MissingDataError
        If there is no such file.
    RecipeError
        If the recipe breaks a rule; the message names the file, the key, the rule and the value.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from nnstruct.recipes import run_dataset_recipe
    >>> file = Path(tempfile.mkdtemp()) / "recipe.toml"
    >>> _ = file.write_text('''
    ... task = { name = "digits" }
    ... space = { families = ["mlp"], units = [4, 8] }
    ... sample = { count = 2 }
    ... train = { epochs = 1 }
    ... ''')
    >>> len(run_dataset_recipe(file, workers=1))
    2
    >>> sorted(path.name for path in file.parent.iterdir() if path.suffix)
    ['README.md', 'manifest.json', 'recipe.toml']
    """
    file = recipe_file(path)
    recipe = read_recipe(file, DatasetRecipe)
    folder = dataset_folder(file) if out is None else Path(out)
    return build_dataset(
        recipe, folder, workers=workers, device=device, progress=progress, announce=announce, file=file,
        executor=executor,
    )  # fmt: skip


def dataset_folder(file: Path) -> Path:
    """Where a recipe's benchmark goes unless another folder is named.

    Parameters
    ----------
    file : Path
        The recipe.

    Returns
    -------
    Path
        The folder of a ``recipe.toml``; for any other file ``runs/<name of the file>``.

    Examples
    --------
    >>> from pathlib import Path
    >>> from nnstruct.recipes.dataset import dataset_folder
    >>> dataset_folder(Path("trials/wide.toml")).as_posix()
    'runs/wide'
    """
    return file.parent if file.name == FILE_NAME else RUNS / file.stem
