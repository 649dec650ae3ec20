"""Where files of public data sets lie."""

from __future__ import annotations

import os
from pathlib import Path

from nnstruct.errors import MissingDataError

VARIABLE, DOWNLOAD = "NNSTRUCT_DATA", "NNSTRUCT_DOWNLOAD"


def may_download() -> bool:
    """Whether tasks may fetch files that are not there without being told so each.

    Returns
    -------
    bool
        Whether the environment variable ``NNSTRUCT_DOWNLOAD`` is ``1``; ``--download`` sets it for a command.
    """
    return os.environ.get(DOWNLOAD) == "1"


def data_directory(
    data: str | os.PathLike[str] | None = None, *, create: bool = False, hint: str = ""
) -> Path:
    """The folder that public data sets are read from.

    Parameters
    ----------
    data : path, optional
        By default what the environment variable ``NNSTRUCT_DATA`` says.
    create : bool
        Whether a folder that does not exist is made.
    hint : str
        What errors add.

    Returns
    -------
    Path

    Raises
    ------
    MissingDataError
        If neither names a folder, or it does not exist and is not to be made.

    Examples
    --------
    >>> from nnstruct.tasks import data_directory
    >>> data_directory(".").is_dir()
    True
    """
    named = data if data is not None else os.environ.get(VARIABLE)
    remedy = f"Set the environment variable {VARIABLE} or pass the option data=. {hint}".rstrip()
    if not named:
        raise MissingDataError(f"No data directory is named. {remedy}")
    folder = Path(named).expanduser()
    if create:
        folder.mkdir(parents=True, exist_ok=True)
    if not folder.is_dir():
        raise MissingDataError(f"The data directory {folder} does not exist. {remedy}")
    return folder


def data_file(relative: str, data: str | os.PathLike[str] | None = None, *, hint: str = "") -> Path:
    """A file in the data directory.

    Parameters
    ----------
    relative : str
        Its path within the directory.
    data : path, optional
        The directory, as for :func:`data_directory`.
    hint : str
        What errors add.

    Returns
    -------
    Path

    Raises
    ------
    MissingDataError
        If it is not there; the message names its path and the variable, and gives the hint.
    """
    path = data_directory(data, hint=hint) / relative
    if not path.is_file():
        message = (
            f"The file {path} does not exist. Put it there, or set the environment variable {VARIABLE} "
            f"(or the option data=) to the folder that holds {relative}. {hint}"
        )
        raise MissingDataError(message.rstrip())
    return path
