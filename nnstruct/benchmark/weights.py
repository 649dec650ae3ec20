"""Trained weights that a benchmark holds, read when they are asked for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from nnstruct.benchmark.weight_file import Kept, Parameters, StoredRows, WeightKey, groups_of
from nnstruct.errors import CorruptFileError
from nnstruct.files import sha256
from nnstruct.network import Network
from nnstruct.network.storage import read_note, read_tensors
from nnstruct.reading import read_bytes, reading
from nnstruct.structure import Structure

RecordKey = tuple[str, str, str, int]


class WeightFile:
    """One file of weights, on the disk or in memory.

    It is verified as a whole when something of it is first asked for; tensors on the disk stay there until
    a row of them is read.

    Parameters
    ----------
    place : Path
        Of the file; in memory, what errors call it.
    digits : str
        Leading hexadecimal digits of its SHA-256.
    remedy : str
        What to do about a damaged file, in a sentence.
    data : bytes, optional
        Of a file in memory.
    """

    def __init__(self, place: Path, digits: str, remedy: str, data: bytes | None = None) -> None:
        self.place, self.digits, self.remedy, self._data = place, digits, remedy, data

    @cached_property
    def contents(self) -> tuple[list[StoredRows], list[WeightKey]]:
        """The groups of rows, and the keys of weights that are lost."""
        data = self._verified()
        with reading(self.place, "a file of kept weights", self.remedy):
            return groups_of(read_note(data))

    def row(self, prefix: str, number: int) -> dict[str, np.ndarray]:
        """The parameters of one network.

        Parameters
        ----------
        prefix : str
            Of its group.
        number : int
            Place in the group.

        Returns
        -------
        dict of str to float16 array
        """
        return {name: np.array(tensor[number]) for name, tensor in self._grouped[prefix].items()}

    @cached_property
    def _grouped(self) -> dict[str, dict[str, Any]]:
        grouped: dict[str, dict[str, Any]] = {}
        for full_name in sorted(self._tensors):
            prefix, _, name = full_name.partition("/")
            grouped.setdefault(prefix, {})[name] = self._tensors[full_name]
        return grouped

    @cached_property
    def _tensors(self) -> Mapping[str, Any]:
        if self._data is not None:
            return read_tensors(self._data, self.place, self.remedy)[0]
        from safetensors import safe_open

        _ = self.contents
        file = safe_open(self.place, framework="numpy")
        return {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118

    def _verified(self) -> bytes:
        if self._data is not None:
            return self._data
        try:
            data = read_bytes(self.place)
        except FileNotFoundError as error:
            hint = "Load the benchmark again: another build may have merged it."
            raise CorruptFileError(f"{self.place} is missing. {hint} {self.remedy}") from error
        found = sha256(data)
        if not found.startswith(self.digits):
            raise CorruptFileError(
                f"{self.place} is altered: its SHA-256 starts with {found[:16]}, not {self.digits[:16]}. "
                f"{self.remedy}"
            )
        return data


class KeptWeights:
    """All kept weights of a benchmark.

    Parameters
    ----------
    files : sequence of WeightFile
        Where two hold weights of one key, the first one counts.
    """

    def __init__(self, files: Sequence[WeightFile] = ()) -> None:
        self.files = tuple(files)

    @cached_property
    def _index(self) -> dict[RecordKey, dict[int, tuple[WeightFile, str, int] | None]]:
        index: dict[RecordKey, dict[int, tuple[WeightFile, str, int] | None]] = {}
        for file in self.files:
            groups, lost = file.contents
            for prefix, rows in groups:
                for number, key in enumerate(rows):
                    index.setdefault(key[:4], {}).setdefault(key.epoch, (file, prefix, number))
            for key in lost:
                index.setdefault(key[:4], {}).setdefault(key.epoch, None)
        return index

    def __len__(self) -> int:
        """How many networks there are, each epoch counted."""
        return sum(place is not None for epochs in self._index.values() for place in epochs.values())

    def epochs(self, key: RecordKey) -> list[int]:
        """The epochs of which a training's weights were asked to be kept, lost ones included.

        Parameters
        ----------
        key : (str, str, str, int)
            :attr:`nnstruct.Record.key`.

        Returns
        -------
        list of int
            Ascending.
        """
        return sorted(self._index.get(key, ()))

    def finite_epochs(self, key: RecordKey) -> list[int]:
        """The epochs of which a training's weights are there.

        Parameters
        ----------
        key : (str, str, str, int)

        Returns
        -------
        list of int
            Ascending.
        """
        return sorted(epoch for epoch, place in self._index.get(key, {}).items() if place is not None)

    def parameters(self, key: RecordKey, epoch: int) -> Parameters | None:
        """The weights of a training after an epoch.

        Parameters
        ----------
        key : (str, str, str, int)
            :attr:`nnstruct.Record.key`.
        epoch : int
            One of :meth:`epochs`.

        Returns
        -------
        dict of str to float16 array, or None
            None where they are lost because they are not finite.
        """
        place = self._index[key][epoch]
        return None if place is None else place[0].row(*place[1:])

    def network(self, structure: Structure, key: RecordKey, epoch: int) -> Network | None:
        """The network after an epoch; parameters as for :meth:`parameters`.

        Parameters
        ----------
        structure : Structure
            Of the fingerprint in the key, labelled as it was when it was trained.
        key : (str, str, str, int)
        epoch : int

        Returns
        -------
        Network or None
        """
        found = self.parameters(key, epoch)
        if found is None:
            return None
        values = {name: value.astype(np.float32) for name, value in found.items()}
        weight, bias = values.pop("weight"), values.pop("bias")
        return Network(structure, weight, bias, values)

    def all(self, keys: Iterable[RecordKey] | None = None) -> Iterator[Kept]:
        """Kept weights in the order of their keys.

        Parameters
        ----------
        keys : iterable of (str, str, str, int), optional
            Of the trainings wanted; by default all.

        Yields
        ------
        (WeightKey, parameters or None)
        """
        for key in sorted(self._index if keys is None else set(keys) & self._index.keys()):
            for epoch in self.epochs(key):
                yield WeightKey(*key, epoch), self.parameters(key, epoch)

    def __add__(self, other: KeptWeights) -> KeptWeights:
        return KeptWeights((*self.files, *other.files))
