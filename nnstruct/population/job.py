"""What a population is made of: one network to train, and by which seed."""

from __future__ import annotations

from typing import NamedTuple

from nnstruct.structure import Structure

JOB_BYTES = 100  # of one network in a queue of them, its structure left out


class Job(NamedTuple):
    """One network to train.

    Attributes
    ----------
    structure : Structure
    seed : int
        Decides initial weights, batches and augmentation; not negative.
    """

    structure: Structure
    seed: int
