"""The registry of readers, and the one door to them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from nnstruct.benchmark import ScoredBenchmark
from nnstruct.benchmark.scores import Rows
from nnstruct.checks import check_choice
from nnstruct.errors import MissingDataError
from nnstruct.registry import Registry

Reader = Callable[[Path], Rows]
TABLES: Registry[Reader] = Registry("table")
"""Name of a table to the function from a path to its rows."""


def names() -> list[str]:
    """The tables that can be read.

    Returns
    -------
    list of str

    Examples
    --------
    >>> from nnstruct import tables
    >>> "nasbench201" in tables.names()
    True
    """
    return list(TABLES)


def read(name: str, path: str | Path, *, task: str | None = None, twins: str = "merge") -> ScoredBenchmark:
    r"""Read a published table.

    Parameters
    ----------
    name : str
        One of :func:`names`; the reader of each, ``nnstruct.tables.read_...``, says which files it takes.
    path : path
        The file, or the folder where the table is one.
    task : str, optional
        The task whose scores are the labels, by default the table's first; the scores of the others stay
        at hand: ``bench.tasks``, ``bench.select_task(name)``. Further labels of a task, such as those of an
        early epoch, are in ``bench.targets``; ``bench.with_target(name)``.
    twins : {"merge", "keep"}
        Rows that are the same network become one label, the mean, with its spread and count, which tell of
        the label's noise; or each row keeps its own, in the table's order. A reader says what it takes for
        the same network; without such a word it is an equal fingerprint.

    Returns
    -------
    ScoredBenchmark

    Raises
    ------
    UnknownNameError
        If there is no such table, or the table has no such task.
    MissingDataError
        If there is no such file.
    InvalidInputError
        If the file is not in the table's format.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from nnstruct import tables
    >>> path = Path(tempfile.mkdtemp()) / "macro.csv"
    >>> rows = ["arch,acc1,acc2,params", "02012100,89.47,88.95,890", "11111221,92.1,92.3,2181"]
    >>> _ = path.write_text("\n".join(rows))
    >>> bench = tables.read("macro", path)
    >>> bench.y.round(4).tolist(), bench.y_count.tolist(), bench.costs["parameters"].tolist()
    ([0.8921, 0.922], [2, 2], [890.0, 2181.0])
    """
    reader, place = TABLES[name], Path(path)
    check_choice(twins, "twins", ("merge", "keep"))
    if not place.exists():
        raise MissingDataError(f"There is no file {place} to read the table {name!r} from.")
    rows = reader(place)
    first = str(rows.scores["task"].iloc[0]) if len(rows.scores) else ""
    return ScoredBenchmark(rows, name=name, twins=twins, task=first if task is None else task)
