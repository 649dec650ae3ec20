"""Published files come into the data directory: whole and checked, or not at all."""

from __future__ import annotations

import tarfile
import tempfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

from nnstruct.errors import CorruptFileError, MissingDataError
from nnstruct.files import put_in_place
from nnstruct.tasks.published import Published

if TYPE_CHECKING:
    from rich.progress import Progress

TIMEOUT = 60.0  # seconds without a byte
_CHUNK = 1 << 20


def fetch(published: Published, folder: Path) -> None:
    """Download a published file (and unpack it, if it is an archive), unless it is there already.

    Everything happens in a scratch folder inside ``folder`` that is removed whatever happens; files
    are moved to their places once their checksums are right. Mirrors are tried in turn. Proxies are
    those of the environment.

    Parameters
    ----------
    published : Published
    folder : Path
        The data directory, which exists.

    Raises
    ------
    CorruptFileError
        If no mirror has the published bytes and at least one has others.
    MissingDataError
        If no mirror can be read.
    """
    if all((folder / name).is_file() for name in published.files):
        return
    with tempfile.TemporaryDirectory(dir=folder, prefix=".download-") as scratch:
        got = Path(scratch) / "download"
        _fetch_from_a_mirror(published, got)
        if not published.members:
            _move(got, folder / published.path)
        for name, part in _unpacked(published, got).items():
            _move(part, folder / name)


def _fetch_from_a_mirror(published: Published, target: Path) -> None:
    failures, corrupt = [], False
    for url in published.urls:
        try:
            _retrieve(url, target, published)
        except CorruptFileError as error:
            corrupt = True
            failures.append(str(error))
        except (OSError, ValueError) as error:
            failures.append(f"{url}: {error or type(error).__name__}.")
        else:
            return
    kind = CorruptFileError if corrupt else MissingDataError
    raise kind(
        f"{published.path} could not be downloaded, and nothing was kept. {' '.join(failures)} "
        f"Try again, or put the file ({published.checksum}) into the data directory by other means."
    )


def _retrieve(url: str, target: Path, published: Published) -> None:
    from pooch import HTTPDownloader
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        download = HTTPDownloader(
            progressbar=_Bar(progress, published),
            chunk_size=_CHUNK,
            timeout=TIMEOUT,
            headers={"User-Agent": "nnstruct"},
        )
        download(url, str(target), None)
    found = target.stat().st_size
    if found != published.size:
        raise CorruptFileError(f"{url} must have {published.size:,} bytes, got {found:,}.")
    _check(target, published.checksum, url)


class _Bar:
    """What pooch tells of a download, drawn by rich."""

    def __init__(self, progress: Progress, published: Published) -> None:
        self._progress, self._task = progress, progress.add_task(published.path, total=published.size)
        self.total = published.size

    def update(self, size: int) -> None:
        self._progress.advance(self._task, size)

    def reset(self) -> None:
        self._progress.reset(self._task)

    def close(self) -> None:
        self._progress.stop_task(self._task)


def _check(path: Path, checksum: str, name: str) -> None:
    from pooch import file_hash

    algorithm, _, expected = checksum.partition(":")
    found = file_hash(str(path), alg=algorithm)
    if found != expected:
        raise CorruptFileError(f"{name} must have the sum {checksum}, got {found}.")


def _unpacked(published: Published, archive: Path) -> dict[str, Path]:
    """The wanted members of an archive whose checksum is right, by name; none for any other file."""
    if not published.members:
        return {}
    folder = archive.with_name("members")
    parts = {name: folder / name for name in published.members}
    try:
        with tarfile.open(archive, "r:*") as tar:
            # Python 3.11.3 and older have no filters; there the names above are all that is unpacked.
            tar.extraction_filter = getattr(tarfile, "data_filter", lambda member, _: member)
            tar.extractall(folder, [tar.getmember(name) for name in parts])
    except KeyError as error:
        raise CorruptFileError(f"{published.path} must hold {error.args[0]}") from error
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise CorruptFileError(f"{published.path} must be a tar archive, got: {error}.") from error
    for name, part in parts.items():
        if not part.is_file():
            raise CorruptFileError(f"{published.path} must hold {name} as a file.")
        _check(part, published.members[name], f"{published.path}: {name}")
    return parts


def _move(part: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    put_in_place(part, target)
