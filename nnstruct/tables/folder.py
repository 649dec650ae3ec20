"""Where the files of published tables lie."""

from __future__ import annotations

import os
from pathlib import Path

from nnstruct.errors import MissingDataError

VARIABLE = "NNSTRUCT_TABLES"


def table_file(name: str, tables: str | os.PathLike[str] | None = None) -> Path:
    """The file of a published table.

    Parameters
    ----------
    name : str
        Its name in the folder of tables.
    tables : path, optional
        That folder, or the file itself; by default what the environment variable ``NNSTRUCT_TABLES``
        says.

    Returns
    -------
    Path

    Raises
    ------
    MissingDataError
        If neither names a place, or there is no such file.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from nnstruct.tables.folder import table_file
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = (folder / "macro.csv").write_text("arch,acc1")
    >>> table_file("macro.csv", folder) == table_file("macro.csv", folder / "macro.csv")
    True
    """
    named = tables if tables is not None else os.environ.get(VARIABLE)
    remedy = f"Set the environment variable {VARIABLE} or pass tables= (--tables)."
    if not named:
        raise MissingDataError(f"No folder of tables is named, which should hold {name}. {remedy}")
    place = Path(named).expanduser()
    if place.is_file():
        return place
    if not (place / name).exists():
        raise MissingDataError(f"There is no {place / name}. {remedy}")
    return place / name
