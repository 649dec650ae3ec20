"""The semi-supervised assessor against its equations."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from nnstruct import Structure
from nnstruct.errors import InvalidInputError
from nnstruct.predictors import SemiSupervisedAssessor
from nnstruct.predictors.assessor.network import (
    Assessed,
    adjacency,
    assess,
    decode,
    drawn,
    encode,
    loss,
    shapes,
    similarity,
)

SIGMA, TAU, SHARE = 0.5, 0.2, 0.3
MLPS = [Structure.from_layers([2, width, 2]) for width in range(1, 31)]
UNITS = np.array([float(s.num_units) for s in MLPS])


@pytest.fixture(scope="module")
def w():
    made = drawn(6, 5, 4, torch.Generator().manual_seed(0))
    shifts = torch.Generator().manual_seed(1)
    return {name: one + 0.3 * torch.rand(one.shape, generator=shifts) for name, one in made.items()}


@pytest.fixture(scope="module")
def x():
    return torch.randn(9, 6, generator=torch.Generator().manual_seed(2))


def by_hand(e: np.ndarray) -> np.ndarray:
    """A of the equations, pair by pair."""
    graph = np.zeros((len(e), len(e)))
    for i in range(len(e)):
        for j in range(len(e)):
            s = np.exp(-np.mean((e[i] - e[j]) ** 2) / (2 * SIGMA**2))
            if i != j and s > TAU:
                graph[i, j] = s
    return graph


def test_similarity_falls_with_the_distance_and_ends_at_the_threshold(w, x):
    e = encode(w, x)
    graph = by_hand(e.double().numpy())
    off_diagonal = similarity(e, e, SIGMA, TAU).numpy() * (1 - np.eye(len(x)))
    np.testing.assert_allclose(off_diagonal, graph, rtol=0, atol=1e-5)
    assert ((graph > 0).sum(), (graph == 0).sum()) > (9, 18)


def test_the_graph_is_normalised_by_the_roots_of_both_degrees(w, x):
    e = encode(w, x)
    with_loops = by_hand(e.double().numpy()) + np.eye(len(x))
    scale = np.diag(with_loops.sum(axis=1) ** -0.5)
    normalised, degree = adjacency(e, SIGMA, TAU)
    np.testing.assert_allclose(normalised, scale @ with_loops @ scale, rtol=0, atol=1e-5)
    np.testing.assert_allclose(degree, with_loops.sum(axis=1), rtol=1e-5)


def test_two_layers_read_the_graph_and_the_loss_weighs_labels_against_the_reconstruction(w, x):
    y, weight = torch.linspace(-1.0, 1.0, 9), torch.tensor([1.0, 2.0, 0.5, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0])
    p = {name: one.double().numpy() for name, one in w.items()}
    hidden = np.maximum(x.double().numpy() @ p["encode1"] + p["encode1_shift"], 0.0)
    e = hidden @ p["encode2"] + p["encode2_shift"]
    e = (e - e.mean(axis=1, keepdims=True)) / np.sqrt(e.var(axis=1, keepdims=True) + 1e-5)
    np.testing.assert_allclose(encode(w, x), e, rtol=0, atol=1e-5)
    rebuilt = np.maximum(e @ p["decode1"] + p["decode1_shift"], 0.0) @ p["decode2"] + p["decode2_shift"]
    np.testing.assert_allclose(decode(w, encode(w, x)), rebuilt, rtol=0, atol=1e-5)
    graph = by_hand(e) + np.eye(9)
    scale = np.diag(graph.sum(axis=1) ** -0.5)
    n = scale @ graph @ scale
    h = np.maximum(n @ e @ p["graph1"] + p["graph1_shift"], 0.0)
    said = (n @ h @ p["graph2"] + p["graph2_shift"])[:, 0]
    found = assess(w, encode(w, x), adjacency(encode(w, x), SIGMA, TAU)[0])
    np.testing.assert_allclose(found, said, rtol=0, atol=1e-5)
    regression = (weight.numpy() * (said - y.numpy()) ** 2).sum() / weight.numpy().sum()
    expected = (1 - SHARE) * regression + SHARE * np.mean((rebuilt - x.double().numpy()) ** 2)
    assert float(loss(w, x, y, weight, SHARE, SIGMA, TAU)) == pytest.approx(expected, abs=1e-5)


def test_what_has_no_label_moves_the_auto_encoder_and_the_graph_alone(w, x):
    learned = {name: one.clone().requires_grad_() for name, one in w.items()}
    y, weight = torch.zeros(9), torch.zeros(9)
    loss(learned, x, y, weight, SHARE, SIGMA, TAU).backward()
    assert learned["encode1"].grad.abs().sum() > 0
    assert learned["graph1"].grad.abs().sum() == 0


def test_who_is_asked_about_is_a_further_node_that_changes_no_other(w, x):
    reference, asked = x[:6], x[6:]
    model = Assessed({name: one.numpy() for name, one in w.items()}, reference.numpy(), SIGMA, TAU)
    together = model(asked.double().numpy())
    alone = np.concatenate([model(asked[i : i + 1].double().numpy()) for i in range(3)])
    np.testing.assert_allclose(together, alone, rtol=0, atol=1e-12)
    wide = {name: one.double() for name, one in w.items()}
    e = encode(wide, x.double())
    inner, degree = adjacency(e[:6], SIGMA, TAU)
    h = functional.relu(inner @ e[:6] @ wide["graph1"] + wide["graph1_shift"])
    for i in range(6, 9):
        s = similarity(e[i : i + 1], e[:6], SIGMA, TAU)[0]
        own = 1.0 + s.sum()
        row = torch.cat([s / (own * degree).sqrt(), 1.0 / own[None]])  # of N
        mine = functional.relu(row @ torch.cat([e[:6], e[i : i + 1]]) @ wide["graph1"] + wide["graph1_shift"])
        said = row @ torch.cat([h, mine]) @ wide["graph2"] + wide["graph2_shift"]
        assert float(said) == pytest.approx(together[i - 6], abs=1e-9)


def test_weights_begin_as_their_shapes_say():
    made = drawn(7, 5, 3, torch.Generator().manual_seed(0))
    assert {name: tuple(one.shape) for name, one in made.items()} == shapes(7, 5, 3)
    assert float(made["encode1"].abs().max()) <= 7**-0.5
    assert float(made["encode1_shift"].abs().max()) == 0.0
    assert float(made["graph2"].abs().min()) > 0.0


def test_structures_without_a_label_are_in_the_graph_and_the_table():
    few = {"members": 1, "steps": 20, "hidden": 8, "embedding": 4}
    alone, more = (SemiSupervisedAssessor(**few) for _ in range(2))
    near = SemiSupervisedAssessor(near=9, **few).fit(MLPS[:6], UNITS[:6])
    alone.fit(MLPS[:6], UNITS[:6])
    more.fit(MLPS[:6], UNITS[:6], unlabelled=MLPS[6:20])
    assert [len(model.rows_) for model in (alone, more, near)] == [6, 20, 15]
    assert np.abs(alone.predict(MLPS) - more.predict(MLPS)).max() > 1e-3


def test_it_learns_and_small_batches_serve_too():
    model = SemiSupervisedAssessor(batch_size=16, steps=150, members=2)
    model.fit(MLPS[::2], UNITS[::2], unlabelled=MLPS)
    assert np.corrcoef(model.predict(MLPS[1::2]), UNITS[1::2])[0, 1] > 0.95


@pytest.mark.parametrize(
    ("parameter", "value"), [("share", 1.0), ("tau", 1.0), ("sigma", 0.0), ("near", 0.5)]
)
def test_its_parameters_are_checked_in_fit(parameter, value):
    with pytest.raises(InvalidInputError, match=rf"^{parameter} must"):
        SemiSupervisedAssessor(**{parameter: value}).fit(MLPS, UNITS)
