"""Dataset cards: a README.md whose numbers anyone can recount."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from nnstruct.benchmark.card_text import MARKER, render
from nnstruct.benchmark.facts import facts
from nnstruct.errors import InvalidInputError, MissingDataError
from nnstruct.files import write_atomically

if TYPE_CHECKING:
    from nnstruct.benchmark.bench import Benchmark

NAME, RECIPE = "README.md", "recipe.toml"


def write_card(benchmark: Benchmark, path: str | Path, recipe: str | Path | None = None) -> Path:
    """Write the dataset card of a benchmark folder.

    The card has the front matter of the Hugging Face Hub, so that ``datasets.load_dataset`` on the
    folder reads the tables. Text below its last line is the reader's own and is kept when the card
    is written again.

    Parameters
    ----------
    benchmark : Benchmark
        What the folder holds.
    path : path
        The folder.
    recipe : path, optional
        The TOML file that made the benchmark; it is copied into the folder as ``recipe.toml``. One
        that is there already is named in the card.

    Returns
    -------
    Path
        Of the ``README.md``.

    Raises
    ------
    InvalidInputError
        If the folder has a README.md that is not a card.
    MissingDataError
        If there is no recipe at the path given.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from nnstruct import Structure
    >>> from nnstruct.benchmark import Benchmark, check_card, recount, write_card
    >>> from nnstruct.record import Record, TrainConfig
    >>> net, config, curve = Structure.from_layers([2, 2]), TrainConfig(epochs=2), np.array([0.5, 0.7])
    >>> record = Record(net.fingerprint, "mlp", "toy", "0" * 16, config.id, 0, "ok", 1 - curve, 1 - curve,
    ...                 curve, 0.7, 0.3, 8, 0.1, "none")
    >>> folder = Benchmark.from_records([net], [record], [config]).save(tempfile.mkdtemp())
    >>> write_card(Benchmark.load(folder), folder).name
    'README.md'
    >>> recount(folder)["records"], check_card(folder)
    (1, [])
    """
    folder = Path(path)
    folder.mkdir(parents=True, exist_ok=True)
    check_no_foreign_card(folder)
    notes = _notes(folder) or ""
    _copy_recipe(folder, recipe)
    text = render(facts(benchmark), has_recipe=(folder / RECIPE).exists())
    write_atomically(folder / NAME, (text + notes).encode())
    return folder / NAME


def check_no_foreign_card(path: str | Path) -> None:
    """Raise where a folder has a README.md that is not a card, before work is done for one.

    Parameters
    ----------
    path : path
        The folder, which need not be there.

    Raises
    ------
    InvalidInputError
        If :func:`write_card` would.
    """
    if _notes(Path(path)) is None:
        hint = "Rename it, or put its text below the card once that is written."
        raise InvalidInputError("README.md", "be a card that nnstruct wrote", str(Path(path) / NAME), hint)


def write_card_unless_foreign(benchmark: Benchmark, folder: Path) -> None:
    """As :func:`write_card`, but a README.md that somebody else wrote is left alone.

    Parameters
    ----------
    benchmark : Benchmark
        Without a record there is no card.
    folder : Path
    """
    if len(benchmark.table) and _notes(folder) is not None:
        write_card(benchmark, folder)


def recount(path: str | Path) -> dict[str, Any]:
    """Count every number of a folder's card again, from its files.

    Parameters
    ----------
    path : path
        The benchmark folder.

    Returns
    -------
    dict
        ``structures``, ``records``, ``diverged``, ``seeds``, ``cpu_hours``, ``units``, ... and, in
        ``configs``, for each configuration the distribution of the test accuracy, the counts by
        family and prior, the noise ceilings and the sizes of the split.

    Raises
    ------
    MissingDataError
        If there is no benchmark at ``path``.
    CorruptFileError
        If a file is missing or damaged.
    InvalidInputError
        If the records are of several tasks.

    Examples
    --------
    >>> import tempfile
    >>> from nnstruct import Structure, TrainConfig, build, load_task
    >>> from nnstruct.benchmark import recount
    >>> folder, nets = tempfile.mkdtemp(), [Structure.from_layers([3, 2])]
    >>> bench = build(load_task("digits"), nets, config=TrainConfig(epochs=1), out=folder, workers=1)
    >>> recount(folder)["records"], recount(folder)["units"]
    (1, {'min': 5, 'median': 5.0, 'max': 5})
    """
    from nnstruct.benchmark.bench import Benchmark

    return facts(Benchmark.load(path))


def check_card(path: str | Path) -> list[str]:
    r"""Compare a folder's card with a recount from its files.

    Parameters
    ----------
    path : path
        The benchmark folder.

    Returns
    -------
    list of str
        Each line of the card that the files do not bear out, and each that is missing; empty
        where the card is right.

    Raises
    ------
    MissingDataError
        If there is no card, or no benchmark at ``path``.
    CorruptFileError
        If a file is missing or damaged.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from nnstruct import Structure, TrainConfig, build, load_task
    >>> from nnstruct.benchmark import check_card
    >>> folder, nets = tempfile.mkdtemp(), [Structure.from_layers([3, 2])]
    >>> bench = build(load_task("digits"), nets, config=TrainConfig(epochs=1), out=folder, workers=1)
    >>> check_card(folder)
    []
    >>> card = Path(folder) / "README.md"
    >>> _ = card.write_text("nine records in all\n" + card.read_text())
    >>> check_card(folder)
    ['in the card: nine records in all']
    """
    folder = Path(path)
    try:
        card = (folder / NAME).read_text()
    except FileNotFoundError as error:
        raise MissingDataError(f"{folder} has no {NAME}; nnstruct.benchmark.write_card makes one.") from error
    stated = card.partition(MARKER)[0].splitlines()
    counted = render(recount(folder), has_recipe=(folder / RECIPE).exists()).partition(MARKER)[0].splitlines()
    wrong = [f"in the card: {line}" for line in stated if line not in set(counted)]
    return wrong + [f"in the files: {line}" for line in counted if line not in set(stated)]


def _notes(folder: Path) -> str | None:
    """What stands below the card; None where the README is not a card."""
    try:
        text = (folder / NAME).read_text()
    except FileNotFoundError:
        return ""
    if not text.strip():
        return ""
    _, marker, notes = text.partition(MARKER + "\n")
    return notes if marker else None


def _copy_recipe(folder: Path, recipe: str | Path | None) -> None:
    if recipe is None:
        return
    source = Path(recipe)
    if not source.is_file():
        raise MissingDataError(f"There is no recipe {source}.")
    target = folder / RECIPE
    if not (target.exists() and target.samefile(source)):
        write_atomically(target, source.read_bytes())
