"""Splits on a device, and the batches of a population cut from them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from nnstruct.population.batched.model import Batch
from nnstruct.tasks import Split


class Fed(NamedTuple):
    """A batch with what its loss needs.

    Attributes
    ----------
    batch : Batch
    targets : int64 Tensor [P, B], or [P, T * B] where every step is asked; float32 [P, K, B] for regression
    real : Tensor [P, B], or [P, T * B]
        1 for an example or a step that is asked, 0 for a lane that fills up a small batch.
    """

    batch: Batch
    targets: Tensor
    real: Tensor


class FeedPlan(NamedTuple):
    """The batches of an epoch.

    Attributes
    ----------
    positions : int64 Tensor [K, S, B]
        Of the K batches of S groups of networks; -1 fills up.
    steps : list of K int
        The longest sequence of each batch.
    """

    positions: Tensor
    steps: list[int]


class Feeder:
    """A split on a device.

    Parameters
    ----------
    split : Split
    lookup : float32 [S, F] or None
        Features of each symbol; None where inputs are vectors or images.
    rounding : int
        The steps of a batch are rounded up to a multiple of it, so that few lengths occur.
    device : torch.device
    """

    def __init__(
        self, split: Split, lookup: np.ndarray | None, *, rounding: int, device: torch.device
    ) -> None:
        self.split, self.rounding, self.device = split, rounding, device
        self.targets = torch.from_numpy(split.targets).to(device)
        self.inputs = torch.from_numpy(split.inputs).to(device)
        self.lookup = self.lengths = None
        self.every_step = split.targets.ndim == 2 and split.targets.dtype == np.int64
        if split.lengths is not None:
            self.lengths = torch.from_numpy(split.lengths).to(device)
        if lookup is not None:
            self.lookup = torch.from_numpy(lookup.T.copy()).to(device)  # [F, S]
        elif self.lengths is not None:  # series, behind a channel of ones
            self.inputs = torch.cat([torch.ones_like(self.inputs[..., :1]), self.inputs], dim=2)
        else:
            values = self.inputs.flatten(1)
            self.inputs = torch.cat([torch.ones_like(values[:, :1]), values], dim=1)

    def plan(self, batches: list[list[np.ndarray]], lanes: int) -> FeedPlan:
        """The batches of an epoch for S groups of networks, sent to the device at once.

        Parameters
        ----------
        batches : list of S lists of K int64 arrays
            For each group the positions of the examples in each batch, as
            :func:`nnstruct.population.batches.epoch_batches` gives them.
        lanes : int
            B; every batch is padded to it.

        Returns
        -------
        FeedPlan
        """
        shape = (len(batches[0]), len(batches), lanes)
        positions = np.full(shape, -1, dtype=np.int64)
        for group, own in enumerate(batches):
            for number, batch in enumerate(own):
                positions[number, group, : len(batch)] = batch
        steps = [1] * len(positions)
        if self.split.lengths is not None:
            longest = np.where(positions >= 0, self.split.lengths[positions], 1).max(axis=(1, 2))
            rounded = -(-longest // self.rounding) * self.rounding
            steps = np.minimum(rounded, self.split.inputs.shape[1]).tolist()
        return FeedPlan(torch.from_numpy(positions).to(self.device), steps)

    def feed(self, positions: Tensor, steps: int, group: Tensor) -> Fed:
        """One batch, as every network sees it.

        Parameters
        ----------
        positions : int64 Tensor [S, B]
            One entry of :attr:`FeedPlan.positions`; -1 fills up.
        steps : int
            Of the batch's longest sequence; 1 where inputs are no sequences.
        group : int64 Tensor [P]
            The group of each network.

        Returns
        -------
        Fed
            Where there is one group, its tensors are views that all networks share.
        """
        present = positions >= 0
        rows = positions.clamp(min=0)

        def spread(values: Tensor) -> Tensor:
            if len(positions) == 1:
                return values.expand(len(group), *values.shape[1:])
            return values[group]

        if self.lookup is not None and self.lengths is not None:
            symbols = self.inputs[rows][..., :steps].transpose(1, 2)  # [S, T, B]
            features = self.lookup[:, symbols].transpose(0, 1).flatten(2)  # [S, F, T * B]
            read = self.lengths[rows].masked_fill(~present, 1) - 1
        elif self.lengths is not None:
            features = self.inputs[rows][:, :, :steps].permute(0, 3, 2, 1).flatten(2)  # [S, F, T * B]
            read = self.lengths[rows].masked_fill(~present, 1) - 1
        else:
            features, read = self.inputs[rows].mT, torch.zeros_like(rows)
        batch, targets = Batch(spread(features), spread(read), steps), self.targets[rows]
        if self.every_step:
            targets = targets[:, :, :steps].transpose(1, 2)  # [S, T, B]
            present = (present[:, None] & (targets >= 0)).flatten(1)
            targets = targets.clamp(min=0).flatten(1)
        elif targets.ndim == 3:
            targets = targets.mT  # [S, K, B]
        return Fed(batch, spread(targets), spread(present.to(features.dtype)))
