"""Images as a training sees them, a batch at a time: cropped, flipped and made smaller."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from nnstruct.errors import InvalidInputError
from nnstruct.record import IMAGE_OPTIONS, TrainConfig, refuse_options
from nnstruct.tasks import Task

if TYPE_CHECKING:
    from torch import Tensor

PADDED_SHARE = 8  # of a side, one part on each side of the image


def check_augmentation(task: Task, config: TrainConfig) -> None:
    """Raise :class:`InvalidInputError` if anything but images is to be cropped, flipped or resized."""
    images = not task.is_sequence and len(task.input_shape) in (2, 3)
    if not images:
        refuse_options(config, IMAGE_OPTIONS, f"{task.name!r}, whose inputs are no images")
    if "reflect" in config.augmentation and min(task.input_shape[-2:]) < 2:
        rule = f"not be mirrored at the border for {task.name!r}, whose images have a side of 1"
        raise InvalidInputError("config.augmentation", rule, config.augmentation)


def training_view(images: Tensor, config: TrainConfig, epoch: int, rng: np.random.Generator) -> Tensor:
    """Images as an epoch of a training sees them.

    Parameters
    ----------
    images : Tensor [B, C, H, W] or [B, H, W]
        Anything else passes where the configuration has nothing for images.
    config : TrainConfig
        Its augmentation and resolutions.
    epoch : int
        From 0 on.
    rng : numpy Generator
        Of the epoch.

    Returns
    -------
    Tensor [B, C, h, w] or [B, h, w]

    Examples
    --------
    >>> import numpy as np
    >>> import torch
    >>> from nnstruct import TrainConfig
    >>> config, rng = TrainConfig(epochs=4, resolutions=(0.5, 1.0)), np.random.default_rng(0)
    >>> [training_view(torch.ones(2, 1, 8, 6), config, epoch, rng).shape[2:].numel() for epoch in range(4)]
    [12, 12, 48, 48]
    """
    from torch.nn import functional

    seen = augmented(images, config.augmentation, rng)
    share = config.resolutions[epoch * len(config.resolutions) // config.epochs]
    if share == 1.0:
        return seen
    maps = seen[:, None] if seen.dim() == 3 else seen
    sides = [max(1, round(share * side)) for side in maps.shape[2:]]
    maps = functional.interpolate(maps, sides, mode="bilinear", antialias=True, align_corners=False)
    return maps[:, 0] if seen.dim() == 3 else maps


def with_mirror_image(scores: Callable[[Tensor], Tensor], images: Tensor, config: TrainConfig) -> Tensor:
    """Scores as an evaluation counts them.

    Parameters
    ----------
    scores : callable (images) -> Tensor [B, C]
    images : Tensor [B, ..., W]
    config : TrainConfig
        With ``test_flip`` the scores are the mean over images and their mirror images.

    Returns
    -------
    Tensor [B, C]
    """
    return (scores(images) + scores(images.flip(-1))) / 2 if config.test_flip else scores(images)


def augmented(images: Tensor, kind: str, rng: np.random.Generator) -> Tensor:
    """Images cropped, flipped or both, each in its own way.

    A crop moves an image by up to an eighth of its sides and fills up with zeros, which is the mean
    of standardised images, or with the image mirrored at its border; a flip exchanges left and right for
    one image in two.

    Parameters
    ----------
    images : Tensor [B, C, H, W] or [B, H, W]
    kind : {"none", "crop", "flip", "crop-flip", "reflect-crop", "reflect-crop-flip"}
    rng : numpy Generator

    Returns
    -------
    Tensor
        Of the same shape.

    Examples
    --------
    >>> import numpy as np
    >>> import torch
    >>> images = torch.arange(3.0).expand(4, 1, 2, 3)
    >>> flipped = augmented(images, "flip", np.random.default_rng(0))
    >>> flipped[:, 0, 0].tolist()
    [[0.0, 1.0, 2.0], [2.0, 1.0, 0.0], [2.0, 1.0, 0.0], [2.0, 1.0, 0.0]]
    """
    import torch
    from torch.nn import functional

    if kind == "none":
        return images
    maps = images[:, None] if images.dim() == 3 else images
    count, _, height, width = maps.shape
    down, right = max(1, height // PADDED_SHARE), max(1, width // PADDED_SHARE)
    if "crop" not in kind:
        down = right = 0
    rows = np.arange(height) + rng.integers(0, 2 * down + 1, (count, 1))  # [B, H]
    columns = np.arange(width) + rng.integers(0, 2 * right + 1, (count, 1))  # [B, W]
    if "flip" in kind:
        turned = rng.random(count) < 0.5
        columns[turned] = columns[turned, ::-1]
    places = [torch.from_numpy(a).to(maps.device) for a in (np.arange(count)[:, None, None], rows, columns)]
    border = "reflect" if "reflect" in kind else "constant"
    padded = functional.pad(maps, (right, right, down, down), border)  # [B, C, H + 2 d, W + 2 r]
    padded = padded.permute(0, 2, 3, 1)
    moved = padded[places[0], places[1][:, :, None], places[2][:, None, :]].permute(
        0, 3, 1, 2
    )  # [B, C, H, W]
    return moved[:, 0] if images.dim() == 3 else moved
