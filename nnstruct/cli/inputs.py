"""What a path on the command line holds: a benchmark, a predictor, structures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from nnstruct.cli.models import FILES, ModelReading, is_model, names_function, read_model
from nnstruct.errors import InvalidInputError, MissingDataError, nearest
from nnstruct.structure.structure_files import READERS, load_structures

if TYPE_CHECKING:
    from nnstruct.benchmark import Benchmark
    from nnstruct.structure import Structure

BENCHMARK, PREDICTOR, QUICKSTART, STRUCTURES = "benchmark", "predictor", "quickstart", "structures"


def kind_of(path: Path) -> str:
    """What lies at a path.

    Raises
    ------
    MissingDataError
        If nothing does.
    InvalidInputError
        If it is nothing that nnstruct reads.
    """
    if not path.exists() and not names_function(path):
        if named_benchmark(path) is not None:
            return BENCHMARK
        if named_predictor(path) is not None:
            return PREDICTOR
        raise MissingDataError(f"There is no {path}.{_near(str(path))}")
    if is_model(path):
        return STRUCTURES
    if path.is_dir():
        marks = (
            (PREDICTOR, "predictor.json"),
            (QUICKSTART, "quickstart.json"),
            (BENCHMARK, "manifest.json"),
            (BENCHMARK, "scores.json"),
        )
        for kind, mark in marks:
            if (path / mark).exists():
                return kind
        raise InvalidInputError(
            "the folder", "be a benchmark, a saved predictor or a quickstart's", str(path)
        )
    if path.suffix.lower() not in READERS:
        hint = "Pickle files are never read." if path.suffix.lower() in (".pkl", ".pickle", ".joblib") else ""
        raise InvalidInputError("the file", f"end with {', '.join([*READERS, *FILES])}", str(path), hint)
    return STRUCTURES


def _near(name: str) -> str:
    """A question after the benchmark or predictor that is called nearly so; nothing where none is."""
    from nnstruct.benchmark import benchmark_names
    from nnstruct.predictors.homes import PRETRAINED

    return f" {nearest(name, [*PRETRAINED, *benchmark_names()])}".rstrip()


def named_predictor(path: Path) -> str | None:
    """The name of a predictor that comes with the package, where it stands in the place of a path."""
    from nnstruct.predictors.homes import PRETRAINED

    return str(path) if not path.exists() and str(path) in PRETRAINED else None


def named_benchmark(path: Path) -> Path | None:
    """The folder of a benchmark whose name stands in the place of a path, such as ``reber-mini``."""
    if path.exists():
        return None
    from nnstruct.benchmark import find_benchmark

    return find_benchmark(path)


def load_benchmark(path: Path, target: str | None = None, config: str | None = None) -> Benchmark:
    """A benchmark by folder or name, or the one in a quickstart's folder, with one label a structure."""
    from nnstruct.benchmark import load_benchmark as known_benchmark

    folder = path / "benchmark" if (path / "quickstart.json").exists() else path
    bench = known_benchmark(folder, target=target)
    if config is not None:
        bench = bench.select_config(config)
    found = bench.config_ids
    if len(found) > 1:
        raise InvalidInputError("--config", f"be one of {', '.join(found)}", config)
    if not len(bench):
        raise InvalidInputError(str(folder), "hold at least one structure with a label", 0)
    return bench


def read_structures(
    path: Path, family: str | None = None, reading: ModelReading | None = None
) -> list[Structure]:
    """Structures from a file.

    Parameters
    ----------
    path : Path
        Parquet with the columns of :func:`nnstruct.structure.interchange.arrow_schema`, GraphML, or JSON in
        networkx' node-link form (one graph or a list of them); or what
        :func:`nnstruct.cli.models.read_model` reads.
    family : str, optional
        Of graphs that do not say their own.
    reading : ModelReading, optional
        How a model is read.

    Raises
    ------
    MissingDataError, InvalidInputError, CorruptFileError, UnsupportedOperationError
    """
    kind_of(path)
    if is_model(path):
        return [read_model(path, reading).structure]
    return load_structures(path, family=family, verify=False)
