"""What is compiled and kept on disk is compiled anew when a part of it changes, and only then."""

from __future__ import annotations

import importlib
import json
import os
import py_compile
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from textwrap import dedent

import pytest
from numba.core.dispatcher import Dispatcher

import nnstruct
from nnstruct.jit import _walk, _WholeCache
from nnstruct.loops import NumberLoop

ROOT = Path(nnstruct.__file__).parent
SOURCES = {
    "__init__": "",
    "settings": """
        from enum import IntEnum
        OPTIONS = {"error_model": "numpy"}
        class Scale(IntEnum):
            TWICE = 2
    """,
    "deep": """
        import numpy as np
        from numba import njit
        OFFSETS = np.array([10.0, 20.0])
        @njit
        def offset(i):
            return OFFSETS[i]
    """,
    "helpers": """
        import numpy as np
        from numba import njit
        from made_of.deep import offset
        from made_of.settings import OPTIONS, Scale
        POWER = 2
        CHOICE = ("plus", 1.0)
        def scaled(factor):
            @njit
            def inner(x):
                return factor * x
            return inner
        inner = scaled(3.0)
        @njit(**OPTIONS)
        def divided(x, y=1.0):
            return x / y
        @njit
        def helper(x, i):
            if CHOICE[0] == "plus":
                return inner(x**POWER) + offset(i) + CHOICE[1] * Scale.TWICE.value
            return -x
    """,
    "given": """
        from typing import NamedTuple
        class Inner(NamedTuple):
            a: float
            b: float
        class Given(NamedTuple):
            inner: Inner
            i: int
    """,
    "entry": """
        from made_of import helpers
        from nnstruct.jit import cached_njit
        @cached_njit()
        def entry(given):
            return helpers.helper(given.inner.a, given.i) + helpers.divided(1.0, given.inner.b)
    """,
}


@pytest.fixture
def package(monkeypatch, tmp_path):
    """A package whose compiled function takes parts from several files; edited, it is loaded anew."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "made_of").mkdir()
    for name, source in SOURCES.items():
        (tmp_path / "made_of" / f"{name}.py").write_text(dedent(source))
    yield tmp_path / "made_of"
    forget()


def forget() -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "made_of"]:
        del sys.modules[name]
    importlib.invalidate_caches()


def fresh_entry() -> Dispatcher:
    """The compiled function in a fresh copy of the modules, as a new process has it."""
    forget()
    return importlib.import_module("made_of.entry").entry


def outcome() -> tuple[float, int]:
    """What the function returns, and whether it came from the cache."""
    entry = fresh_entry()
    given = importlib.import_module("made_of.given")
    value = entry(given.Given(given.Inner(a=2.0, b=0.5), 1))
    return value, sum(entry.stats.cache_hits.values())


def edit(folder: Path, name: str, old: str, new: str) -> None:
    path = folder / f"{name}.py"
    source = path.read_text()
    assert source.count(old) == 1
    path.write_text(source.replace(old, new))


def test_an_edit_is_seen_and_its_undoing_finds_what_was_kept(package):
    assert [outcome(), outcome()] == [(36.0, 0), (36.0, 1)]
    edit(package, "deep", "OFFSETS[i]", "-OFFSETS[i]")
    assert [outcome(), outcome()] == [(-4.0, 0), (-4.0, 1)]
    edit(package, "deep", "-OFFSETS[i]", "OFFSETS[i]")
    assert outcome() == (36.0, 1)


@pytest.mark.parametrize("suffix", ["nbi", "nbc"])
def test_what_was_kept_and_cut_short_is_compiled_anew(package, suffix):
    assert [outcome(), outcome()] == [(36.0, 0), (36.0, 1)]
    (kept,) = package.parent.rglob(f"entry.entry-*.{suffix}")
    kept.write_bytes(kept.read_bytes()[:100])
    assert [outcome(), outcome()] == [(36.0, 0), (36.0, 1)]


def test_a_full_disk_keeps_nothing_and_stops_nothing(package, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("numba.core.caching.IndexDataCacheFile._save_data", full)
    with pytest.warns(RuntimeWarning, match=r"cannot be kept \(.*No space left on device"):
        assert outcome() == (36.0, 0)


def test_another_order_of_fields_is_seen(package):
    assert outcome() == (36.0, 0)
    edit(package, "given", "a: float\n    b: float", "b: float\n    a: float")
    assert [outcome(), outcome()] == [(36.0, 0), (36.0, 1)]


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        pytest.param("helpers", "return inner(x", "return 1 + inner(x", id="a function's code"),
        pytest.param("deep", "OFFSETS[i]", "-OFFSETS[i]", id="a function two files away"),
        pytest.param("settings", '"numpy"', '"python"', id="an option of a function"),
        pytest.param("deep", "20.0", "30.0", id="an array"),
        pytest.param("helpers", "POWER = 2", "POWER = 3", id="a number"),
        pytest.param("helpers", '("plus", 1.0)', '("plus", 2.0)', id="a number in a tuple"),
        pytest.param("helpers", '("plus", 1.0)', '("plus", np.float32(1))', id="the type of a number"),
        pytest.param("settings", "TWICE = 2", "TWICE = 5", id="a member of a class"),
        pytest.param("helpers", "scaled(3.0)", "scaled(4.0)", id="a value in a closure"),
        pytest.param("helpers", "y=1.0", "y=2.0", id="a default"),
    ],
)
def test_the_digest_follows_any_part(name, old, new, package):
    before = fresh_entry()._cache.digest
    assert fresh_entry()._cache.digest == before
    edit(package, name, old, new)
    assert fresh_entry()._cache.digest != before


def test_the_digest_does_not_follow_what_is_not_compiled(package):
    before = fresh_entry()._cache.digest
    edit(package, "helpers", "POWER = 2", "POWER = 2  # squares\nOTHER = 1\ndef unused():\n    return OTHER")
    assert fresh_entry()._cache.digest == before


def test_a_zipped_package_is_kept_too(package, monkeypatch, tmp_path):
    with zipfile.ZipFile(tmp_path / "zipped.zip", "w") as archive:
        for path in package.iterdir():
            archive.write(path, f"made_of/{path.name}")
    shutil.rmtree(package)
    monkeypatch.syspath_prepend(str(tmp_path / "zipped.zip"))
    monkeypatch.setattr("numba.core.config.CACHE_DIR", str(tmp_path / "cache"))
    assert outcome()[0] == 36.0
    assert ".zip" in sys.modules["made_of.helpers"].__file__


def test_without_sources_it_works_and_says_that_nothing_is_kept(package):
    for path in list(package.glob("*.py")):
        py_compile.compile(str(path), cfile=str(path.with_suffix(".pyc")), doraise=True)
        path.unlink()
    for _ in range(2):
        with pytest.warns(RuntimeWarning, match=r"'entry': no locator available .* each process compiles it"):
            assert outcome() == (36.0, 0)


def test_without_compilation_the_function_is_left_as_it_is():
    code = (
        "from nnstruct.jit import cached_njit\n"
        "def half(x):\n    return x / 2\n"
        "assert cached_njit()(half) is half"
    )
    subprocess.run([sys.executable, "-c", code], env={**os.environ, "NUMBA_DISABLE_JIT": "1"}, check=True)


def compiled_functions() -> dict[str, Dispatcher]:
    """All functions of the package that numba compiles, by the name of their module and their own."""
    marks = ("njit", "nnstruct.loops")
    sources = [path for path in ROOT.rglob("*.py") if any(mark in path.read_text() for mark in marks)]
    found = {}
    for path in sources:
        name = ".".join(path.relative_to(ROOT.parent).with_suffix("").parts)
        for value in vars(importlib.import_module(name)).values():
            value = value.compiled if isinstance(value, NumberLoop) else value
            if isinstance(value, Dispatcher):
                found[f"{value.py_func.__module__}.{value.py_func.__qualname__}"] = value
    return found


def test_all_that_is_kept_is_kept_whole_and_leads_to_all_that_is_compiled():
    functions = compiled_functions()
    kept = {name: one for name, one in functions.items() if one._cache.cache_path is not None}
    assert {"paper_rows", "centrality_rows", "run_epoch"} <= {name.rpartition(".")[2] for name in kept}
    assert [name for name, one in kept.items() if not isinstance(one._cache, _WholeCache)] == []
    led_to = {id(function) for one in kept.values() for function, _ in _walk(one)}
    assert [name for name, one in functions.items() if id(one) not in led_to] == []


def test_the_digest_is_the_same_in_all_processes():
    code = (
        "from nnstruct.population.fused.kernel import run_epoch\n"
        "from nnstruct.properties.motifs_kernel import motif_rows\n"
        "print(run_epoch._cache.digest, motif_rows.compiled._cache.digest)"
    )
    said = [
        subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True, text=True, check=True, env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    ]  # fmt: skip
    assert said[0] == said[1]
    assert len(said[0].split()[0]) == 64


# Without their other halves, which the edits before the first run leave out, the loops compile sooner.
PERCEPTRON = """
import json, numpy as np, nnstruct
from nnstruct import Structure, TrainConfig
from nnstruct.tasks import Task
from nnstruct.population.fused_mlp.engine import train_one
from nnstruct.population.fused_mlp.kernel import run_epoch
inputs = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
task = Task.from_arrays("signs", inputs, (inputs[:, 0] > 0).astype(int))
outcome = train_one(Structure.from_layers([2, 2], family="mlp"), task, TrainConfig(epochs=1), 0)
print(json.dumps([nnstruct.__file__, outcome.test_loss, sum(run_epoch.stats.cache_hits.values())]))
"""
BETWEENNESS = """
import json, nnstruct
from nnstruct import Structure
from nnstruct.properties.centrality import MEASURES, centrality_measures
from nnstruct.properties.centrality_kernel import centrality_rows
path = Structure([[0, 1], [1, 2]], num_units=3)
value = centrality_measures([path])[0, list(MEASURES).index("undirected_betweenness_mean")]
print(json.dumps([nnstruct.__file__, value, sum(centrality_rows.stats.cache_hits.values())]))
"""


@pytest.mark.parametrize(
    ("code", "before", "change"),
    [
        pytest.param(
            PERCEPTRON,
            ("population/fused_mlp/kernel", "backward_pass(plan, ", "(plan, "),
            ("population/fused/forward", "+= w0 * hidden[t, s0, b]\n", "-= w0 * hidden[t, s0, b]\n"),
            id="population",
            marks=pytest.mark.study,  # the largest kernel: it takes half a minute to compile it twice
        ),
        pytest.param(
            BETWEENNESS,
            ("properties/centrality_kernel", "        _directed(", "        ("),
            ("properties/kernel", "            node_sum[v] += dependency\n\n\n@_inner\ndef _accumulate_logs",
             "            node_sum[v] += 2 * dependency\n\n\n@_inner\ndef _accumulate_logs"),
            id="properties",
        ),
    ],
)  # fmt: skip
def test_an_installed_package_whose_inlined_source_changes_compiles_anew(code, before, change, tmp_path):
    copy = shutil.copytree(ROOT, tmp_path / "nnstruct", ignore=shutil.ignore_patterns("__pycache__"))
    edit(copy, *before)
    environment = {
        **os.environ, "PYTHONPATH": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1",
        "NUMBA_CACHE_DIR": str(tmp_path / "cache"),
    }  # fmt: skip

    def run() -> tuple[float, int]:
        done = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            env=environment,
            cwd=tmp_path,
        )
        file, value, hits = json.loads(done.stdout)
        assert Path(file).parent == copy
        return value, hits

    first, first_hits = run()
    edit(copy, *change)
    second, second_hits = run()
    third, third_hits = run()
    assert first != second == third
    assert (first_hits, second_hits, third_hits) == (0, 0, 1)
