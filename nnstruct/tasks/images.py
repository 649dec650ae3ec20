"""MNIST, Fashion-MNIST and CIFAR-10, read from the files in which they are published.

=================  ===============================  ===============  ====================
task               files in the data directory      inputs           train/val/test
=================  ===============================  ===============  ====================
``mnist``          ``MNIST/raw/*-ubyte.gz``         [n, 1, 28, 28]   55,000/5,000/10,000
``fashion-mnist``  ``FashionMNIST/raw/*-ubyte.gz``  [n, 1, 28, 28]   55,000/5,000/10,000
``cifar10``        ``cifar-10-batches-bin/*.bin``   [n, 3, 32, 32]   45,000/5,000/10,000
=================  ===============================  ===============  ====================

**Splits.** The official test set is the test split. The validation split is drawn from the official
training set, with equal numbers of each class and decided by the seed; all else is the train split.
``train`` and ``test`` take fewer, again with equal numbers of each class (as far as a class holds:
MNIST's range from 5,421 to 6,742). A smaller train split is contained in a larger one of the same seed
and validation size, and the validation split does not hang on the size of the train split. No image
of the three data sets stands in both official sets, or twice in one.

**Values.** Pixels are divided by 255 and standardised by the mean and standard deviation of the
official training set (of each channel in CIFAR-10), rounded to four digits: constants, so that an
image has the same values in every subset. With ``side`` each square block of pixels becomes its mean, so
that images are smaller and training is quicker.

**Memory.** Only the images asked for are converted to float32. All of CIFAR-10 takes 740 MB, of MNIST
220 MB.

References
----------
Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, Gradient-based learning applied to document recognition,
Proceedings of the IEEE 86 (1998). H. Xiao, K. Rasul, R. Vollgraf, Fashion-MNIST (2017),
arXiv:1708.07747. A. Krizhevsky, Learning multiple layers of features from tiny images (2009).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from nnstruct.checks import check_integer
from nnstruct.errors import InvalidInputError
from nnstruct.random import check_seed
from nnstruct.tasks.base import Task
from nnstruct.tasks.data import data_directory, data_file, may_download
from nnstruct.tasks.draws import check_size, draw_balanced
from nnstruct.tasks.image_files import NUM_CLASSES, LabelledImages, read_cifar_batches, read_idx_pair
from nnstruct.tasks.published import CIFAR10, FASHION_MNIST, MNIST, Published
from nnstruct.tasks.splits import Split, is_share

PathLike = str | os.PathLike[str]

MNIST_MEAN, MNIST_SD = (0.1307,), (0.3081,)
FASHION_MNIST_MEAN, FASHION_MNIST_SD = (0.2860,), (0.3530,)
CIFAR10_MEAN, CIFAR10_SD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)


def mnist(
    *,
    train: int | None = None,
    val: int | float = 5000,
    test: int | None = None,
    side: int | None = None,
    seed: int = 0,
    data: PathLike | None = None,
    download: bool = False,
) -> Task:
    """The task ``"mnist"``: which of ten handwritten digits does an image of 28 x 28 pixels show?

    :mod:`nnstruct.tasks.images` says how it is split and standardised.

    Parameters
    ----------
    train : int, optional
        Images to train on; by default all but those of the validation split (55,000).
    val : int or float
        Images of the validation split, or (below 1) their share of the official training set.
    test : int, optional
        Images of the test split; by default all 10,000.
    side : int, optional
        Pixels along each side of an image, a divisor of the published number, which is the default.
    seed : int
        Decides the validation split and which images a smaller split holds.
    data : path, optional
        The folder that holds ``MNIST/raw`` with the four published files, packed (``.gz``) or
        unpacked; by default the one that the environment variable ``NNSTRUCT_DATA`` names.
    download : bool
        Whether files that are missing are downloaded into that folder (12 MB); their checksums are
        compared with the published ones.

    Returns
    -------
    Task

    Raises
    ------
    MissingDataError
        If a file is not there; the message says what a download would do.
    CorruptFileError
        If a file is damaged or of another kind; the message names the file, the rule and the value.
    InvalidInputError
        If a size or the seed breaks its rule.

    Examples
    --------
    With the files in place, ``load_task("mnist", train=1000, test=1000)`` gives
    ``Task('mnist', 1000/5000/1000 train/val/test, inputs [1, 28, 28], 10 classes)``. Without:

    >>> from nnstruct.tasks import load_task
    >>> load_task("mnist", data="not-there")
    Traceback (most recent call last):
    ...
    nnstruct.errors.MissingDataError: The data directory not-there does not exist. Set ...
    """
    sizes = _Sizes(train, val, test, side, 28)
    files = _idx_files(MNIST, data, download)
    return _task("mnist", files, (MNIST_MEAN, MNIST_SD), sizes, seed)


def fashion_mnist(
    *,
    train: int | None = None,
    val: int | float = 5000,
    test: int | None = None,
    side: int | None = None,
    seed: int = 0,
    data: PathLike | None = None,
    download: bool = False,
) -> Task:
    """The task ``"fashion-mnist"``: which of ten articles of clothing does a 28 x 28 image show?

    Options, splits and errors are those of :func:`mnist`; the four published files lie in
    ``FashionMNIST/raw`` (31 MB).

    Parameters
    ----------
    train, val, test, side, seed, data, download
        As for :func:`mnist`.

    Returns
    -------
    Task

    Examples
    --------
    With the files in place, ``load_task("fashion-mnist", train=5000)`` gives
    ``Task('fashion-mnist', 5000/5000/10000 train/val/test, inputs [1, 28, 28], 10 classes)``. Without:

    >>> from nnstruct.tasks import load_task
    >>> load_task("fashion-mnist", data="not-there")
    Traceback (most recent call last):
    ...
    nnstruct.errors.MissingDataError: The data directory not-there does not exist. Set ...
    """
    sizes = _Sizes(train, val, test, side, 28)
    files = _idx_files(FASHION_MNIST, data, download)
    return _task("fashion-mnist", files, (FASHION_MNIST_MEAN, FASHION_MNIST_SD), sizes, seed)


def cifar10(
    *,
    train: int | None = None,
    val: int | float = 5000,
    test: int | None = None,
    side: int | None = None,
    seed: int = 0,
    data: PathLike | None = None,
    download: bool = False,
) -> Task:
    """The task ``"cifar10"``: which of ten classes does a colour image of 32 x 32 pixels show?

    Options, splits and errors are those of :func:`mnist`. The six files of the binary version lie in
    ``cifar-10-batches-bin`` (a download of 170 MB). The Python version is never read: its files are
    pickles, and to unpickle a file is to run what it says.

    Parameters
    ----------
    train, val, test, side, seed, data, download
        As for :func:`mnist`.

    Returns
    -------
    Task

    Examples
    --------
    With the files in place, ``load_task("cifar10", train=5000, val=1000)`` gives
    ``Task('cifar10', 5000/1000/10000 train/val/test, inputs [3, 32, 32], 10 classes)``. Without:

    >>> from nnstruct.tasks import load_task
    >>> load_task("cifar10", data="not-there")
    Traceback (most recent call last):
    ...
    nnstruct.errors.MissingDataError: The data directory not-there does not exist. Set ...
    """
    sizes = _Sizes(train, val, test, side, 32)
    if download or may_download():
        _fetch_missing(CIFAR10, data)
    hint = CIFAR10[0].offer
    if (data_directory(data, hint=hint) / "cifar-10-batches-py").is_dir():
        hint += " The folder cifar-10-batches-py holds the Python version, whose pickles are never read."
    paths = [data_file(name, data, hint=hint) for name in CIFAR10[0].files]
    files = read_cifar_batches(paths[:5]), read_cifar_batches(paths[5:])
    return _task("cifar10", files, (CIFAR10_MEAN, CIFAR10_SD), sizes, seed)


class _Sizes:
    """The sizes asked for, checked before any file is read."""

    def __init__(
        self, train: int | None, val: int | float, test: int | None, side: int | None, published: int
    ) -> None:
        self.train = None if train is None else check_size("train", train)
        self.test = None if test is None else check_size("test", test)
        if not is_share(val):
            rule = "be an integer from 1 on, or a share above 0 and below 1"
            val = check_integer(val, "val", rule=rule)
        self._val = val
        self.side = published if side is None else check_integer(side, "side")
        if published % self.side:
            raise InvalidInputError("side", f"divide {published}, the side of the published images", side)

    def val(self, available: int) -> int:
        """Images of the validation split."""
        return max(1, round(self._val * available)) if self._val < 1 else int(self._val)


def _task(
    name: str,
    files: tuple[LabelledImages, LabelledImages],
    scale: tuple[Sequence[float], Sequence[float]],
    sizes: _Sizes,
    seed: int,
) -> Task:
    check_seed(seed)
    training, testing = files
    numbers = {"val": sizes.val(len(training.labels)), "train": sizes.train}
    held, kept = draw_balanced(training.labels, numbers, seed, name, "train")
    (tested,) = draw_balanced(testing.labels, {"test": sizes.test}, seed, name, "test")
    parts = ((training, kept), (training, held), (testing, tested))
    first, second, third = (
        Split(_shrunk(images.standardised(rows, *scale), sizes.side), images.labels[rows])
        for images, rows in parts
    )
    return Task(name, first, second, third, num_classes=NUM_CLASSES)


def _shrunk(images: np.ndarray, side: int) -> np.ndarray:
    """The means of square blocks, float32 [n, channels, side, side]."""
    n, channels, height, _ = images.shape
    block = height // side
    if block == 1:
        return images
    return images.reshape(n, channels, side, block, side, block).mean(axis=(3, 5), dtype=np.float32)


def _idx_files(
    published: Sequence[Published], data: PathLike | None, download: bool
) -> tuple[LabelledImages, LabelledImages]:
    if download or may_download():
        _fetch_missing(published, data)
    paths = [_packed_or_not(one, data) for one in published]
    training, testing = (read_idx_pair(paths[i], paths[i + 1], (28, 28)) for i in (0, 2))
    return training, testing


def _packed_or_not(published: Published, data: PathLike | None) -> Path:
    folder = data_directory(data, hint=published.offer)
    unpacked = folder / published.path.removesuffix(".gz")
    if unpacked.is_file() and not (folder / published.path).is_file():
        return unpacked
    return data_file(published.path, data, hint=published.offer)


def _fetch_missing(published: Sequence[Published], data: PathLike | None) -> None:
    from nnstruct.tasks.download import fetch

    folder = data_directory(data, create=True)
    for one in published:
        if not all((folder / name.removesuffix(".gz")).is_file() for name in one.files):
            fetch(one, folder)
