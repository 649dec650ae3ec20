"""Benchmarks: trained structures with their labels, built, stored, resumed, split, described."""

from nnstruct.benchmark.bench import Benchmark
from nnstruct.benchmark.card import check_card, recount, write_card
from nnstruct.benchmark.croissant import croissant, write_croissant
from nnstruct.benchmark.cross_task import CrossTask
from nnstruct.benchmark.generate import build
from nnstruct.benchmark.load import benchmark_names, find_benchmark, load_benchmark
from nnstruct.benchmark.noise import NoiseCeiling, noise_ceiling
from nnstruct.benchmark.scored import ScoredBenchmark
from nnstruct.benchmark.store import FolderBusyError, repair
from nnstruct.benchmark.targets import TARGETS

__all__ = [
    "TARGETS",
    "Benchmark",
    "CrossTask",
    "FolderBusyError",
    "NoiseCeiling",
    "ScoredBenchmark",
    "benchmark_names",
    "build",
    "check_card",
    "croissant",
    "find_benchmark",
    "load_benchmark",
    "noise_ceiling",
    "recount",
    "repair",
    "write_card",
    "write_croissant",
]
