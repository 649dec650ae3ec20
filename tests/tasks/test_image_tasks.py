"""MNIST, Fashion-MNIST and CIFAR-10: tiny files written here, and the real ones where they are at hand."""

from __future__ import annotations

import gzip
import os
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from nnstruct.errors import CorruptFileError, InvalidInputError, MissingDataError
from nnstruct.tasks import Split, Task, image_files, images, load_task

RECORDS = 20
SHAPES = {"mnist": (1, 28, 28), "fashion-mnist": (1, 28, 28), "cifar10": (3, 32, 32)}
FOLDERS = {"mnist": "MNIST/raw", "fashion-mnist": "FashionMNIST/raw", "cifar10": "cifar-10-batches-bin"}
SCALES = {
    "mnist": (images.MNIST_MEAN, images.MNIST_SD),
    "fashion-mnist": (images.FASHION_MNIST_MEAN, images.FASHION_MNIST_SD),
    "cifar10": (images.CIFAR10_MEAN, images.CIFAR10_SD),
}
BATCHES = [*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin"]
REAL = os.environ.get("NNSTRUCT_DATA", "")

each = pytest.mark.parametrize("name", list(SHAPES))


def needs_files(name: str) -> pytest.MarkDecorator:
    probe = {"cifar10": "test_batch.bin"}.get(name, "t10k-labels-idx1-ubyte.gz")
    path = f"{FOLDERS[name]}/{probe}"
    there = bool(REAL) and (Path(REAL) / path).is_file()
    return pytest.mark.skipif(not there, reason=f"NNSTRUCT_DATA names no folder with {path}")


def idx(array: np.ndarray) -> bytes:
    axes = b"".join(size.to_bytes(4, "big") for size in array.shape)
    return bytes([0, 0, 8, array.ndim]) + axes + array.astype(np.uint8).tobytes()


def pixels(name: str, n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (n, *SHAPES[name]), dtype=np.uint8), rng.permutation(np.arange(n) % 10)


def write(folder: Path, name: str) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Write 100 training and 20 test images as the published files have them, and return them."""
    parts = {"train": pixels(name, 5 * RECORDS, 1), "t10k": pixels(name, RECORDS, 2)}
    target = folder / FOLDERS[name]
    target.mkdir(parents=True)
    if name == "cifar10":
        x, y = (np.concatenate(both) for both in zip(*parts.values(), strict=True))
        records = np.c_[y.astype(np.uint8), x.reshape(len(x), -1)]
        for i, batch in enumerate(BATCHES):
            (target / batch).write_bytes(records[i * RECORDS : (i + 1) * RECORDS].tobytes())
    else:
        for part, (x, y) in parts.items():
            (target / f"{part}-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(x[:, 0])))
            (target / f"{part}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(y)))
    return parts


@pytest.fixture(autouse=True)
def short_batches(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    if "real" not in request.node.name:
        monkeypatch.setattr(image_files, "CIFAR_RECORDS", RECORDS)


def raw(split: Split, name: str) -> np.ndarray:
    """Back to bytes, without the package's help."""
    mean, sd = (np.array(values).reshape(1, -1, 1, 1) for values in SCALES[name])
    values = (split.inputs.astype(np.float64) * sd + mean) * 255
    assert np.abs(values - values.round()).max() < 1e-3
    return values.round().astype(np.uint8)


def found_in(split: Split, name: str, source: tuple[np.ndarray, np.ndarray]) -> list[int]:
    """Where in the source each image stands, labels compared."""
    index = {image.tobytes(): i for i, image in enumerate(source[0])}
    rows = [index[image.tobytes()] for image in raw(split, name)]
    assert source[1][rows].tolist() == split.targets.tolist()
    return rows


@each
def test_every_image_is_in_one_split_with_its_label(name: str, tmp_path: Path) -> None:
    parts = write(tmp_path, name)
    task = load_task(name, data=tmp_path, val=30, seed=2)
    train, val = found_in(task.train, name, parts["train"]), found_in(task.val, name, parts["train"])
    assert sorted(train + val) == list(range(100))
    assert train == sorted(train)
    assert val == sorted(val)
    assert np.bincount(task.val.targets).tolist() == [3] * 10
    assert found_in(task.test, name, parts["t10k"]) == list(range(20))
    assert task.num_classes == 10
    assert task.input_shape == SHAPES[name]


@each
def test_subsets_are_balanced_nested_and_leave_the_other_splits_alone(name: str, tmp_path: Path) -> None:
    parts = write(tmp_path, name)

    def rows(**options: int) -> list[set[int]]:
        task = load_task(name, data=tmp_path, val=20, **options)
        splits = [(task.train, "train"), (task.val, "train"), (task.test, "t10k")]
        return [set(found_in(split, name, parts[part])) for split, part in splits]

    full, larger, smaller = rows(), rows(train=37, test=15), rows(train=21, test=10)
    assert smaller[0] < larger[0] < full[0]
    assert smaller[2] < larger[2] < full[2]
    assert smaller[1] == larger[1] == full[1]
    labels = parts["train"][1]
    assert sorted(np.bincount(labels[sorted(larger[0])])) == [3] * 3 + [4] * 7
    assert rows(train=21, test=10, seed=1)[0] != smaller[0]


@each
def test_val_as_a_share(name: str, tmp_path: Path) -> None:
    write(tmp_path, name)
    task = load_task(name, data=tmp_path, val=0.2, train=10)
    assert (len(task.train), len(task.val), len(task.test)) == (10, 20, 20)


@each
def test_a_smaller_side_holds_the_means_of_blocks(name: str, tmp_path: Path) -> None:
    write(tmp_path, name)
    whole, small = (
        load_task(name, val=10, data=tmp_path, side=side).test for side in (None, SHAPES[name][1] // 4)
    )
    n, channels, side, _ = small.inputs.shape
    assert side * 4 == SHAPES[name][1]
    for row, column in ((0, 0), (side - 1, 1)):
        block = whole.inputs[:, :, 4 * row : 4 * row + 4, 4 * column : 4 * column + 4]
        np.testing.assert_allclose(small.inputs[:, :, row, column], block.mean(axis=(2, 3)), atol=1e-6)
    assert (n, channels) == whole.inputs.shape[:2]
    np.testing.assert_array_equal(small.targets, whole.targets)
    with pytest.raises(InvalidInputError, match=f"side must divide {SHAPES[name][1]}"):
        load_task(name, val=10, data=tmp_path, side=9)


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
def test_unpacked_files_hold_the_same_task(name: str, tmp_path: Path) -> None:
    write(tmp_path, name)
    packed = load_task(name, data=tmp_path, val=10)
    for path in (tmp_path / FOLDERS[name]).iterdir():
        path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
        path.unlink()
    assert load_task(name, data=tmp_path, val=10).fingerprint == packed.fingerprint


@each
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"train": 0}, "train must be an integer from 1 on, got 0"),
        ({"train": 71}, r"train must be in 1\.\.70, as 70 are left, got 71"),
        ({"train": 0.5}, r"train must be an integer from 1 on, got 0\.5"),
        ({"train": True}, "train must be an integer from 1 on, got True"),
        ({"test": 21}, r"test must be in 1\.\.20, as 20 are left, got 21"),
        ({"val": 101}, r"val must be in 1\.\.100, as 100 are left, got 101"),
        ({"val": 100}, r"train must be in 1\.\.0, as 0 are left, got 0"),
        ({"val": 1.0}, r"val must be an integer from 1 on, or a share above 0 and below 1, got 1\.0"),
        ({"val": float("nan")}, "val must be an integer from 1 on, or a share"),
    ],
)
def test_sizes_out_of_range(name: str, options: dict, message: str, tmp_path: Path) -> None:
    write(tmp_path, name)
    with pytest.raises(InvalidInputError, match=message):
        load_task(name, data=tmp_path, **{"val": 30, **options})


IMAGES, LABELS = "train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"
GOOD_IMAGES, GOOD_LABELS = idx(np.zeros((100, 28, 28))), idx(np.arange(100) % 10)
FLIPPED = bytearray(gzip.compress(GOOD_LABELS))
FLIPPED[-8] ^= 1  # in gzip's checksum
DAMAGED = bytearray(gzip.compress(idx(np.random.default_rng(0).integers(0, 10, 5000))))
DAMAGED[900:960] = bytes(60)


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        (IMAGES, gzip.compress(GOOD_IMAGES)[:-20], "must be a whole gzip file, got one that ends early"),
        (LABELS, bytes(FLIPPED), "must be a sound gzip file, got CRC check failed"),
        (LABELS, bytes(DAMAGED), "must be a sound gzip file, got "),
        (IMAGES, gzip.compress(GOOD_IMAGES[:-1]), "hold the 78,400 bytes of the 100 images .*, got 78,399"),
        (
            IMAGES,
            GOOD_IMAGES[:40],
            "hold the 78,400 bytes of the 100 images that its header announces, got 24",
        ),
        (IMAGES, gzip.compress(GOOD_IMAGES + b"?"), "hold the 78,400 bytes .*, got 78,401"),
        (IMAGES, GOOD_IMAGES[:4] + b"\xff" * 4 + GOOD_IMAGES[8:], "4,294,967,295 images .*, got 78,400"),
        (IMAGES, gzip.compress(GOOD_LABELS), "begin with 0x00000803, .* IDX images, got 0x00000801"),
        (LABELS, gzip.compress(GOOD_IMAGES), "begin with 0x00000801, .* IDX labels, got 0x00000803"),
        (IMAGES, b"<!DOCTYPE html>", "begin with 0x00000803, .*, got 0x3c21444f"),
        (IMAGES, b"", "begin with an IDX header of 16 bytes, got 0"),
        (IMAGES, GOOD_IMAGES[:9], "begin with an IDX header of 16 bytes, got 9"),
        (LABELS, GOOD_LABELS[:7], "begin with an IDX header of 8 bytes, got 7"),
        (IMAGES, idx(np.zeros((100, 32, 28))), "hold images of 28 x 28 pixels, got 32 x 28"),
        (IMAGES, idx(np.zeros((99, 28, 28))), "image for each of the 100 labels in .*train-labels.*, got 99"),
        (LABELS, idx(np.arange(99) % 10), "image for each of the 99 labels in .*train-labels.*, got 100"),
        (LABELS, idx(np.zeros(0)), "must hold labels, got 0"),
        (LABELS, idx(np.arange(100) % 11), r"hold labels in 0\.\.9, got 10 \(item 10\)"),
    ],
)
def test_a_broken_idx_file_gives_one_error(file: str, content: bytes, message: str, tmp_path: Path) -> None:
    write(tmp_path, "mnist")
    path = tmp_path / "MNIST/raw" / file
    path.write_bytes(content)
    with pytest.raises(CorruptFileError, match=message) as caught:
        load_task("mnist", data=tmp_path, val=10)
    text = str(caught.value)
    assert str(path) in text or str(path.with_name(IMAGES)) in text
    assert "download=True" in text


def label_of_ten(content: bytes) -> bytes:
    return content[:3073] + b"\x0a" + content[3074:]


@pytest.mark.parametrize(
    ("batch", "change", "message"),
    [
        ("data_batch_3.bin", lambda c: c[:-1], r"61,460 bytes \(20 records of 3,073\), got 61,459"),
        ("data_batch_3.bin", lambda c: c[:-3073], "61,460 bytes .*, got 58,387"),
        ("test_batch.bin", lambda c: c + c[:3073], "61,460 bytes .*, got 64,533"),
        ("data_batch_1.bin", lambda c: c[: 20 * 3072], "61,460 bytes .*, got 61,440"),
        ("data_batch_5.bin", lambda c: b"", "61,460 bytes .*, got 0"),
        ("data_batch_2.bin", label_of_ten, r"hold labels in 0\.\.9, got 10 \(item 1\)"),
    ],
)
def test_a_broken_batch_gives_one_error(
    batch: str, change: Callable[[bytes], bytes], message: str, tmp_path: Path
) -> None:
    write(tmp_path, "cifar10")
    path = tmp_path / "cifar-10-batches-bin" / batch
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(CorruptFileError, match=f"{re.escape(str(path))} must .*{message}"):
        load_task("cifar10", data=tmp_path, val=10)


@pytest.mark.parametrize(
    ("name", "file", "offer"),
    [
        (
            "mnist",
            "t10k-labels-idx1-ubyte.gz",
            r"from https://\S+t10k-labels\S+ \(0\.00454 MB, sha256:f7ae60",
        ),
        ("fashion-mnist", "train-images-idx3-ubyte.gz", r"from https://\S+ \(26\.4 MB, sha256:3aede38d"),
        ("cifar10", "data_batch_4.bin", r"from https://\S+\.tar\.gz \(170 MB, sha256:c4a38c50"),
    ],
)
def test_a_missing_file_is_named_with_what_a_download_would_do(
    name: str, file: str, offer: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, name)
    path = tmp_path / FOLDERS[name] / file
    path.unlink()
    offered = rf"option download=True, or --download .*, it is fetched {offer}"
    expected = f"{re.escape(str(path))} does not exist.*{offered}"
    with pytest.raises(MissingDataError, match=expected):
        load_task(name, data=tmp_path, val=10)
    monkeypatch.delenv("NNSTRUCT_DATA", raising=False)
    with pytest.raises(MissingDataError, match=r"No data directory is named.*download=True"):
        load_task(name)


def test_pickles_are_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "cifar-10-batches-py").mkdir()
    with pytest.raises(
        MissingDataError, match=r"data_batch_1\.bin.*Python version, whose pickles are never read"
    ):
        load_task("cifar10", data=tmp_path)


def counts(task: Task) -> list[int]:
    return [len(task.train), len(task.val), len(task.test)]


@pytest.mark.parametrize("name", [pytest.param(name, marks=needs_files(name)) for name in SHAPES])
def test_real_files_are_split_and_scaled_as_documented(name: str) -> None:
    task = load_task(name, train=4000)
    assert counts(task) == [4000, 5000, 10_000]
    assert np.bincount(task.val.targets).tolist() == [500] * 10
    assert np.bincount(task.train.targets).tolist() == [400] * 10
    for split in (task.train, task.val, task.test):
        assert np.abs(split.inputs.mean(axis=(0, 2, 3))).max() < 0.05
        assert np.abs(split.inputs.std(axis=(0, 2, 3)) - 1).max() < 0.05


@needs_files("mnist")
def test_real_mnist_has_the_published_constants_and_no_image_twice() -> None:
    folder = Path(REAL) / "MNIST/raw"
    paths = [folder / name for name in (IMAGES, LABELS)]
    found = image_files.read_idx_pair(paths[0], paths[1], (28, 28))
    histogram = np.bincount(found.blocks[0].ravel(), minlength=256) / found.blocks[0].size
    values = np.arange(256) / 255
    mean = histogram @ values
    assert round(float(mean), 4) == images.MNIST_MEAN[0]
    assert round(float(np.sqrt(histogram @ (values - mean) ** 2)), 4) == images.MNIST_SD[0]
    assert np.bincount(found.labels).tolist() == [
        5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949,
    ]  # fmt: skip
    assert len({image.tobytes() for image in found.blocks[0]}) == 60_000
