"""The bound of a perceptron on data, against its definition."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nnstruct import Structure, TrainConfig, load_task
from nnstruct.errors import InvalidInputError
from nnstruct.modules import build_module
from nnstruct.probes import tensor_bound
from nnstruct.pruning import fit
from nnstruct.tasks import Task

DIGITS = load_task("digits")


def test_the_bound_by_hand():
    rng = np.random.default_rng(0)
    task = Task.from_arrays("vectors", rng.normal(size=(40, 3)), [0, 1] * 20)
    module = build_module(Structure.from_layers([4]), task, seed=1).double()
    first, second = (w.detach().numpy() for w in (module.input_weight, module.readout.weight))
    x = task.train.inputs.astype(float)
    hidden = np.maximum(x @ first.T, 0)
    x, hidden = x[(hidden != 0).any(1)], hidden[(hidden != 0).any(1)]
    assert len(x) == len(task.train)
    scores = hidden @ second.T
    c1, c2 = (
        (np.linalg.norm(read @ weight.T, axis=1) / np.linalg.norm(read, axis=1)).min()
        for read, weight in ((x, first), (hidden, second))
    )
    for margin in (0.01, 10.0, 300.0):
        allowed = margin / (4 * np.linalg.norm(scores, axis=1).max())
        s2 = np.linalg.svd(second, compute_uv=False)
        r2 = next(j for j in range(1, 3) if s2[j:].sum() <= allowed * c2)
        s1 = np.linalg.svd(first, compute_uv=False)
        r1 = next(j for j in range(1, 4) if s1[j:].sum() * s2[:r2].sum() <= allowed * c1 * c2)
        table = tensor_bound(module, task, margin=margin, samples=1000).set_index("kind")
        assert table["rank"].to_dict() == {"input": r1, "readout": r2}
        assert table["cushion"].tolist() == pytest.approx([c1, c2], rel=1e-5)
        assert table["parameters"].tolist() == [r1 * (4 + 3 + 2), r2 * (2 + 4 + 2)]
        assert table["bound"].tolist() == pytest.approx(
            np.sqrt(table["parameters"] / len(task.train)).tolist()
        )


def test_a_wider_margin_needs_fewer_terms_and_a_low_rank_layer_no_more_than_it_has():
    module = build_module(Structure.from_layers([30, 20]), DIGITS, seed=0)
    trained, _ = fit(module, DIGITS, TrainConfig(epochs=2, learning_rate=0.01))
    totals = [tensor_bound(trained, DIGITS, margin=m)["parameters"].sum() for m in (1e-3, 1e3, 1e9)]
    assert totals[0] >= totals[1] >= totals[2]
    assert totals[0] > totals[2]
    with torch.no_grad():
        trained.readout.weight.copy_(torch.outer(torch.ones(10), torch.randn(20)))
    row = tensor_bound(trained, DIGITS, margin=1e-6).iloc[-1]
    assert row["kind"] == "readout"
    assert row["rank"] == 1


def test_it_is_for_perceptrons():
    with pytest.raises(InvalidInputError, match="module must be of the family 'mlp', got 'Linear'"):
        tensor_bound(torch.nn.Linear(64, 10), DIGITS)
    with pytest.raises(InvalidInputError, match="margin must be"):
        tensor_bound(build_module(Structure.from_layers([4]), DIGITS), DIGITS, margin=0.0)
