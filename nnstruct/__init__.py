"""nnstruct predicts a network's performance from its structure."""

from __future__ import annotations

import importlib
import warnings
from typing import TYPE_CHECKING, Any

from nnstruct.errors import NnstructError

if TYPE_CHECKING:
    from nnstruct import (
        encode,
        extract,
        modules,
        plugins,
        population,
        predictors,
        priors,
        probes,
        properties,
        pruning,
        quickstart,
        recipes,
        report,
        search,
        tables,
        tasks,
        testing,
    )
    from nnstruct.benchmark import Benchmark, build, load_benchmark
    from nnstruct.extract import extract_onnx, extract_pt2
    from nnstruct.modules import build_module
    from nnstruct.network import Network
    from nnstruct.population.train import train
    from nnstruct.predictors import evaluate, load_predictor, load_pretrained
    from nnstruct.properties import features
    from nnstruct.record import Record, TrainConfig
    from nnstruct.search import Search
    from nnstruct.structure import Structure
    from nnstruct.structure.space import Space
    from nnstruct.structure.structure_files import load_structures, save_structures
    from nnstruct.tasks import load_task

__version__ = "0.2.0"

# What tqdm and rich say in a notebook without ipywidgets: no user of nnstruct needs these bars.
warnings.filterwarnings("ignore", message="IProgress not found")
warnings.filterwarnings("ignore", message='install "ipywidgets" for Jupyter support')

_SUBPACKAGES = (
    "benchmark",
    "encode",
    "extract",
    "modules",
    "plugins",
    "population",
    "predictors",
    "priors",
    "probes",
    "properties",
    "pruning",
    "quickstart",
    "recipes",
    "report",
    "search",
    "tables",
    "tasks",
    "testing",
)
_LAZY = {
    "Network": "nnstruct.network",
    "Space": "nnstruct.structure.space",
    "Structure": "nnstruct.structure",
    "Benchmark": "nnstruct.benchmark",
    "build": "nnstruct.benchmark",
    "load_benchmark": "nnstruct.benchmark",
    "extract_onnx": "nnstruct.extract",
    "extract_pt2": "nnstruct.extract",
    "build_module": "nnstruct.modules",
    "train": "nnstruct.population",
    "evaluate": "nnstruct.predictors",
    "load_predictor": "nnstruct.predictors",
    "load_pretrained": "nnstruct.predictors",
    "features": "nnstruct.properties",
    "Record": "nnstruct.record",
    "TrainConfig": "nnstruct.record",
    "Search": "nnstruct.search",
    "load_structures": "nnstruct.structure.structure_files",
    "save_structures": "nnstruct.structure.structure_files",
    "load_task": "nnstruct.tasks",
}

__all__ = ["NnstructError", "__version__", *_SUBPACKAGES, *_LAZY]


def __getattr__(name: str) -> Any:
    if name in _SUBPACKAGES:
        return importlib.import_module(f"nnstruct.{name}")
    if name in _LAZY:
        value = getattr(importlib.import_module(_LAZY[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'nnstruct' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
