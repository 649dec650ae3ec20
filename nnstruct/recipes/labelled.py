"""The benchmark of a predictor recipe: a folder of records or scores, or a published table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, Self

import numpy as np
from pydantic import Field, field_validator, model_validator

from nnstruct.errors import InvalidInputError, MissingDataError, RecipeError
from nnstruct.recipes.reading import Section, check_known
from nnstruct.structure.families import FAMILIES

if TYPE_CHECKING:
    from nnstruct.benchmark import Benchmark


class BenchmarkSection(Section):
    """``[benchmark]``: where it lies, or which published table it is, and which part of it counts.

    Several folders are one benchmark of the labels of all, each on a task of its own. The file of a ``table``
    is ``path``, relative to the recipe, or ``file`` in the folder of tables.
    ``config`` is the id of a training configuration, where a folder of records has several.
    """

    path: str | Annotated[list[str], Field(min_length=1)] | None = None
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
        elif isinstance(self.path, list):
            raise InvalidInputError("path", "be one file with table", self.path)
        elif (self.path is None) == (self.file is None):
            raise InvalidInputError("path or file", "be given with table, and only one", self.path)
        return self

    @property
    def name(self) -> str:
        """What results call the benchmark: a table and its task, or the folder, and the families chosen."""
        if self.table is not None:
            found = "-".join(filter(None, (self.table, self.task)))
        else:
            found = "+".join(Path(path).resolve().name for path in self.paths)
        return " ".join([found, *self.families]) if self.families else found

    @property
    def paths(self) -> list[str]:
        """The folders, or the file of a table."""
        return self.path if isinstance(self.path, list) else [str(self.path)]


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
    if wanted.table is not None:
        bench = _of_table(wanted, recipe, tables)
    elif len(wanted.paths) > 1:
        bench = _joined([_of_folder(wanted, recipe, path) for path in wanted.paths], wanted.name)
    else:
        bench = _of_folder(wanted, recipe, wanted.paths[0])
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


def _joined(parts: list[Benchmark], name: str) -> Benchmark:
    """The labels of all, as scores on one task."""
    from nnstruct.benchmark import Benchmark

    return Benchmark.from_scores(
        [structure for part in parts for structure in part.structures],
        np.concatenate([part.y for part in parts]),
        np.concatenate([part.y_std for part in parts]),
        seeds=np.concatenate([part.y_count for part in parts]),
        task=name,
        name=name,
        target=parts[0].target,
        twins="merge",
    )


def _of_folder(wanted: BenchmarkSection, recipe: Path, path: str) -> Benchmark:
    from nnstruct.benchmark import Benchmark

    bench = Benchmark.load(recipe.parent / path, target=wanted.target)
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
        file = recipe.parent / wanted.paths[0]
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
