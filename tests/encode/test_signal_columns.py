"""Variances over time against the matrices that they follow from."""

from __future__ import annotations

import numpy as np
import pytest

from nnstruct import Space, Structure, priors
from nnstruct.encode import FeatureTable
from nnstruct.encode.signal_columns import signal_block


def by_matrices(structure: Structure, way: str, gain: float) -> list[float]:
    """The eight columns from ``v(t + 1) = (I - F)^-1 (R v(t) + x)``."""
    size = structure.num_units
    forward, delayed, residual = np.zeros((size, size)), np.zeros((size, size)), np.zeros((size, size))
    for (source, target), late, plain in zip(
        structure.edge_index.T.tolist(), structure.recurrent, structure.residual, strict=True
    ):
        (delayed if late else residual if plain else forward)[target, source] = 1.0
    x = structure.inputs.astype(float)
    fan, memory = forward.sum(axis=1), delayed.sum(axis=1)
    if way == "all":
        fan = memory = fan + memory + x
    forward *= gain / np.maximum(fan, 1.0)[:, None]
    delayed *= gain / np.maximum(memory, 1.0)[:, None]
    inner = np.linalg.inv(np.eye(size) - forward - residual)
    out = structure.outputs
    steady, echoes = np.zeros(size), inner @ x
    means, sums, totals = [], [], []
    for _ in range(12):
        steady = inner @ (delayed @ steady + x)
        means.append(steady[out].mean())
    for _ in range(12):
        echoes = inner @ delayed @ echoes
        sums.append(echoes[out].sum())
        totals.append(echoes.sum())
    log = [np.log(value + 1e-9) for value in (means[0], means[3], means[11], steady[out].sum())]
    log += [np.log(value + 1e-9) for value in (sums[0], sums[3], sums[11])]
    growth = np.log((totals[11] + 1e-30) / (totals[7] + 1e-30)) / 4 if totals[7] > 0 else -5.0
    return [*log, growth]


def test_the_columns_are_those_of_the_matrices() -> None:
    structures = priors.sample(Space("rnn_relu", units=(5, 20)), 9, seed=2)
    structures.append(Structure.from_layers([3, 4, 2], family="gru", recurrence="self"))
    added = np.array([False, True, False])
    structures.append(Structure([[0, 0, 1], [1, 2, 2]], 3, family="lstm", residual=added))
    block = signal_block(structures)
    for row, structure in enumerate(structures):
        wanted = [
            value
            for way in ("all", "kind")
            for gain in (0.5, 1.0)
            for value in by_matrices(structure, way, gain)
        ]
        np.testing.assert_allclose(block.values[row, : len(wanted)], wanted, rtol=1e-9, atol=1e-9)


def test_a_chain_keeps_its_variance_at_gain_one_and_forgets_without_delayed_edges() -> None:
    chain = Structure([[0, 1], [1, 2]], 3, family="rnn_tanh")
    found = dict(zip((block := signal_block([chain])).names, block.values[0].tolist(), strict=True))
    assert found["signal.steady_12_kind_one"] == pytest.approx(0.0, abs=1e-6)  # log 1
    assert found["signal.steady_12_kind_half"] == pytest.approx(np.log(0.25), abs=1e-6)
    assert found["signal.echo_1_kind_one"] == pytest.approx(np.log(1e-9))
    assert found["signal.without_memory"] == 3


def test_order_of_units_leaves_no_trace_and_other_families_have_none() -> None:
    rng = np.random.default_rng(0)
    structure = priors.sample(Space("lstm", units=(12, 12)), 1, seed=1)[0]
    other = structure.relabel(rng.permutation(12))
    np.testing.assert_allclose(
        signal_block([structure]).values, signal_block([other]).values, rtol=1e-9, atol=1e-12
    )
    assert np.isnan(signal_block([Structure.from_layers([2, 2])]).values).all()
    assert "signal" in FeatureTable().fit(priors.sample(Space("gru", units=(4, 9)), 6, seed=0)).groups_
    assert "signal" not in FeatureTable().fit(priors.sample(Space("mlp", units=(4, 9)), 6, seed=0)).groups_
