"""A guide in the manner of BANANAS, for the benchmarks of searches: small networks on path encodings."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch

from nnstruct.encode import FeatureTable
from nnstruct.structure import Structure


class PathNetworks:
    """Five perceptrons that differ by their initial weights; their spread is the uncertainty.

    After White et al., 2021, "BANANAS: Bayesian Optimization with Neural Architectures for Neural
    Architecture Search", arXiv 1910.11858: ten hidden layers of 20 units, mean absolute error, Adam. Theirs
    encode the paths of a cell by their operators; units here are alike, so that columns on the lengths and
    the number of paths stand for them. All rows at each step, as tables are small.
    """

    def __init__(self, random_state: int = 0, networks: int = 5, steps: int = 120) -> None:
        self.random_state, self.networks, self.steps = random_state, networks, steps

    def fit(self, structures: Sequence[Structure], y: np.ndarray) -> PathNetworks:
        self.table_ = FeatureTable(["paths", "capacity"]).fit(structures)
        rows = self.table_.transform(structures)
        self.centre_, self.scale_ = rows.mean(axis=0), rows.std(axis=0) + 1e-9
        self.level_, self.spread_ = float(np.mean(y)), float(np.std(y)) + 1e-12
        target = torch.from_numpy((np.asarray(y) - self.level_) / self.spread_).float()
        generator = torch.Generator().manual_seed(self.random_state)
        sizes = [rows.shape[1], *[20] * 10, 1]
        self.weights_ = []
        for fan_in, fan_out in pairwise(sizes):
            weight = torch.randn((self.networks, fan_in, fan_out), generator=generator) * (2 / fan_in) ** 0.5
            self.weights_ += [weight, torch.zeros((self.networks, 1, fan_out))]
        for weight in self.weights_:
            weight.requires_grad_()
        optimiser = torch.optim.Adam(self.weights_, lr=0.01)
        for _ in range(self.steps):
            optimiser.zero_grad()
            (self._outputs(rows) - target).abs().mean(dim=1).sum().backward()
            optimiser.step()
        return self

    def _outputs(self, rows: np.ndarray) -> torch.Tensor:
        scaled = np.clip((rows - self.centre_) / self.scale_, -6, 6)
        hidden = torch.from_numpy(scaled).float().expand(self.networks, -1, -1)
        for place in range(0, len(self.weights_), 2):
            hidden = torch.baddbmm(self.weights_[place + 1], hidden, self.weights_[place])
            hidden = torch.relu(hidden) if place + 2 < len(self.weights_) else hidden
        return hidden[:, :, 0]

    def predict(
        self, structures: Sequence[Structure], return_std: bool = False
    ) -> np.ndarray | tuple[np.ndarray, np.ndarray]:
        with torch.no_grad():
            outputs = self._outputs(self.table_.transform(structures)).numpy().astype(np.float64)
        outputs = self.level_ + self.spread_ * outputs
        return (outputs.mean(axis=0), outputs.std(axis=0)) if return_std else outputs.mean(axis=0)
