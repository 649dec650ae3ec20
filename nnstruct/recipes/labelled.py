"""The benchmark of a predictor recipe: a folder of records or scores, or a published table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from nnstruct.errors import InvalidInputError, MissingDataError, RecipeError
from nnstruct.recipes.reading import Section, check_known
from nnstruct.structure.families import FAMILIES

if TYPE_CHECKING:
    from nnstruct.benchmark import Benchmark


class BenchmarkSection(Section):
    """``[benchmark]``: where it lies, or which published table it is, and which part of it counts.

    The file of a ``table`` is ``path``, relative to the recipe, or ``file`` in the folder of tables.
    ``config`` is the id of a training configuration, where a folder of records has several.
    """

    path: str | None = None
    table: str | None = None
    file: str | None = None
    task: str | None = None
    twins: Literal["merge", "keep"] | None = None
    config: str | None = None
    families: Annotated[list[str], Field(min_length=1)] | None = None
    target: str = "test"

    @field_validator("families")
    @classmethod
    def _are_known(cls, families: list[str] | None) -> list[str] | None:
        for family in families or ():
            check_known(family, FAMILIES, "families")
        return families

    @field_validator("table")
    @classmethod
    def _can_be_read(cls, table: str | None) -> str | None:
        from nnstruct.tables import TABLES

        if table is not None:
            check_known(table, TABLES, "table")
        return table

    @model_validator(mode="after")
    def _is_one_thing(self) -> Self:
        if self.table is None:
            if self.path is None:
                raise InvalidInputError("path or table", "be given", None)
            for name in ("file", "task", "twins"):
                if getattr(self, name) is not None:
                    raise InvalidInputError(name, "stand with table only", getattr(self, name))
            from nnstruct.benchmark import TARGETS

            check_known(self.target, TARGETS, "target")
        elif self.config is not None:
            raise InvalidInputError("config", "stand without table only", self.config)
        elif (self.path is None) == (self.file is None):
            raise InvalidInputError("path or file", "be given with table, and only one", self.path)
        return self

    @property
    def name(self) -> str:
        """What results call the benchmark: a table and its task, or the folder."""
        if self.table is not None:
            return "-".join(filter(None, (self.table, self.task)))
        return Path(str(self.path)).resolve().name


def recipe_benchmark(wanted: BenchmarkSection, recipe: Path, tables: str | Path | None = None) -> Benchmark:
    """The benchmark that a recipe names.

    Parameters
    ----------
    wanted : BenchmarkSection
    recipe : Path
        The recipe's file.
    tables : path, optional
        The folder of published tables, or the file of this one;
        :func:`nnstruct.tables.folder.table_file` says what stands for it.

    Returns
    -------
    Benchmark

    Raises
    ------
    MissingDataError
        If it is not where it should be.
    RecipeError
        If it has no structure of the families, or no such target or task.
    """
    bench = _of_folder(wanted, recipe) if wanted.table is None else _of_table(wanted, recipe, tables)
    if wanted.families is not None:
        chosen = [s.fingerprint for s in bench.structures if s.family in wanted.families]
        if not chosen:
            there = sorted({structure.family for structure in bench.structures})
            raise RecipeError(
                f"{recipe}: [benchmark] families",
                f"be among those of the benchmark, {there}",
                wanted.families,
            )
        bench = bench.select(dict.fromkeys(chosen))
    return bench


def _of_folder(wanted: BenchmarkSection, recipe: Path) -> Benchmark:
    from nnstruct.benchmark import Benchmark

    bench = Benchmark.load(recipe.parent / str(wanted.path), target=wanted.target)
    if wanted.config is None:
        return bench
    if wanted.config not in bench.configs:
        raise RecipeError(
            f"{recipe}: [benchmark] config", f"be one of {sorted(bench.configs)}", wanted.config
        )
    return bench.select_config(wanted.config)


def _of_table(wanted: BenchmarkSection, recipe: Path, tables: str | Path | None) -> Benchmark:
    from nnstruct.tables import read
    from nnstruct.tables.folder import table_file

    if wanted.path is not None:
        file = recipe.parent / wanted.path
        if not file.exists():
            raise MissingDataError(f"There is no {file}, which {recipe} names.")
    else:
        file = table_file(str(wanted.file), tables)
    try:
        bench = read(str(wanted.table), file, task=wanted.task, twins=wanted.twins or "merge")
        if wanted.target != bench.target and "target" in wanted.model_fields_set:
            bench = bench.with_target(wanted.target)
    except InvalidInputError as error:
        raise RecipeError(
            f"{recipe}: [benchmark] {error.field}", error.rule, error.value, error.hint
        ) from error
    return bench
