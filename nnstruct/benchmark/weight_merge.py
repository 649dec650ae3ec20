"""Merging kept weights into files whose bytes depend on nothing but the weights."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from nnstruct import files
from nnstruct.benchmark.contents import DATA, is_merged_weights, merged_weights_name
from nnstruct.benchmark.manifest import FileEntry, Manifest
from nnstruct.benchmark.weight_file import DTYPE, Kept, weight_bytes
from nnstruct.benchmark.weights import KeptWeights, RecordKey

# A file is closed with the structure that takes it past this size.
FILE_BYTES = 2**24


def write_merged(
    folder: Path, task_fingerprint: str, weights: KeptWeights, keys: Iterable[RecordKey]
) -> dict[str, FileEntry]:
    """Write all weights of some records; the files count once a manifest lists them.

    Parameters
    ----------
    folder : Path
        The benchmark.
    task_fingerprint : str
    weights : KeptWeights
    keys : iterable of (str, str, str, int)
        Of the records; weights of others are left out.

    Returns
    -------
    dict of str to FileEntry
        By path within the folder.
    """
    entries: dict[str, FileEntry] = {}
    for number, kept in enumerate(_portions(weights.all(keys)), 1):
        data = weight_bytes(task_fingerprint, kept)
        digest = files.sha256(data)
        name = merged_weights_name(number, digest)
        if not (folder / name).exists():
            files.write_atomically(folder / name, data)
        entries[name] = FileEntry(sha256=digest, bytes=len(data), rows=len(kept))
    return entries


def clear_unlisted(folder: Path, manifest: Manifest) -> None:
    """Delete merged files of weights that no manifest lists: what a merge replaced or a crash left.

    Parameters
    ----------
    folder : Path
        The benchmark, whose lock is held.
    manifest : Manifest
    """
    for path in (folder / DATA).glob("weights-*.safetensors"):
        name = f"{DATA}/{path.name}"
        if is_merged_weights(name) and name not in manifest.files:
            files.remove(path)


def _portions(kept: Iterable[Kept]) -> Iterator[list[Kept]]:
    """Weights a file at a time; those of one structure are never parted."""
    portion: list[Kept] = []
    size = 0
    for key, parameters in kept:
        if size >= FILE_BYTES and key.fingerprint != portion[-1][0].fingerprint:
            yield portion
            portion, size = [], 0
        portion.append((key, parameters))
        size += sum(value.size for value in parameters.values()) * DTYPE.itemsize if parameters else 0
    if portion:
        yield portion
