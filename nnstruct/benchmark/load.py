"""Benchmarks by name, by folder or by address."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from nnstruct.benchmark.bench import Benchmark
from nnstruct.errors import CorruptFileError, InvalidInputError, MissingDataError, nearest

if TYPE_CHECKING:
    pass

VARIABLE = "NNSTRUCT_BENCHMARKS"
SHIPPED = Path(__file__).parent / "shipped"
# In a checkout the benchmarks lie beside the package.
_BESIDE = Path(__file__).parents[2] / "datasets"
_MARKS = ("manifest.json", "scores.json")
_NAME = re.compile(r"[\w.-]+(/[\w.-]+)?")
_ADDRESS = re.compile(r"(https?|ftp)://\S+")
_CHECKSUM = re.compile(r"(sha256|md5|sha1|sha512):[0-9a-fA-F]{32,128}")
_ARCHIVES = (".tar.gz", ".tgz", ".tar", ".tar.xz", ".zip")


def load_benchmark(
    name: str | Path,
    *,
    folder: str | Path | None = None,
    checksum: str | None = None,
    target: str | None = None,
) -> Benchmark:
    """A benchmark by its name, its folder or its address.

    ``reber-mini`` comes with the package. Others are looked for by name in ``folder``, in the folder that
    the environment variable ``NNSTRUCT_BENCHMARKS`` names, and in ``datasets/`` of a checkout.

    Parameters
    ----------
    name : str or Path
        A name such as ``reber-rnn`` or ``pruned/mlp``; the path of a benchmark's folder; or the address
        (``https://...``) of an archive, ``.tar.gz`` or ``.zip``, with such a folder in it.
    folder : path, optional
        Where benchmarks lie by name, and where an archive is kept, so that it is downloaded once; of archives
        the system's folder for caches by default.
    checksum : str, optional
        Of an archive, ``sha256:...``. It has to be given with an address; other bytes are refused.
    target : str, optional
        The label, as for :meth:`Benchmark.load`.

    Returns
    -------
    Benchmark

    Raises
    ------
    MissingDataError
        If it is found nowhere, or the address cannot be read.
    InvalidInputError
        If an address comes without its checksum, or a checksum without an address.
    CorruptFileError
        If a file is damaged, or the archive has another checksum or holds no benchmark.

    Examples
    --------
    >>> import nnstruct as ns
    >>> ns.load_benchmark("reber-mini")
    Benchmark(240 structures, 720 records, task 'reber', target 'test')
    """
    if not isinstance(name, str | Path):
        raise InvalidInputError("name", "be a name, a folder or an address", name)
    if _ADDRESS.fullmatch(str(name)):
        return Benchmark.load(_downloaded(str(name), checksum, folder), target=target)
    if checksum is not None:
        raise InvalidInputError("checksum", "be given with the address of an archive only", checksum)
    found = find_benchmark(name, folder)
    if found is not None:
        return Benchmark.load(found, target=target)
    if Path(name).exists():
        return Benchmark.load(Path(name), target=target)
    names = benchmark_names(folder)
    raise MissingDataError(
        f"There is no benchmark {str(name)!r} here; known by name are {', '.join(names)}. Give its folder or "
        f"address, or set {VARIABLE} to the folder that holds it. {nearest(str(name), names)}".rstrip()
    )


def find_benchmark(name: str | Path, folder: str | Path | None = None) -> Path | None:
    """The folder of a benchmark that is known by its name or path.

    Parameters
    ----------
    name : str or Path
    folder : path, optional
        Where to look first.

    Returns
    -------
    Path or None
        None where there is none.
    """
    if _is_benchmark(Path(name)):
        return Path(name)
    if _NAME.fullmatch(str(name)) and ".." not in str(name):
        for place in _places(folder):
            if _is_benchmark(place / name):
                return place / name
    return None


def benchmark_names(folder: str | Path | None = None) -> list[str]:
    """The benchmarks that :func:`load_benchmark` finds by name.

    Parameters
    ----------
    folder : path, optional
        Where to look first.

    Returns
    -------
    list of str
        Sorted.
    """
    found = set()
    for place in _places(folder):
        for mark in _MARKS:
            for depth in ("*", "*/*"):
                found |= {file.parent.relative_to(place).as_posix() for file in place.glob(f"{depth}/{mark}")}
    return sorted(found)


def _places(folder: str | Path | None) -> Iterable[Path]:
    named = [folder, os.environ.get(VARIABLE)]
    return [*(Path(place).expanduser() for place in named if place), SHIPPED, _BESIDE]


def _is_benchmark(path: Path) -> bool:
    return path.is_dir() and any((path / mark).is_file() for mark in _MARKS)


def _downloaded(address: str, checksum: str | None, folder: str | Path | None) -> Path:
    """The folder of a benchmark in an archive, downloaded and unpacked unless that was done before."""
    if checksum is None or not _CHECKSUM.fullmatch(checksum):
        hint = "Ask whoever published it, or take it from sha256sum of a file that you trust."
        raise InvalidInputError("checksum", "be given with an address, as sha256:...", checksum, hint)
    suffix = next((end for end in _ARCHIVES if address.partition("?")[0].lower().endswith(end)), None)
    if suffix is None:
        raise InvalidInputError("name", f"be the address of an archive, {', '.join(_ARCHIVES)}", address)
    import pooch

    digest = checksum.partition(":")[2].lower()
    place = Path(folder) if folder is not None else Path(pooch.os_cache("nnstruct"))
    unpacked = place / f"benchmark-{digest[:16]}"
    if not unpacked.is_dir():
        place.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=place, prefix=".download-") as scratch:
            _fetch(address, checksum.lower(), Path(scratch), suffix)
            inside = Path(scratch) / "inside"
            if not any(_is_benchmark(path) for path in [inside, *inside.rglob("*")]):
                raise CorruptFileError(f"{address} holds no folder of a benchmark.")
            inside.rename(unpacked)
    return min((path for path in [unpacked, *unpacked.rglob("*")] if _is_benchmark(path)), key=str)


def _fetch(address: str, checksum: str, scratch: Path, suffix: str) -> None:
    import tarfile
    import zipfile

    import pooch

    unpack = pooch.Unzip if suffix == ".zip" else pooch.Untar
    get = pooch.HTTPDownloader(timeout=60) if address.startswith("http") else None
    try:
        pooch.retrieve(
            address, checksum, fname=f"archive{suffix}", path=scratch, downloader=get,
            processor=unpack(extract_dir="inside"),
        )  # fmt: skip
    except (tarfile.TarError, zipfile.BadZipFile, EOFError) as error:
        raise CorruptFileError(f"{address} is not a readable archive: {error}.") from error
    except ValueError as error:
        raise CorruptFileError(f"{address} has other bytes than its checksum says: {error}.") from error
    except OSError as error:
        raise MissingDataError(f"{address} cannot be read: {error}.") from error
