"""What plain networks reach on real images; long, and only where the images are."""

import os

import pytest

from nnstruct import Structure, TrainConfig, load_task
from nnstruct.population import train

pytestmark = [
    pytest.mark.study,
    pytest.mark.skipif("NNSTRUCT_DATA" not in os.environ, reason="NNSTRUCT_DATA names no data directory"),
]


def test_a_small_convolutional_network_reads_digits():
    """About 90 seconds of one core; 99.3% when it was measured."""
    structure = Structure(
        [[0, 1, 2, 3], [1, 2, 3, 4]],
        5,
        family="cnn",
        attributes={"channels": [16, 32, 32, 64, 64], "stage": [0, 1, 1, 2, 2]},
    )
    config = TrainConfig(
        epochs=6, learning_rate=3e-3, schedule="cosine", augmentation="crop", precision="bfloat16"
    )
    (record,) = train([structure], load_task("mnist"), config=config)
    assert record.parameters == 70_330
    assert record.test >= 0.99
