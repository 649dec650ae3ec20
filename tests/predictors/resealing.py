"""The manifest of a saved predictor, made right again after a file was changed on purpose."""

from __future__ import annotations

from pathlib import Path

from nnstruct.predictors import persistence


def reseal(folder: Path) -> None:
    """Write the manifest anew, as someone who alters a file on purpose would; model cards are not in it."""
    files = {
        path.name: path.read_bytes()
        for path in folder.iterdir()
        if path.suffix != ".md" and path.name != persistence.MANIFEST
    }
    (folder / persistence.MANIFEST).write_bytes(persistence._manifest(files))
