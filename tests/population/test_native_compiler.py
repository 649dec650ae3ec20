"""The kernel is built once, in a folder of one's own; without a compiler there is a reason and no engine."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from nnstruct.files import cache_root
from nnstruct.population import native
from nnstruct.population.native import compiler

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the native engine needs a POSIX system")


@pytest.fixture(autouse=True)
def _fresh(monkeypatch, tmp_path):
    monkeypatch.setenv("NNSTRUCT_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("NNSTRUCT_NATIVE", raising=False)
    monkeypatch.delenv("CXX", raising=False)
    compiler.forget()
    yield
    compiler.forget()


def script(folder: Path, body: str) -> str:
    """A compiler that tells its version and does what the body says; ``$out`` is where to put the result."""
    path = folder / "compiler"
    path.write_text(
        '#!/bin/sh\ncase "$*" in *--version) echo fake 1.0; exit 0;; esac\n'
        f'for argument in "$@"; do out=$argument; done\n{body}\n'
    )
    path.chmod(0o755)
    return str(path)


def use_copier(monkeypatch, tmp_path, before: str = "") -> Path:
    """A compiler that copies a little library, and the file in which it keeps count."""
    made, count = tmp_path / "made.so", tmp_path / "count"
    found = next((shutil.which(name) for name in ("cc", "gcc", "clang") if shutil.which(name)), None)
    if found is None:
        pytest.skip("no C compiler to make a library with")
    source = tmp_path / "made.c"
    source.write_text("int nnstruct_answer(void) { return 42; }")
    subprocess.run([found, "-shared", "-fPIC", str(source), "-o", str(made)], check=True)
    body = f"echo once >> {count}\n{before}\ncat {made} > $out"
    monkeypatch.setenv("CXX", script(tmp_path, body))
    return count


def only_kernel(tmp_path: Path) -> Path:
    (kernel,) = (tmp_path / "cache" / "native").glob("*.so")
    assert {path.name for path in kernel.parent.iterdir()} == {kernel.name, f"{kernel.stem}.sha256"}
    return kernel


def test_the_kernel_is_built_once(monkeypatch, tmp_path):
    count = use_copier(monkeypatch, tmp_path)
    for _ in range(3):
        assert native.available()
        assert native.unavailable_reason() == ""
        compiler.forget()
    assert count.read_text() == "once\n"
    assert only_kernel(tmp_path).name.startswith("kernel-")
    assert compiler.library().nnstruct_answer() == 42


@pytest.mark.parametrize("damage", ["cut", "altered", "unsealed"])
def test_a_kernel_that_is_not_whole_is_built_again(damage, monkeypatch, tmp_path):
    count = use_copier(monkeypatch, tmp_path)
    assert native.available()
    compiler.forget()
    kernel = only_kernel(tmp_path)
    whole = kernel.read_bytes()
    # Beside the one that this process has loaded: to change that one would end it.
    kernel.unlink()
    kernel.write_bytes({"cut": whole[: len(whole) // 2], "altered": whole[:-1] + b"?"}.get(damage, whole))
    kernel.chmod(0o700)
    if damage == "unsealed":
        kernel.with_suffix(".sha256").unlink()
    assert native.available()
    assert count.read_text() == "once\nonce\n"
    assert only_kernel(tmp_path).read_bytes() == whole


@pytest.mark.parametrize("writer", ["put_in_place", "write_and_sync"])
def test_a_full_disk_is_a_reason(writer, monkeypatch, tmp_path):
    use_copier(monkeypatch, tmp_path)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(compiler, writer, full)
    with pytest.warns(RuntimeWarning, match="its folder cannot be written to: .*No space left"):
        assert not native.available()


def test_other_flags_or_another_compiler_make_another_kernel(monkeypatch, tmp_path):
    use_copier(monkeypatch, tmp_path)
    assert native.available()
    monkeypatch.setattr(compiler, "_FLAGS", (*compiler._FLAGS, "-g"))
    compiler.forget()
    assert native.available()
    monkeypatch.setenv("CXX", os.environ["CXX"] + " -g")
    compiler.forget()
    assert native.available()
    assert len(list((tmp_path / "cache" / "native").glob("*.so"))) == 3


def test_another_source_or_header_makes_another_kernel(monkeypatch, tmp_path):
    use_copier(monkeypatch, tmp_path)
    folder = shutil.copytree(compiler._FOLDER, tmp_path / "sources")
    monkeypatch.setattr(compiler, "_FOLDER", folder)
    sources = [*folder.glob("*.cpp"), *folder.glob("*.h")]
    assert {"kernel.cpp", "passes.h"} <= {path.name for path in sources}
    assert native.available()
    for number, path in enumerate([*sources, folder / "added.h", folder / "added.cpp"], start=2):
        with path.open("a") as file:
            file.write("// another line\n")
        compiler.forget()
        assert native.available()
        assert len(list((tmp_path / "cache" / "native").glob("*.so"))) == number


def test_all_sources_are_compiled_together(monkeypatch, tmp_path):
    count = use_copier(monkeypatch, tmp_path, before=f'echo "$@" > {tmp_path / "arguments"}')
    assert native.available()
    assert count.read_text() == "once\n"
    given = {Path(one).name for one in (tmp_path / "arguments").read_text().split() if one.endswith(".cpp")}
    assert given == {path.name for path in Path(compiler.__file__).parent.glob("*.cpp")}


def test_processes_that_race_all_get_a_whole_kernel(monkeypatch, tmp_path):
    use_copier(monkeypatch, tmp_path, before="sleep 0.2")
    code = "from nnstruct.population.native.compiler import library; assert library().nnstruct_answer() == 42"
    racers = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(3)]
    assert [racer.wait() for racer in racers] == [0, 0, 0]
    assert only_kernel(tmp_path).stat().st_mode & 0o077 == 0


def test_those_that_compile_at_once_do_not_take_each_others_files(monkeypatch, tmp_path):
    use_copier(monkeypatch, tmp_path)
    folder = compiler._private_folder()
    command = compiler._compiler()
    for round_number in range(5):
        target = folder / f"kernel-{round_number}.so"
        start = threading.Barrier(4)

        def race(target: Path = target, start: threading.Barrier = start) -> None:
            start.wait()
            compiler._compile(command, target)

        with ThreadPoolExecutor(4) as pool:
            for done in [pool.submit(race) for _ in range(4)]:
                done.result()
        assert compiler._is_whole(target)
    assert len(list(folder.iterdir())) == 10  # five kernels with their checksums


def test_it_can_be_switched_off(monkeypatch):
    monkeypatch.setenv("NNSTRUCT_NATIVE", "0")
    assert_silently_unavailable("it is switched off by NNSTRUCT_NATIVE=0.")


def test_without_a_compiler_there_is_a_reason(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert_silently_unavailable("no C++ compiler was found (c++, g++, clang++, or CXX).")


def assert_silently_unavailable(reason: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not native.available()
        assert native.unavailable_reason() == reason


def test_a_compiler_that_fails_is_reported_once(monkeypatch, tmp_path):
    monkeypatch.setenv("CXX", script(tmp_path, "echo 'error: what is C++17?' >&2; exit 1"))
    with pytest.warns(RuntimeWarning, match=r"failed: error: what is C\+\+17\?"):
        assert not native.available()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not native.available()
    assert list((tmp_path / "cache" / "native").iterdir()) == []


def test_a_library_that_cannot_be_loaded_is_reported(monkeypatch, tmp_path):
    monkeypatch.setenv("CXX", script(tmp_path, "echo nonsense > $out"))
    with pytest.warns(RuntimeWarning, match="cannot be loaded"):
        assert not native.available()


@pytest.mark.parametrize("where", ["cache/native", "cache", "kernel"])
def test_what_others_can_write_is_not_loaded(where, monkeypatch, tmp_path):
    use_copier(monkeypatch, tmp_path)
    assert native.available()
    compiler.forget()
    path = only_kernel(tmp_path) if where == "kernel" else tmp_path / where
    path.chmod(0o777)
    with pytest.warns(RuntimeWarning, match=f"others can write to {path}; set NNSTRUCT_CACHE"):
        assert not native.available()


def test_a_link_in_place_of_the_kernel_is_not_loaded(monkeypatch, tmp_path):
    use_copier(monkeypatch, tmp_path)
    assert native.available()
    compiler.forget()
    kernel = only_kernel(tmp_path)
    moved = kernel.rename(tmp_path / "elsewhere.so")
    kernel.symlink_to(moved)
    with pytest.warns(RuntimeWarning, match="others can write to"):
        assert not native.available()


def test_the_cache_folder_follows_the_environment(monkeypatch, tmp_path):
    assert cache_root() == tmp_path / "cache"
    monkeypatch.delenv("NNSTRUCT_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_root() == tmp_path / "xdg" / "nnstruct"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert cache_root() == Path.home() / ".cache" / "nnstruct"
