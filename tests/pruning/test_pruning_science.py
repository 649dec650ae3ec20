"""Each method does what its paper says, on networks small enough to know the answer."""

from __future__ import annotations

import time
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pruning_networks import QUICK, cnn, digits, images, mlp, network, strings
from torch import nn

from nnstruct import TrainConfig, load_task
from nnstruct.errors import InvalidInputError
from nnstruct.extract import extract
from nnstruct.pruning import (
    PRUNERS,
    GumbelSoftmax,
    RigL,
    Scope,
    SparseEvolution,
    SrSte,
    evaluate,
    fit,
    load_pruner,
    mask_divergence,
    masks_of,
    prune,
    with_masks,
)
from nnstruct.pruning.masks import copy_module
from nnstruct.pruning.methods.curvature import _one_by_one, _together
from nnstruct.pruning.methods.layer_inputs import second_moments
from nnstruct.pruning.selection import n_of_m
from nnstruct.pruning.slots import slots_of
from nnstruct.pruning.training.gradients import sample, still

CPU = torch.device("cpu")
LONGER = TrainConfig(epochs=12, batch_size=64, learning_rate=3e-3)


def _counts(module: nn.Module) -> list[int]:
    return [int(mask.sum()) for mask in masks_of(module).values()]


def two_layers(first: list[list[float]], second: list[list[float]]) -> nn.Module:
    module = nn.Sequential(nn.Linear(len(first[0]), len(first)), nn.Linear(len(second[0]), len(second)))
    with torch.no_grad():
        module[0].weight.copy_(torch.tensor(first))
        module[1].weight.copy_(torch.tensor(second))
    return module


@pytest.fixture(scope="module")
def trained() -> nn.Module:
    torch.manual_seed(0)
    return fit(mlp(), digits(), LONGER)[0]


def test_the_three_classes_of_magnitude_differ_as_told():
    module = two_layers([[1.0, -2.0, 3.0, 4.0]], [[0.1], [-0.2], [0.3], [0.4]])
    kept = {
        way: [
            int(mask.sum()) for mask in masks_of(prune(module, 0.5, method=f"magnitude-class-{way}")).values()
        ]
        for way in ("blind", "uniform", "distributed")
    }
    assert kept == {"blind": [4, 0], "uniform": [2, 2], "distributed": [2, 2]}
    spread = two_layers([[1.0, 1.1, 1.2, 1.3]], [[0.1], [-0.2], [0.3], [0.4]])
    masks = masks_of(prune(spread, 0.5, method="magnitude-class-distributed"))
    deviation = [spread[place].weight.std(correction=0) for place in (0, 1)]
    score = torch.cat([spread[place].weight.abs().flatten() / deviation[place] for place in (0, 1)])
    expected = torch.zeros(8, dtype=torch.bool)
    expected[score.topk(4).indices] = True
    assert torch.equal(torch.cat([mask.flatten() for mask in masks.values()]), expected)


def test_snip_and_grasp_are_the_products_they_are_said_to_be():
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(64, 6), nn.Tanh(), nn.Linear(6, 10))
    batch = sample(digits(), 32, 0, CPU)
    weights = [module[0].weight, module[2].weight]
    gradients = torch.autograd.grad(batch.loss(module), weights)
    snip = torch.cat([(g * w).abs().flatten() for g, w in zip(gradients, weights, strict=True)]).detach()
    chosen = masks_of(prune(module, 0.3, method="snip", task=digits(), samples=32))
    count = round(0.3 * snip.numel())
    assert _kept(chosen) == set(snip.topk(count).indices.tolist())

    loss = nn.functional.cross_entropy(batch.scores(module) / 200.0, batch.targets)
    first = torch.autograd.grad(loss, weights, create_graph=True)
    constant = [g.detach() for g in first]
    product = torch.autograd.grad(sum((g * c).sum() for g, c in zip(first, constant, strict=True)), weights)
    flow = torch.cat([(h * w).flatten() for h, w in zip(product, weights, strict=True)]).detach()
    chosen = masks_of(prune(module, 0.3, method="grasp", task=digits(), samples=32))
    assert len(_kept(chosen) & set(flow.topk(count).indices.tolist())) >= count - 1


def _kept(masks: dict[str, torch.Tensor]) -> set[int]:
    return set(torch.nonzero(torch.cat([mask.flatten() for mask in masks.values()]))[:, 0].tolist())


def test_synflow_never_cuts_a_layer_off_where_magnitudes_do():
    torch.manual_seed(0)
    sizes = [64, 60, 4, 60, 10]
    module = nn.Sequential(*[nn.Sequential(nn.Linear(a, b), nn.ReLU()) for a, b in pairwise(sizes)])
    density = 30 / 5000
    assert min(_counts(prune(module, density, method="synflow", task=digits()))) > 0
    assert min(_counts(prune(module, density, method="synflow", task=digits(), steps=1))) == 0
    assert min(_counts(prune(module, density))) == 0


def test_the_gauss_newton_diagonal_is_the_hessian_of_a_last_layer():
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(64, 8), nn.Tanh(), nn.Linear(8, 10))
    batch = sample(digits(), 12, 0, CPU)
    names = ["0.weight", "2.weight"]
    alone = [total / 12 for total in _one_by_one(copy_module(module), names, batch)]
    weights = {name: module.get_parameter(name).detach() for name in names}
    together = [total / 12 for total in _together(module, weights, batch)]
    assert all(torch.allclose(a, b, atol=1e-7) for a, b in zip(alone, together, strict=True))
    hidden = torch.tanh(module[0](batch.inputs)).detach()

    def loss(weight: torch.Tensor) -> torch.Tensor:
        return nn.functional.cross_entropy(hidden @ weight.T + module[2].bias, batch.targets)

    hessian = torch.autograd.functional.hessian(loss, module[2].weight.detach())
    diagonal = hessian.reshape(80, 80).diagonal().reshape(10, 8)
    assert torch.allclose(alone[1], diagonal, atol=1e-6)


def test_optimal_brain_damage_costs_what_it_says(trained):
    batch = sample(digits(), 64, 0, CPU)
    dense = float(batch.loss(trained).detach())
    loss = {
        method: float(batch.loss(prune(trained, 0.4, method=method, task=digits(), **options)).detach())
        for method, options in (("optimal-brain-damage", {"samples": 64}), ("random", {}))
    }
    assert dense <= loss["optimal-brain-damage"] < loss["random"]


def test_layer_inputs_are_seen_in_every_kind_of_layer():
    batch = sample(digits(), 16, 0, CPU)
    torch.manual_seed(0)
    module = copy_module(mlp())
    moments = second_moments(slots_of(module, Scope()), module, batch)
    x = batch.inputs.double()
    assert torch.allclose(moments[0][0], x.T @ x / len(x), atol=1e-6)
    hidden = torch.relu(module[0](batch.inputs)).detach().double()
    assert torch.allclose(moments[1][0], hidden.T @ hidden / len(x), atol=1e-6)

    torch.manual_seed(0)
    convolution, maps = copy_module(cnn()), sample(images(), 16, 0, CPU)
    moments = second_moments(slots_of(convolution, Scope()), convolution, maps)
    patches = nn.functional.unfold(maps.inputs, 3, padding=1).movedim(1, 2).flatten(0, 1).double()
    assert torch.allclose(moments[0][0], patches.T @ patches / len(patches), atol=1e-6)
    assert moments[1].shape == (1, 72, 72)

    words = sample(strings(), 8, 0, CPU)
    reader = copy_module(network("gru"))
    slots = slots_of(reader, Scope(parameters=["layer.weight_hh_l1", "layer.weight_ih_l0"]))
    first, second = second_moments(slots, reader, words)
    with torch.no_grad(), still(reader):
        embedded = reader.embedding(words.inputs)  # [B, T, 8]
        states = reader.layer(embedded)[0]  # [B, T, 12]
    before = torch.cat([torch.zeros_like(states[:, :1]), states[:, :-1]], 1).flatten(0, 1).double()
    assert torch.allclose(
        first[0], embedded.flatten(0, 1).double().T @ embedded.flatten(0, 1).double() / len(before)
    )
    assert torch.allclose(second[0], before.T @ before / len(before), atol=1e-6)


def test_layerwise_obs_changes_a_layers_output_least(trained):
    task, batch = digits(), sample(digits(), 200, 0, CPU)
    sparse = prune(trained, 0.5, method="layerwise-obs", task=task, samples=200, damping=1e-9)
    plain = with_masks(trained, masks_of(sparse))
    before, refitted, cut = (part[0](batch.inputs) for part in (trained, sparse, plain))
    assert float((refitted - before).square().mean()) < 0.5 * float((cut - before).square().mean())
    mask = masks_of(sparse)["0.weight"][0]
    x, target = batch.inputs[:, mask].double(), (before[:, :1] - trained[0].bias[0]).double()
    best = torch.linalg.lstsq(x, target, driver="gelsd").solution
    least = float((x @ best - target).square().mean())
    ours = float(((refitted[:, 0] - sparse[0].bias[0]).double() - target[:, 0]).square().mean())
    assert ours <= least * 1.01 + 1e-7
    uniform = prune(trained, 0.5, method="magnitude-class-uniform")
    assert evaluate(sparse, task)["loss"] < evaluate(uniform, task)["loss"]


def test_movement_keeps_what_grows_and_not_what_is_large(trained):
    sparse = prune(trained, 0.1, method="movement", task=digits(), config=LONGER)
    at_once = prune(trained, 0.1)
    assert mask_divergence(masks_of(sparse), masks_of(at_once)) > 0.02
    assert evaluate(sparse, digits())["accuracy"] > evaluate(at_once, digits())["accuracy"]


def test_learned_masks_reach_the_density_and_beat_random_ones(trained):
    config = LONGER.model_copy(update={"epochs": 20})
    sparse, rows = GumbelSoftmax().run(trained, 0.1, task=digits(), config=config)
    assert rows[0]["density"] > rows[8]["density"] > rows[-1]["density"] == pytest.approx(0.1)
    assert rows[13]["density"] < 0.2
    random = fit(prune(trained, 0.1, method="random"), digits(), LONGER)[0]
    assert evaluate(sparse, digits())["accuracy"] > evaluate(random, digits())["accuracy"] + 0.1


@pytest.mark.parametrize(("density", "m", "n"), [(0.5, 4, 2), (0.25, 4, 1), (0.5, 8, 4)])
def test_n_of_each_m_are_kept(density, m, n):
    sparse, rows = SrSte(m=m).run(network("mlp"), density, task=digits(), config=QUICK)
    for mask in masks_of(sparse).values():
        assert (mask.unflatten(1, (-1, m)).sum(2) == n).all()
    assert all(
        0 <= row["divergence"] <= row["divergence_from_start"] + row["divergence"] <= 2 for row in rows
    )
    convolution = prune(network("cnn"), density, method="sr-ste", m=m, task=images(), config=QUICK)
    kept = masks_of(convolution)["4.weight"]  # [12, 8, 3, 3]
    assert (kept.unflatten(1, (-1, m)).sum(2) == n).all()
    with pytest.raises(InvalidInputError, match=f"be n / {m}"):
        prune(network("mlp"), 0.3, method="sr-ste", m=m, task=digits(), config=QUICK)


def test_the_refinement_calms_the_mask():
    moved = {
        decay: sum(
            row["divergence"]
            for row in SrSte(decay=decay).run(network("mlp"), 0.5, task=digits(), config=LONGER)[1]
        )
        for decay in (0.0, 1e-1)
    }
    assert moved[1e-1] < moved[0.0]


@given(st.integers(1, 9), st.integers(1, 13), st.integers(1, 4), st.integers(2, 6), st.integers(0, 99))
def test_at_most_n_of_m_are_kept_and_the_largest(rows, width, n, m, seed):
    scores = torch.rand(rows, width, generator=torch.Generator().manual_seed(seed)).round(decimals=1)
    kept = n_of_m(scores, torch.ones_like(scores, dtype=torch.bool), n, m)
    for start in range(0, width, m):
        part, chosen = scores[:, start : start + m], kept[:, start : start + m]
        size = part.shape[1]
        assert (chosen.sum(1) == min(n, size)).all()
        worst = part.masked_fill(~chosen, 9).amin(1)
        best = part.masked_fill(chosen, -9).amax(1)
        assert (worst >= best).all()


@pytest.mark.parametrize("pruner", [RigL(moves=4), SparseEvolution()])
def test_rewired_networks_keep_their_size_in_every_layer(pruner):
    before = [
        int(m.sum())
        for m in masks_of(pruner.prune(network("mlp"), 0.2, task=digits(), config=QUICK)).values()
    ]
    sparse, rows = pruner.run(network("mlp"), 0.2, task=digits(), config=LONGER)
    after = [int(mask.sum()) for mask in masks_of(sparse).values()]
    assert after == before
    assert sum(after) == round(0.2 * 2080)
    density = [kept / mask.numel() for kept, mask in zip(after, masks_of(sparse).values(), strict=True)]
    assert density[0] < density[1] < density[2]  # larger layers are sparser
    assert rows[-1]["moves"] >= 4
    assert sum(row["divergence"] for row in rows) > 0


def test_rigl_grows_where_the_gradient_is():
    torch.manual_seed(0)
    module = nn.Linear(64, 10)
    sparse, _ = RigL(moves=8).run(module, 0.1, task=digits(), config=LONGER)
    start = RigL().start(RigL().workpiece(module, digits(), LONGER, 0), 0.1)[0]
    grown = masks_of(sparse)["weight"] & ~start
    constant = torch.from_numpy(digits().train.inputs.std(0) == 0)
    assert int(constant.sum()) > 0
    assert int(grown.sum()) > 10
    assert int(grown[:, constant].sum()) == 0


@pytest.mark.parametrize("criterion", ["l1", "l2", "scale"])
def test_pruned_channels_are_silent_and_go_when_compacted(criterion):
    options = {"parameters": ["0.weight"]} if criterion == "scale" else {}
    module = network("cnn")
    with torch.no_grad():
        module[1].weight.copy_(torch.linspace(1, 2, 8))
    sparse = prune(module, 0.25, method="channels", criterion=criterion, **options).eval()
    with torch.no_grad():
        maps = sparse[:3](torch.rand(2, 1, 8, 8))
    assert int((maps.flatten(2).abs().amax(2) > 0).any(0).sum()) <= 2
    if criterion == "scale":
        assert masks_of(sparse)["1.weight"].tolist() == [False] * 6 + [True] * 2
        return
    network_ = extract(sparse, torch.zeros(1, 1, 8, 8))
    assert network_.structure.num_units == 1 + 8 + 12 + 10
    assert network_.compact().structure.num_units == 1 + 2 + 3 + 10


def test_channels_over_all_layers_and_neurons():
    blind = masks_of(prune(network("cnn"), 0.25, method="channels", classes="blind"))
    kept = [int(blind[name].flatten(1).any(1).sum()) for name in ("0.weight", "4.weight")]
    assert sum(kept) == 5
    neurons = masks_of(prune(network("mlp"), 0.5, method="channels"))
    assert [int(neurons[name].any(1).sum()) for name in ("0.weight", "2.weight", "4.weight")] == [12, 8, 10]


def test_biases_and_norms_are_left_alone_unless_asked():
    assert {name for name in masks_of(prune(network("cnn"), 0.5))} == {"0.weight", "4.weight", "7.weight"}
    asked = masks_of(prune(network("cnn"), 0.5, parameters=["*.bias", "1.*"]))
    assert set(asked) == {"0.bias", "1.weight", "1.bias", "4.bias", "7.bias"}
    assert set(masks_of(prune(network("tanh"), 0.5, parameters=["embed*"]))) == {"embedding.weight"}


def test_kernels_can_go_as_a_whole():
    masks = masks_of(prune(network("cnn"), 0.25, gates="together"))
    for name in ("0.weight", "4.weight"):
        alike = masks[name].flatten(2)
        assert (alike == alike[..., :1]).all()


def test_more_than_is_left_cannot_be_kept():
    sparse = prune(network("mlp"), 0.2)
    with pytest.raises(InvalidInputError, match=r"density must be at most the present 0\.2"):
        prune(sparse, 0.3)
    with pytest.raises(InvalidInputError, match="density must be at most the present"):
        prune(prune(network("mlp"), 0.2), 0.3, method="magnitude-class-uniform")


def test_values_that_are_not_finite_are_told():
    module = network("mlp")
    with torch.no_grad():
        module[2].weight[0, 0] = float("nan")
    with pytest.raises(InvalidInputError, match=r"2\.weight must hold finite values"):
        prune(module, 0.5)


def test_a_network_that_does_not_fit_the_task_is_told():
    with pytest.raises(InvalidInputError, match="give scores of shape"):
        fit(nn.Linear(64, 3), digits())
    with pytest.raises(InvalidInputError, match="network must take inputs"):
        fit(nn.Linear(63, 10), digits())


def test_masks_that_do_not_fit_are_told():
    with pytest.raises(InvalidInputError, match="masks must name parameters"):
        with_masks(nn.Linear(3, 2), {"heavy": torch.ones(2, 3).bool()})
    with pytest.raises(InvalidInputError, match="be bool of shape"):
        with_masks(nn.Linear(3, 2), {"weight": torch.ones(3, 2).bool()})


def test_lenet_is_pruned_within_milliseconds():
    torch.manual_seed(0)
    lenet = nn.Sequential(nn.Linear(784, 300), nn.ReLU(), nn.Linear(300, 100), nn.ReLU(), nn.Linear(100, 10))
    seconds = []
    for _ in range(7):
        started = time.process_time()
        sparse = prune(lenet, 0.2)
        seconds.append(time.process_time() - started)
    assert sum(int(mask.sum()) for mask in masks_of(sparse).values()) == 53240
    assert min(seconds) < 0.1


def test_every_method_is_in_a_file_of_its_own():
    files = {kind.__module__ for kind in PRUNERS._parts.values()}
    assert (
        len(files) == len(PRUNERS) - 4
    )  # the three of magnitude share one, and the three of Cannistraci and Hebb
    assert all(load_pruner(name).name == name for name in PRUNERS)


def test_the_published_gumbel_masks_are_hard_and_pass_gradients_straight_through():
    from nnstruct.pruning.methods.gumbel import GumbelSoftmax, _Logits
    from nnstruct.pruning.training.hooks import TrainingPlace

    options = GumbelSoftmax.published(penalty=2.0)
    assert (options.hard, options.temperature, options.search) == (True, 3.0, 1.0)
    work = options.workpiece(torch.nn.Linear(64, 10), load_task("digits"), TrainConfig(epochs=1), 0)
    hook = _Logits(work, options, 64)
    torch.manual_seed(0)
    hook.before(TrainingPlace.at(0, 0, 10, 1))
    gate = work.slots[0].mask.gate
    assert set(gate.detach().unique().tolist()) == {0.0, 1.0}
    gate.sum().backward()
    assert (hook.logits[0].grad > 0).all()  # that of the sigmoid, though samples are steps
    assert (hook.logits[0].grad <= 0.25 / 3.0 + 1e-6).all()
    expected = 2.0 * abs(float(torch.sigmoid(hook.logits[0]).sum()) - 64) / 640
    assert float(hook.penalty()) == pytest.approx(expected, rel=1e-5)
    assert float(hook.penalty()) == pytest.approx(expected, rel=1e-5)  # the factor is fixed


def test_the_published_gumbel_form_learns_masks():
    from nnstruct.pruning.methods.gumbel import GumbelSoftmax

    task, config = load_task("digits"), TrainConfig(epochs=6, learning_rate=0.01)
    sparse, rows = GumbelSoftmax.published().run(torch.nn.Linear(64, 10), 0.2, task=task, config=config)
    assert int((sparse.weight != 0).sum()) == 128
    assert rows[-1]["density"] < rows[0]["density"]
    assert evaluate(sparse, task)["accuracy"] > 0.6
