"""Options that several commands share, and what they leave in the context."""

from __future__ import annotations

import os
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

DEBUG, KEPT = "nnstruct.debug", "nnstruct.kept"


def _remember_debug(ctx: typer.Context, value: bool) -> bool:
    ctx.meta[DEBUG] = value
    return value


def without_plugins(args: list[str]) -> tuple[list[str], list[str]]:
    """Files that ``--plugin`` names, and all other words of a command line.

    Parameters
    ----------
    args : list of str

    Returns
    -------
    files, rest : list of str

    Examples
    --------
    >>> without_plugins(["score", "--plugin", "a.py", "m", "--plugin=b.py"])
    (['a.py', 'b.py'], ['score', 'm'])
    """
    files, rest = [], []
    words = iter(args)
    for word in words:
        if word == "--":
            rest += [word, *words]
        elif word == "--plugin":
            files += list(islice(words, 1))
        elif word.startswith("--plugin="):
            files.append(word.partition("=")[2])
        else:
            rest.append(word)
    return files, rest


def keeps(ctx: typer.Context, folder: Path) -> None:
    """From here on an interrupt loses nothing that is finished; the message will say so."""
    ctx.meta[KEPT] = f"What is finished is kept in {folder}; run the same command again to go on."


def _use_data(ctx: typer.Context, folder: Path | None) -> Path | None:
    """For the length of the command the variable names the folder, wherever a task asks for it."""
    from nnstruct.tasks.data import VARIABLE

    if folder is not None and not ctx.resilient_parsing:
        before = os.environ.get(VARIABLE)
        os.environ[VARIABLE] = str(folder)
        ctx.call_on_close(lambda: _restore(VARIABLE, before))
    return folder


def _allow_download(ctx: typer.Context, value: bool) -> bool:
    """For the length of the command tasks may fetch the files of public data sets."""
    from nnstruct.tasks.data import DOWNLOAD

    if value and not ctx.resilient_parsing:
        before = os.environ.get(DOWNLOAD)
        os.environ[DOWNLOAD] = "1"
        ctx.call_on_close(lambda: _restore(DOWNLOAD, before))
    return value


def _restore(variable: str, value: str | None) -> None:
    if value is None:
        os.environ.pop(variable, None)
    else:
        os.environ[variable] = value


Data = Annotated[
    Path | None,
    typer.Option(
        "--data",
        callback=_use_data,
        show_default="the environment variable NNSTRUCT_DATA",
        help="Folder with the files of public data sets.",
    ),
]
Download = Annotated[
    bool,
    typer.Option(
        "--download",
        callback=_allow_download,
        help="Fetch files of public data sets that are not there, and check their checksums.",
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print results and errors only.")]
Debug = Annotated[
    bool, typer.Option("--debug", callback=_remember_debug, help="Show the traceback of an error.")
]
MODEL = (
    "a trained model: a .onnx file, a .pt2 file of torch.export.save, or FILE.py:FUNCTION, which returns a "
    "module and an example input"
)
Shape = Annotated[
    list[str] | None,
    typer.Option(
        "--shape",
        help="Of a model's input: 1,3,32,32, or NAME=1,3,32,32; repeat for several.",
        show_default="that of the file",
    ),
]
Family = Annotated[
    str | None,
    typer.Option(
        help="Of graphs that do not say their own; of models: module, auto (one that could have drawn it) "
        "or a name.",
        show_default="mlp; module",
    ),
]
Resolution = Annotated[str, typer.Option(help="Of models: unit, weight or layer.")]
Workers = Annotated[
    int | None,
    typer.Option("--workers", "-w", min=1, show_default="one a CPU", help="Processes that train."),
]
Executor = Annotated[
    str | None,
    typer.Option(
        "--executor",
        show_default="local, or that of the recipe",
        help="Who trains: local (processes), threads, or the address of a Dask scheduler, "
        "such as tcp://scheduler:8786.",
    ),
]
Device = Annotated[str, typer.Option(help="Where to train: cpu, cuda, cuda:1 ...")]
Target = Annotated[
    str | None,
    typer.Option(
        show_default="test",
        help="The label: test, val_last, val_best, val_mean3, val_auc, neg_test_loss, neg_val_loss, "
        "neg_log_test_loss or neg_log_val_loss.",
    ),
]
Config = Annotated[
    str | None,
    typer.Option(show_default=False, help="Which training configuration, where the benchmark has several."),
]
