"""The networks of ``nnstruct.testing``, by the name under which the tests of this folder know them."""

from nnstruct.testing.networks import (
    NETWORKS,
    QUICK,
    Reader,
    clean,
    cnn,
    digits,
    example_of,
    images,
    masked_mlp,
    mlp,
    network,
    strings,
    task_of,
)

__all__ = [
    "NETWORKS", "QUICK", "Reader", "clean", "cnn", "digits", "example_of", "images", "masked_mlp", "mlp",
    "network", "strings", "task_of",
]  # fmt: skip
