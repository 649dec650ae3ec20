"""A benchmark, a saved predictor, and a way to call the command line in this process."""

from __future__ import annotations

import pytest
from tiny_benchmark import tiny_benchmark
from typer.testing import CliRunner

from nnstruct.cli import app
from nnstruct.predictors import RandomForest
from nnstruct.recipes.predictor import describe


@pytest.fixture(scope="session")
def bench_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cli") / "bench"
    tiny_benchmark(folder)
    return folder


@pytest.fixture(scope="session")
def model_folder(bench_folder, tmp_path_factory):
    from nnstruct.benchmark import Benchmark

    bench = Benchmark.load(bench_folder)
    model = RandomForest(n_estimators=10).fit(bench.structures, bench.y)
    return model.save(tmp_path_factory.mktemp("cli") / "forest", metadata=describe(bench))


@pytest.fixture
def call():
    """Call ``nnstruct`` with arguments; returns exit code, standard output and standard error."""

    def invoke(*arguments, code=0):
        result = CliRunner().invoke(app, [str(argument) for argument in arguments], env={"COLUMNS": "200"})
        assert result.exit_code == code, (result.exit_code, result.output, result.exception)
        return result

    return invoke
