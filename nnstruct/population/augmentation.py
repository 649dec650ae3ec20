"""Random crops and flips of images, a batch at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nnstruct.errors import InvalidInputError
from nnstruct.record import TrainConfig
from nnstruct.tasks import Task

if TYPE_CHECKING:
    from torch import Tensor

PADDED_SHARE = 8  # of a side, one part on each side of the image


def check_augmentation(task: Task, config: TrainConfig) -> None:
    """Raise :class:`InvalidInputError` if something other than images is to be cropped or flipped."""
    if config.augmentation != "none" and (task.is_sequence or len(task.input_shape) not in (2, 3)):
        raise InvalidInputError(
            "config.augmentation",
            f"be 'none' for {task.name!r}, whose inputs are no images",
            config.augmentation,
        )


def augmented(images: Tensor, kind: str, rng: np.random.Generator) -> Tensor:
    """Images cropped, flipped or both, each in its own way.

    A crop moves an image by up to an eighth of its sides and fills up with zeros, which is the mean
    of standardised images; a flip exchanges left and right for one image in two.

    Parameters
    ----------
    images : Tensor [B, C, H, W] or [B, H, W]
    kind : {"none", "crop", "flip", "crop-flip"}
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
    padded = functional.pad(maps, (right, right, down, down)).permute(0, 2, 3, 1)  # [B, H + 2 d, W + 2 r, C]
    moved = padded[places[0], places[1][:, :, None], places[2][:, None, :]].permute(
        0, 3, 1, 2
    )  # [B, C, H, W]
    return moved[:, 0] if images.dim() == 3 else moved
