"""Images of drawn shapes: an image task that needs no file.

Eight filled or outlined shapes of 16 x 16 grey pixels are drawn at a place, size and angle of their
own, lighter or darker than their ground, with noise. ``difficulty`` moves all of it at once, so that
one number decides how far architectures are apart: at 0 every image is the same shape in the middle,
and a linear model is enough; towards 1 what is learned of one place and angle must be found at others.

Test accuracies in percent with the default sizes, after 10 epochs (Adam, rate 0.002, batches of 64):

==========================================  =====  ======  =====  ======  =====
difficulty                                      0    0.25    0.5    0.75      1
==========================================  =====  ======  =====  ======  =====
linear                                        100      78     30      18     13
one hidden layer of 20 units                  100      95     55      40     27
two hidden layers of 100 units                100     100     85      52     32
two convolutions of 4 and 8 channels          100      46     41      35     25
three convolutions of 16, 32, 32 channels     100     100     87      69     51
==========================================  =====  ======  =====  ======  =====
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from nnstruct.checks import check_number
from nnstruct.random import check_seed, generator
from nnstruct.tasks.base import Task
from nnstruct.tasks.draws import balanced_counts, check_size
from nnstruct.tasks.splits import Split

SIZE = 16
_LARGEST = 6.0  # radius in pixels
_OVERHANG = 1.0  # pixels by which a shape may leave the image

# How far a point (x, y) is outside of a shape of radius 1; negative inside. A triangle or half a disc
# lies with its middle near 0, so that the middle of the ink does not give the shape away.
_OUTSIDE: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "disc": lambda x, y: np.hypot(x, y) - 0.8,
    "ring": lambda x, y: np.abs(np.hypot(x, y) - 0.75) - 0.2,
    "square": lambda x, y: np.maximum(np.abs(x), np.abs(y)) - 0.72,
    "frame": lambda x, y: np.abs(np.maximum(np.abs(x), np.abs(y)) - 0.65) - 0.18,
    "triangle": lambda x, y: np.maximum(0.866 * np.abs(x) + 0.5 * y, -y) - 0.5,
    "cross": lambda x, y: np.minimum(
        np.maximum(np.abs(x) - 0.28, np.abs(y) - 0.95), np.maximum(np.abs(y) - 0.28, np.abs(x) - 0.95)
    ),
    "bar": lambda x, y: np.maximum(np.abs(x) - 1.0, np.abs(y) - 0.35),
    "half-disc": lambda x, y: np.maximum(np.hypot(x, y + 0.4) - 1.0, -y - 0.4),
}
SHAPES = tuple(_OUTSIDE)


def shapes(
    *, train: int = 4000, val: int = 1000, test: int = 2000, difficulty: float = 0.5, seed: int = 0
) -> Task:
    """The task ``"shapes"``: which of eight shapes does an image of 16 x 16 pixels show?

    Inputs are float32 [n, 1, 16, 16] from -1 to 1 in 256 steps; classes follow :data:`SHAPES`, with
    equal numbers of each in every split.

    Parameters
    ----------
    train, val, test : int
        Images in each split, from 8 on.
    difficulty : float
        From 0 to 1. The radius is up to half smaller, the angle up to 180 degrees, the place up to
        5.5 pixels away, the contrast up to half lower, the noise's standard deviation up to 0.22 of
        the grey scale, and up to half of the images have a light ground; all in proportion.
    seed : int
        Decides every image. A split's images do not hang on the sizes of the others.

    Returns
    -------
    Task

    Raises
    ------
    InvalidInputError
        If an option breaks its rule.

    Examples
    --------
    >>> from nnstruct.tasks import load_task
    >>> load_task("shapes", train=800, val=200, test=200)
    Task('shapes', 800/200/200 train/val/test, inputs [1, 16, 16], 8 classes)
    """
    check_seed(seed)
    difficulty = check_number(difficulty, "difficulty", low=0, high=1, rule="be in 0..1")
    parts = {"train": train, "val": val, "test": test}
    splits = {
        name: _split(check_size(name, n, fewest=len(SHAPES)), difficulty, generator(seed, "shapes", name))
        for name, n in parts.items()
    }
    return Task("shapes", splits["train"], splits["val"], splits["test"], num_classes=len(SHAPES))


def _split(n: int, difficulty: float, rng: np.random.Generator) -> Split:
    room = np.full(len(SHAPES), n)
    counts = balanced_counts(room, n, first=rng.permutation(len(SHAPES)).tolist())
    labels = rng.permutation(np.repeat(np.arange(len(SHAPES)), counts))
    coverage = _drawn(labels, difficulty, rng)  # [n, 16, 16], the share of each pixel that is covered
    contrast = 1 - difficulty * rng.uniform(0, 0.5, size=n)
    sign = np.where(rng.random(n) < difficulty / 2, -1, 1)
    grey = 0.5 + (sign * contrast)[:, None, None] * (coverage - 0.5)
    grey += (0.02 + 0.2 * difficulty) * rng.standard_normal(grey.shape)
    # In 256 steps, so that the last bits of a processor's sine do not show.
    steps = np.clip(np.rint(255 * grey), 0, 255)
    images = (steps / 127.5 - 1).astype(np.float32)
    return Split(images[:, None], labels.astype(np.int64))  # [n, 1, 16, 16]


def _drawn(labels: np.ndarray, difficulty: float, rng: np.random.Generator) -> np.ndarray:
    n = len(labels)
    radius = _LARGEST * (1 - difficulty * rng.uniform(0, 0.5, size=n))
    angle = difficulty * rng.uniform(-np.pi, np.pi, size=n)
    reach = difficulty * (SIZE / 2 - radius + _OVERHANG)
    shift = reach * rng.uniform(-1, 1, size=(2, n))
    pixel = np.arange(SIZE) - (SIZE - 1) / 2
    across = (pixel[None, None, :] - shift[0, :, None, None]) / radius[:, None, None]  # [n, 1, 16]
    down = (pixel[None, :, None] - shift[1, :, None, None]) / radius[:, None, None]
    cosine, sine = np.cos(angle)[:, None, None], np.sin(angle)[:, None, None]
    x, y = cosine * across + sine * down, cosine * down - sine * across  # [n, 16, 16]
    outside = np.empty((n, SIZE, SIZE))
    for label, name in enumerate(SHAPES):
        rows = labels == label
        outside[rows] = _OUTSIDE[name](x[rows], y[rows])
    return np.clip(0.5 - outside * radius[:, None, None], 0, 1)
