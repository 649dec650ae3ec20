"""Readers of the two standard formats of labelled images: IDX files and the batches of CIFAR-10.

Every byte is accounted for. A file that is truncated, too long, of another kind or at odds with its
companion gives one :class:`CorruptFileError` that names the file, the rule and the value.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NoReturn, cast

import numpy as np

from nnstruct.errors import CorruptFileError
from nnstruct.reading import check_bytes, open_file

NUM_CLASSES = 10
IDX_IMAGES, IDX_LABELS = 0x00000803, 0x00000801  # unsigned bytes in three axes, in one
CIFAR_RECORDS = 10_000  # in a batch
CIFAR_SHAPE = (3, 32, 32)
_BLOCK = 2**20


@dataclass(frozen=True, eq=False)
class LabelledImages:
    """Images as they lie in files.

    Attributes
    ----------
    labels : int64 [n]
    blocks : sequence of uint8 [m, channels * height * width]
        Consecutive runs of the n images; for CIFAR-10 still on the disk.
    shape : (channels, height, width)
    """

    labels: np.ndarray
    blocks: Sequence[np.ndarray]
    shape: tuple[int, int, int]

    def standardised(self, rows: np.ndarray, mean: Sequence[float], sd: Sequence[float]) -> np.ndarray:
        """Some of the images as (value / 255 - mean) / sd, for each channel.

        No other image is converted, and no other copy of all is made.

        Parameters
        ----------
        rows : int64 [k]
            Positions of the images, ascending.
        mean, sd : sequence of float, one a channel
            Of values from 0 to 1.

        Returns
        -------
        float32 [k, channels, height, width]
        """
        images = np.empty((len(rows), *self.shape), dtype=np.float32)
        values = np.arange(256) / 255
        tables = [((values - m) / s).astype(np.float32) for m, s in zip(mean, sd, strict=True)]
        begin = done = 0
        for block in self.blocks:
            here = rows[done : np.searchsorted(rows, begin + len(block))] - begin
            pixels = block[here].reshape(-1, *self.shape)
            for channel, table in enumerate(tables):
                images[done : done + len(here), channel] = table[pixels[:, channel]]
            begin, done = begin + len(block), done + len(here)
        return images


def read_idx_pair(images: Path, labels: Path, size: tuple[int, int]) -> LabelledImages:
    """The images and labels of a pair of IDX files, each unpacked or packed by gzip.

    Parameters
    ----------
    images, labels : Path
    size : (int, int)
        Height and width in pixels.

    Returns
    -------
    LabelledImages
        Of one channel.

    Raises
    ------
    CorruptFileError
        If a file is not whole, of another kind, or at odds with the other.
    """
    pixels = _read_idx(images, IDX_IMAGES, "images", size)  # [n, height * width]
    classes = _read_idx(labels, IDX_LABELS, "labels", ())[:, 0]  # [n]
    if len(pixels) != len(classes):
        _refuse(images, f"hold an image for each of the {len(classes):,} labels in {labels}", len(pixels))
    _check_labels(labels, classes)
    return LabelledImages(classes.astype(np.int64), [pixels], (1, *size))


def read_cifar_batches(batches: Sequence[Path]) -> LabelledImages:
    """The images and labels of batches of the binary version of CIFAR-10.

    A record is a label byte and 3,072 pixels: red, green and blue, each row by row.

    Parameters
    ----------
    batches : sequence of Path
        In the order in which the images are wanted.

    Returns
    -------
    LabelledImages
        They stay on the disk until they are asked for.

    Raises
    ------
    CorruptFileError
        If a file has another length, or a label beyond 9.
    """
    length = 1 + int(np.prod(CIFAR_SHAPE))
    blocks, classes = [], []
    for path in batches:
        found = path.stat().st_size
        if found != CIFAR_RECORDS * length:
            rule = f"have {CIFAR_RECORDS * length:,} bytes ({CIFAR_RECORDS:,} records of {length:,})"
            _refuse(path, rule, found)
        records = np.memmap(path, dtype=np.uint8, mode="r").reshape(-1, length)
        _check_labels(path, records[:, 0])
        blocks.append(records[:, 1:])
        classes.append(records[:, 0].astype(np.int64))
    return LabelledImages(np.concatenate(classes), blocks, CIFAR_SHAPE)


def _read_idx(path: Path, magic: int, what: str, size: tuple[int, ...]) -> np.ndarray:
    """uint8 [n, values an item]."""
    try:
        with open_file(path) as raw:
            packed = raw.read(2) == b"\x1f\x8b"
            raw.seek(0)
            if packed:
                with gzip.open(raw) as unpacked:
                    return _idx_items(path, cast("IO[bytes]", unpacked), magic, what, size)
            return _idx_items(path, raw, magic, what, size)
    except EOFError as error:
        _refuse(path, "be a whole gzip file", "one that ends early", error)
    except (gzip.BadGzipFile, zlib.error) as error:
        _refuse(path, "be a sound gzip file", str(error), error)


def _idx_items(path: Path, stream: IO[bytes], magic: int, what: str, size: tuple[int, ...]) -> np.ndarray:
    header = stream.read(8 + 4 * len(size))
    found = int.from_bytes(header[:4], "big")
    if len(header) >= 4 and found != magic:
        _refuse(path, f"begin with 0x{magic:08x}, the magic number of IDX {what}", f"0x{found:08x}")
    if len(header) < 8 + 4 * len(size):
        _refuse(path, f"begin with an IDX header of {8 + 4 * len(size)} bytes", len(header))
    count, *axes = (int.from_bytes(header[i : i + 4], "big") for i in range(4, len(header), 4))
    if tuple(axes) != size:
        _refuse(path, f"hold {what} of {' x '.join(map(str, size))} pixels", " x ".join(map(str, axes)))
    if not count:
        _refuse(path, f"hold {what}", 0)
    each = int(np.prod(size, dtype=np.int64))
    # To the end and not for the announced size: a broken header may announce terabytes, and gzip
    # compares its checksum at the end.
    body = bytearray()
    while block := stream.read(_BLOCK):
        body += block
        check_bytes(path, len(body), f"its {what}")
    if len(body) != count * each:
        rule = f"hold the {count * each:,} bytes of the {count:,} {what} that its header announces"
        _refuse(path, rule, len(body))
    return np.frombuffer(body, dtype=np.uint8).reshape(count, each)


def _check_labels(path: Path, labels: np.ndarray) -> None:
    wrong = np.flatnonzero(labels >= NUM_CLASSES)
    if len(wrong):
        row = int(wrong[0])
        _refuse(path, f"hold labels in 0..{NUM_CLASSES - 1}", f"{labels[row]} (item {row})")


def _refuse(path: Path, rule: str, value: Any, cause: Exception | None = None) -> NoReturn:
    shown = f"{value:,}" if isinstance(value, int) else value
    hint = "Delete it and get it anew, for example with the option download=True."
    raise CorruptFileError(f"{path} must {rule}, got {shown}. {hint}") from cause
