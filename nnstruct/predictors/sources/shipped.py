"""The models that come with the package."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from nnstruct.predictors.sources.models import SourceModels

FOLDER = Path(__file__).parent / "pretrained"
# Benchmarks by the name of their folder, and the data of each.
DATA = {
    "fashion-cnn": "fashion-mnist",
    "mnist-mlp": "mnist",
    "pruned/cnn": "fashion-mnist",
    "pruned/mlp": "mnist",
    "pruned/rnn": "reber",
    "reber-mini": "reber",
    "reber-rnn": "reber",
    "reber-rnn-stier2021": "reber",
}


@cache
def shipped_sources() -> SourceModels:
    """Models of the benchmarks that come with the repository.

    Returns
    -------
    SourceModels
        Sources on three data sets: Reber strings, MNIST and Fashion-MNIST.

    Raises
    ------
    CorruptFileError
        If the package's files were altered.

    Examples
    --------
    >>> from nnstruct.predictors.sources import shipped_sources
    >>> sorted({source.data for source in shipped_sources().sources})
    ['fashion-mnist', 'mnist', 'reber']
    """
    return SourceModels.load(FOLDER)


def build_sources(datasets: str | Path, folder: str | Path = FOLDER) -> SourceModels:
    """Fit the models that are shipped anew.

    Parameters
    ----------
    datasets : str or Path
        The folder of the shipped benchmarks.
    folder : str or Path
        Where the models go; by default into the package.

    Returns
    -------
    SourceModels
    """
    models = SourceModels.fit({name: Path(datasets) / name for name in DATA}, data=DATA)
    models.save(folder)
    return models
