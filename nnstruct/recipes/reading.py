"""From a TOML file to a checked model, with errors in one sentence."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import NoneType
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.fields import FieldInfo

from nnstruct.errors import InvalidInputError, MissingDataError, RecipeError, nearest
from nnstruct.reading import one_line, parse_toml, read_bytes, reading
from nnstruct.record import TrainConfig

FILE_NAME = "recipe.toml"


class Section(BaseModel):
    """A table of a recipe: immutable, and without keys that nobody knows."""

    model_config = ConfigDict(frozen=True, extra="forbid")


Model = TypeVar("Model", bound=Section)


def recipe_file(path: str | Path) -> Path:
    """The recipe at a path; for a folder the ``recipe.toml`` in it.

    Parameters
    ----------
    path : path

    Returns
    -------
    Path

    Raises
    ------
    MissingDataError
        If there is none.
    """
    found = Path(path)
    if found.is_dir():
        found = found / FILE_NAME
    if not found.is_file():
        raise MissingDataError(f"There is no recipe {found}.")
    return found


def read_recipe(path: str | Path, model: type[Model]) -> Model:
    """Read and check a recipe.

    Parameters
    ----------
    path : path
        A TOML file, or a folder with a ``recipe.toml``.
    model : type
        :class:`DatasetRecipe`, :class:`PredictorRecipe`, :class:`PruningRecipe` or :class:`SearchRecipe`.

    Returns
    -------
    Section
        Of that type.

    Raises
    ------
    MissingDataError
        If there is no such file.
    RecipeError
        If the file is not TOML, a key is unknown or missing, or a value breaks its key's rule.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from nnstruct.recipes import DatasetRecipe, read_recipe
    >>> path = Path(tempfile.mkdtemp()) / "recipe.toml"
    >>> _ = path.write_text('task.name = "reber"\\nspace.families = ["gru"]\\nsample.count = 2')
    >>> read_recipe(path, DatasetRecipe).space.families
    ['gru']
    """
    file = recipe_file(path)
    try:
        content = parse_toml(read_bytes(file).decode("utf-8"))
    except ValueError as error:
        raise RecipeError(str(file), "be a TOML file", one_line(error)) from error
    with reading(file, "a recipe"):
        try:
            return model.model_validate(content, strict=True)
        except ValidationError as error:
            raise _recipe_error(file, model, error) from error


@contextmanager
def naming(file: Path | None, table: str) -> Iterator[None]:
    """Errors about values that came from a table of a recipe name the file and the table.

    Parameters
    ----------
    file : Path or None
        Without one errors stay as they are.
    table : str

    Yields
    ------
    None

    Raises
    ------
    RecipeError
        In place of an :class:`InvalidInputError` from inside the block.
    """
    try:
        yield
    except RecipeError:
        raise
    except InvalidInputError as error:
        if file is None:
            raise
        raise RecipeError(f"{file}: [{table}] {error.field}", error.rule, error.value, error.hint) from error


def check_known(name: str, known: Iterable[str], what: str) -> None:
    """Raise if a name is not among those known, and name the nearest.

    Parameters
    ----------
    name : str
    known : iterable of str
    what : str
        What the name is of, for the error.

    Raises
    ------
    InvalidInputError
        If it is unknown.
    """
    names = sorted(known)
    if name not in names:
        raise InvalidInputError(what, f"be one of {', '.join(names)}", name, nearest(name, names))


def changed_config(config: TrainConfig, changes: Mapping[str, Any], place: str) -> TrainConfig:
    """A configuration with other values for some of its keys.

    Parameters
    ----------
    config : TrainConfig
    changes : mapping of str to value
    place : str
        Where in the recipe they stand, for the error.

    Returns
    -------
    TrainConfig

    Raises
    ------
    InvalidInputError
        If a key is unknown or a value breaks its rule; the place in the recipe is named.
    """
    for name in changes:
        check_known(name, TrainConfig.model_fields, f"each key of {place}")
    try:
        return TrainConfig.model_validate(config.as_dict() | dict(changes), strict=True)
    except ValidationError as error:
        problem = error.errors()[0]
        raise InvalidInputError(
            f"{place} {problem['loc'][0]}", _rule(problem["msg"]), problem["input"]
        ) from error


def to_toml(recipe: Section) -> str:
    """The text of a TOML file that reads back as the same recipe; values at their default are written, too.

    Parameters
    ----------
    recipe : Section
        A whole recipe.

    Returns
    -------
    str
    """
    dumped = recipe.model_dump(exclude_none=True, by_alias=True)
    lines = [f"{key} = {_toml_value(value)}" for key, value in dumped.items() if isinstance(value, str)]
    for table, content in dumped.items():
        if isinstance(content, str):  # a key above the tables
            continue
        repeated = isinstance(content, list)
        for part in content if repeated else [content]:
            rows = [f"{key} = {_toml_value(value)}" for key, value in part.items() if value != {}]
            if rows:
                lines += [f"[[{table}]]" if repeated else f"[{table}]", *rows, ""]
    return "\n".join(lines)


def _toml_value(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {_toml_value(item)}" for key, item in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_toml_value(item) for item in value) + "]"
    # JSON's strings, numbers and booleans are TOML's.
    return json.dumps(value)


def _recipe_error(file: Path, model: type[Section], error: ValidationError) -> RecipeError:
    problems = error.errors()
    # A misspelt key is often a missing one too; the misspelling tells the reader more.
    problem = next((p for p in problems if p["type"] == "extra_forbidden"), problems[0])
    loc, kind, value = problem["loc"], problem["type"], problem["input"]
    more = f" ({len(problems) - 1} more to mend after this.)" if len(problems) > 2 else ""
    if kind in ("extra_forbidden", "missing"):
        place = _place(loc[:-1]) or "the recipe"
        name = str(loc[-1])
        if kind == "extra_forbidden":
            known = sorted(_fields(model, loc[:-1]))
            hint = nearest(name, known)
            return RecipeError(
                f"{file}: each key of {place}", f"be one of {', '.join(known)}", name, hint + more
            )
        return RecipeError(f"{file}: {place}", f"have the key {name!r}", _keys(value), more.strip())
    cause = problem.get("ctx", {}).get("error")
    if isinstance(cause, InvalidInputError):
        place = f"{_place(loc)} {cause.field}" if len(loc) < 2 else _place(loc)
        return RecipeError(f"{file}: {place.strip()}", cause.rule, cause.value, cause.hint + more)
    return RecipeError(f"{file}: {_place(loc)}", _rule(problem["msg"]), value, more.strip())


def _rule(message: str) -> str:
    _, should, rest = message.partition(" should ")
    return (rest if should else message).partition(" after validation")[0].rstrip(".")


def _place(loc: tuple[int | str, ...]) -> str:
    if not loc:
        return ""
    place = f"[{loc[0]}]"
    for number, part in enumerate(loc[1:]):
        place += f"[{part}]" if isinstance(part, int) else f"{'.' if number else ' '}{part}"
    return place


def _fields(model: type[BaseModel], loc: tuple[int | str, ...]) -> Iterable[str]:
    kind: Any = model
    for part in loc:
        if _is_model(kind):
            kind = _by_key(kind)[str(part)].annotation
            # A table that may be left out is a union with None.
            if NoneType in get_args(kind):
                kind = next((each for each in get_args(kind) if _is_model(each)), kind)
        else:
            # The tables of a mapping or list are of its last type.
            kind = get_args(kind)[-1]
    return _by_key(kind) if _is_model(kind) else []


def _by_key(kind: type[BaseModel]) -> dict[str, FieldInfo]:
    return {field.alias or name: field for name, field in kind.model_fields.items()}


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _keys(value: Any) -> Any:
    return f"the keys {sorted(value)}" if isinstance(value, Mapping) and value else "no keys"
