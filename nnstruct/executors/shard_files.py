"""Results that workers write to storage which the caller sees, too: one file a shard, found by a later call.

A file's name holds the checksum of its bytes, so that one that is torn or being written is not read. Items
are told by checksums of how they are sent, and so is what they share: a call finds what the workers of an
earlier one finished for it, however that one cut its list.

Results are any objects, and so their bytes are a pickle. Each file is signed (HMAC, RFC 2104) with a key that
lies in this user's cache and reaches workers by way of the scheduler; a file that is not is never unpickled.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nnstruct import __version__
from nnstruct.errors import InvalidInputError, NnstructError
from nnstruct.executors.messages import packed, unpacked
from nnstruct.files import cache_root, write_secret

_SUFFIX = ".shard"
_KEY, _SIGNATURE = 32, 32


@dataclass(frozen=True)
class ShardFiles:
    """Files of one list of items.

    Attributes
    ----------
    folder : str
        URL of the folder that is theirs alone.
    digests : tuple of str
        Of the items.
    key : bytes
        Signs what is written, and is asked of what is read.
    """

    folder: str
    digests: tuple[str, ...]
    key: bytes = field(repr=False)

    @classmethod
    def of(cls, storage: str, sent: Any, items: Sequence[Any]) -> ShardFiles:
        """Those of a list of items in a storage.

        Parameters
        ----------
        storage : str
            A folder or a URL.
        sent : object
            The task and what the items share.
        items : sequence

        Returns
        -------
        ShardFiles
        """
        name = _digest(__version__.encode(), *packed(sent))
        digests = tuple(_digest(*packed(item)) for item in items)
        return cls(f"{storage.rstrip('/')}/{name}", digests, signing_key())

    def of_items(self, places: Sequence[int]) -> ShardFiles:
        """The same, with the digests of some items only: what a worker needs for a shard.

        Parameters
        ----------
        places : sequence of int

        Returns
        -------
        ShardFiles
        """
        return ShardFiles(self.folder, tuple(self.digests[place] for place in places), self.key)

    def write(self, results: Sequence[Any]) -> str:
        """Write the results of all items, in their order.

        Parameters
        ----------
        results : sequence

        Returns
        -------
        str
            Name of the file.
        """
        content = bytes(_joined(packed((self.digests, list(results)))))
        content = self._signature(content) + content
        name = _digest(content) + _SUFFIX
        system, folder = _system(self.folder)
        system.makedirs(folder, exist_ok=True)
        system.pipe_file(f"{folder}/{name}", content)
        return name

    def read(self, name: str) -> list[Any]:
        """Results of a file.

        Parameters
        ----------
        name : str

        Returns
        -------
        list

        Raises
        ------
        NnstructError
            If it is not there, not whole, or not signed with the key.
        """
        try:
            return list(self._content(name)[1])
        except OSError as error:
            raise NnstructError(
                f"This process cannot read the results {name!r} that a worker wrote to {self.folder}: the "
                "executor's `storage` must be seen by both."
            ) from error

    def finished(self) -> Iterator[tuple[int, Any]]:
        """Places of items whose results are there, and these; each once.

        Yields
        ------
        (int, object)
        """
        system, folder = _system(self.folder)
        names: list[str] = []
        with suppress(FileNotFoundError):
            names = [str(path).rsplit("/", 1)[-1] for path in system.ls(folder, detail=False)]
        found: dict[str, Any] = {}
        for name in names:
            with suppress(OSError):  # torn, or being written
                found.update(zip(*self._content(name), strict=True))
        for place, digest in enumerate(self.digests):
            if digest in found:
                yield place, found[digest]

    def remove(self) -> None:
        """Remove the folder: the caller has all of it."""
        system, folder = _system(self.folder)
        with suppress(OSError):
            system.rm(folder, recursive=True)

    def _content(self, name: str) -> tuple[Sequence[str], list[Any]]:
        system, folder = _system(self.folder)
        content = system.cat_file(f"{folder}/{name}")
        if _digest(content) + _SUFFIX != name:
            raise OSError(f"{folder}/{name} is not whole.")
        signature, content = content[:_SIGNATURE], content[_SIGNATURE:]
        if not hmac.compare_digest(signature, self._signature(content)):
            raise OSError(f"{folder}/{name} is not signed with the key of this user.")
        digests, results = unpacked(_parted(content))
        return digests, results

    def _signature(self, content: bytes) -> bytes:
        return hmac.digest(self.key, content, "sha256")


def signing_key() -> bytes:
    """This user's key, 32 bytes; made at its first use.

    Returns
    -------
    bytes
        Where the cache cannot be written, a new one each time: a later call then finds no results.
    """
    made = secrets.token_bytes(_KEY)
    try:
        file = cache_root() / "shards.key"
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with suppress(FileExistsError):
            write_secret(file, made)
        held = file.read_bytes()
    except (OSError, RuntimeError):
        return made
    return held if len(held) == _KEY else made


def check_storage(storage: Any) -> str:
    """A storage that this process can open, as text; a folder gets its full path.

    Parameters
    ----------
    storage : str or path

    Returns
    -------
    str

    Raises
    ------
    InvalidInputError
        If it is neither, or nobody knows the kind of URL.
    """
    rule = "be a folder, or a URL that fsspec knows"
    if not isinstance(storage, str | Path) or not str(storage):
        raise InvalidInputError("storage", rule, storage)
    text = str(storage) if "://" in str(storage) else str(Path(storage).resolve())
    try:
        _system(text)
    except (ImportError, ValueError) as error:
        raise InvalidInputError("storage", rule, storage, str(error)) from error
    return text


def _system(url: str) -> tuple[Any, str]:
    import fsspec

    return fsspec.core.url_to_fs(url)


def _digest(*parts: Any) -> str:
    whole = hashlib.sha256()
    for part in parts:
        whole.update(part)
    return whole.hexdigest()


def _joined(parts: Sequence[Any]) -> bytearray:
    views = [memoryview(part).cast("B") for part in parts]
    head = b"".join(len(view).to_bytes(8, "little") for view in views)
    return bytearray(len(views).to_bytes(8, "little") + head + b"".join(views))


def _parted(content: bytes) -> list[bytearray]:
    count = int.from_bytes(content[:8], "little")
    lengths = [int.from_bytes(content[8 * at : 8 * at + 8], "little") for at in range(1, count + 1)]
    ends = [8 * (count + 1) + sum(lengths[: at + 1]) for at in range(count)]
    return [bytearray(content[end - length : end]) for end, length in zip(ends, lengths, strict=True)]
