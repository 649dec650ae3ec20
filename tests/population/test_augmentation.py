"""Crops and flips move pixels and nothing else."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nnstruct import TrainConfig
from nnstruct.errors import InvalidInputError
from nnstruct.population.augmentation import (
    augmented,
    check_augmentation,
    training_view,
    with_mirror_image,
)
from nnstruct.tasks import Task, load_task

KINDS = ("crop", "flip", "crop-flip", "reflect-crop", "reflect-crop-flip")


def images(seed: int, count: int, channels: int, height: int, width: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(size=(count, channels, height, width)))


def every_view(image: np.ndarray, kind: str) -> list[np.ndarray]:
    """All that can become of an image [C, H, W], in loops."""
    _, height, width = image.shape
    down, right = (max(1, height // 8), max(1, width // 8)) if "crop" in kind else (0, 0)
    border = "reflect" if "reflect" in kind else "constant"
    padded = np.pad(image, [(0, 0), (down, down), (right, right)], mode=border)
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
        with pytest.raises(InvalidInputError, match=r"config.test_flip must be False for .*no images"):
            check_augmentation(task, TrainConfig(test_flip=True))
    narrow = Task.from_arrays("narrow", np.random.default_rng(0).normal(size=(20, 1, 1, 6)), [0, 1] * 10)
    with pytest.raises(InvalidInputError, match=r"not be mirrored at the border for 'narrow'"):
        check_augmentation(narrow, TrainConfig(augmentation="reflect-crop"))


def test_resolutions_follow_one_another_and_end_whole():
    """Half as many pixels a side: an antialiased filter keeps the mean and takes out what is too fine."""
    config, rng = TrainConfig(epochs=7, resolutions=(0.5, 0.75, 1.0)), np.random.default_rng(0)
    rows = torch.arange(16.0)[:, None].expand(16, 16)
    stripes = (-1.0) ** rows
    seen = [training_view(torch.stack([rows, stripes]), config, epoch, rng) for epoch in range(7)]
    assert [view.shape[-1] for view in seen] == [8, 8, 8, 12, 12, 16, 16]
    assert torch.equal(seen[-1], torch.stack([rows, stripes]))
    for view in seen[:5]:
        assert view[0].mean() == pytest.approx(7.5, abs=1e-4)
    np.testing.assert_allclose(seen[0][0, 1:-1, 0], 0.5 + 2 * np.arange(1, 7), atol=1e-4)
    assert float(seen[0][1, 1:-1].abs().max()) < 1e-5
    for wrong in ((), (0.5,), (0.0, 1.0), (1.5, 1.0)):
        with pytest.raises(InvalidInputError, match=r"resolutions must .*last of them 1"):
            TrainConfig(resolutions=wrong)


def test_an_evaluation_takes_the_mean_over_mirror_images():
    batch = images(0, 3, 2, 4, 5)
    weights = torch.from_numpy(np.random.default_rng(1).normal(size=(2, 4, 5)))
    scores = lambda maps: (maps * weights).sum((1, 2, 3))  # noqa: E731
    symmetric = (weights + weights.flip(-1)) / 2
    torch.testing.assert_close(
        with_mirror_image(scores, batch, TrainConfig(test_flip=True)), (batch * symmetric).sum((1, 2, 3))
    )
    assert torch.equal(with_mirror_image(scores, batch, TrainConfig()), scores(batch))
