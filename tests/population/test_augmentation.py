"""Crops and flips move pixels and nothing else."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nnstruct import TrainConfig
from nnstruct.errors import InvalidInputError
from nnstruct.population.augmentation import augmented, check_augmentation
from nnstruct.tasks import Task, load_task

KINDS = ("crop", "flip", "crop-flip")


def images(seed: int, count: int, channels: int, height: int, width: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(size=(count, channels, height, width)))


def every_view(image: np.ndarray, kind: str) -> list[np.ndarray]:
    """All that can become of an image [C, H, W], in loops."""
    _, height, width = image.shape
    down, right = (max(1, height // 8), max(1, width // 8)) if "crop" in kind else (0, 0)
    padded = np.pad(image, [(0, 0), (down, down), (right, right)])
    found = []
    for top in range(2 * down + 1):
        for left in range(2 * right + 1):
            view = padded[:, top : top + height, left : left + width]
            found.append(view)
            if "flip" in kind:
                found.append(view[:, :, ::-1])
    return found


@given(
    st.integers(0, 1000), st.sampled_from(KINDS), st.integers(1, 3), st.integers(5, 17), st.integers(5, 17)
)
def test_each_image_is_one_of_its_own_views(seed, kind, channels, height, width):
    batch = images(seed, 4, channels, height, width)
    moved = augmented(batch, kind, np.random.default_rng(seed))
    assert moved.shape == batch.shape
    for before, after in zip(batch.numpy(), moved.numpy(), strict=True):
        assert any(np.array_equal(after, view) for view in every_view(before, kind))


def test_all_views_come_up_about_equally_often():
    batch = images(0, 1, 2, 8, 8).expand(6000, -1, -1, -1)
    moved = augmented(batch, "crop-flip", np.random.default_rng(1)).numpy()
    views = np.stack(every_view(batch[0].numpy(), "crop-flip"))
    counts = [(moved == view).all((1, 2, 3)).sum() for view in views]
    assert len(counts) == 18
    assert sum(counts) == 6000
    assert min(counts) > 250


def test_images_without_channels_keep_their_shape_and_seeds_decide():
    batch = images(0, 6, 1, 9, 7)[:, 0]
    first, again, other = (augmented(batch, "crop", np.random.default_rng(seed)) for seed in (0, 0, 1))
    assert first.shape == batch.shape
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert augmented(batch, "none", np.random.default_rng(0)) is batch


def test_only_images_can_be_augmented():
    vectors = Task.from_arrays("vectors", np.random.default_rng(0).normal(size=(20, 4)), [0, 1] * 10)
    for task in (vectors, load_task("reber", train=40, val=10, test=10)):
        check_augmentation(task, TrainConfig())
        with pytest.raises(InvalidInputError, match=r"config.augmentation must be 'none' for .*no images"):
            check_augmentation(task, TrainConfig(augmentation="flip"))
