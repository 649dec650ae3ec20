"""What may be evaluated: a benchmark, structures with their labels, a name or a path."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import numpy as np

from nnstruct.errors import InvalidInputError
from nnstruct.structure import Structure


class CeilingLike(Protocol):
    """The largest R2 that any predictor can reach, and its interval."""

    @property
    def value(self) -> float: ...
    @property
    def low(self) -> float: ...
    @property
    def high(self) -> float: ...


class BenchmarkLike(Protocol):
    """What :func:`evaluate` asks of a benchmark.

    Where it has them, ``label_noise`` (float [n], the standard deviation of each label's noise),
    ``bounds`` (the lowest and the highest label that can be), ``groups`` (classes of twins), ``name``,
    ``target`` and ``table`` are used.
    """

    @property
    def structures(self) -> Sequence[Structure]: ...
    @property
    def y(self) -> np.ndarray: ...
    @property
    def noise_ceiling(self) -> CeilingLike: ...


GivenLabels: TypeAlias = BenchmarkLike | tuple[Sequence[Any], Any] | str | Path


def as_benchmark(given: Any, field: str = "bench") -> BenchmarkLike:
    """A benchmark from what a caller hands over.

    Parameters
    ----------
    given : Benchmark, pair (structures, y), str or path
        What has ``structures`` and ``y`` is taken as it is.
    field : str
        What it is called where the caller wrote it.

    Returns
    -------
    BenchmarkLike

    Raises
    ------
    InvalidInputError
        If it is none of these.
    MissingDataError
        If there is no benchmark of the name or at the path.

    Examples
    --------
    >>> from nnstruct import Structure
    >>> nets = [Structure.from_layers([2, width]) for width in (1, 2, 3)]
    >>> as_benchmark((nets, [0.1, 0.2, 0.3])).y.tolist()
    [0.1, 0.2, 0.3]
    """
    if hasattr(given, "structures") and hasattr(given, "y"):
        return given
    if isinstance(given, str | Path):
        from nnstruct.benchmark import load_benchmark

        return load_benchmark(given)
    if isinstance(given, tuple) and len(given) == 2:
        from nnstruct.benchmark import Benchmark

        return Benchmark.from_scores(given[0], given[1])
    rule = "be a benchmark, with structures and y, a pair (structures, y), a name or a folder"
    raise InvalidInputError(field, rule, given)
