"""Small guides and scores for the tests of the search."""

from __future__ import annotations

import numpy as np

from nnstruct import Structure


class Ridge:
    """Ridge regression on five measures, with a constant standard deviation."""

    def __init__(self) -> None:
        self.fits = 0

    def fit(self, structures, y):
        x = self._columns(structures)
        self.centre_, self.scale_ = x.mean(axis=0), x.std(axis=0) + 1e-9
        z = self._standard(x)
        self.weights_ = np.linalg.solve(z.T @ z + np.eye(z.shape[1]), z.T @ np.asarray(y))
        self.std_ = float(np.std(np.asarray(y) - z @ self.weights_))
        self.rows_ = len(structures)
        self.fits += 1
        return self

    def predict(self, structures, return_std=False):
        mean = self._standard(self._columns(structures)) @ self.weights_
        return (mean, np.full(len(mean), self.std_)) if return_std else mean

    def _standard(self, x):
        return np.column_stack([(x - self.centre_) / self.scale_, np.ones(len(x))])

    @staticmethod
    def _columns(structures):
        return np.array(
            [
                [s.num_units, s.forward_edges.shape[1], s.num_layers, s.layer_sizes.std(), s.inputs.sum()]
                for s in structures
            ],
            dtype=float,
        )


def depth_score(structure: Structure) -> float:
    """High for deep, sparse graphs with layers of even size."""
    return (
        structure.num_layers / 20
        - structure.forward_edges.shape[1] / 200
        - float(structure.layer_sizes.std()) / 5
    )


def noisy(structures: list[Structure], seed: int = 0) -> list[float]:
    """Scores with noise that depends on the structure and the seed only."""
    keys = [int(s.fingerprint[:8], 16) for s in structures]
    noise = [np.random.default_rng([seed, key]).normal(scale=0.02) for key in keys]
    return [depth_score(s) + e for s, e in zip(structures, noise, strict=True)]
