"""Loops run as they are written while they are short, and compiled give the same bits."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

import nnstruct as ns
from nnstruct import Structure, loops
from nnstruct.encode import signal_columns, signal_kernel
from nnstruct.predictors import forest_kernel
from nnstruct.predictors.forest_arrays import ForestArrays
from nnstruct.properties import kernel, layered_kernel, paths_kernel
from nnstruct.properties.packing import pack


@pytest.fixture(scope="module")
def nets() -> list[Structure]:
    """Of several families, and those at which a division by 0 or an empty list may happen."""
    drawn = [
        net
        for family in ("mlp", "gru")
        for net in ns.priors.sample(ns.Space(family, units=(3, 20)), n=20, seed=1)
    ]
    none = np.zeros((2, 0), int)
    odd = [Structure(none, 1), Structure(none, 4), Structure([[0], [1]], 3), Structure.from_layers([1] * 40)]
    return [*drawn, *odd]


class Both:
    """Calls a loop both ways, and says whether what they wrote, last of the arguments, is the same."""

    def __init__(self, loop: loops.NumberLoop, written: int = 1) -> None:
        self.loop, self.written, self.calls = loop, written, 0

    def __call__(self, *given: object) -> None:
        before = given[: len(given) - self.written]
        compiled = given[len(given) - self.written :]
        plain = [np.copy(each) for each in compiled]
        with np.errstate(all="ignore"):
            self.loop.plain(*before, *plain)
        self.loop.compiled(*before, *compiled)
        assert [each.tobytes() for each in plain] == [np.asarray(each).tobytes() for each in compiled]
        self.calls += 1


def test_measures_are_the_same_bits(nets):
    packed = pack(nets)
    inputs, outputs = (np.concatenate([getattr(net, name) for net in nets]) for name in ("inputs", "outputs"))
    Both(kernel.paper_rows)(*packed, np.full((len(nets), 23), 7.0))
    Both(layered_kernel.layered_rows)(*packed, inputs, outputs, np.full((len(nets), 24), 7.0))
    Both(paths_kernel.path_rows)(*packed, inputs, outputs, True, np.full((len(nets), 28), 7.0))


def test_signals_and_trees_are_the_same_bits(nets, monkeypatch):
    travel, walk = Both(signal_kernel.travel), Both(forest_kernel.walk, written=2)
    monkeypatch.setattr(signal_kernel, "travel", travel)
    monkeypatch.setattr(forest_kernel, "walk", walk)
    signal_columns.signal_block(nets)
    tree = {"left": [1, -1, -1], "right": [2, -1, -1], "feature": [0, 0, 0], "threshold": [0.3, 0, 0]}
    arrays = {name: np.array(values * 3) for name, values in tree.items()}
    value = np.random.default_rng(0).normal(size=9)
    forest = ForestArrays.from_arrays({**arrays, "start": np.arange(4) * 3, "value": value}, 2)
    forest.predict(np.random.default_rng(1).normal(size=(50, 2)))
    assert (travel.calls, walk.calls) == (1, 1)


def test_the_c_library_is_asked_as_compiled_code_asks_it():
    def every(x):
        return np.exp(x), np.log(x), np.log1p(x)

    made = loops.loop(keep=False, nogil=True, error_model="numpy")(every)
    values = np.concatenate([np.random.default_rng(2).normal(size=300) ** 3, [0.0, np.inf, 710.0, -800.0]])
    with np.errstate(all="ignore"):
        for value in np.abs(values):
            assert made.plain(value) == made.compiled(value)
        assert made.plain(0.0)[1] == -np.inf
        assert np.isnan(made.plain(-1.0)[1])


def test_numba_is_loaded_when_as_many_steps_were_asked_for():
    code = (
        "import sys, numpy as np, nnstruct as ns\n"
        "from nnstruct import loops\n"
        "from nnstruct.properties.paper import paper_measures\n"
        "nets = [ns.Structure.from_layers([3, 4, 2])]\n"
        "first = paper_measures(nets); print('numba' in sys.modules)\n"
        "loops.STEPS = 0\n"
        "again = paper_measures(nets); print('numba' in sys.modules, first.tobytes() == again.tobytes())\n"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.split() == ["False", "True", "True"]
