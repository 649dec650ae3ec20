"""Compiles the kernel with the system's compiler, once, and loads it."""

from __future__ import annotations

import ctypes
import functools
import hashlib
import os
import platform
import shlex
import shutil
import stat
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

from nnstruct.files import cache_root, move, put_in_place, remove, write_and_sync

_FOLDER = Path(__file__).parent
_ARCHITECTURE = "-mcpu=native" if platform.machine().lower() in ("arm64", "aarch64") else "-march=native"
# None of these lets the compiler assume that NaN and infinity do not occur, nor does any change the
# floating-point mode of the whole process as linking with -ffast-math would.
_FLAGS = (
    "-std=c++17", "-O3", _ARCHITECTURE, "-fno-math-errno", "-fno-trapping-math", "-fno-signed-zeros",
    "-ffp-contract=fast", "-shared", "-fPIC", "-w",
)  # fmt: skip
_COMPILERS = ("c++", "g++", "clang++")
_LONGEST_COMPILATION = 600.0


class _UnavailableError(Exception):
    """Why the kernel cannot be used; ``warn`` where the user should hear of it."""

    def __init__(self, reason: str, *, warn: bool = False) -> None:
        super().__init__(reason)
        self.warn = warn


def library() -> ctypes.CDLL | None:
    """The compiled kernel, or None where there is none; the first call compiles it if need be."""
    return _load()[0]


def unavailable_reason() -> str:
    """Why there is no compiled kernel; empty where there is one."""
    return _load()[1]


def forget() -> None:
    """Look again at the next call: for a change of the environment, and for tests."""
    _load.cache_clear()


@functools.cache
def _load() -> tuple[ctypes.CDLL | None, str]:
    try:
        return _open(_compiled()), ""
    except _UnavailableError as error:
        if error.warn:
            warnings.warn(
                f"The native engine is not used: {error} Training goes on with the numba engine, which is"
                " slower; NNSTRUCT_NATIVE=0 silences this.",
                RuntimeWarning,
                stacklevel=4,
            )
        return None, str(error)


def _compiled() -> Path:
    """The file of the compiled kernel."""
    if os.environ.get("NNSTRUCT_NATIVE") == "0":
        raise _UnavailableError("it is switched off by NNSTRUCT_NATIVE=0.")
    if os.name != "posix":
        raise _UnavailableError(f"it needs a POSIX system, this is {sys.platform}.")
    compiler = _compiler()
    folder = _private_folder()
    target = folder / f"kernel-{_key(compiler)}.so"
    if not _is_whole(target):
        _compile(compiler, target)
    _check_private(target)
    return target


def _is_whole(target: Path) -> bool:
    """Whether a kernel is there, and is what was compiled: a cut one would end the process when it is run."""
    try:
        _check_private(target)
        told = _checksum(target).read_text(encoding="ascii").strip()
        return hashlib.sha256(target.read_bytes()).hexdigest() == told
    except (FileNotFoundError, UnicodeDecodeError):
        return False
    except OSError as error:
        raise _UnavailableError(f"{target} cannot be read: {error}.", warn=True) from error


def _checksum(target: Path) -> Path:
    return target.with_suffix(".sha256")


def _compiler() -> list[str]:
    """The command of the compiler, from CXX or the first that is found."""
    named = shlex.split(os.environ.get("CXX", ""))
    if named:
        if shutil.which(named[0]) is None:
            raise _UnavailableError(f"CXX names {named[0]!r}, which cannot be run.")
        return named
    for name in _COMPILERS:
        found = shutil.which(name)
        if found:
            return [found]
    raise _UnavailableError(f"no C++ compiler was found ({', '.join(_COMPILERS)}, or CXX).")


def _key(compiler: list[str]) -> str:
    """A name that changes with whatever could change the compiled code."""
    parts = [shlex.join(compiler), _run([*compiler, "--version"]).stdout, *_FLAGS, _processor()]
    for path in [*_sources("*.cpp"), *_sources("*.h")]:
        parts += [path.name, path.read_text(encoding="utf-8")]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:24]


def _sources(pattern: str) -> list[Path]:
    return sorted(_FOLDER.glob(pattern))


def _processor() -> str:
    """What tells apart processors for which ``native`` means something else."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return f"{platform.machine()} {platform.processor()} {platform.version()}"
    chosen = ("model name", "flags", "CPU part", "Features", "isa")
    return "\n".join(sorted({line for line in lines if line.startswith(chosen)}))


def _private_folder() -> Path:
    """The folder of compiled kernels, where nobody else can put a file."""
    try:
        folder = cache_root() / "native"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder = folder.resolve()
    except (OSError, RuntimeError) as error:
        raise _UnavailableError(f"its folder cannot be made: {error}.", warn=True) from error
    _check_private(folder)
    for parent in folder.parents:
        _check_private(parent, ancestor=True)
    return folder


def _check_private(path: Path, *, ancestor: bool = False) -> None:
    """Refuse what others could have written, or could replace between now and its loading."""
    found = path.lstat()
    owners = {os.geteuid(), 0} if ancestor else {os.geteuid()}
    open_to_others = bool(found.st_mode & 0o022) and not (ancestor and found.st_mode & stat.S_ISVTX)
    if stat.S_ISLNK(found.st_mode) or found.st_uid not in owners or open_to_others:
        raise _UnavailableError(
            f"others can write to {path}; set NNSTRUCT_CACHE to a folder that only you can write to.",
            warn=True,
        )


def _compile(compiler: list[str], target: Path) -> None:
    """Compile beside the target and rename, so that no other process sees half a file."""
    sources = [str(path) for path in _sources("*.cpp")]
    try:
        handle, temporary = tempfile.mkstemp(dir=target.parent, prefix="kernel-", suffix=".tmp")
        os.close(handle)
        noted = Path(f"{temporary}.sha256")  # of this process alone, as several may compile at once
    except OSError as error:
        raise _UnavailableError(f"its folder cannot be written to: {error}.", warn=True) from error
    try:
        done = _run([*compiler, *_FLAGS, *sources, "-o", temporary])
        if done.returncode != 0:
            said = " ".join((done.stderr or done.stdout).split())[:500]
            raise _UnavailableError(f"{shlex.join(compiler)} failed: {said or done.returncode}.", warn=True)
        os.chmod(temporary, 0o700)
        digest = hashlib.sha256(Path(temporary).read_bytes()).hexdigest()
        put_in_place(Path(temporary), target)
        write_and_sync(noted, digest.encode())
        move(noted, _checksum(target))
    except OSError as error:
        raise _UnavailableError(f"its folder cannot be written to: {error}.", warn=True) from error
    finally:
        remove(Path(temporary))
        remove(noted)


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command, capture_output=True, text=True, errors="replace", check=False, stdin=subprocess.DEVNULL,
            timeout=_LONGEST_COMPILATION,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _UnavailableError(f"{command[0]} cannot be run: {error}.", warn=True) from error


def _open(path: Path) -> ctypes.CDLL:
    try:
        return ctypes.CDLL(str(path))
    except OSError as error:
        raise _UnavailableError(f"{path} cannot be loaded: {error}.", warn=True) from error
