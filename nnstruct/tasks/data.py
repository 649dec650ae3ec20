"""Where files of public data sets lie."""

from __future__ import annotations

import os
from pathlib import Path

from nnstruct.errors import MissingDataError

VARIABLE = "NNSTRUCT_DATA"


def data_directory(data: str | os.PathLike[str] | None = None) -> Path:
    """The folder that public data sets are read from; nothing is ever downloaded.

    Parameters
    ----------
    data : path, optional
        By default what the environment variable ``NNSTRUCT_DATA`` says.

    Raises
    ------
    MissingDataError
        If neither names a folder that exists.

    Examples
    --------
    >>> from nnstruct.tasks import data_directory
    >>> data_directory(".").is_dir()
    True
    """
    named = data if data is not None else os.environ.get(VARIABLE)
    if not named:
        raise MissingDataError(
            f"No data directory is named. Set the environment variable {VARIABLE} or pass the option data=."
        )
    folder = Path(named).expanduser()
    if not folder.is_dir():
        raise MissingDataError(
            f"The data directory {folder} does not exist. "
            f"Set the environment variable {VARIABLE} or pass the option data=."
        )
    return folder


def data_file(relative: str, data: str | os.PathLike[str] | None = None) -> Path:
    """A file in the data directory.

    Raises
    ------
    MissingDataError
        If it is not there; the message names its path and the variable.
    """
    path = data_directory(data) / relative
    if not path.is_file():
        raise MissingDataError(
            f"The file {path} does not exist. Put it there, or set the environment variable {VARIABLE} "
            f"(or the option data=) to the folder that holds {relative}."
        )
    return path
