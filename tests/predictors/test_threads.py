"""Fits beside each other in threads give what each gives alone, and warn of nothing."""

from __future__ import annotations

import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from nnstruct import Network, Space, Structure
from nnstruct.predictors import GNN, WeightGraphNetwork
from nnstruct.priors import sample
from nnstruct.processes import torch_threads

NETS = sample(Space("rnn_tanh", units=(6, 9)), n=16, seed=0)
LABELS = np.linspace(0, 1, len(NETS))


def weighted() -> list[Network]:
    rng = np.random.default_rng(0)
    structures = [Structure.from_layers([3, 2 + k % 4, 2]) for k in range(len(NETS))]
    return [
        Network(s, rng.normal(size=(s.num_edges, 1)), rng.normal(size=(s.num_units, 1))) for s in structures
    ]


@pytest.mark.parametrize(
    ("kind", "given"),
    [(GNN, NETS), (WeightGraphNetwork, weighted())],
    ids=["gnn", "weights"],
)
def test_fits_in_threads_are_the_fits_alone(kind, given):
    options = {"max_epochs": 2, "members": 1, "hidden": 8, "layers": 1}

    def fitted(seed):
        return kind(random_state=seed, **options).fit(given, LABELS).predict(given[:3])

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        alone = [fitted(seed) for seed in range(6)]
        before = torch.get_rng_state()
        with ThreadPoolExecutor(4) as pool:
            together = list(pool.map(fitted, range(6)))
    np.testing.assert_array_equal(alone, together)
    assert torch.equal(torch.get_rng_state(), before)
    assert len({found.tobytes() for found in alone}) == 6


def test_no_number_of_threads_is_too_large_for_torch():
    before = torch.get_num_threads()
    with torch_threads(2**40):
        assert torch.get_num_threads() >= before
    assert torch.get_num_threads() == before
